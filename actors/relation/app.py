"""A proxy over HTTP: the protocol's REST calls, its WebSocket, login, keys and contracts (relation-one-im.md 4)."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, RedirectResponse, Response

from actors.ans104.item import DATA_BYTES_MAX, parse
from actors.http.common.body_limit import ENVELOPE_BYTES_MAX, BodyLimit
from actors.http.common.responses import (
    ERRORS,
    client_address,
    encode_json,
    error_handler,
    error_response,
    retry_handler,
)
from actors.node.append_limits import Charged, charged
from actors.processes.relation.contracts import METHODS
from actors.relation import schemas
from actors.relation.chats import Chats
from actors.relation.json_route import JsonRoute
from actors.relation.login_domains import LoginDomains, WrongDomain
from actors.relation.logins import LoginLimits, Logins, NotLoggedIn
from actors.relation.process_client import Refused
from actors.relation.push_service import PushService
from actors.relation.services import Services
from actors.relation.sessions import Login
from actors.relation.used_challenges import LoginsFull, TooManyLogins

_ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Error, "description": description}
    for status, description in {
        400: "the request is malformed",
        401: "log in first",
        409: "the protocol does not allow it",
        413: "the body is too large",
        421: "accounts do not log in to this proxy at this domain",
        422: "the request does not match this description",
        429: "the account or its address logs in too often, or appended too much",
        503: "the node does not accept messages now, or the proxy keeps no more logins",
    }.items()
}
_CONTRACT_CALL = "/contract/call"
_BODY_BYTES_MAX = DATA_BYTES_MAX + ENVELOPE_BYTES_MAX
_GOING_AWAY, _POLICY = 1001, 1008
_REASON_BYTES_MAX = 123
"""Limit of the reason in a WebSocket's close frame (RFC 6455, 5.5)."""


