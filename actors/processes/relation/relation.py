"""Relation ONE: its contracts, and the messages that people send one another and their groups."""

from typing import Annotated, Any

import msgspec
from immutables import Map
from msgspec import Meta

from actors.crypto.secp256k1 import checksummed
from actors.processes.base import action, succeed
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

_Limit = Annotated[int, Meta(ge=0, le=PAGE_MAX, description=f"a whole number from 0 to {PAGE_MAX}")]
_Offset = Annotated[int, Meta(ge=0, le=TIME_MS_MAX, description="a whole number from 0")]
Place = Annotated[int, Meta(ge=-1, le=TIME_MS_MAX, description="a message's place, or -1")]


class RelationState(ContractsState, frozen=True):
    """The contracts' state and the messages."""

    mail: Mail = Mail()
    hidden: Map[str, str] = Map()
    """Id of a message to that of the one that hides it."""


class ListMessages(Body):
    """Whose, and which part of them, newest first."""

    addr: Text
    limit: _Limit = PAGE_DEFAULT
    offset: _Offset = 0


class MessagesAfter(Body):
    """Whose (without one: everybody's), and which part of them, oldest first."""

    after: Place
    addr: Text | None = None
    limit: _Limit = PAGE_DEFAULT


class GetMessage(Body):
    """Which."""

    id: Text


class GetChats(Body):
    """Whose, and for each of them the place up to which it was read."""

    addr: Text
    read: dict[str, Place] = msgspec.field(default_factory=dict)


class Relation(Contracts):
    """Module ``mostao.relation@1`` (relation-one-im.md 2.1, 5, 6, 7)."""

    __slots__ = ()

    module = "mostao.relation@1"
    state: RelationState

    def __init__(self, data: bytes, context: Context) -> None:
        """Whatever the data: it starts with nothing."""
        self.state = RelationState()

    @action("sendMessage", body=RelationMessage)
    def send_message(self, body: RelationMessage, context: Context) -> Effects:
        """A message, from whoever brings it: it proves itself who sent it. The same one again changes nothing."""
        check_id(body)
        mail = self.state.mail
        if body.id in mail.places:  # also when its session key has expired meanwhile
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

    @action("listMessages", body=ListMessages)
    def list_messages(self, body: ListMessages, context: Context) -> Effects:
        """``{"addr", "limit", "offset"}``: the messages of a person, in groups too, or of a group, newest first."""
        address = address_of(body.addr)
        places = self.state.mail.newest(address, self._groups(address), limit=body.limit, offset=body.offset)
        return Effects(self._rows(places, context))

    @action("messagesAfter", body=MessagesAfter)
    def messages_after(self, body: MessagesAfter, context: Context) -> Effects:
        """``{"after", "addr", "limit"}``: those that came after a place, the oldest first."""
        mail = self.state.mail
        if body.addr is None:
            end = min(body.after + 1 + body.limit, len(mail.posted))
            return Effects(self._rows(list(range(body.after + 1, end)), context))
        address = address_of(body.addr)
        return Effects(self._rows(mail.after(address, self._groups(address), body.after, limit=body.limit), context))

    @action("waitingAfter", body=MessagesAfter)
    def waiting_after(self, body: MessagesAfter, context: Context) -> Effects:
        """``{"after"}``: how many messages came after a place, their size, and when the first came, in ms."""
        mail = self.state.mail
        count = max(len(mail.posted) - body.after - 1, 0)
        first = mail.posted[body.after + 1].timestamp if count else None
        size = mail.bytes_after(body.after) if count else 0
        return Effects({"messages": count, "bytes": size, "first": first})

    @action("getMessage", body=GetMessage)
    def get_message(self, body: GetMessage, context: Context) -> Effects:
        """``{"id"}``: that message in a list; empty where there is none."""
        place = self.state.mail.places.get(body.id)
        return Effects([] if place is None else self._rows([place], context))

    @action("getChats", body=GetChats)
    def get_chats(self, body: GetChats, context: Context) -> Effects:
        """``{"addr", "read"}``: a person's conversations, what is new in them, and the place of the newest message."""
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

    def _rows(self, places: list[int], context: Context) -> list[dict[str, Any]]:
        posted = [self.state.mail.posted[place] for place in places]
        payloads = context.payloads([one.slot for one in posted])
        rows = []
        for place, one, data in zip(places, posted, payloads, strict=True):
            message = msgspec.json.decode(data, type=RelationMessage)
            rows.append(
                {
                    "place": place,
                    "received": one.timestamp,
                    "hidden": message.id in self.state.hidden,
                    "message": msgspec.to_builtins(message),
                }
            )
        return rows

    def _hide(self, body: RelationMessage, sender: str, context: Context) -> None:
        """Take note of messages that their sender wants hidden."""
        quoted = body.tagged(QUOTE)
        if not quoted:
            raise Refusal(f"a message that hides another names it in a tag {QUOTE!r}")
        for row in self._rows([self.state.mail.places[one] for one in quoted], context):
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
