"""The node: the pipeline that a message passes, recovery and passivation."""
