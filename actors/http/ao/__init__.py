"""A node as AO's clients meet it over HTTP: messenger, compute unit, scheduler and gateway.

Thin: what comes in is handed to the node, what it says is put into AO's words (``words``). No rule of the protocol
lives here.
"""

UNITS = ("messenger", "compute", "gateway", "scheduler")
"""In the order in which their routes are looked at."""
