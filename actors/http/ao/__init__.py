"""AO's units over HTTP: messenger, compute unit, scheduler and gateway.

Each route translates between HTTP and the node. No rule of the protocol is implemented here.
"""

UNITS = ("messenger", "compute", "gateway", "scheduler")
"""The units, in the order in which their routes are matched."""
