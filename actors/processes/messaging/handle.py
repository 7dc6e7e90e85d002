"""A handle: a user's agent. Keeps the profile and the chat list, and speaks for its owner."""

from typing import Any

import msgspec
from immutables import Map

from actors.processes.base import Process, action, same_address, succeed
from actors.processes.messaging.chat_list import Chat, chat_of, chat_rows, unread_counts, with_message
from actors.processes.messaging.relay import RelayMessage, relayed_message
from actors.processes.request_body import Body, Fields, NoBody, Seconds, Text, milliseconds, parser
from actors.protocol.canonical_json import has_wide_integer
from actors.protocol.derived_ids import sent_id
from actors.protocol.messages import REPLY, Context, Effects, Refusal

FIELDS_MAX = 256
"""Fields of a profile, entries of an environment."""
DELEGATES_MAX = 64
CONTACTS_MAX = 10_000
TEXT_FIELDS = ("name", "img", "banner", "bio", "pubkey")


class HandleState(msgspec.Struct, frozen=True, gc=False):
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


class Start(Body):
    """What a handle starts from."""

    name: Text
    pubkey: str | None = None


class UpdateChatList(Body):
    """A new session."""

    sessionID: Text
    otherHandleName: Text
    otherHandleID: Text


class Notify(Body):
    """When the message came; the notification's own time if it does not say."""

    lastMessageTime: Seconds | None = None


class MarkAsViewed(Body):
    """Which session."""

    sessionID: Text


class AddDelegate(Body):
    """Who may speak for the owner, and until when."""

    address: Text
    expires: Seconds


class RemoveDelegate(Body):
    """Who no longer may."""

    address: Text


class AddContact(Body):
    """Whom to keep, with a note."""

    handle: Text
    note: str | None = None


class RemoveContact(Body):
    """Whom to forget."""

    handle: Text


_start = parser(Start)


