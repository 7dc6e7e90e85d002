"""The messages of Relation ONE in their order: who has which, in which conversation, and which are new to somebody."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice

import msgspec
from immutables import Map

from actors.processes.collections.append_only_list import History

Places = History[int]
Groups = Map[str, int]
"""Address of a group to the first place that its member is shown."""


class Posted(msgspec.Struct, frozen=True, gc=False):
    """One message."""

    slot: int
    """Where it is in the log of its process, which keeps it once."""
    timestamp: int
    """When it came, in ms."""
    bytes_until: int
    """Size of all messages up to and with this one."""


class Chat(msgspec.Struct, frozen=True, gc=False):
    """A conversation of two, or of a group."""

    places: Places = Places()
    by: Map[str, Places] = Map()
    """The same by sender."""

    def add(self, place: int, sender: str) -> "Chat":
        """With another message."""
        return Chat(self.places.append(place), self.by.set(sender, self.by.get(sender, Places()).append(place)))

    def unread(self, address: str, *, start: int) -> int:
        """How many messages from others there are from a place on."""
        own = self.by.get(address, Places())
        return len(self.places) - bisect_left(self.places, start) - (len(own) - bisect_left(own, start))


class Mail(msgspec.Struct, frozen=True, gc=False):
    """All messages. A message's place is its number, from 0. Addresses are of persons and of groups."""

    posted: History[Posted] = History()
    places: Map[str, int] = Map()
    """By id."""
    boxes: Map[str, Places] = Map()
    """By address: from and to it."""
    chats: Map[str, Chat] = Map()
    """By ``chat_key``: what is to be read."""
    partners: Map[str, Map[str, int]] = Map()
    """Address to those that it exchanged messages with, each with the place of the first."""

    def add(
        self, id_: str, posted: tuple[int, int, int], *, sender: str, receiver: str, group: bool, shown: bool
    ) -> "Mail":
        """With another message.

        Args:
            id_: its id.
            posted: slot, timestamp (ms) and size (bytes).
            sender: who.
            receiver: to whom.
            group: whether the receiver is one.
            shown: whether there is something in it for people to read.
        """
        slot, timestamp, size = posted
        place = len(self.posted)
        before = self.posted[-1].bytes_until if place else 0
        boxes, chats, partners = self.boxes, self.chats, self.partners
        for address in (receiver,) if group else dict.fromkeys((sender, receiver)):
            boxes = boxes.set(address, boxes.get(address, Places()).append(place))
        if shown:
            key = receiver if group else chat_key(sender, receiver)
            chats = chats.set(key, chats.get(key, Chat()).add(place, sender))
            for one, other in () if group else dict.fromkeys(((sender, receiver), (receiver, sender))):
                known = partners.get(one, Map[str, int]())
                partners = partners.set(one, known if other in known else known.set(other, place))
        return Mail(
            self.posted.append(Posted(slot, timestamp, before + size)),
            self.places.set(id_, place),
            boxes,
            chats,
            partners,
        )

    def newest(self, address: str, groups: Groups, *, limit: int, offset: int) -> list[int]:
        """Places of the messages that an address has, in its own box and in its groups', the newest first."""
        boxes = (_backwards(box, start) for box, start in self._boxes(address, groups))
        return list(islice(merge(*boxes, reverse=True), offset, offset + limit))

    def after(self, address: str, groups: Groups, place: int, *, limit: int) -> list[int]:
        """Places of those that come after a place, the oldest first."""
        boxes = (_forwards(box, max(start, place + 1)) for box, start in self._boxes(address, groups))
        return list(islice(merge(*boxes), limit))

    def bytes_after(self, place: int) -> int:
        """Size of the messages after a place; -1 for all."""
        if not self.posted:
            return 0
        return self.posted[-1].bytes_until - (self.posted[place].bytes_until if place >= 0 else 0)

    def _boxes(self, address: str, groups: Groups) -> Iterable[tuple[Places, int]]:
        yield self.boxes.get(address, Places()), 0
        for group, start in groups.items():
            yield self.boxes.get(group, Places()), start


def chat_key(one: str, other: str) -> str:
    """What the conversation of two is called."""
    return " ".join(sorted((one, other)))


def _backwards(box: Places, start: int) -> Iterator[int]:
    for number in range(len(box) - 1, -1, -1):
        if box[number] < start:
            return
        yield box[number]


def _forwards(box: Places, start: int) -> Iterator[int]:
    for number in range(bisect_left(box, start), len(box)):
        yield box[number]
