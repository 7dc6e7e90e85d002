"""The node and its explorer over HTTP."""
