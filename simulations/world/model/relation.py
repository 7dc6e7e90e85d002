"""The model of Relation ONE: its contracts, and the messages between people and in groups."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import msgspec

from actors.crypto.secp256k1 import checksummed, ethereum_address, keccak, signing_key
from simulations.world.model.process import SUCCESS, Body, Expected, NotModelled, Received, Refused
from simulations.world.model.relation_contracts import ContractsModel

P2P = 0
HIDE = 4
SIGNED = (
    *("encryptedBy", "sender", "receiver", "timestamp", "kind", "tags", "payload"),
    *("delegationMessage", "delegationSig"),
)
"""The fields under a message's id, in their order (relation-one-im.md 7.1)."""
PAGE = 100


class Posted(NamedTuple):
    """One accepted message. Addresses have checksums."""

    sender: str
    receiver: str
    received: int
    """In ms."""
    body: Body


class RelationModel(ContractsModel):
    """Keeps all messages in one list; mailboxes and chats are searches in it.

    Hiding and announcing messages is not modelled.

    Attributes:
        posted: all messages; the index of a message is its place.
    """

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self.posted: list[Posted] = []
        self._places: dict[str, int] = {}
        self._of: dict[str, list[int]] = {}
        """Places of the messages of a group, or of those between a person and other people."""

    def message_count(self) -> int:
        """See ``ContractsModel.message_count``."""
        return len(self.posted)

    def parts(self) -> Iterator[Any]:
        """See ``ProcessModel.parts``."""
        for address in self.names:
            yield "person", address
            yield "chats", address
        for address in self.daos:
            yield "dao", address
        if self.posted:
            yield "newest", len(self.posted) - 1

    def shown_by(self, part: Any) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        kind, subject = part
        if kind == "chats":
            yield "getChats", {"addr": subject}
            if len(self.posted) % 4 == 0:
                yield "listMessages", {"addr": subject, "limit": 3}
        elif kind == "newest":
            yield "messagesAfter", {"after": subject - 1, "limit": 10}
            yield "waitingAfter", {"after": subject - 1}
        else:
            yield from super().shown_by(part)

    def _send(self, message: Received) -> Expected:
        body = message.body
        if body.get("tags") or body["kind"] not in (P2P, 1):
            raise NotModelled("a message with tags, or of a kind that the world does not send")
        signed = [body.get(name, []) for name in SIGNED]
        due = "0x" + keccak(msgspec.json.encode(signed)).hex()
        if body["id"] != due:
            raise Refused(f"the id of this message is {due}")
        if due in self._places:
            return Expected({**SUCCESS, "id": due})
        _check_signed(body, message.timestamp)
        sender, receiver = self.named(checksummed(body["sender"])), checksummed(body["receiver"])
        if body["kind"] == P2P:
            if receiver in self.daos:
                raise Refused("a group is written to with another kind of message")
            self.named(receiver)
        elif sender not in self.dao_of(receiver)[1].members:
            raise Refused("only a member writes to a group")
        self._places[due] = len(self.posted)
        self.posted.append(Posted(sender, receiver, message.timestamp, body))
        group = self.daos.get(receiver)
        for address in (receiver,) if group else dict.fromkeys((sender, receiver)):
            self._of.setdefault(address, []).append(len(self.posted) - 1)
        readers = group.members if group else (sender, receiver)
        self.touch(("newest", len(self.posted) - 1), *(("chats", reader) for reader in readers))
        return Expected({**SUCCESS, "id": due})

    def _chats(self, body: Body, _: int) -> list[Body]:
        address, read = checksummed(body["addr"]), body.get("read") or {}
        rows = [
            {
                **self._chat(address, other, read.get(other, -1) + 1),
                "name": self.names.get(other, ""),
                "avatar": self.profiles.get(other, ""),
            }
            for other in self._partners(address)
        ]
        for group, since in self.joined.get(address, {}).items():
            start = max(read.get(group, -1) + 1, since)
            rows.append(
                {**self._chat(address, group, start), "name": self.daos[group].name, "avatar": self.daos[group].uri}
            )
        return sorted(rows, key=lambda row: (-row["place"], row["id"]))

    def _partners(self, address: str) -> list[str]:
        partners: dict[str, None] = {}
        for place in self._of.get(address, []):
            posted = self.posted[place]
            partners[posted.sender if posted.receiver == address else posted.receiver] = None
        return list(partners)

    def _chat(self, address: str, other: str, start: int) -> Body:
        """A row of a chat list without its name. Messages from ``start`` on by others are unread."""
        is_group = other in self.daos
        places = [
            place
            for place in self._of.get(other, [])
            if is_group or {self.posted[place].sender, self.posted[place].receiver} == {address, other}
        ]
        unread = [place for place in places if place >= start and self.posted[place].sender != address]
        return {
            "id": other,
            "channelType": "GROUP" if is_group else "P2P",
            "unreadMessageCount": len(unread),
            "place": places[-1] if places else -1,
        }

    def _readable(self, address: str) -> list[int]:
        """Places of the messages that an address may read: from and to it, and of its groups since it joined."""
        places = list(self._of.get(address, []))
        for group, since in self.joined.get(address, {}).items():
            places += [place for place in self._of.get(group, []) if place >= since]
        return sorted(places)

    def _list(self, body: Body, _: int) -> list[Body]:
        offset = body.get("offset", 0)
        places = self._readable(checksummed(body["addr"]))[::-1]
        return [self._row(place) for place in places[offset : offset + body.get("limit", PAGE)]]

    def _after(self, body: Body, _: int) -> list[Body]:
        after, limit = body["after"], body.get("limit", PAGE)
        if body.get("addr") is None:
            return [self._row(place) for place in range(after + 1, min(after + 1 + limit, len(self.posted)))]
        places = [place for place in self._readable(checksummed(body["addr"])) if place > after]
        return [self._row(place) for place in places[:limit]]

    def _waiting(self, body: Body, _: int) -> Body:
        waiting = self.posted[body["after"] + 1 :]
        size = sum(len(msgspec.json.encode(_complete(posted.body))) for posted in waiting)
        return {"messages": len(waiting), "bytes": size, "first": waiting[0].received if waiting else None}

    def _get(self, body: Body, _: int) -> list[Body]:
        place = self._places.get(body["id"])
        return [] if place is None else [self._row(place)]

    def _row(self, place: int) -> Body:
        posted = self.posted[place]
        message = _complete(posted.body)
        return {"place": place, "received": posted.received, "hidden": False, "message": message}

    changes: ClassVar[dict[str, Any]] = {**ContractsModel.changes, "sendMessage": _send}
    queries: ClassVar[dict[str, Any]] = {
        **ContractsModel.queries,
        "getChats": _chats,
        "listMessages": _list,
        "messagesAfter": _after,
        "waitingAfter": _waiting,
        "getMessage": _get,
    }


