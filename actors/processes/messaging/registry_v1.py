"""Version 1 of the registry: registers handles and domains, and spawns handles and sessions."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from actors.processes.base import Process, action, same_address, succeed
from actors.processes.collections.map import Map
from actors.processes.messaging.name_directory import Directory, Name
from actors.processes.messaging.session_v1 import Session
from actors.processes.request_body import Body, Text
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import spawned_id
from actors.protocol.messages import Context, Effects, Outgoing, Refusal, Spawn

PUBKEY_CHARACTERS_MAX = 4096


class RegistryState(msgspec.Struct, frozen=True, gc=False):
    """State of a registry."""

    handles: Directory = Directory()
    domains: Directory = Directory()
    sessions: Map[str, str] = Map()
    """Two handle processes, sorted and joined by a space, to their session. The key holds processes, not names: a name
    with a new owner has a new process, which takes no part in the sessions of the old one."""


class Named(Body):
    """A handle, or a domain as ``name``."""

    handle: Text | None = None
    name: Text | None = None


class Register(Named):
    """A name for a new handle process, or for the existing process ``pid``."""

    pid: (
        Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$", description="a process id: 43 characters of base64url")]
        | None
    ) = None
    pubkey: (
        Annotated[
            str,
            Meta(max_length=PUBKEY_CHARACTERS_MAX, description=f"a text of at most {PUBKEY_CHARACTERS_MAX} characters"),
        ]
        | None
    ) = None


class OfOwner(Body):
    """An owner of names."""

    owner: Text


class TwoHandles(Body):
    """Two handles, in either order."""

    handleA: Text
    handleB: Text


class EstablishSession(Body):
    """Two handles; or, from a handle process, the other handle only."""

    handleA: Text | None = None
    handleB: Text | None = None
    otherHandle: Text | None = None


class Registry(Process):
    """Registers handles and domains, and spawns handles and sessions (mostao.md "Handle Registry"; mostao-mip-draft.md
    "MIP-01 Domain"). Its start data is ignored.
    """

    __slots__ = ()

    module = "mostao.registry@1"
    session_module: ClassVar = Session.module
    """Module of the sessions that it spawns."""
    handle_module: ClassVar = "mostao.handle@1"
    """Module of the handles that it spawns."""
    state: RegistryState

    def __init__(self, data: bytes, context: Context) -> None:
        self.state = RegistryState()

    @action(
        "QueryHandle",
        "QueryDomain",
        body=Named,
        reply="`status`, `handle` or `name`, `registered`; if registered also `pid` and `owner`",
    )
    def query(self, body: Named, context: Context) -> Effects:
        """Look up the process and the owner of a handle or a domain."""
        field, text, directory = self._named(body)
        name = directory.find(text)
        if name is None:
            return Effects(succeed(**{field: text.strip(), "registered": False}))
        return Effects(succeed(**{field: name.shown, "registered": True, "pid": name.pid, "owner": name.owner}))

    @action("GetHandles", body=OfOwner, reply="list of `handle`, `pid`")
    def get_handles(self, body: OfOwner, context: Context) -> Effects:
        """List the handles of an owner, in the order of registration."""
        names = self.state.handles.of_owner(body.owner)
        return Effects([{"handle": name.shown, "pid": name.pid} for name in names])

    @action("GetDomains", body=OfOwner, reply="list of `name`, `pid`")
    def get_domains(self, body: OfOwner, context: Context) -> Effects:
        """List the domains of an owner, in the order of registration."""
        names = self.state.domains.of_owner(body.owner)
        return Effects([{"name": name.shown, "pid": name.pid} for name in names])

    @action(
        "Register",
        body=Register,
        callers="anyone; for a registered name, with `pid`: the owner of the name",
        reply="`status`, `handle` or `name`, `pid`, `owner`",
    )
    def register(self, body: Register, context: Context) -> Effects:
        """Register a handle, or a domain as ``name``, for the sender.

        Without ``pid`` it spawns a handle process with the ``pubkey``. With ``pid`` it binds the name to that process,
        and the owner of a registered name may bind it to another process.
        """
        field, text, directory = self._named(body)
        pid, spawns = body.pid, tuple[Spawn, ...]()
        if pid is None:
            pid = spawned_id(context.message_id, 0)
            changed = directory.register(text, pid=pid, owner=context.sender)
            start = encode({"name": text.strip(), "pubkey": body.pubkey or ""})
            spawns = (Spawn(self.handle_module, context.sender, start),)
        elif directory.find(text) is None:
            changed = directory.register(text, pid=pid, owner=context.sender)
        else:
            changed = directory.reassign(text, pid=pid, sender=context.sender)
        self._keep(field, changed)
        return Effects(succeed(**{field: text.strip(), "pid": pid, "owner": context.sender}), spawns=spawns)

    @action("Renounce", body=Named, callers="the owner of the name", reply="`status`, `handle` or `name`")
    def renounce(self, body: Named, context: Context) -> Effects:
        """Free a handle or a domain. The process and its history remain."""
        field, text, directory = self._named(body)
        self._keep(field, directory.renounce(text, sender=context.sender))
        return Effects(succeed(**{field: text.strip()}))

    @action("QuerySession", body=TwoHandles, reply="`status`, `sessionID`")
    def query_session(self, body: TwoHandles, context: Context) -> Effects:
        """Look up the session of two handles, in either order."""
        one, other = self.state.handles.find(body.handleA), self.state.handles.find(body.handleB)
        session = self.state.sessions.get(pair_key(one.pid, other.pid)) if one and other else None
        if session is None:
            raise Refusal("No session found")
        return Effects(succeed(sessionID=session))

    @action(
        "EstablishSession",
        body=EstablishSession,
        callers="the owner or the process of either handle; with `otherHandle`: a registered process",
        reply="`status`, `sessionID`",
    )
    def establish_session(self, body: EstablishSession, context: Context) -> Effects:
        """Spawn the session of two handles, and send UpdateChatList to both.

        A handle process may name the other handle only, as ``otherHandle``. If the session exists, the reply names it.
        """
        one, other = self._sides(body, context)
        if one.pid == other.pid:
            raise Refusal("a session is between two handles, not of one with itself")
        pair = pair_key(one.pid, other.pid)
        session = self.state.sessions.get(pair)
        if session is not None:
            return Effects(succeed(sessionID=session))
        session = spawned_id(context.message_id, 0)
        self.state = msgspec.structs.replace(self.state, sessions=self.state.sessions.set(pair, session))
        return Effects(
            succeed(sessionID=session),
            messages=(
                update_chat_list(one.pid, session, other.shown, other.pid),
                update_chat_list(other.pid, session, one.shown, one.pid),
            ),
            spawns=(Spawn(self.session_module, context.process, encode({"a": one.pid, "b": other.pid})),),
        )

    def _sides(self, body: EstablishSession, context: Context) -> tuple[Name, Name]:
        if body.otherHandle is not None:
            own = self.state.handles.of_pid(context.sender)
            if own is None:
                raise Refusal("only a handle process can establish a session by 'otherHandle' alone")
            return own, self._registered(body.otherHandle)
        if body.handleA is None or body.handleB is None:
            raise Refusal(f"the field {'handleA' if body.handleA is None else 'handleB'!r} is missing")
        one, other = self._registered(body.handleA), self._registered(body.handleB)
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

    def _named(self, body: Named) -> tuple[str, str, Directory]:
        if body.handle is not None and body.name is not None:
            raise Refusal("give 'handle' or 'name', not both")
        if body.handle is not None:
            return "handle", body.handle, self.state.handles
        if body.name is not None:
            return "name", body.name, self.state.domains
        raise Refusal("the field 'handle' or 'name' is missing")

    def _keep(self, field: str, directory: Directory) -> None:
        if field == "handle":
            self.state = msgspec.structs.replace(self.state, handles=directory)
        else:
            self.state = msgspec.structs.replace(self.state, domains=directory)


def pair_key(one: str, other: str) -> str:
    """The key of the session of two handle processes, in either order."""
    return f"{one} {other}" if one < other else f"{other} {one}"


def update_chat_list(pid: str, session: str, name: str, other: str, **more: str) -> Outgoing:
    """The message that adds a session, or a group, to the chat list of a handle process.

    Args:
        pid: the handle process.
        session: the session or group.
        name: name of the other handle, or of the group.
        other: the other handle process, or the group.
        more: further fields.
    """
    entry = {"sessionID": session, "otherHandleName": name, "otherHandleID": other, **more}
    return Outgoing(pid, "UpdateChatList", encode(entry))