class Handle(Process):
    """Module ``mostao.handle@1`` (mostao.md "Handle"; drafts: "Avatar", "MIP-02 Profile")."""

    __slots__ = ()

    module = "mostao.handle@1"
    state: HandleState

    def __init__(self, data: bytes, context: Context) -> None:
        """See ``Start``."""
        start = _start(data)
        profile = Map({"pubkey": start.pubkey}) if start.pubkey else Map()
        self.state = HandleState(start.name, context.sender, profile=profile)

    @action("ProfileUpdate", body=Fields)
    def update_profile(self, body: Fields, context: Context) -> Effects:
        """Any fields; those given replace those kept."""
        _only_owner(context)
        given = {name: value for name, value in body.items() if value is not None or name not in TEXT_FIELDS}
        for name in TEXT_FIELDS:
            if type(given.get(name, "")) is not str:
                raise Refusal(f"the field {name!r} has to be a text")
        if given.get("pubkey") == "":
            raise Refusal("the field 'pubkey' has to be a text that is not empty")
        self._replace(profile=_merged(self.state.profile, given))
        return Effects(succeed())

    @action("GetProfile")
    def get_profile(self, body: NoBody, context: Context) -> Effects:
        """The fields that are set."""
        return Effects(_object(self.state.profile))

    @action("SetEnv", body=Fields)
    def set_env(self, body: Fields, context: Context) -> Effects:
        """Any keys; a null takes its key out."""
        _only_owner(context)
        env = _merged(self.state.env, {name: value for name, value in body.items() if value is not None})
        for name, value in body.items():
            if value is None and name in env:
                env = env.delete(name)
        self._replace(env=env)
        return Effects(succeed())

    @action("GetEnv")
    def get_env(self, body: NoBody, context: Context) -> Effects:
        """The environment variables."""
        return Effects(_object(self.state.env))

    @action("RelayMessage", body=RelayMessage)
    def relay(self, body: RelayMessage, context: Context) -> Effects:
        """``{"Target", "Data", "Tags"}``: the handle sends that message as itself, to a session of its chat list, or to
        the registry to establish one. The answer names the id of the message that it sent.
        """
        self._only_speaker(context)
        relayed = relayed_message(body)
        chat = self.state.chats.get(relayed.target)
        if chat is not None:
            if relayed.action == "SendMessage":
                chat = with_message(chat, timestamp=context.timestamp, slot=context.slot, unread=0)
                self._keep_chat(relayed.target, chat)
        elif not (relayed.target == self.state.registry and relayed.action == "EstablishSession"):
            raise Refusal(
                "a handle relays to the sessions of its chat list, and EstablishSession to its registry, nowhere else"
            )
        return Effects(succeed(messageID=sent_id(context.message_id, 1)), messages=(relayed,))

    @action("UpdateChatList", body=UpdateChatList)
    def update_chat_list(self, body: UpdateChatList, context: Context) -> Effects:
        """``{"sessionID", "otherHandleName", "otherHandleID"}`` from the registry: a new session."""
        if context.sender != self.state.registry or not context.from_process:
            raise Refusal("only the registry changes the chat list")
        if body.sessionID not in self.state.chats:  # told again of one that it has, it keeps what it knows of it
            self._keep_chat(body.sessionID, Chat(body.otherHandleName, body.otherHandleID, context.slot))
        return Effects(succeed(), quiet=True)

    @action("GetChatList")
    def get_chat_list(self, body: NoBody, context: Context) -> Effects:
        """The sessions, the last active first."""
        return Effects(chat_rows(self.state.chats))

    @action("Notify", body=Notify, optional=True)
    def notify(self, body: Notify, context: Context) -> Effects:
        """``{"lastMessageTime"}`` or nothing, from a session of the chat list: there is a message to read."""
        chat = self.state.chats.get(context.sender)
        if chat is None or not context.from_process:
            raise Refusal("only a session of the chat list notifies a handle")
        time = context.timestamp if body.lastMessageTime is None else milliseconds(body.lastMessageTime)
        self._keep_chat(context.sender, with_message(chat, timestamp=time, slot=context.slot, unread=1))
        return Effects(succeed(), quiet=True)

    @action("MarkAsViewed", body=MarkAsViewed)
    def mark_as_viewed(self, body: MarkAsViewed, context: Context) -> Effects:
        """``{"sessionID"}``: its messages have been seen."""
        self._only_speaker(context)
        chat = chat_of(self.state.chats, body.sessionID)
        self._keep_chat(body.sessionID, msgspec.structs.replace(chat, last_viewed=context.timestamp, unread=0))
        return Effects(succeed())

    @action("GetUnread")
    def get_unread(self, body: NoBody, context: Context) -> Effects:
        """Unread messages per session and in all."""
        return Effects(unread_counts(self.state.chats))

    @action("AddDelegate", body=AddDelegate)
    def add_delegate(self, body: AddDelegate, context: Context) -> Effects:
        """``{"address", "expires"}``: until then (seconds) that address relays and marks as viewed for the owner."""
        _only_owner(context)
        address, expires = body.address, milliseconds(body.expires)
        if expires <= context.timestamp:
            raise Refusal("the field 'expires' has to lie in the future")
        current = {key: end for key, end in self.state.delegates.items() if end > context.timestamp}
        delegates = Map(current).set(address, expires)
        if len(delegates) > DELEGATES_MAX:
            raise Refusal(f"a handle has at most {DELEGATES_MAX} delegates: remove one first")
        self._replace(delegates=delegates)
        return Effects(succeed())

    @action("RemoveDelegate", body=RemoveDelegate)
    def remove_delegate(self, body: RemoveDelegate, context: Context) -> Effects:
        """``{"address"}``: it speaks for the owner no longer."""
        _only_owner(context)
        if body.address not in self.state.delegates:
            raise Refusal(f"{body.address!r} is no delegate")
        self._replace(delegates=self.state.delegates.delete(body.address))
        return Effects(succeed())

    @action("GetDelegates")
    def get_delegates(self, body: NoBody, context: Context) -> Effects:
        """The delegates whose time has not run out."""
        delegates = sorted(self.state.delegates.items())
        return Effects(
            [{"address": address, "expires": end / 1000} for address, end in delegates if end > context.timestamp]
        )

    @action("AddContact", body=AddContact)
    def add_contact(self, body: AddContact, context: Context) -> Effects:
        """``{"handle", "note"}``: keeps a contact, or changes its note."""
        _only_owner(context)
        contacts = self.state.contacts.set(body.handle, body.note or "")
        if len(contacts) > CONTACTS_MAX:
            raise Refusal(f"a handle has at most {CONTACTS_MAX} contacts: remove one first")
        self._replace(contacts=contacts)
        return Effects(succeed())

    @action("RemoveContact", body=RemoveContact)
    def remove_contact(self, body: RemoveContact, context: Context) -> Effects:
        """``{"handle"}``: forgets a contact."""
        _only_owner(context)
        if body.handle not in self.state.contacts:
            raise Refusal(f"{body.handle!r} is not among the contacts")
        self._replace(contacts=self.state.contacts.delete(body.handle))
        return Effects(succeed())

    @action("GetContacts")
    def get_contacts(self, body: NoBody, context: Context) -> Effects:
        """The contacts, by handle."""
        return Effects([{"handle": handle, "note": note} for handle, note in sorted(self.state.contacts.items())])

    @action(REPLY, body=Fields)
    def keep_refusal(self, body: Fields, context: Context) -> Effects:
        """A session answers a relayed message only to refuse it: kept where the owner looks, in the chat list."""
        chat = self.state.chats.get(context.sender)
        if chat is None or not context.from_process:
            return Effects(None)
        if body.get("status") == "error":
            refused = msgspec.structs.replace(chat, refusal=body["message"], refused_message=body["messageID"])
            self._keep_chat(context.sender, refused)
        return Effects(None)

    def _only_speaker(self, context: Context) -> None:
        expires = self.state.delegates.get(context.sender)
        if expires is None or expires <= context.timestamp:
            _only_owner(context)

    def _keep_chat(self, session: str, chat: Chat) -> None:
        self.state = msgspec.structs.replace(self.state, chats=self.state.chats.set(session, chat))


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
