"""``Map``: an immutable mapping in which a change makes a new version that shares most of the old one.

``immutables`` is fastest, but it has no wheels for CPython 3.14; there ``rpds`` takes its place. Both are hash tries.
They iterate in different orders, and rpds in another order in each process: sort before you iterate.
"""

try:
    from immutables import Map
except ModuleNotFoundError:  # pragma: no cover - depends on the interpreter
    from actors.processes.collections.rpds_map import Map  # type: ignore[assignment]

__all__ = ["Map"]
