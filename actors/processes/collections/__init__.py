"""Immutable collections for process states, with cheap copies."""
