"""Version 3 of the registry: an owner has a limited number of names, sessions and groups."""

from actors.processes.base import action, same_address, succeed
from actors.processes.collections.map import Map
from actors.processes.messaging.group_v2 import GroupV2
from actors.processes.messaging.handle_v2 import HandleV2
from actors.processes.messaging.name_directory import Name, key
from actors.processes.messaging.registry_v1 import EstablishSession, Named, Register, pair_key, update_chat_list
from actors.processes.messaging.registry_v2 import CreateGroup, GroupJoined, GroupRegistryState, JoinGroup, RegistryV2
from actors.processes.messaging.session_v3 import SessionV3
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import spawned_id
from actors.protocol.messages import Context, Effects, Outgoing, Refusal, Spawn

NAMES_MAX = 100
"""Most handles of an owner, and most domains."""
OPENED_MAX = 10_000
"""Most sessions and groups that an owner opened."""


class RegistryStateV3(GroupRegistryState, frozen=True):
    """State of a registry. As a directory of all owners it has limits for each owner, and none in bytes."""

    opened: Map[str, int] = Map()
    """Lower-cased owner to the number of sessions and groups that it opened."""
    foreign: Map[str, bool] = Map()
    """Handles (``name_directory.key``) bound to a process that their owner does not own, as far as the registry knows.
    Their owner does not act for the process."""


class GroupJoinedV3(GroupJoined):
    """New members of a group, its name, and the sender of JoinGroup; empty if an administrator added them."""

    by: str = ""


