"""Relation ONE: its contracts, and the messages between people and in groups."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from actors.crypto.secp256k1 import checksummed
from actors.processes.base import action, succeed
from actors.processes.collections.map import Map
from actors.processes.relation.contracts import Contracts, ContractsState, address_of
from actors.processes.relation.mail_index import Chat, Groups, Mail, chat_key
from actors.processes.relation.message import (
    ANNOUNCEMENT,
    HIDE,
    P2P,
    QUOTE,
    TIME_MS_MAX,
    RelationMessage,
    check_id,
    check_signed,
)
from actors.processes.request_body import Body, Text
from actors.protocol.messages import Context, Effects, Refusal

PAGE_DEFAULT, PAGE_MAX = 100, 500
P2P_CHANNEL, GROUP_CHANNEL = "P2P", "GROUP"
MESSAGE_ROWS = "list of `place`, `received` (ms), `hidden`, `message`"

_Limit = Annotated[int, Meta(ge=0, le=PAGE_MAX, description=f"a whole number from 0 to {PAGE_MAX}")]
_Offset = Annotated[int, Meta(ge=0, le=TIME_MS_MAX, description="a whole number from 0")]
Place = Annotated[int, Meta(ge=-1, le=TIME_MS_MAX, description="a message's place, or -1")]


class RelationState(ContractsState, frozen=True):
    """The contracts' state and the messages."""

    mail: Mail = Mail()
    hidden: Map[str, str] = Map()
    """Id of a message to the id of the message that hides it."""


class ListMessages(Body):
    """A page of an address's messages, newest first."""

    addr: Text
    limit: _Limit = PAGE_DEFAULT
    offset: _Offset = 0


class MessagesAfter(Body):
    """A page of the messages after a place, oldest first: of an address, or of all."""

    after: Place
    addr: Text | None = None
    limit: _Limit = PAGE_DEFAULT


class GetMessage(Body):
    """Id of a message."""

    id: Text


class GetChats(Body):
    """A person, and for each chat address the place up to which it was read."""

    addr: Text
    read: dict[str, Place] = msgspec.field(default_factory=dict)


