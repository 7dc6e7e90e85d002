"""The registry: gives out handles and domains, and spawns the sessions between handles."""

import re

import msgspec
from immutables import Map

from actors.ids import spawned_id
from actors.jsontext import encode
from actors.messages import REPLY, Context, Effects, IncomingMessage, Outgoing, Refusal, Spawn
from actors.processes.base import Process, action, same_address, succeed
from actors.processes.body import Body
from actors.processes.names import Directory, Name

_PROCESS_ID = re.compile(r"[A-Za-z0-9_-]{43}")
PUBKEY_CHARACTERS_MAX = 4096


class RegistryState(msgspec.Struct, frozen=True):
    """What a registry knows."""

    handles: Directory = Directory()
    domains: Directory = Directory()
    sessions: Map[str, str] = Map()
    """Two handle processes, sorted and joined by a space, to their session. Not two names: a name that changed hands
    is another process, which has no part in the old one's sessions."""


class Registry(Process):
    """Module ``mostao.registry@1`` (mostao.md "Handle Registry"; mostao-mip-draft.md "MIP-01 Domain")."""

    module = "mostao.registry@1"
    state: RegistryState

    def __init__(self, data: bytes, context: Context) -> None:
        self.state = RegistryState()

    @action("QueryHandle", "QueryDomain")
    def query(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"handle"}`` or ``{"name"}``: who has it."""
        field, text, directory = self._named(Body(message.data))
        name = directory.find(text)
        if name is None:
            return Effects(succeed(**{field: text.strip(), "registered": False}))
        return Effects(succeed(**{field: name.shown, "registered": True, "pid": name.pid, "owner": name.owner}))

    @action("GetHandles")
    def get_handles(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"owner"}``: the owner's handles, in the order of their registration."""
        owner = Body(message.data).text("owner")
        return Effects([{"handle": name.shown, "pid": name.pid} for name in self.state.handles.of_owner(owner)])

    @action("GetDomains")
    def get_domains(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"owner"}``: the owner's domains, in the order of their registration."""
        owner = Body(message.data).text("owner")
        return Effects([{"name": name.shown, "pid": name.pid} for name in self.state.domains.of_owner(owner)])

    @action("Register")
    def register(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"handle", "pubkey"}`` spawns a handle process; ``{"handle", "pid"}`` binds one that is there, and lets the
        name's owner bind another. Domains likewise, with ``name``.
        """
        body = Body(message.data)
        field, text, directory = self._named(body)
        if not body.has("pid"):
            pid = spawned_id(context.message_id, 0)
            changed = directory.register(text, pid=pid, owner=context.sender)
            pubkey = body.text_or("pubkey", "")
            if len(pubkey) > PUBKEY_CHARACTERS_MAX:
                raise Refusal(f"the field 'pubkey' has at most {PUBKEY_CHARACTERS_MAX} characters")
            start = encode({"name": text.strip(), "pubkey": pubkey})
            self._keep(field, changed)
            return Effects(
                succeed(**{field: text.strip(), "pid": pid, "owner": context.sender}),
                spawns=(Spawn("mostao.handle@1", context.sender, start),),
            )
        pid = _process_id(body)
        if directory.find(text) is None:
            changed = directory.register(text, pid=pid, owner=context.sender)
        else:
            changed = directory.reassign(text, pid=pid, sender=context.sender)
        self._keep(field, changed)
        return Effects(succeed(**{field: text.strip(), "pid": pid, "owner": context.sender}))

    @action("Renounce")
    def renounce(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"handle"}`` or ``{"name"}``: its owner sets it free. The process and its history stay."""
        field, text, directory = self._named(Body(message.data))
        self._keep(field, directory.renounce(text, sender=context.sender))
        return Effects(succeed(**{field: text.strip()}))

    @action("QuerySession")
    def query_session(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"handleA", "handleB"}``, in either order: their session."""
        body = Body(message.data)
        one, other = (self.state.handles.find(body.text(field)) for field in ("handleA", "handleB"))
        session = self.state.sessions.get(_pair(one.pid, other.pid)) if one and other else None
        if session is None:
            raise Refusal("No session found")
        return Effects(succeed(sessionID=session))

    @action("EstablishSession")
    def establish_session(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"handleA", "handleB"}`` from the owner of either, or ``{"otherHandle"}`` from a handle process: spawns
        their session and tells both handles. Asked again, it answers with the session that is there.
        """
        one, other = self._sides(Body(message.data), context)
        if one.pid == other.pid:
            raise Refusal("a session is between two handles, not of one with itself")
        pair = _pair(one.pid, other.pid)
        session = self.state.sessions.get(pair)
        if session is not None:
            return Effects(succeed(sessionID=session))
        session = spawned_id(context.message_id, 0)
        self.state = msgspec.structs.replace(self.state, sessions=self.state.sessions.set(pair, session))
        return Effects(
            succeed(sessionID=session),
            messages=(_update_chat_list(one, other, session), _update_chat_list(other, one, session)),
            spawns=(Spawn("mostao.session@1", context.process, encode({"a": one.pid, "b": other.pid})),),
        )

    @action(REPLY)
    def ignore_reply(self, message: IncomingMessage, context: Context) -> Effects:
        """A handle's refusal of a chat list entry changes nothing here."""
        return Effects(None)

    def _sides(self, body: Body, context: Context) -> tuple[Name, Name]:
        if body.has("otherHandle"):
            own = self.state.handles.of_pid(context.sender)
            if own is None:
                raise Refusal("only a handle process can establish a session by 'otherHandle' alone")
            return own, self._registered(body.text("otherHandle"))
        one, other = (self._registered(body.text(field)) for field in ("handleA", "handleB"))
        entitled = {one.pid, other.pid}
        if not (
            context.sender in entitled
            or same_address(one.owner, context.sender)
            or same_address(other.owner, context.sender)
        ):
            raise Refusal(f"only the owner of {one.shown!r} or of {other.shown!r} can establish their session")
        return one, other

    def _registered(self, text: str) -> Name:
        name = self.state.handles.find(text)
        if name is None:
            raise Refusal(f"the handle {text.strip()!r} is not registered")
        return name

    def _named(self, body: Body) -> tuple[str, str, Directory]:
        field = body.one_of(("handle", "name"))
        return field, body.text(field), self.state.handles if field == "handle" else self.state.domains

    def _keep(self, field: str, directory: Directory) -> None:
        if field == "handle":
            self.state = msgspec.structs.replace(self.state, handles=directory)
        else:
            self.state = msgspec.structs.replace(self.state, domains=directory)


def _pair(one: str, other: str) -> str:
    return f"{one} {other}" if one < other else f"{other} {one}"


def _process_id(body: Body) -> str:
    pid = body.text("pid")
    if not _PROCESS_ID.fullmatch(pid):
        raise Refusal("the field 'pid' has to be a process id: 43 characters of base64url")
    return pid


def _update_chat_list(of: Name, other: Name, session: str) -> Outgoing:
    return Outgoing(
        of.pid,
        "UpdateChatList",
        encode({"sessionID": session, "otherHandleName": other.shown, "otherHandleID": other.pid}),
    )
