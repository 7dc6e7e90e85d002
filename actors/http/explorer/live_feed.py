"""The newest messages and the node's load for all event streams: read, rendered and encoded once."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from actors.http.common.responses import encode_json
from actors.http.explorer.view_models import Row, ViewModels, view_models_of
from actors.node.backlog import Overloaded
from actors.node.node import Node
from actors.node.reads import ReadTimeout
from eventstore import LogFile

ROWS = 50
"""Newest messages that a stream sends at once. It skips older ones."""
REFRESH_S = 0.25
"""Shortest interval between two reads of new messages."""
LOAD_S = 1.0
"""Interval at which the load is measured."""


class LiveFeed:
    """Keeps the newest messages as server-sent events.

    Args:
        node: the node to show.
        render: makes the HTML of a row.
    """

    def __init__(self, node: Node, render: Callable[[Row], str]) -> None:
        self._node, self._render = node, render
        self._rows: deque[tuple[int, bytes]] = deque(maxlen=ROWS)
        """Sequence and lines of the newest messages, oldest first."""
        self._end = 0
        """Sequence up to which messages were read."""
        self._refreshed_s = self._measured_s = float("-inf")
        self._refreshing: asyncio.Future[None] | None = None
        self._load = b""

    async def messages_after(self, after: int) -> tuple[bytes, int]:
        """The event with the newest messages behind a sequence, and the sequence of its last message.

        The event is empty if there are no new messages, or if the node is too busy to read them.

        Raises:
            NodeClosed, EventStoreError: the node stopped.
        """
        if self._refreshing is None and time.monotonic() >= self._refreshed_s + REFRESH_S:
            self._refreshing = asyncio.ensure_future(self._refresh())
        if self._refreshing is not None:
            await asyncio.shield(self._refreshing)
        if self._end <= after:
            return b"", after
        rows = b"".join(lines for sequence, lines in reversed(self._rows) if sequence > after)
        return _event(b"messages", rows, self._end), self._end

    def load(self) -> bytes:
        """The event with the node's load."""
        now = time.monotonic()
        if now >= self._measured_s + LOAD_S:
            self._measured_s = now
            self._load = _event(b"figures", _lines(encode_json(self._node.load()._asdict()).decode()))
        return self._load

    async def _refresh(self) -> None:
        try:
            if self._node.durable_sequence > self._end:
                end = await self._node.quiescent_sequence()
                with suppress(Overloaded, ReadTimeout):
                    views = await view_models_of(self._node)
                    read = partial(self._read, views, after=max(self._end, end - ROWS), until=end)
                    self._rows.extend(await self._node.read_page(read))
                    self._end = end
        finally:
            self._refreshed_s, self._refreshing = time.monotonic(), None

    def _read(
        self, views_of: Callable[[LogFile], ViewModels], log: LogFile, *, after: int, until: int
    ) -> list[tuple[int, bytes]]:
        views = views_of(log)
        return [(row.sequence, _lines(self._render(views.row(row)))) for row in log.read(after=after, until=until)]


def _lines(text: str) -> bytes:
    return "".join(f"data: {line}\n" for line in text.splitlines() if line).encode()


def _event(name: bytes, lines: bytes, id_: int | None = None) -> bytes:
    return b"event: %s\n%s%s\n" % (name, lines, b"" if id_ is None else b"id: %d\n" % id_)
