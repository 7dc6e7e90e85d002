"""The state of a proxy: the chats that each person read, muted and pinned (relation-one-im.md 4.2)."""

from typing import Any

import msgspec

from actors.processes.base import Process, action, succeed
from actors.processes.collections.map import Map
from actors.processes.relation.contracts import address_of
from actors.processes.relation.relation import Place
from actors.processes.request_body import Body, Text
from actors.protocol.messages import Context, Effects, Refusal


class Flags(msgspec.Struct, frozen=True, gc=False):
    """A person's settings of one chat."""

    read: int = -1
    """Place of the last message read; -1 for none."""
    muted: bool = False
    sticky: bool = False


class ProxyState(msgspec.Struct, frozen=True, gc=False):
    """State of a proxy."""

    people: Map[str, Map[str, Flags]] = Map()
    """Address of a person to addresses of chats to their settings."""


class OfChat(Body):
    """A person, and the address of the other person or the group of a chat."""

    addr: Text
    chat: Text


class MarkAsRead(OfChat):
    """The place up to which a chat was read."""

    place: Place


class SetMuted(OfChat):
    """Whether a chat is muted: its messages do not count as unread."""

    muted: bool


class SetSticky(OfChat):
    """Whether a chat is pinned to the top."""

    sticky: bool


class Person(Body):
    """A person."""

    addr: Text


class Proxy(Process):
    """The state of one proxy. Its owner, the serving node, changes it for its users. Its start data is ignored."""

    __slots__ = ()

    module = "mostao.proxy@1"
    state: ProxyState

    def __init__(self, data: bytes, context: Context) -> None:
        """Start empty. The data is ignored."""
        self.state = ProxyState()

    @action("markAsRead", body=MarkAsRead, callers="the owner", reply="`status`")
    def mark_as_read(self, body: MarkAsRead, context: Context) -> Effects:
        """Mark a chat as read up to a place. The place never decreases."""
        read = self.state.people.get(address_of(body.addr), Map()).get(address_of(body.chat), Flags()).read
        return self._set(body, context, read=max(read, body.place))

    @action("setMuted", body=SetMuted, callers="the owner", reply="`status`")
    def set_muted(self, body: SetMuted, context: Context) -> Effects:
        """Mute or unmute a chat."""
        return self._set(body, context, muted=body.muted)

    @action("setSticky", body=SetSticky, callers="the owner", reply="`status`")
    def set_sticky(self, body: SetSticky, context: Context) -> Effects:
        """Pin or unpin a chat."""
        return self._set(body, context, sticky=body.sticky)

    @action("getFlags", body=Person, reply="object of chat addresses to `read`, `muted`, `sticky`")
    def get_flags(self, body: Person, context: Context) -> Effects:
        """Return a person's settings of each chat."""
        flags = self.state.people.get(address_of(body.addr), Map())
        return Effects({chat: flags[chat] for chat in sorted(flags)})

    def _set(self, body: OfChat, context: Context, **changes: Any) -> Effects:
        if context.sender != context.owner:
            raise Refusal("only the owner of this proxy can do that")
        addr, chat = address_of(body.addr), address_of(body.chat)
        flags = self.state.people.get(addr, Map[str, Flags]())
        changed = msgspec.structs.replace(flags.get(chat, Flags()), **changes)
        self.state = ProxyState(self.state.people.set(addr, flags.set(chat, changed)))
        return Effects(succeed())
