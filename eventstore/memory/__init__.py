"""The in-memory engine: a commit log for tests, and the model for the conformance suite."""
