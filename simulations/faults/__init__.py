"""Faults to simulate: virtual time, a faulty network, crashes and crashable nodes."""
