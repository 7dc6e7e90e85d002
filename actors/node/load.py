"""How busy a node is, as numbers."""

from typing import NamedTuple


class Load(NamedTuple):
    """The load of a node at one moment."""

    live_actors: int
    """Processes that have an actor."""
    live_processes: int
    """Processes whose state is in memory."""
    spare_actors: int
    """Actors of evicted processes, kept to be reused."""
    heads_in_memory: int
    """Processes whose last slot and hash chain are in memory."""
    waiting: int
    """External messages that are accepted and not yet assigned."""
    deepest_mailbox: int
    """The same, for the process that has most."""
    undurable: int
    """Events that are assigned and not yet durable."""
    events: int
    """Durable events."""
    log_bytes: int
    """Storage that the log occupies."""
    writer_pid: int | None
    """The child process that writes the log, because the node is busy; None while a thread does."""
    evicting: bool
    """Whether processes are being evicted, or snapshots written."""
    verifier_pids: tuple[int, ...]
    """The child processes that verify signatures; empty while threads do."""