_DELEGATION = re.compile(r"Authorize +(\S+) to delegate signature, Creation timestamp: (\d+), Expiry timestamp: (\d+)")


def _check_signed(body: Body, now_ms: int) -> None:
    """The account authorised the session key, the key signed the id, and the authorisation is valid."""
    delegation = body["delegationMessage"]
    found = _DELEGATION.fullmatch(delegation)
    if found is None:
        raise NotModelled("a delegation that is no delegation")
    key, created, expires = checksummed(found[1]), int(found[2]), int(found[3])
    if signer_of(delegation, body["delegationSig"]) != checksummed(body["sender"]):
        raise Refused("the delegation is not signed by the sender")
    if signer_of(body["id"], body["sig"]) != key:
        raise Refused("the message is not signed by the session key that the sender authorised")
    for moment in (body["timestamp"], now_ms):
        if moment < created:
            raise Refused("the delegation is not good yet")
        if moment >= expires:
            raise Refused("the delegation has expired")


def signer_of(text: str, signature: str) -> str:
    """The address that signed a text (EIP-191)."""
    return ethereum_address(signing_key(text.encode(), bytes.fromhex(signature[2:])))


def _complete(body: Body) -> Body:
    """A message with the fields that have a default."""
    return {"encryptedSymmetricKey": "", "tags": [], **body}
