"""Limits that bound what one message appends to a log, and what one sender adds to a state.

A module has them if its ``is_limited`` is set. Earlier versions have none, so that their logs replay as they ran.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from actors.processes.request_body import Body
from actors.protocol.messages import Refusal

ANSWER_BYTES_MAX = 256 * 1024
"""Bytes of a reply as JSON text. A longer one is refused; lists have pages."""
ANSWER_CHARACTERS_SAFE = ANSWER_BYTES_MAX // len("\U0010ffff".encode())
"""Length of a reply up to which its bytes need no counting."""
STATE_BYTES_MAX = 1024 * 1024
"""Bytes of a process's state as canonical JSON, without conversation history: slots and metadata of messages and keys.
A directory (names, sessions, saved keys) has a limit for each owner instead."""
CONTENT_BYTES_MAX = 192 * 1024
"""Bytes of a message's content as JSON text, so that a page holds at least one message."""
CONTENT_CHARACTERS_SAFE = CONTENT_BYTES_MAX // len("\\u0000")
"""Length of a content up to which its bytes need no counting."""
MESSAGE_BYTES_MAX = 224 * 1024
"""Bytes of the data of SendMessage, with fields that are not declared, so that a page holds at least one message."""
REFUSAL_CHARACTERS_MAX = 4096
"""Length of a refusal's text; a longer one is cut, since it may quote the refused message."""
KEY_CHARACTERS_MAX = 4096
"""Length of a public key and of a sealed key."""
ROWS_MAX = 1000
"""Number of rows in a page."""
ROWS_READ_FIRST = 128
"""Number of messages that a page reads first. Each further part is twice as long, so that a page of long messages reads
few of them, and a page of short ones needs few reads."""

_PROCESS = "a process id: 43 characters of base64url"
ProcessId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z", description=_PROCESS)]
KeyText = Annotated[
    str,
    Meta(min_length=1, max_length=KEY_CHARACTERS_MAX, description=f"a text of 1 to {KEY_CHARACTERS_MAX} characters"),
]
Offset = Annotated[int, Meta(ge=0, le=2**31, description="a whole number from 0")]
Limit = Annotated[int, Meta(ge=0, le=ROWS_MAX, description=f"a whole number from 0 to {ROWS_MAX}")]


class ListPage(Body):
    """Which rows of a list to return: all of them without these fields, and otherwise as many as an answer holds."""

    offset: Offset = 0
    limit: Limit | None = None

    def rows(self, rows: Sequence[Any]) -> list[Any]:
        """The requested rows."""
        return rows_of(rows, self.offset, self.limit)


def rows_of(rows: Sequence[Any], offset: int, limit: int | None) -> list[Any]:
    """The requested rows. The next page begins at ``offset`` plus their number, and an empty one ends the list."""
    if limit is None and not offset:
        return list(rows)
    return fitting(rows[offset : offset + (ROWS_MAX if limit is None else limit)])


def fitting(rows: Sequence[Any]) -> list[Any]:
    """The first rows, as many as an answer holds."""
    room = ANSWER_BYTES_MAX - len("[]")
    for count, row in enumerate(rows):
        room -= json_bytes(row) + len(",")
        if room < 0:
            return list(rows[:count])
    return list(rows)


def page(rows: Iterable[tuple[int, Any]]) -> list[Any]:
    """The first rows, as many as an answer holds, but at least one. Each comes after an upper bound of its bytes."""
    taken, room = list[Any](), ANSWER_BYTES_MAX
    for row_bytes, row in rows:
        room -= row_bytes
        if room < 0 and taken:
            break
        taken.append(row)
    return taken


def parts(indexes: range) -> Iterator[range]:
    """The parts in which a page reads its messages."""
    start, length = 0, ROWS_READ_FIRST
    while start < len(indexes):
        yield indexes[start : start + length]
        start, length = start + length, 2 * length


def json_bytes(value: Any) -> int:
    """Bytes of a value as JSON text."""
    return len(msgspec.json.encode(value))


def check_content(content: str) -> None:
    """Check that a page can hold a message whose content is longer than ``CONTENT_CHARACTERS_SAFE``.

    Raises:
        Refusal: the content is longer than ``CONTENT_BYTES_MAX``.
    """
    if json_bytes(content) > CONTENT_BYTES_MAX:
        raise Refusal(f"the content of a message has at most {CONTENT_BYTES_MAX} bytes")


def check_state(state_bytes: int) -> None:
    """Check the size of a state that grows.

    Raises:
        Refusal: it is larger than ``STATE_BYTES_MAX``.
    """
    if state_bytes > STATE_BYTES_MAX:
        raise Refusal(f"a process keeps at most {STATE_BYTES_MAX} bytes besides its messages: remove something first")
