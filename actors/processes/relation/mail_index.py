"""The index of Relation ONE's messages: order, mailboxes, conversations and unread counts."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice

import msgspec

from actors.processes.collections.append_only_list import History
from actors.processes.collections.map import Map

Places = History[int]
Groups = Map[str, int]
"""Address of a group to the first place that its member may read."""


class Posted(msgspec.Struct, frozen=True, gc=False):
    """One message."""

    slot: int
    """Slot of the message. The log holds its content once."""
    timestamp: int
    """Timestamp of the assignment, in ms."""
    bytes_until: int
    """Total size of all messages up to and including this one, in bytes."""


class Chat(msgspec.Struct, frozen=True, gc=False):
    """The conversation of two people, or of a group."""

    places: Places = Places()
    by: Map[str, Places] = Map()
    """Sender to the places of its messages."""

    def add(self, place: int, sender: str) -> "Chat":
        """Add a message; returns the new chat."""
        return Chat(self.places.append(place), self.by.set(sender, self.by.get(sender, Places()).append(place)))

    def unread(self, address: str, *, start: int) -> int:
        """Number of messages from others, from a place."""
        own = self.by.get(address, Places())
        return len(self.places) - bisect_left(self.places, start) - (len(own) - bisect_left(own, start))


class Mail(msgspec.Struct, frozen=True, gc=False):
    """All messages. A message's place is its number, from 0. Addresses are those of people and of groups."""

    posted: History[Posted] = History()
    places: Map[str, int] = Map()
    """Message id to place."""
    boxes: Map[str, Places] = Map()
    """Address to the places of the messages from and to it."""
    chats: Map[str, Chat] = Map()
    """``chat_key`` to the conversation, without hiding messages."""
    partners: Map[str, Map[str, int]] = Map()
    """Address to its correspondents, each with the place of the first message."""

    def add(
        self, id_: str, posted: tuple[int, int, int], *, sender: str, receiver: str, group: bool, shown: bool
    ) -> "Mail":
        """Add a message; returns the new index.

        Args:
            id_: message id.
            posted: slot, timestamp (ms) and size (bytes).
            sender: address of the sender.
            receiver: address of the receiver.
            group: whether the receiver is a group.
            shown: whether the message is shown in its conversation.
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
            for address, other in () if group else dict.fromkeys(((sender, receiver), (receiver, sender))):
                known = partners.get(address, Map[str, int]())
                partners = partners.set(address, known if other in known else known.set(other, place))
        return Mail(
            self.posted.append(Posted(slot, timestamp, before + size)),
            self.places.set(id_, place),
            boxes,
            chats,
            partners,
        )

    def newest(self, address: str, groups: Groups, *, limit: int, offset: int) -> list[int]:
        """Places of an address's messages, from its own mailbox and those of its groups, newest first."""
        boxes = (_backwards(box, start) for box, start in self._boxes(address, groups))
        return list(islice(merge(*boxes, reverse=True), offset, offset + limit))

    def after(self, address: str, groups: Groups, place: int, *, limit: int) -> list[int]:
        """Places of an address's messages after a place, oldest first."""
        boxes = (_forwards(box, max(start, place + 1)) for box, start in self._boxes(address, groups))
        return list(islice(merge(*boxes), limit))

    def bytes_after(self, place: int) -> int:
        """Size of the messages after a place, in bytes; after -1, of all messages."""
        if not self.posted:
            return 0
        return self.posted[-1].bytes_until - (self.posted[place].bytes_until if place >= 0 else 0)

    def _boxes(self, address: str, groups: Groups) -> Iterable[tuple[Places, int]]:
        yield self.boxes.get(address, Places()), 0
        for group, start in groups.items():
            yield self.boxes.get(group, Places()), start


def chat_key(a: str, b: str) -> str:
    """Key of the conversation of two people."""
    return " ".join(sorted((a, b)))


def _backwards(box: Places, start: int) -> Iterator[int]:
    for number in range(len(box) - 1, -1, -1):
        if box[number] < start:
            return
        yield box[number]


def _forwards(box: Places, start: int) -> Iterator[int]:
    for number in range(bisect_left(box, start), len(box)):
        yield box[number]
