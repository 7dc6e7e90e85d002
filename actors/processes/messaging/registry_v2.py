"""Version 2 of the registry: also creates groups."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from actors.processes.base import action, same_address, succeed
from actors.processes.collections.map import Map
from actors.processes.messaging.group import Group
from actors.processes.messaging.group_bodies import AT_ONCE_MAX
from actors.processes.messaging.name_directory import Name
from actors.processes.messaging.registry_v1 import Registry, RegistryState, update_chat_list
from actors.processes.messaging.session_v2 import SessionV2
from actors.processes.request_body import Body, Text, Title
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import spawned_id
from actors.protocol.messages import Context, Effects, Outgoing, Refusal, Spawn


class GroupRegistryState(RegistryState, frozen=True):
    """State of a registry that creates groups."""

    groups: Map[str, str] = Map()
    """Group to the handle process that created it."""


class CreateGroup(Body):
    """The creating handle, the name, and whether any handle may join."""

    handle: Text
    name: Title
    free: bool = False


class JoinGroup(Body):
    """A handle and the group that it joins."""

    handle: Text
    group: Text


class GroupJoined(Body):
    """New members of a group, and its name."""

    members: Annotated[list[Text], Meta(max_length=AT_ONCE_MAX)]
    name: Text


class RegistryV2(Registry):
    """Also creates groups, and spawns sessions of version 2, which have metadata (mostao-mip-draft.md "MIP-03"). Its
    start data is ignored.
    """

    __slots__ = ()

    module = "mostao.registry@2"
    session_module = SessionV2.module
    group_module: ClassVar = Group.module
    """Module of the groups that it spawns."""
    state: GroupRegistryState

    def __init__(self, data: bytes, context: Context) -> None:
        self.state = GroupRegistryState()

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
        self.state = msgspec.structs.replace(self.state, groups=self.state.groups.set(group, founder.pid))
        start = encode({"name": body.name, "creator": founder.pid, "free": body.free})
        return Effects(
            succeed(groupID=group),
            messages=(update_chat_list(founder.pid, group, body.name, group),),
            spawns=(Spawn(self.group_module, context.process, start),),
        )

    @action("JoinGroup", body=JoinGroup, callers="the owner of the handle, or its process", reply="`status`")
    def join_group(self, body: JoinGroup, context: Context) -> Effects:
        """Send Join to a group, which decides. If the handle becomes a member, its chat list holds the group."""
        joiner = self._owned_handle(body.handle, context)
        if body.group not in self.state.groups:
            raise Refusal(f"there is no group {body.group!r}")
        return Effects(succeed(), messages=(Outgoing(body.group, "Join", encode({"member": joiner.pid})),))

    @action("GroupJoined", body=GroupJoined, callers="a group of this registry", reply="`status`")
    def group_joined(self, body: GroupJoined, context: Context) -> Effects:
        """Send UpdateChatList to the handles of a group's new members."""
        if not context.from_process or context.sender not in self.state.groups:
            raise Refusal("only a group of this registry can say who joined it")
        known = [pid for pid in body.members if self.state.handles.of_pid(pid) is not None]
        group = context.sender
        messages = tuple(update_chat_list(pid, group, body.name, group) for pid in known)
        return Effects(succeed(), messages=messages, quiet=True)

    def _owned_handle(self, handle: str, context: Context) -> Name:
        name = self._registered(handle)
        if context.sender != name.pid and not same_address(name.owner, context.sender):
            raise Refusal(f"only the owner of {name.shown!r} can do that")
        return name