def proxy_app(
    services: Services,
    push_service: PushService,
    name: str,
    process: str,
    *,
    domains: LoginDomains,
    clock: Callable[[], int],
    login_limits: LoginLimits | None = None,
) -> FastAPI:
    """The ASGI application of a proxy.

    Args:
        services: the processes of Relation ONE.
        push_service: pushes messages to devices.
        name: the proxy's name.
        process: id of the process with the proxy's state.
        domains: the domains at which accounts log in.
        clock: returns the time in ms.
        login_limits: the limits of logins.
    """
    calls, relation = services.calls, services.relation
    logins, chats = Logins(clock, domains, login_limits), Chats(calls, relation, process)
    app = FastAPI(
        title="Relation ONE proxy",
        version=version("mostao"),
        description="Messages of Relation ONE IM. Payloads are encrypted by clients; the proxy cannot read them.",
        responses=_ERROR_RESPONSES,
        exception_handlers=_HANDLERS,
        docs_url=None,  # FastAPI's documentation pages load scripts from another host
        redoc_url=None,
    )
    app.router.route_class = JsonRoute
    app.add_middleware(BodyLimit, bytes_max=_BODY_BYTES_MAX)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], max_age=86_400)

    async def logged_in(authorization: Annotated[str, Header()] = "") -> Login:
        user = logins.of(authorization.removeprefix("Bearer ").strip())
        charged.set(Charged(user.address.encode()))  # the proxy signs for its users
        return user

    async def charge_client(request: Request) -> None:
        address = client_address(request)
        charged.set(Charged(b"" if request.url.path == _CONTRACT_CALL else address.encode(), address))

    current_login = Annotated[Login, Depends(logged_in)]

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/info")

    @app.get("/info")
    async def info() -> schemas.Info:
        """The proxy, its processes, and the newest transaction of the archive."""
        state = await calls.ask(services.archive, "getArchive")
        return schemas.Info(
            proxy=name,
            relation=relation,
            keyKeeper=services.keys.process,
            keyKeeperPublicKey=services.keys.public_key,
            archive=state["newest"],
            version=version("mostao"),
        )

    @app.post("/login/challenge")
    async def challenge(body: schemas.ChallengeRequest, request: Request) -> schemas.Challenge:
        """The challenge that an account signs to log in."""
        return schemas.Challenge(challenge=logins.challenge(body.address, _host(request)))

    @app.post("/login")
    async def login(body: schemas.LoginRequest, request: Request) -> schemas.LoggedIn:
        """Log in with a signed challenge."""
        new = logins.login(body.challenge, body.signature, _host(request), client_address(request))
        return schemas.LoggedIn(token=new.token, address=new.address, expires=new.expires)

    @app.post("/logout", status_code=204)
    async def logout(user: current_login) -> None:
        """Log this device out."""
        logins.logout(user)

    @app.post("/message/send")
    async def send(message: schemas.Message, user: current_login) -> schemas.Sent:
        """Send a message. The response waits until it is durable."""
        if message.sender.lower() != user.address.lower():
            raise Refused(f"the sender of this message is {message.sender}, but {user.address} is logged in")
        answer = await calls.tell(relation, "sendMessage", **message.model_dump())
        return schemas.Sent(id=answer["id"])

    @app.get("/message/list")
    async def messages(
        user: current_login, limit: schemas.Limit = 100, offset: schemas.Offset = 0
    ) -> list[schemas.Message]:
        """The account's messages, including those of its groups, newest first."""
        rows = await calls.ask(relation, "listMessages", addr=user.address, limit=limit, offset=offset)
        return [schemas.Message(**row["message"]) for row in rows]

    @app.post("/message/read", status_code=204)
    async def read(message_id: Annotated[str, Query(alias="messageId")], user: current_login) -> None:
        """Mark a message, and those before it in its chat, as read."""
        await chats.mark_as_read(user.address, message_id)

    @app.get("/message/unreadCount")
    async def unread_count(user: current_login) -> int:
        """Number of unread messages, without those in muted chats."""
        return await chats.unread(user.address)

    @app.get("/chats/list")
    async def chat_list(
        user: current_login, limit: schemas.Limit = 100, offset: schemas.Offset = 0
    ) -> list[schemas.Chat]:
        """The account's chats: pinned chats first, then by newest message."""
        return [schemas.Chat(**row) for row in await chats.page(user.address, limit=limit, offset=offset)]

    @app.post("/chats/mute", status_code=204)
    async def mute(chat: schemas.AddressText, muted: bool, user: current_login) -> None:
        """Exclude a chat from the unread count, or include it again."""
        await calls.tell(process, "setMuted", addr=user.address, chat=chat, muted=muted)

    @app.post("/chats/stick", status_code=204)
    async def stick(chat: schemas.AddressText, sticky: bool, user: current_login) -> None:
        """Pin a chat to the top, or unpin it."""
        await calls.tell(process, "setSticky", addr=user.address, chat=chat, sticky=sticky)

    @app.post("/keys/save", dependencies=[Depends(charge_client)])
    async def save_key(body: schemas.SaveKey) -> schemas.SavedKey:
        """saveEncryptionKey: keep a key under conditions."""
        answer = await services.keys.save(**body.model_dump())
        return schemas.SavedKey(encryptedSymmetricKey=answer["encryptedSymmetricKey"])

    @app.post("/keys/get", dependencies=[Depends(charge_client)])
    async def get_key(body: schemas.GetKey) -> schemas.GivenKey:
        """getEncryptionKey: give a kept key to an account that meets its conditions."""
        return schemas.GivenKey(**await services.keys.get(**body.model_dump()))

    @app.post(_CONTRACT_CALL, openapi_extra=_ITEM, dependencies=[Depends(charge_client)])
    async def contract_call(request: Request) -> Any:
        """Call a method that changes state. The body is a data item (ANS-104) signed by an Ethereum account."""
        raw = await request.body()
        item = parse(raw)
        if item.target != relation or item.tag("Action") not in METHODS:
            raise Refused(
                f"this item is not for the contracts: its target must be {relation} (see /info) and its Action a method"
            )
        result = await calls.node.send(raw)
        if result.error is not None:
            raise Refused(result.error)
        return JSONResponse(result.answer)

    @app.post("/contract/ask")
    async def contract_ask(body: schemas.Question) -> Any:
        """Call a method without changing state (a dryrun)."""
        if body.method not in METHODS:
            raise Refused(f"the contracts have no method {body.method[:64]!r}; known: {', '.join(sorted(METHODS))}")
        return JSONResponse(await calls.ask(relation, body.method, **body.arguments))

    @app.websocket("/ws")
    async def push(websocket: WebSocket, token: str = "", since: str | None = None) -> None:
        """Push arrays of messages; with ``since`` (a message's id), starting with those after that message."""
        header = websocket.headers.get("authorization", "").removeprefix("Bearer ").strip()
        try:
            user = logins.of(token or header)
            index = None if since is None else await chats.index_of(since)
        except (NotLoggedIn, Refused) as refusal:
            await websocket.accept()
            await websocket.close(_POLICY, str(refusal).encode()[:_REASON_BYTES_MAX].decode(errors="ignore"))
            return
        await websocket.accept()
        push_task = asyncio.create_task(push_service.serve(user, index, _sender(websocket)))
        disconnect_task = asyncio.create_task(_wait_for_disconnect(websocket))
        await asyncio.wait((push_task, disconnect_task), return_when=asyncio.FIRST_COMPLETED)
        for task in (push_task, disconnect_task):
            task.cancel()
        await asyncio.gather(push_task, disconnect_task, return_exceptions=True)
        if not disconnect_task.cancelled():
            return
        await websocket.close(_GOING_AWAY)

    return app


def _host(request: Request) -> str:
    return request.headers.get("host", "")


def _sender(websocket: WebSocket) -> Callable[[list[Any]], Any]:
    async def send(messages: list[Any]) -> None:
        await websocket.send_text(encode_json(messages).decode())

    return send


async def _wait_for_disconnect(websocket: WebSocket) -> None:
    """Wait until the client disconnects. Anything that it sends until then is ignored."""
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


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return error_response(f"{field}: {first['msg']}", 422)


_HANDLERS: dict[Any, Any] = {
    **ERRORS,
    Refused: error_handler(409),
    NotLoggedIn: error_handler(401, {"WWW-Authenticate": "Bearer"}),
    WrongDomain: error_handler(421),
    TooManyLogins: retry_handler(429),
    LoginsFull: retry_handler(503),
    RequestValidationError: _validation_error,
}
