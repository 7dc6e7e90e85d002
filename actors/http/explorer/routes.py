"""The explorer: HTML pages about the node and the messages and processes in its log."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from actors.http.common.page_responses import PageResponses
from actors.http.explorer.live_feed import ROWS, LiveFeed
from actors.http.explorer.view_models import Row, display_text, view_models_of
from actors.node.backlog import Overloaded
from actors.node.node import Node, NodeClosed
from actors.protocol.canonical_json import decode, encode
from actors.protocol.spawn import module_of
from eventstore import EventStoreError, LogFile
from eventstore.records import ID_LENGTH

TICK_S = 0.25
"""Interval at which an event stream checks for new messages."""
STREAM_S = 0.005
"""The interval is at least this long for each open stream, so that all streams together send 200 times per second."""
STREAMS_MAX = 512
"""Open event streams; each takes memory for its connection."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FOLDER = Path(__file__).parent / "pages"
_pages = Environment(loader=PackageLoader("actors.http.explorer", "pages"), autoescape=True, trim_blocks=True)


class Explorer:
    """The explorer's routes.

    Args:
        node: the node to show.
        pages: makes the pages that read the log.
        stopping: returns whether the server is about to stop; open event streams then end.
    """

    def __init__(self, node: Node, pages: PageResponses, stopping: Callable[[], bool]) -> None:
        self._node, self._pages = node, pages
        self._stopping = stopping
        self._feed = LiveFeed(node, _rendered)
        self._streams: set[Response] = set()

    def routes(self) -> list[Route]:
        """All routes of the explorer."""
        return [
            Route("/", self.home),
            Route("/explorer", self.messages),
            Route("/explorer/process/{process}", self.process),
            Route("/explorer/message/{message}", self.message),
            Route("/explorer/search", self.search),
            Route("/explorer/events", self.events),
            Route("/explorer/style.css", _file("style.css", "text/css")),
            Route("/explorer/live.js", _file("live.js", "text/javascript")),
            Route("/explorer/icon.svg", _file("icon.svg", "image/svg+xml")),
        ]

    async def home(self, request: Request) -> Response:
        """The start page: the node's identity, its load, and how to connect."""
        return _page(
            "home.html",
            registry=self._node.registry,
            address=self._node.address,
            version=version("mostao"),
            load=self._node.load(),
            url=str(request.base_url).rstrip("/"),
        )

    async def messages(self, request: Request) -> Response:
        """The newest messages, or those before a sequence."""
        before = _number(request, "before", 2**62)
        end = await self._node.quiescent_sequence()
        views_of = await view_models_of(self._node)

        def read(log: LogFile) -> Response:
            rows = views_of(log).newest(before=min(before, end + 1), limit=ROWS)
            older = rows[-1].sequence if rows and rows[-1].sequence > 1 else None
            return _page("explorer.html", rows=rows, newest=before > end, older=older)

        return await self._pages.respond(request, read)

    async def process(self, request: Request) -> Response:
        """A process, its messages, and its state at any event."""
        process, end = request.path_params["process"], await self._node.quiescent_sequence()
        at, before = _number(request, "at", 0), _number(request, "before", 2**62)
        views_of = await view_models_of(self._node)

        def read(log: LogFile) -> Response:
            head, first = log.process_head(process, until=end), next(log.read_process(process, limit=1), None)
            if head is None or first is None:
                return _not_found(f"there is no process {process!r}")
            views = views_of(log)
            tags = dict(reversed(decode(first.message.tags.encode())))
            owner = tags.get("Owner", first.message.sender) if first.message.parent else first.message.sender
            rows = views.of_process(process, before=min(before, head.slot + 1), limit=ROWS)
            low = min(before, head.slot + 1) - len(rows)
            return _page(
                "process.html",
                process=views.participant(process),
                module=module_of(first.message),
                owner=views.participant(owner),
                count=head.slot + 1,
                rows=rows,
                older=low or None,
                newer=before if before <= head.slot else None,
                state=views.state(process, at=at or end),
                why=f"The process did not exist yet: it starts at event {first.sequence}."
                if at and at < first.sequence
                else "The history is too long for this page. Run mostao replay LOG --at EVENT --process ID instead.",
                at=at,
                end=end,
            )

        return await self._pages.respond(request, read)

    async def message(self, request: Request) -> Response:
        """A message, what caused it, and what it caused."""
        message = request.path_params["message"]
        if (found := await self._node.outcome(message)) is None:
            return _not_found(f"there is no message {message!r}")
        await self._node.quiescent_sequence()
        assignment, _ = found
        views_of = await view_models_of(self._node)

        def read(log: LogFile) -> Response:
            views, content = views_of(log), assignment.message
            tree, is_cut = views.tree(assignment)
            signed = "signed by its sender" if content.envelope is not None else ""
            return _page(
                "message.html",
                row=views.row(assignment),
                tree=tree,
                cut=is_cut,
                slot=assignment.slot,
                proof=signed or "follows from the message that caused it",
                output=None if assignment.output is None else display_text(assignment.output.encode()),
                data=display_text(content.data) if content.data else "",
                tags=decode(content.tags.encode()),
            )

        return await self._pages.respond(request, read)

    async def search(self, request: Request) -> Response:
        """Redirect to the process or message of a handle or an id, or list the handles of an address."""
        q = request.query_params.get("q", "").strip()
        if len(q) == ID_LENGTH:
            row = await self._node.read(lambda log: log.find(q))
            if row is not None:
                kind = "process" if row.process == q else "message"
                return RedirectResponse(f"/explorer/{kind}/{q}", 303)
        if not q:
            return _not_found("Search for a handle, an id or an address.", 400)
        handle = await self._query_registry("QueryHandle", {"handle": q.removeprefix("@")})
        if isinstance(handle, dict) and handle.get("registered"):
            return RedirectResponse(f"/explorer/process/{handle['pid']}", 303)
        handles = await self._query_registry("GetHandles", {"owner": q})
        if isinstance(handles, list) and handles:
            title = f"Handles of {q}"
            return await self._pages.respond(request, lambda _: _page("found.html", q=q, title=title, handles=handles))
        return _not_found(f"No handle, process, message or handle owner matches {q[:100]!r}.", q=q)

    async def events(self, request: Request) -> Response:
        """A stream of new messages and of the node's load (server-sent events)."""
        after = _number(request, "after", await self._node.quiescent_sequence())
        last = request.headers.get("last-event-id", "")
        if len(self._streams) >= STREAMS_MAX:
            raise Overloaded(f"overloaded: {STREAMS_MAX} event streams are open; try again")
        stream = self._stream(int(last) if last.isascii() and last.isdigit() and len(last) < 19 else after)
        return _EventStreamResponse(stream, self._streams)

    async def _stream(self, after: int) -> AsyncGenerator[bytes, None]:
        try:
            sent = b""
            while not self._stopping():
                event, after = await self._feed.messages_after(after)
                load = self._feed.load()
                if event or load is not sent:
                    sent = load
                    yield event + load
                pause_s = max(TICK_S, len(self._streams) * STREAM_S) * random.uniform(0.5, 1.5)  # noqa: S311 - avoids bursts
                while pause_s > 0 and not self._stopping():
                    await asyncio.sleep(min(pause_s, 1))
                    pause_s -= 1
        except (NodeClosed, EventStoreError):
            return  # the response has started, so it cannot become an error; it ends

    async def _query_registry(self, action: str, body: dict[str, str]) -> Any:
        result = await self._node.dryrun(self._node.registry, action=action, data=encode(body))
        return result.answer


class _EventStreamResponse(StreamingResponse):
    """Sends a stream of events, and is one of ``streams`` while it does."""

    def __init__(self, stream: AsyncGenerator[bytes, None], streams: set[Response]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(stream, media_type="text/event-stream", headers=headers)
        self._stream, self._streams = stream, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.add(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.discard(self)
            await self._stream.aclose()


@cache
def _row_macro() -> Any:
    return _pages.get_template("parts.html").module.row  # type: ignore[attr-defined]


def _rendered(row: Row) -> str:
    return str(_row_macro()(row))


def _page(name: str, status: int = 200, **parts: Any) -> Response:
    return HTMLResponse(_pages.get_template(name).render(**parts), status, headers=_HEADERS)


def _not_found(text: str, status: int = 404, q: str = "") -> Response:
    return _page("found.html", status, q=q, title="Nothing found", text=text)


def _file(name: str, media_type: str) -> Callable[[Request], Any]:
    content = (_FOLDER / name).read_bytes()

    async def serve_file(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=300", **_HEADERS})

    return serve_file


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise HTTPException(400, f"{name} is {text[:32]!r}; it has to be a number")
    return int(text)
