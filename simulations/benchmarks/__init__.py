"""Benchmarks. They print ratios of what one run measured, and judge nothing: ``python -m simulations.benchmarks``."""
