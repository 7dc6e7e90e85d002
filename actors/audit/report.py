"""The report of an audit."""

import msgspec

from actors.evidence.statements import Statement
from eventstore import LogFault


class Audit(msgspec.Struct):
    """What was checked, and what was found."""

    events: int = 0
    signatures: int = 0
    """External messages whose signature and sender's address are right."""
    inside: int = 0
    """Messages between processes that are, byte for byte, what the evaluation of their parents sent."""
    spawns: int = 0
    refusals: int = 0
    unsent: int = 0
    """Messages of the pending outbox: a crash kept the node from sending them. It sends them when it opens the log."""
    tail: list[str] = msgspec.field(default_factory=list)
    """Descriptions of the first messages of the pending outbox."""
    checkpoints: int = 0
    """Signed notes, stored or given, that the node's key signed and that match the log."""
    statement: Statement | None = None
    """The longest checkpoint that vouches for the log from outside; None if there is none, or the log has a fault."""
    snapshots: int = 0
    """Snapshots that equal the replayed states."""
    integrity_s: float = 0.0
    """How long the check of all pages and indexes took, beside the replay."""
    log_head: str = ""
    state_root: str = ""
    faults: list[LogFault] = msgspec.field(default_factory=list)
    """In the order of the log."""
