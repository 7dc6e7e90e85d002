"""Statistics of a world, computed from its log."""

import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventstore.sqlite.connect import connect_to_read

HOUR_MS = 3_600_000
CHAINS_SHOWN = 10
REFUSALS_SHOWN = 20


class Chain(NamedTuple):
    """A message from outside, with all messages that it caused."""

    sequence: int
    action: str
    events: int
    took_ms: int
    """Virtual time from the message to the last one that it caused."""


class Facts(NamedTuple):
    """The statistics of a log."""

    events: int
    start_ms: int
    hours: int
    by_hour: dict[str, list[int]]
    """Messages in each hour, by action."""
    actions: dict[str, tuple[int, int]]
    """Number of messages and of refusals, by action."""
    refusals: list[tuple[str, str, int]]
    """Action, reason and number of the most frequent refusals."""
    talk: dict[tuple[str, str], int]
    """Number of messages between two handles, by their names."""
    unread: list[int]
    """Number of unread messages at the end of each hour."""
    chains: list[Chain]
    """The messages from outside that caused the most others."""


class _Name(msgspec.Struct):
    name: str


class _Sides(msgspec.Struct):
    a: str
    b: str


class _Viewed(msgspec.Struct):
    sessionID: str = ""  # noqa: N815 the protocol's name


def read_facts(path: Path) -> Facts:
    """Compute the statistics of a log.

    Raises:
        LogUnusable: the log cannot be read.
    """
    connection = connect_to_read(path.resolve())
    try:
        return _facts(connection)
    finally:
        connection.close()


def _facts(connection: sqlite3.Connection) -> Facts:
    query = "select count(*), min(timestamp), max(timestamp) from assignments"
    events, start, end = connection.execute(query).fetchone()
    hours = (end - start) // HOUR_MS + 1
    by_hour: defaultdict[str, list[int]] = defaultdict(lambda: [0] * hours)
    query = "select action, (timestamp - ?) / ?, count(*) from assignments group by 1, 2"
    for action, hour, count in connection.execute(query, (start, HOUR_MS)):
        by_hour[action][hour] += count
    actions = {
        action: (count, refused)
        for action, count, refused in connection.execute(
            "select action, count(*), count(error) from assignments group by 1 order by 2 desc"
        )
    }
    refusals = connection.execute(
        "select action, substr(error, 1, 120), count(*) from assignments where error is not null"
        " group by 1, 2 order by 3 desc, 1, 2 limit ?",
        (REFUSALS_SHOWN,),
    ).fetchall()
    return Facts(
        events,
        start,
        hours,
        dict(by_hour),
        actions,
        refusals,
        _talk(connection),
        _unread(connection, start, hours),
        _chains(connection),
    )


_HANDLES, _SESSIONS = '%"mostao.handle@%', '%"mostao.session@%'
"""Patterns for the tags of messages that spawn a handle or a session of any version."""


def _talk(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    names, sides = {}, {}
    query = "select process, cast(data as blob) from assignments where slot = 0 and tags like ?"
    for process, data in connection.execute(query, (_HANDLES,)):
        names[process] = msgspec.json.decode(data, type=_Name).name
    for process, data in connection.execute(query, (_SESSIONS,)):
        handles = msgspec.json.decode(data, type=_Sides)
        sides[process] = (names.get(handles.a, handles.a), names.get(handles.b, handles.b))
    counts = connection.execute(
        "select process, count(*) from assignments where action = 'SendMessage' and error is null group by 1"
    )
    return {sides[process]: count for process, count in counts if process in sides}


def _unread(connection: sqlite3.Connection, start: int, hours: int) -> list[int]:
    waiting: Counter[tuple[str, str]] = Counter()
    total, at_end = 0, [0] * hours
    rows = connection.execute(
        "select timestamp, process, sender, action, cast(data as blob) from assignments"
        " where action in ('Notify', 'MarkAsViewed') and error is null order by sequence"
    )
    hour = 0
    for timestamp, process, sender, action, data in rows:
        while hour < (timestamp - start) // HOUR_MS:
            at_end[hour] = total
            hour += 1
        if action == "Notify":
            waiting[process, sender] += 1
            total += 1
        else:
            total -= waiting.pop((process, msgspec.json.decode(data, type=_Viewed).sessionID), 0)
    at_end[hour:] = [total] * (hours - hour)
    return at_end


def _chains(connection: sqlite3.Connection) -> list[Chain]:
    """The longest chains. No message from outside comes within a chain, so each one ends where the next one starts."""
    rows = connection.execute(
        """
        select sequence, action, next - sequence,
            (select timestamp from assignments where sequence = next - 1) - timestamp
        from (
            select sequence, action, timestamp,
                lead(sequence, 1, (select max(sequence) + 1 from assignments)) over (order by sequence) as next
            from assignments where parent is null
        ) order by 3 desc, 4 desc, 1 limit ?
        """,
        (CHAINS_SHOWN,),
    )
    return list(map(Chain._make, rows))
