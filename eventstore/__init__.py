"""An append-only, hash-chained log of assignments.

State is never stored as truth: evaluating the assignments in order gives it. So anyone can copy a log, read it with any
SQLite tool, replay it and check it. This package knows no process: where it needs meaning, it takes an ``evaluate``
function.

``commit_log``, ``index`` and ``evidence`` are the interfaces; ``sqlite`` implements all three in one file.
"""

from eventstore.commit_log import CommitLog, Head, Lease, sequence_at
from eventstore.engines import Upgraded, open_log, read_log, upgrade_log
from eventstore.errors import (
    EventStoreError,
    LogDamaged,
    LogExists,
    LogFailed,
    LogFault,
    LogInUse,
    LogMissing,
    LogUnusable,
    PositionConflict,
    StaleEpoch,
    StorageDamaged,
)
from eventstore.evidence import Evidence
from eventstore.index import LogIndex
from eventstore.log_file import LogFile
from eventstore.merkle.tiles import StoredTree, TreeNode
from eventstore.read_pool import ReadPool
from eventstore.records import Assignment, Message
from eventstore.replay.sequential import Evaluation, Replay, Unevaluable
from eventstore.sequencer import ProcessHead, Sequencer

__all__ = [
    "Assignment",
    "CommitLog",
    "Evaluation",
    "EventStoreError",
    "Evidence",
    "Head",
    "Lease",
    "LogDamaged",
    "LogExists",
    "LogFailed",
    "LogFault",
    "LogFile",
    "LogInUse",
    "LogIndex",
    "LogMissing",
    "LogUnusable",
    "Message",
    "PositionConflict",
    "ProcessHead",
    "ReadPool",
    "Replay",
    "Sequencer",
    "StaleEpoch",
    "StorageDamaged",
    "StoredTree",
    "TreeNode",
    "Unevaluable",
    "Upgraded",
    "open_log",
    "read_log",
    "sequence_at",
    "upgrade_log",
]
