"""Clients that simulated people use: keys, encryption, sessions and groups."""
