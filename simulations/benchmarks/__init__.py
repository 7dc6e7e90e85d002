"""Benchmarks: each prints what it measures in one run, together with a reference measured in the same run."""
