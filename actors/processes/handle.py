"""A handle: a user's agent. Keeps the profile and the chat list, and speaks for its owner."""

from typing import Any

import msgspec
from immutables import Map

from actors.ids import sent_id
from actors.jsontext import decode, has_wide_integer
from actors.messages import REPLY, Context, Effects, IncomingMessage, Refusal
from actors.processes.base import Process, action, same_address, succeed
from actors.processes.body import Body
from actors.processes.chats import Chat, chat_of, chat_rows, unread_counts, with_message
from actors.processes.relayed import relayed_message

FIELDS_MAX = 256
"""Fields of a profile, entries of an environment."""
DELEGATES_MAX = 64
CONTACTS_MAX = 10_000
TEXT_FIELDS = ("name", "img", "banner", "bio", "pubkey")


class HandleState(msgspec.Struct, frozen=True):
    """What a handle knows."""

    name: str
    registry: str
    """The process that spawned it."""
    profile: Map[str, Any] = Map()
    env: Map[str, Any] = Map()
    chats: Map[str, Chat] = Map()
    delegates: Map[str, int] = Map()
    """Address to the end of its right to speak for the owner, in ms."""
    contacts: Map[str, str] = Map()
    """Handle to a note."""


class Handle(Process):
    """Module ``mostao.handle@1`` (mostao.md "Handle"; drafts: "Avatar", "MIP-02 Profile")."""

    module = "mostao.handle@1"
    state: HandleState

    def __init__(self, data: bytes, context: Context) -> None:
        """Starts from ``{"name", "pubkey"}``."""
        body = Body(data)
        pubkey = body.text_or("pubkey", "")
        self.state = HandleState(
            body.text("name"), context.sender, profile=Map({"pubkey": pubkey}) if pubkey else Map()
        )

    @action("ProfileUpdate")
    def update_profile(self, message: IncomingMessage, context: Context) -> Effects:
        """Any fields; those given replace those kept."""
        _only_owner(context)
        body = Body(message.data)
        for field in TEXT_FIELDS:
            if field in body.fields:
                body.text_or(field, "")
        given = {name: value for name, value in body.fields.items() if value is not None or name not in TEXT_FIELDS}
        if "pubkey" in given:
            body.text("pubkey")
        self._replace(profile=_merged(self.state.profile, given))
        return Effects(succeed())

    @action("GetProfile")
    def get_profile(self, message: IncomingMessage, context: Context) -> Effects:
        """The fields that are set."""
        return Effects(_object(self.state.profile))

    @action("SetEnv")
    def set_env(self, message: IncomingMessage, context: Context) -> Effects:
        """Any keys; a null takes its key out."""
        _only_owner(context)
        given = Body(message.data).fields
        env = _merged(self.state.env, {name: value for name, value in given.items() if value is not None})
        for name, value in given.items():
            if value is None and name in env:
                env = env.delete(name)
        self._replace(env=env)
        return Effects(succeed())

    @action("GetEnv")
    def get_env(self, message: IncomingMessage, context: Context) -> Effects:
        """The environment variables."""
        return Effects(_object(self.state.env))

    @action("RelayMessage")
    def relay(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"Target", "Data", "Tags"}``: the handle sends that message as itself, to a session of its chat list, or to
        the registry to establish one. The answer names the id of the message that it sent.
        """
        self._only_speaker(context)
        relayed = relayed_message(message.data)
        if relayed.target in self.state.chats:
            chat = self.state.chats[relayed.target]
            if relayed.action == "SendMessage":
                chat = with_message(chat, timestamp=context.timestamp, slot=context.slot, unread=0)
                self._keep_chat(relayed.target, chat)
        elif not (relayed.target == self.state.registry and relayed.action == "EstablishSession"):
            raise Refusal(
                "a handle relays to the sessions of its chat list, and EstablishSession to its registry, nowhere else"
            )
        return Effects(succeed(messageID=sent_id(context.message_id, 1)), messages=(relayed,))

    @action("UpdateChatList")
    def update_chat_list(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"sessionID", "otherHandleName", "otherHandleID"}`` from the registry: a new session."""
        if context.sender != self.state.registry or not context.from_process:
            raise Refusal("only the registry changes the chat list")
        body = Body(message.data)
        session = body.text("sessionID")
        chat = Chat(body.text("otherHandleName"), body.text("otherHandleID"), context.slot)
        if session not in self.state.chats:  # told again of a session that it has, a handle keeps what it knows of it
            self._keep_chat(session, chat)
        return Effects(succeed(), quiet=True)

    @action("GetChatList")
    def get_chat_list(self, message: IncomingMessage, context: Context) -> Effects:
        """The sessions, the last active first."""
        return Effects(chat_rows(self.state.chats))

    @action("Notify")
    def notify(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"lastMessageTime"}`` or nothing, from a session of the chat list: there is a message to read."""
        chat = self.state.chats.get(context.sender)
        if chat is None or not context.from_process:
            raise Refusal("only a session of the chat list notifies a handle")
        time = context.timestamp
        if message.data.strip():
            body = Body(message.data)
            if body.has("lastMessageTime"):
                time = body.milliseconds("lastMessageTime")
        self._keep_chat(context.sender, with_message(chat, timestamp=time, slot=context.slot, unread=1))
        return Effects(succeed(), quiet=True)

    @action("MarkAsViewed")
    def mark_as_viewed(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"sessionID"}``: its messages have been seen."""
        self._only_speaker(context)
        session = Body(message.data).text("sessionID")
        chat = chat_of(self.state.chats, session)
        self._keep_chat(session, msgspec.structs.replace(chat, last_viewed=context.timestamp, unread=0))
        return Effects(succeed())

    @action("GetUnread")
    def get_unread(self, message: IncomingMessage, context: Context) -> Effects:
        """Unread messages per session and in all."""
        return Effects(unread_counts(self.state.chats))

    @action("AddDelegate")
    def add_delegate(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"address", "expires"}``: until then (seconds) that address relays and marks as viewed for the owner."""
        _only_owner(context)
        body = Body(message.data)
        address, expires = body.text("address"), body.milliseconds("expires")
        if expires <= context.timestamp:
            raise Refusal("the field 'expires' has to lie in the future")
        current = {key: end for key, end in self.state.delegates.items() if end > context.timestamp}
        delegates = Map(current).set(address, expires)
        if len(delegates) > DELEGATES_MAX:
            raise Refusal(f"a handle has at most {DELEGATES_MAX} delegates: remove one first")
        self._replace(delegates=delegates)
        return Effects(succeed())

    @action("RemoveDelegate")
    def remove_delegate(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"address"}``: it speaks for the owner no longer."""
        _only_owner(context)
        address = Body(message.data).text("address")
        if address not in self.state.delegates:
            raise Refusal(f"{address!r} is no delegate")
        self._replace(delegates=self.state.delegates.delete(address))
        return Effects(succeed())

    @action("GetDelegates")
    def get_delegates(self, message: IncomingMessage, context: Context) -> Effects:
        """The delegates whose time has not run out."""
        delegates = sorted(self.state.delegates.items())
        return Effects(
            [{"address": address, "expires": end / 1000} for address, end in delegates if end > context.timestamp]
        )

    @action("AddContact")
    def add_contact(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"handle", "note"}``: keeps a contact, or changes its note."""
        _only_owner(context)
        body = Body(message.data)
        contacts = self.state.contacts.set(body.text("handle"), body.text_or("note", ""))
        if len(contacts) > CONTACTS_MAX:
            raise Refusal(f"a handle has at most {CONTACTS_MAX} contacts: remove one first")
        self._replace(contacts=contacts)
        return Effects(succeed())

    @action("RemoveContact")
    def remove_contact(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"handle"}``: forgets a contact."""
        _only_owner(context)
        handle = Body(message.data).text("handle")
        if handle not in self.state.contacts:
            raise Refusal(f"{handle!r} is not among the contacts")
        self._replace(contacts=self.state.contacts.delete(handle))
        return Effects(succeed())

    @action("GetContacts")
    def get_contacts(self, message: IncomingMessage, context: Context) -> Effects:
        """The contacts, by handle."""
        return Effects([{"handle": handle, "note": note} for handle, note in sorted(self.state.contacts.items())])

    @action(REPLY)
    def keep_refusal(self, message: IncomingMessage, context: Context) -> Effects:
        """A session answers a relayed message only to refuse it: kept where the owner looks, in the chat list."""
        chat = self.state.chats.get(context.sender)
        if chat is None or not context.from_process:
            return Effects(None)
        answer = decode(message.data)
        if type(answer) is dict and answer.get("status") == "error":
            self._keep_chat(
                context.sender,
                msgspec.structs.replace(chat, refusal=answer["message"], refused_message=answer.get("messageID")),
            )
        return Effects(None)

    def _only_speaker(self, context: Context) -> None:
        expires = self.state.delegates.get(context.sender)
        if expires is None or expires <= context.timestamp:
            _only_owner(context)

    def _keep_chat(self, session: str, chat: Chat) -> None:
        self.state = msgspec.structs.replace(self.state, chats=self.state.chats.set(session, chat))

    def _replace(self, **changes: Any) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)


def _only_owner(context: Context) -> None:
    if not same_address(context.owner, context.sender):
        raise Refusal("only the owner can do that")


def _merged(kept: Map[str, Any], given: dict[str, Any]) -> Map[str, Any]:
    merged = kept.update(given)
    if len(merged) > FIELDS_MAX:
        raise Refusal(f"at most {FIELDS_MAX} fields are kept")
    if has_wide_integer(given):
        raise Refusal("a whole number has to fit into 64 bits")
    return merged


def _object(fields: Map[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in sorted(fields)}
