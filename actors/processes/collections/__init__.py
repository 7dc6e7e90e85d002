"""Immutable collections with a cheap copy, which process states are made of."""
