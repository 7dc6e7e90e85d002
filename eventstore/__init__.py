"""The ground of everything: an append-only, hash-chained log of assignments in one SQLite file.

State is never stored as truth. It is what evaluating the assignments, in order, gives; so a log can be copied, read
with any SQLite tool, replayed, and checked by somebody who trusts nobody. This package knows no process and no chat:
where it needs meaning, it takes an ``evaluate`` function.

* ``records``   what is logged, and its canonical bytes
* ``sequencer`` the only place where order and time are made
* ``log``       the ``EventLog`` interface that everything above is written against
* ``sqlite``    that interface on an SQLite file (``schema``: its tables, ``rows``: what stands in them, ``lock``: one
                writer)
* ``upgrading`` such a file of an older version, brought to this one's format
* ``readers``   the same file for any number of threads that read
* ``writer``    the actor that owns the file and commits in groups; who only reads does without it
* ``replay``    the log read back, evaluated and compared with what it says
* ``chains``    its rows held against their hashes
* ``shares``    all of it by several at once, for whoever only asks whether all is well
* ``merkle``    RFC 9162's tree and proofs; ``tree``: what a log keeps of it
* ``snapshots`` states beside the log, which follow from it
"""

from eventstore.errors import (
    EventStoreError,
    LogExists,
    LogFailed,
    LogFault,
    LogInUse,
    LogMissing,
    LogUnusable,
    PositionConflict,
)
from eventstore.log import EventLog, Head
from eventstore.records import Assignment, Message
from eventstore.replay.sequential import Evaluation, Replay, Unevaluable
from eventstore.sequencer import Sequencer
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.read_pool import Readers

__all__ = [
    "Assignment",
    "Evaluation",
    "EventLog",
    "EventStoreError",
    "Head",
    "LogExists",
    "LogFailed",
    "LogFault",
    "LogInUse",
    "LogMissing",
    "LogUnusable",
    "Message",
    "PositionConflict",
    "Readers",
    "Replay",
    "Sequencer",
    "SqliteLog",
    "Unevaluable",
]