class RegistryV3(RegistryV2):
    """Spawns handles of version 2, sessions of version 3 and groups of version 2, which have limits in bytes. An owner
    has at most 100 handles, 100 domains, and 10,000 sessions and groups that it opened. Its start data is ignored.
    """

    __slots__ = ()

    module = "mostao.registry@3"
    handle_module = HandleV2.module
    session_module = SessionV3.module
    group_module = GroupV2.module
    is_limited = True
    state: RegistryStateV3

    def __init__(self, data: bytes, context: Context) -> None:
        self.state = RegistryStateV3()

    @action(
        "Register",
        body=Register,
        callers="anyone; for a registered name, with `pid`: the owner of the name",
        reply="`status`, `handle` or `name`, `pid`, `owner`",
    )
    def register(self, body: Register, context: Context) -> Effects:
        """Register a handle, or a domain as ``name``, for the sender.

        Without ``pid`` it spawns a handle process with the ``pubkey``. With ``pid`` it binds the name to that process,
        and the owner of a registered name may bind it to another process. A name acts only for a process of its owner.
        """
        field, text, directory = self._named(body)
        if directory.count_of(context.sender) >= NAMES_MAX and directory.find(text) is None:
            raise Refusal(f"an owner has at most {NAMES_MAX} handles and {NAMES_MAX} domains: renounce one first")
        bound = self.state.handles.of_pid(body.pid) if body.pid is not None else None
        is_foreign = body.pid is not None and (bound is None or not self._owns(bound, context.sender))
        effects = super().register(body, context)
        if field == "handle":
            self._mark(key(text), is_foreign)
        return effects

    @action("Renounce", body=Named, callers="the owner of the name", reply="`status`, `handle` or `name`")
    def renounce(self, body: Named, context: Context) -> Effects:
        """Free a handle or a domain. The process and its history remain."""
        effects = super().renounce(body, context)
        if body.handle is not None:
            self._mark(key(body.handle), False)
        return effects

    @action(
        "EstablishSession",
        body=EstablishSession,
        callers="the owner or the process of either handle; with `otherHandle`: a registered process",
        reply="`status`, `sessionID`",
    )
    def establish_session(self, body: EstablishSession, context: Context) -> Effects:
        """Spawn the session of two handles, and send UpdateChatList to both.

        A handle process may name the other handle only, as ``otherHandle``. If the session exists, the reply names it,
        and UpdateChatList adds it to a chat list that lacks it.
        """
        one, other = self._sides(body, context)
        if one.pid == other.pid:
            raise Refusal("a session is between two handles, not of one with itself")
        pair = pair_key(one.pid, other.pid)
        session, spawns = self.state.sessions.get(pair), tuple[Spawn, ...]()
        if session is None:
            session = spawned_id(context.message_id, 0)
            self._replace(sessions=self.state.sessions.set(pair, session))
            side = one if self._acts_for(one, context.sender) else other
            self._count_opened(side.pid if key(side.shown) in self.state.foreign else side.owner)
            spawns = (Spawn(self.session_module, context.process, encode({"a": one.pid, "b": other.pid})),)
        messages = (
            update_chat_list(one.pid, session, other.shown, other.pid, by=context.sender),
            update_chat_list(other.pid, session, one.shown, one.pid, by=context.sender),
        )
        return Effects(succeed(sessionID=session), messages=messages, spawns=spawns)

    @action(
        "CreateGroup",
        body=CreateGroup,
        callers="the owner of the handle, or its process",
        reply="`status`, `groupID`",
    )
    def create_group(self, body: CreateGroup, context: Context) -> Effects:
        """Spawn a group with the handle as its first administrator.

        The registry adds the group to the handle's chat list, so that the handle relays to it.
        """
        founder = self._owned_handle(body.handle, context)
        group = spawned_id(context.message_id, 0)
        self._replace(groups=self.state.groups.set(group, founder.pid))
        self._count_opened(founder.owner)
        start = encode({"name": body.name, "creator": founder.pid, "free": body.free})
        return Effects(
            succeed(groupID=group),
            messages=(update_chat_list(founder.pid, group, body.name, group, by=context.sender),),
            spawns=(Spawn(self.group_module, context.process, start),),
        )

    @action("JoinGroup", body=JoinGroup, callers="the owner of the handle, or its process", reply="`status`")
    def join_group(self, body: JoinGroup, context: Context) -> Effects:
        """Send Join to a group, which decides. If the handle becomes a member, its chat list holds the group."""
        joiner = self._owned_handle(body.handle, context)
        if body.group not in self.state.groups:
            raise Refusal(f"there is no group {body.group!r}")
        join = encode({"member": joiner.pid, "by": context.sender})
        return Effects(succeed(), messages=(Outgoing(body.group, "Join", join),))

    @action("GroupJoined", body=GroupJoinedV3, callers="a group of this registry", reply="`status`")
    def group_joined(self, body: GroupJoined, context: Context) -> Effects:
        """Send UpdateChatList to the handles of a group's new members."""
        if not context.from_process or context.sender not in self.state.groups:
            raise Refusal("only a group of this registry can say who joined it")
        assert isinstance(body, GroupJoinedV3)
        known = [pid for pid in body.members if self.state.handles.of_pid(pid) is not None]
        group = context.sender
        messages = tuple(update_chat_list(pid, group, body.name, group, by=body.by) for pid in known)
        return Effects(succeed(), messages=messages, quiet=True)

    def _sides(self, body: EstablishSession, context: Context) -> tuple[Name, Name]:
        one, other = super()._sides(body, context)
        if not (self._acts_for(one, context.sender) or self._acts_for(other, context.sender)):
            raise Refusal(f"only the owner of the process of {one.shown!r} or of {other.shown!r} can do that")
        return one, other

    def _owned_handle(self, handle: str, context: Context) -> Name:
        name = super()._owned_handle(handle, context)
        if not self._acts_for(name, context.sender):
            raise Refusal(f"only the owner of the process of {name.shown!r} can do that")
        return name

    def _acts_for(self, name: Name, sender: str) -> bool:
        """Whether a message comes from a handle, or from its owner."""
        return sender == name.pid or self._owns(name, sender)

    def _owns(self, name: Name, address: str) -> bool:
        """Whether an address owns a name and its process."""
        return same_address(name.owner, address) and key(name.shown) not in self.state.foreign

    def _mark(self, name_key: str, is_foreign: bool) -> None:
        if is_foreign:
            self._replace(foreign=self.state.foreign.set(name_key, True))
        elif name_key in self.state.foreign:
            self._replace(foreign=self.state.foreign.delete(name_key))

    def _count_opened(self, owner: str) -> None:
        opened = self.state.opened.get(owner.lower(), 0) + 1
        if opened > OPENED_MAX:
            raise Refusal(f"an owner opens at most {OPENED_MAX} sessions and groups")
        self._replace(opened=self.state.opened.set(owner.lower(), opened))
