"""Simulated worlds: their people, how they run, and their invariants."""
