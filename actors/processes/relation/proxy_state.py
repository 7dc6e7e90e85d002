"""A proxy's own state: what each person read, muted and pinned there (relation-one-im.md 4.2)."""

from typing import Any

import msgspec
from immutables import Map

from actors.processes.base import Process, action, succeed
from actors.processes.relation.contracts import address_of
from actors.processes.relation.relation import Place
from actors.processes.request_body import Body, Text
from actors.protocol.messages import Context, Effects, Refusal


class Flags(msgspec.Struct, frozen=True, gc=False):
    """One chat of one person."""

    read: int = -1
    """Place of the last message that was read."""
    muted: bool = False
    sticky: bool = False


class ProxyState(msgspec.Struct, frozen=True, gc=False):
    """What a proxy knows."""

    people: Map[str, Map[str, Flags]] = Map()
    """Address of a person to addresses of chats."""


class OfChat(Body):
    """Which chat of whom: the address of the other, or of the group."""

    addr: Text
    chat: Text


class MarkAsRead(OfChat):
    """Up to where it was read."""

    place: Place


class SetMuted(OfChat):
    """Whether its messages count."""

    muted: bool


class SetSticky(OfChat):
    """Whether it stays on top."""

    sticky: bool


class Person(Body):
    """Who."""

    addr: Text


class Proxy(Process):
    """Module ``mostao.proxy@1``. Only its owner, who serves it, changes it: in the name of whoever logged in there."""

    __slots__ = ()

    module = "mostao.proxy@1"
    state: ProxyState

    def __init__(self, data: bytes, context: Context) -> None:
        """Whatever the data: it starts with nothing."""
        self.state = ProxyState()

    @action("markAsRead", body=MarkAsRead)
    def mark_as_read(self, body: MarkAsRead, context: Context) -> Effects:
        """``{"addr", "chat", "place"}``: read up to there; never back."""
        read = self.state.people.get(address_of(body.addr), Map()).get(address_of(body.chat), Flags()).read
        return self._set(body, context, read=max(read, body.place))

    @action("setMuted", body=SetMuted)
    def set_muted(self, body: SetMuted, context: Context) -> Effects:
        """``{"addr", "chat", "muted"}``."""
        return self._set(body, context, muted=body.muted)

    @action("setSticky", body=SetSticky)
    def set_sticky(self, body: SetSticky, context: Context) -> Effects:
        """``{"addr", "chat", "sticky"}``."""
        return self._set(body, context, sticky=body.sticky)

    @action("getFlags", body=Person)
    def get_flags(self, body: Person, context: Context) -> Effects:
        """``{"addr"}``: for each chat what was set."""
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
