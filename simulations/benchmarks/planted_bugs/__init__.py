"""Bugs that are planted into the node and its processes, to measure how many worlds a sweep needs to find each."""
