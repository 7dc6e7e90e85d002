"""The registry that also founds groups."""

from typing import Annotated

import msgspec
from immutables import Map
from msgspec import Meta

from actors.processes.base import action, same_address, succeed
from actors.processes.messaging.group import AT_ONCE_MAX, Group
from actors.processes.messaging.name_directory import Name
from actors.processes.messaging.registry_v1 import Registry, RegistryState
from actors.processes.messaging.session_v2 import SessionV2
from actors.processes.request_body import Body, Text, Title
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import spawned_id
from actors.protocol.messages import Context, Effects, Outgoing, Refusal, Spawn


class GroupRegistryState(RegistryState, frozen=True):
    """What a registry knows, and the groups that it founded."""

    groups: Map[str, str] = Map()
    """To the handle process that wanted it."""


class CreateGroup(Body):
    """Whose handle founds it, what it is called, and whether anybody may join."""

    handle: Text
    name: Title
    free: bool = False


class JoinGroup(Body):
    """Whose handle joins which."""

    handle: Text
    group: Text


class GroupJoined(Body):
    """Who joined, and what the group is called."""

    members: Annotated[list[Text], Meta(max_length=AT_ONCE_MAX)]
    name: Text


class RegistryV2(Registry):
    """Module ``mostao.registry@2``: version 1, with groups, and sessions that say what they are (mostao-mip-draft.md
    "MIP-03").
    """

    __slots__ = ()

    module = "mostao.registry@2"
    session_module = SessionV2.module
    state: GroupRegistryState

    def __init__(self, data: bytes, context: Context) -> None:
        self.state = GroupRegistryState()

    @action("CreateGroup", body=CreateGroup)
    def create_group(self, body: CreateGroup, context: Context) -> Effects:
        """``{"handle", "name", "free"}`` from the handle's owner: spawns the group, with that handle as its first
        administrator, and puts it into the handle's chat list, so that the handle relays to it.
        """
        founder = self._own(body.handle, context)
        group = spawned_id(context.message_id, 0)
        self.state = msgspec.structs.replace(self.state, groups=self.state.groups.set(group, founder.pid))
        start = encode({"name": body.name, "creator": founder.pid, "free": body.free})
        return Effects(
            succeed(groupID=group),
            messages=(_tell(founder.pid, group, body.name),),
            spawns=(Spawn(Group.module, context.process, start),),
        )

    @action("JoinGroup", body=JoinGroup)
    def join_group(self, body: JoinGroup, context: Context) -> Effects:
        """``{"handle", "group"}`` from the handle's owner: asks the group, which lets in whom it wants. Who was let in
        finds it in the handle's chat list.
        """
        joiner = self._own(body.handle, context)
        if body.group not in self.state.groups:
            raise Refusal(f"there is no group {body.group!r}")
        return Effects(succeed(), messages=(Outgoing(body.group, "Join", encode({"member": joiner.pid})),))

    @action("GroupJoined", body=GroupJoined)
    def group_joined(self, body: GroupJoined, context: Context) -> Effects:
        """``{"members", "name"}`` from a group: its new members' handles are told."""
        if not context.from_process or context.sender not in self.state.groups:
            raise Refusal("only a group of this registry can say who joined it")
        known = [pid for pid in body.members if self.state.handles.of_pid(pid) is not None]
        return Effects(succeed(), messages=tuple(_tell(pid, context.sender, body.name) for pid in known), quiet=True)

    def _own(self, handle: str, context: Context) -> Name:
        name = self._registered(handle)
        if context.sender != name.pid and not same_address(name.owner, context.sender):
            raise Refusal(f"only the owner of {name.shown!r} can do that")
        return name


def _tell(pid: str, group: str, name: str) -> Outgoing:
    entry = {"sessionID": group, "otherHandleName": name, "otherHandleID": group}
    return Outgoing(pid, "UpdateChatList", encode(entry))