class Relation(Contracts):
    """The contracts and messages of Relation ONE (relation-one-im.md 2.1, 5, 6, 7). Its start data is ignored."""

    __slots__ = ()

    module = "mostao.relation@1"
    state: RelationState

    def __init__(self, data: bytes, context: Context) -> None:
        """Start empty. The data is ignored."""
        self.state = RelationState()

    @action(
        "sendMessage",
        body=RelationMessage,
        callers="anyone; the message itself proves its sender",
        reply="`status`, `id`",
    )
    def send_message(self, body: RelationMessage, context: Context) -> Effects:
        """Add a message. A message that was added before changes nothing."""
        check_id(body)
        mail = self.state.mail
        if body.id in mail.places:  # accept a repetition even if its session key has expired since
            return Effects(succeed(id=body.id))
        check_signed(body, now=context.timestamp)
        sender, receiver = self._named(checksummed(body.sender)), checksummed(body.receiver)
        group = receiver in self.state.daos
        if body.kind == P2P and group:
            raise Refusal("a group is written to with another kind of message")
        if not group and body.kind in (P2P, HIDE):
            self._named(receiver)
        else:
            self._check_member(receiver, sender, body.kind)
        for quoted in body.tagged(QUOTE):
            if quoted not in mail.places:
                raise Refusal(f"there is no message {quoted} to quote")
        if body.kind == HIDE:
            self._hide(body, sender, context)
        posted = (context.slot, context.timestamp, len(msgspec.json.encode(body)))
        shown = body.kind != HIDE
        self._replace(mail=mail.add(body.id, posted, sender=sender, receiver=receiver, group=group, shown=shown))
        return Effects(succeed(id=body.id))

    @action("listMessages", body=ListMessages, reply=MESSAGE_ROWS)
    def list_messages(self, body: ListMessages, context: Context) -> Effects:
        """List the messages of a group, or of a person and the person's groups, newest first."""
        address = address_of(body.addr)
        places = self.state.mail.newest(address, self._groups(address), limit=body.limit, offset=body.offset)
        return Effects(self._page(places, context))

    @action("messagesAfter", body=MessagesAfter, reply=MESSAGE_ROWS)
    def messages_after(self, body: MessagesAfter, context: Context) -> Effects:
        """List the messages after a place, oldest first: of an address, or of all."""
        mail = self.state.mail
        if body.addr is None:
            end = min(body.after + 1 + body.limit, len(mail.posted))
            return Effects(self._page(list(range(body.after + 1, end)), context))
        address = address_of(body.addr)
        return Effects(self._page(mail.after(address, self._groups(address), body.after, limit=body.limit), context))

    @action(
        "waitingAfter",
        body=MessagesAfter,
        reply="`messages` (their number), `bytes`, `first` (ms, or null)",
    )
    def waiting_after(self, body: MessagesAfter, context: Context) -> Effects:
        """Return number and size of the messages after a place, and the time of the first."""
        mail = self.state.mail
        count = max(len(mail.posted) - body.after - 1, 0)
        first = mail.posted[body.after + 1].timestamp if count else None
        size = mail.bytes_after(body.after) if count else 0
        return Effects({"messages": count, "bytes": size, "first": first})

    @action("getMessage", body=GetMessage, reply=f"{MESSAGE_ROWS}; empty if there is none")
    def get_message(self, body: GetMessage, context: Context) -> Effects:
        """Return one message, in a list."""
        place = self.state.mail.places.get(body.id)
        return Effects([] if place is None else self._rows([place], context))

    @action(
        "getChats",
        body=GetChats,
        reply="list of `id`, `name`, `avatar`, `channelType`, `unreadMessageCount`, `place` (of the newest message, or"
        " -1)",
    )
    def get_chats(self, body: GetChats, context: Context) -> Effects:
        """List a person's conversations with their unread counts, newest first."""
        address = address_of(body.addr)
        rows = []
        for other in self.state.mail.partners.get(address, Map()):
            chat = self.state.mail.chats[chat_key(address, other)]
            name, avatar = self.state.reverse.get(other, ""), self.state.profiles.get(other, "")
            rows.append(_chat_row(address, other, P2P_CHANNEL, name, avatar, chat, body.read.get(other, -1) + 1))
        for group, since in self._groups(address).items():
            chat, dao = self.state.mail.chats.get(group, Chat()), self.state.daos[group]
            start = max(body.read.get(group, -1) + 1, since)
            rows.append(_chat_row(address, group, GROUP_CHANNEL, dao.name, dao.uri, chat, start))
        return Effects(sorted(rows, key=lambda row: (-row["place"], row["id"])))

    def _messages(self) -> int:
        return len(self.state.mail.posted)

    def _groups(self, address: str) -> Groups:
        return self.state.groups.get(address, Map())

    def _page(self, places: list[int], context: Context) -> list[dict[str, Any]]:
        return self._rows(places, context)

    def _rows(self, places: list[int], context: Context) -> list[dict[str, Any]]:
        posted = [self.state.mail.posted[place] for place in places]
        payloads = context.payloads([entry.slot for entry in posted])
        rows = []
        for place, entry, data in zip(places, posted, payloads, strict=True):
            message = msgspec.json.decode(data, type=RelationMessage)
            rows.append(
                {
                    "place": place,
                    "received": entry.timestamp,
                    "hidden": message.id in self.state.hidden,
                    "message": msgspec.to_builtins(message),
                }
            )
        return rows

    def _hide(self, body: RelationMessage, sender: str, context: Context) -> None:
        """Hide the quoted messages."""
        quoted = body.tagged(QUOTE)
        if not quoted:
            raise Refusal(f"a message that hides another names it in a tag {QUOTE!r}")
        for row in self._rows([self.state.mail.places[id_] for id_ in quoted], context):
            if checksummed(row["message"]["sender"]) != sender:
                raise Refusal("only its sender hides a message")
        self._replace(hidden=self.state.hidden.update(dict.fromkeys(quoted, body.id)))

    def _check_member(self, receiver: str, sender: str, kind: int) -> None:
        dao = self._dao(receiver)[1]
        if sender not in dao.members:
            raise Refusal("only a member writes to a group")
        if kind == ANNOUNCEMENT and sender != dao.owner:
            raise Refusal("only the administrator announces something")


def _chat_row(address: str, id_: str, channel: str, name: str, avatar: str, chat: Chat, start: int) -> dict[str, Any]:
    return {
        "id": id_,
        "name": name,
        "avatar": avatar,
        "channelType": channel,
        "unreadMessageCount": chat.unread(address, start=start),
        "place": chat.places[-1] if chat.places else -1,
    }
