"""Simulated faults: their registry, and the virtual time, network and node in which they act."""
