"""What the models of sessions and groups have in common: messages in order, and the page of a query."""

from collections.abc import Iterator
from typing import NamedTuple

from simulations.world.model.process import Body

PAGE = 100
"""Messages in a page without a limit."""
SHOWN = 10
"""Messages that one query shows."""


class Spoken(NamedTuple):
    """One message of a conversation."""

    id: int
    """Counts from 1."""
    sender: str
    generation: int
    timestamp: int
    """In ms."""
    content: str
    """Ciphertext."""


def page_of(messages: list[Spoken], body: Body) -> list[Spoken]:
    """The page that a query must return: both ends of the time span are included, newest first by default."""
    since, until, after = body.get("from"), body.get("until"), body.get("after")
    is_ascending = str(body.get("order") or "DESC").upper() == "ASC"
    limit = PAGE if body.get("limit") is None else body["limit"]
    found: list[Spoken] = []
    for message in messages if is_ascending else reversed(messages):
        if len(found) == limit:
            break
        is_early = since is not None and message.timestamp < round(since * 1000)
        is_late = until is not None and message.timestamp > round(until * 1000)
        if is_late if is_ascending else is_early:
            break
        is_after = after is None or (message.id > after if is_ascending else message.id < after)
        if is_after and not is_early and not is_late:
            found.append(message)
    return found


def queries_of(messages: list[Spoken], number: int) -> Iterator[tuple[str, Body]]:
    """The query that shows a message and those before it, if the message is the newest or the last of a full page.

    The direction alternates, because both directions cost as much as all other queries after a message. The oldest
    first is rare in long conversations, where the model looks for it from the start.
    """
    if number == len(messages) or number % SHOWN == 0:
        until = messages[number - 1].timestamp / 1000
        since = messages[max(number - SHOWN, 0)].timestamp / 1000
        ascending = {"from": since, "until": until, "limit": 2 * SHOWN, "order": "ASC"}
        is_ascending = number % 2 if number < 10 * SHOWN else number % SHOWN == 0
        yield "QueryMessage", ascending if is_ascending else {"until": until, "limit": SHOWN}
