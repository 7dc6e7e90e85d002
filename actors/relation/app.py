"""A proxy over HTTP: five REST calls, a WebSocket, and what clients need beside them (relation-one-im.md 4)."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, RedirectResponse, Response

from actors.ans104.item import DATA_BYTES_MAX, parse
from actors.http.ao.messenger import ENVELOPE_BYTES_MAX
from actors.http.common.body_limit import BodyLimit
from actors.http.common.responses import ERRORS, encode_json, error_answer, refuse_with
from actors.processes.relation.contracts import METHODS
from actors.relation import shapes
from actors.relation.calls import Refused
from actors.relation.chats import Chats
from actors.relation.logins import Login, Logins, NotLoggedIn
from actors.relation.pushing import Pushing
from actors.relation.services import Services

_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": shapes.Error, "description": description}
    for status, description in {
        400: "no such request",
        401: "log in first",
        409: "the protocol does not allow it",
        413: "too large",
        422: "the request is not as described",
        503: "the node does not take messages now",
    }.items()
}
_BODY_BYTES_MAX = DATA_BYTES_MAX + ENVELOPE_BYTES_MAX
_GOING_AWAY, _POLICY = 1001, 1008


def proxy_app(services: Services, pushing: Pushing, name: str, process: str, *, clock: Callable[[], int]) -> FastAPI:
    """The ASGI application of a proxy.

    Args:
        services: the processes behind it.
        pushing: gives messages to devices.
        name: the proxy's.
        process: id of the process with its state.
        clock: gives the time in ms.
    """
    calls, relation = services.calls, services.relation
    logins, chats = Logins(clock), Chats(calls, relation, process)
    app = FastAPI(
        title="Relation ONE proxy",
        version=version("mostao"),
        description="Messages of Relation ONE IM. Payloads are encrypted by clients; the proxy cannot read them.",
        responses=_REFUSED,
        exception_handlers=_HANDLERS,
        docs_url=None,  # the page that shows it would come from somewhere else
        redoc_url=None,
    )
    app.add_middleware(BodyLimit, bytes_max=_BODY_BYTES_MAX)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], max_age=86_400)

    async def logged_in(authorization: Annotated[str, Header()] = "") -> Login:
        return logins.of(authorization.removeprefix("Bearer ").strip())

    somebody = Annotated[Login, Depends(logged_in)]

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/info")

    @app.get("/info")
    async def info() -> shapes.Info:
        """Who serves here."""
        state = await calls.ask(services.archive, "getArchive")
        return shapes.Info(
            proxy=name,
            relation=relation,
            keyKeeper=services.keys.process,
            keyKeeperPublicKey=services.keys.public_key,
            archive=state["newest"],
            version=version("mostao"),
        )

    @app.post("/login/challenge")
    async def challenge(asked: shapes.ChallengeRequest, request: Request) -> shapes.Challenge:
        """What an account signs to log in."""
        return shapes.Challenge(challenge=logins.challenge(asked.address, request.url.netloc))

    @app.post("/login")
    async def login(signed: shapes.LoginRequest) -> shapes.LoggedIn:
        """Log in with a signed challenge."""
        found = logins.login(signed.challenge, signed.signature)
        return shapes.LoggedIn(token=found.token, address=found.address, expires=found.expires)

    @app.post("/logout", status_code=204)
    async def logout(who: somebody) -> None:
        """Forget this device."""
        logins.logout(who)

    @app.post("/message/send")
    async def send(message: shapes.Message, who: somebody) -> shapes.Sent:
        """Send a message: answered when it is durable."""
        if message.sender.lower() != who.address.lower():
            raise Refused("the sender of this message is somebody else")
        answer = await calls.tell(relation, "sendMessage", **message.model_dump())
        return shapes.Sent(id=answer["id"])

    @app.get("/message/list")
    async def messages(who: somebody, limit: shapes.Limit = 100, offset: shapes.Offset = 0) -> list[shapes.Message]:
        """One's messages, in groups too, the newest first."""
        rows = await calls.ask(relation, "listMessages", addr=who.address, limit=limit, offset=offset)
        return [shapes.Message(**row["message"]) for row in rows]

    @app.post("/message/read", status_code=204)
    async def read(message_id: Annotated[str, Query(alias="messageId")], who: somebody) -> None:
        """Mark a message as read, and those before it in its chat."""
        await chats.mark_as_read(who.address, message_id)

    @app.get("/message/unreadCount")
    async def unread_count(who: somebody) -> int:
        """How many messages are unread, but for those in muted chats."""
        return await chats.unread(who.address)

    @app.get("/chats/list")
    async def chat_list(who: somebody, limit: shapes.Limit = 100, offset: shapes.Offset = 0) -> list[shapes.Chat]:
        """One's chats: those that are pinned, and then those with the newest messages."""
        return [shapes.Chat(**row) for row in await chats.page(who.address, limit=limit, offset=offset)]

    @app.post("/chats/mute", status_code=204)
    async def mute(chat: shapes.AddressText, muted: bool, who: somebody) -> None:
        """Leave a chat out of the unread count, or not any more."""
        await calls.tell(process, "setMuted", addr=who.address, chat=chat, muted=muted)

    @app.post("/chats/stick", status_code=204)
    async def stick(chat: shapes.AddressText, sticky: bool, who: somebody) -> None:
        """Keep a chat on top, or not any more."""
        await calls.tell(process, "setSticky", addr=who.address, chat=chat, sticky=sticky)

    @app.post("/keys/save")
    async def save_key(asked: shapes.SaveKey) -> shapes.SavedKey:
        """saveEncryptionKey: have a key kept under conditions."""
        answer = await services.keys.save(**asked.model_dump())
        return shapes.SavedKey(encryptedSymmetricKey=answer["encryptedSymmetricKey"])

    @app.post("/keys/get")
    async def get_key(asked: shapes.GetKey) -> shapes.GivenKey:
        """getEncryptionKey: a key, for who proves to meet its conditions."""
        return shapes.GivenKey(**await services.keys.get(**asked.model_dump()))

    @app.post("/contract/call", openapi_extra=_ITEM)
    async def contract_call(request: Request) -> Any:
        """A method that changes something, as a data item (ANS-104) that an Ethereum account signed."""
        raw = await request.body()
        item = parse(raw)
        if item.target != relation or item.tag("Action") not in METHODS:
            raise Refused("this item is not for the contracts: see /info for the process that it has to name")
        result = await calls.door.send(raw)
        if result.error is not None:
            raise Refused(result.error)
        return JSONResponse(result.answer)

    @app.post("/contract/ask")
    async def contract_ask(asked: shapes.Question) -> Any:
        """A method that changes nothing."""
        if asked.method not in METHODS:
            raise Refused(f"the contracts have no method {asked.method[:64]!r}")
        return JSONResponse(await calls.ask(relation, asked.method, **asked.arguments))

    @app.websocket("/ws")
    async def push(websocket: WebSocket, token: str = "", since: str | None = None) -> None:
        """Arrays of messages, as they come; with ``since`` (a message's id), those after it first."""
        header = websocket.headers.get("authorization", "").removeprefix("Bearer ").strip()
        try:
            who = logins.of(token or header)
            place = None if since is None else await chats.place_of(since)
        except (NotLoggedIn, Refused) as refusal:
            await websocket.accept()
            await websocket.close(_POLICY, str(refusal)[:120])
            return
        await websocket.accept()
        pushed = asyncio.create_task(pushing.serve(who, place, _taker(websocket)))
        gone = asyncio.create_task(_gone(websocket))
        await asyncio.wait((pushed, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in (pushed, gone):
            task.cancel()
        await asyncio.gather(pushed, gone, return_exceptions=True)
        if not gone.cancelled():
            return
        await websocket.close(_GOING_AWAY)

    return app


def _taker(websocket: WebSocket) -> Callable[[list[Any]], Any]:
    async def take(messages: list[Any]) -> None:
        await websocket.send_text(encode_json(messages).decode())

    return take


async def _gone(websocket: WebSocket) -> None:
    """Wait until whoever is at the other end goes. What it says until then is of no interest."""
    try:
        while True:
            await websocket.receive_text()
    except (WebSocketDisconnect, KeyError):
        return


_ITEM = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return error_answer(f"{where}: {first['msg']}", 422)


_HANDLERS: dict[Any, Any] = {
    **ERRORS,
    Refused: refuse_with(409),
    NotLoggedIn: refuse_with(401, {"WWW-Authenticate": "Bearer"}),
    RequestValidationError: _malformed,
}
