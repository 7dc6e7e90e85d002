"""Responses whose cost depends on the log: pages, trees, GraphQL. Their time, bytes and number are bounded."""

import asyncio
from collections.abc import Callable, Iterable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from actors.http.common.connections import unsent_bytes
from actors.http.common.rate_limits import RateLimits
from actors.http.common.responses import encode_json
from actors.node.backlog import Overloaded
from actors.node.node import Node
from actors.node.reads import Read
from eventstore import LogFile

PAGE_BYTES_MAX = 2**20
"""A page ends with the entry that reaches this size; the client continues behind its cursor."""
UNSENT_BYTES_MAX = 32 * 2**20
"""Bytes of responses that clients have not read yet, above which the node makes no further page."""
ROWS_PER_COST, BYTES_PER_COST = 5, 64 * 1024
"""What counts as one more request. Five rows take from 0.06 to 0.5 ms, the smallest request takes 0.08 ms."""


class PageResponses:
    """Makes responses in the node's threads for pages.

    Args:
        node: reads the log.
        rate_limits: counts each response by its cost.
    """

    def __init__(self, node: Node, rate_limits: RateLimits) -> None:
        self._node, self._rate_limits = node, rate_limits

    async def respond(
        self, request: Request, function: Callable[[LogFile], Response], read: Read | None = None
    ) -> Response:
        """Apply a function to the log. The read ends if the client closes the connection. Call after reading the body.

        Args:
            request: the request.
            function: makes the response, in another thread.
            read: the progress of the read, if the function checks it itself.

        Raises:
            ClientDisconnect: the client closed the connection.
            Overloaded: too many pages wait, or too many bytes are unread.
            ReadTimeout, NodeClosed: see ``Node.read_page``.
        """
        check_unsent()
        read, size = read or Read(), 0
        page = asyncio.ensure_future(self._node.read_page(function, read))
        disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
        try:
            await asyncio.wait((page, disconnect), return_when=asyncio.FIRST_COMPLETED)
            if not page.done():
                raise ClientDisconnect
            response = page.result()
            size = len(response.body)
            check_unsent(size)
            return response
        finally:
            page.cancel()
            disconnect.cancel()
            self._rate_limits.count_cost(request.scope, read.rows // ROWS_PER_COST + size // BYTES_PER_COST)


def check_unsent(size: int = 0) -> None:
    """Check that a response of a size may be made.

    Raises:
        Overloaded: clients leave too many bytes unread.
    """
    if unsent_bytes() + size > UNSENT_BYTES_MAX:
        raise Overloaded(f"overloaded: clients have not read {UNSENT_BYTES_MAX:,} bytes of their responses; try again")


def take_page(entries: Iterable[bytes], *, limit: int) -> tuple[list[bytes], bool]:
    """The first entries of a page, up to a number of entries and up to ``PAGE_BYTES_MAX``.

    Returns:
        The entries, at least one if there is one, and whether more follow.
    """
    page: list[bytes] = []
    size = 0
    for entry in entries:
        if len(page) == limit or size >= PAGE_BYTES_MAX:
            return page, True
        page.append(entry)
        size += len(entry)
    return page, False


def page_json(info_name: str, info: object, edges: Iterable[bytes]) -> Response:
    """The response of a page, from encoded edges."""
    head = b"{%s:%s," % (encode_json(info_name), encode_json(info))
    return Response(b'%s"edges":[%s]}' % (head, b",".join(edges)), media_type="application/json")


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
