"""Scenarios of simulated days: files, workload and attacks."""
