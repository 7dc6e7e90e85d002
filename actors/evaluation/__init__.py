"""Evaluation: the process table, evaluating messages, the state codec and results."""
