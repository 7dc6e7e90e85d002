"""The audit of a log, and replay, sequential or in parallel."""
