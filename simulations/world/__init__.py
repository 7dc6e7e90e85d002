"""A simulated world: its people, how it runs, and the invariants it must keep."""
