"""The handle: the agent of a user, with profile, chat list, delegates and contacts. It relays its owner's messages."""

from typing import Any, ClassVar

import msgspec

from actors.processes.base import Process, action, same_address, succeed
from actors.processes.collections.map import Map
from actors.processes.messaging.chat_list import Chat, chat_of, chat_rows, unread_counts, with_message
from actors.processes.messaging.relay import RelayMessage, relayed_message
from actors.processes.request_body import Body, EmptyBody, Fields, Seconds, Text, milliseconds, parser
from actors.protocol.canonical_json import has_wide_integer
from actors.protocol.derived_ids import sent_id
from actors.protocol.messages import REPLY, Context, Effects, Refusal

FIELDS_MAX = 256
"""Maximum number of fields of a profile, and of environment variables."""
DELEGATES_MAX = 64
CONTACTS_MAX = 10_000
TEXT_FIELDS = ("name", "img", "banner", "bio", "pubkey")


class HandleState(msgspec.Struct, frozen=True, gc=False):
    """State of a handle."""

    name: str
    registry: str
    """The process that spawned the handle."""
    profile: Map[str, Any] = Map()
    env: Map[str, Any] = Map()
    chats: Map[str, Chat] = Map()
    delegates: Map[str, int] = Map()
    """Address of a delegate to the end of its delegation, in ms."""
    contacts: Map[str, str] = Map()
    """Handle of a contact to a note."""


class Start(Body):
    """Start body: name and public key."""

    name: Text
    pubkey: str | None = None


class UpdateChatList(Body):
    """A session or group of the chat list."""

    sessionID: Text
    otherHandleName: Text
    otherHandleID: Text


class Notify(Body):
    """Time of the new message; by default the time of the notification."""

    lastMessageTime: Seconds | None = None


class MarkAsViewed(Body):
    """A session of the chat list."""

    sessionID: Text


class AddDelegate(Body):
    """An address, and the end of its delegation."""

    address: Text
    expires: Seconds


class RemoveDelegate(Body):
    """The address of a delegate."""

    address: Text


class AddContact(Body):
    """A contact and a note."""

    handle: Text
    note: str | None = None


class RemoveContact(Body):
    """The handle of a contact."""

    handle: Text


OWNER, OWNER_OR_DELEGATE = "the owner", "the owner or a delegate"

_parse_start = parser(Start)


class Handle(Process):
    """The agent of a user (mostao.md "Handle"; mostao-mip-draft.md "Avatar", "MIP-02 Profile").

    A registry spawns it.
    """

    __slots__ = ()

    module = "mostao.handle@1"
    start_body: ClassVar[type] = Start
    state: HandleState

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from a ``Start`` body."""
        start = _parse_start(data)
        profile = Map({"pubkey": start.pubkey}) if start.pubkey else Map()
        self.state = HandleState(start.name, context.sender, profile=profile)

    @action("ProfileUpdate", body=Fields, callers=OWNER, reply="`status`")
    def update_profile(self, body: Fields, context: Context) -> Effects:
        """Set fields of the profile: texts for ``name``, ``img``, ``banner``, ``bio`` and ``pubkey``, else any JSON."""
        only_owner(context)
        given = {name: value for name, value in body.items() if value is not None or name not in TEXT_FIELDS}
        for name in TEXT_FIELDS:
            if type(given.get(name, "")) is not str:
                raise Refusal(f"the field {name!r} has to be a text")
        if given.get("pubkey") == "":
            raise Refusal("the field 'pubkey' has to be a text that is not empty")
        self._replace(profile=_merged(self.state.profile, given))
        return Effects(succeed())

    @action("GetProfile", reply="object of the fields that are set")
    def get_profile(self, body: EmptyBody, context: Context) -> Effects:
        """Return the profile."""
        return Effects(_object(self.state.profile))

    @action("SetEnv", body=Fields, callers=OWNER, reply="`status`")
    def set_env(self, body: Fields, context: Context) -> Effects:
        """Set environment variables to any JSON values; null removes a variable."""
        only_owner(context)
        env = _merged(self.state.env, {name: value for name, value in body.items() if value is not None})
        for name, value in body.items():
            if value is None and name in env:
                env = env.delete(name)
        self._replace(env=env)
        return Effects(succeed())

    @action("GetEnv", reply="object of the variables that are set")
    def get_env(self, body: EmptyBody, context: Context) -> Effects:
        """Return the environment variables."""
        return Effects(_object(self.state.env))

    @action(
        "RelayMessage",
        body=RelayMessage,
        callers=OWNER_OR_DELEGATE,
        reply="`status`, `messageID` (id of the relayed message)",
    )
    def relay(self, body: RelayMessage, context: Context) -> Effects:
        """Send a message as the handle: to a session or group of the chat list, or EstablishSession to the registry."""
        self._only_owner_or_delegate(context)
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

    @action("UpdateChatList", body=UpdateChatList, callers="the registry that spawned the handle", reply="`status`")
    def update_chat_list(self, body: UpdateChatList, context: Context) -> Effects:
        """Add a session or group to the chat list. An existing entry stays as it is."""
        if context.sender != self.state.registry or not context.from_process:
            raise Refusal("only the registry changes the chat list")
        if body.sessionID not in self.state.chats:  # a repeated message must not reset the chat
            self._keep_chat(body.sessionID, Chat(body.otherHandleName, body.otherHandleID, context.slot))
        return Effects(succeed(), quiet=True)

    @action(
        "GetChatList",
        reply="list of `sessionID`, `otherHandleName`, `otherHandleID`, `unread`; where set also `lastMessageTime` and"
        " `lastViewedTime` (seconds) and `refusal` (`message`, `messageID`)",
    )
    def get_chat_list(self, body: EmptyBody, context: Context) -> Effects:
        """Return the chat list, last active first."""
        return Effects(chat_rows(self.state.chats))

    @action("Notify", body=Notify, optional=True, callers="a session of the chat list", reply="`status`")
    def notify(self, body: Notify, context: Context) -> Effects:
        """Count a new message of a session as unread, and move its chat to the top."""
        chat = self.state.chats.get(context.sender)
        if chat is None or not context.from_process:
            raise Refusal("only a session of the chat list notifies a handle")
        time = context.timestamp if body.lastMessageTime is None else milliseconds(body.lastMessageTime)
        self._keep_chat(context.sender, with_message(chat, timestamp=time, slot=context.slot, unread=1))
        return Effects(succeed(), quiet=True)

    @action("MarkAsViewed", body=MarkAsViewed, callers=OWNER_OR_DELEGATE, reply="`status`")
    def mark_as_viewed(self, body: MarkAsViewed, context: Context) -> Effects:
        """Reset the unread count of a session."""
        self._only_owner_or_delegate(context)
        chat = chat_of(self.state.chats, body.sessionID)
        self._keep_chat(body.sessionID, msgspec.structs.replace(chat, last_viewed=context.timestamp, unread=0))
        return Effects(succeed())

    @action("GetUnread", reply="`total`, `sessions` (session to its count, where not 0)")
    def get_unread(self, body: EmptyBody, context: Context) -> Effects:
        """Return the number of unread messages per session and in total."""
        return Effects(unread_counts(self.state.chats))

    @action("AddDelegate", body=AddDelegate, callers=OWNER, reply="`status`")
    def add_delegate(self, body: AddDelegate, context: Context) -> Effects:
        """Let an address call RelayMessage and MarkAsViewed for the owner, until ``expires`` (seconds)."""
        only_owner(context)
        address, expires = body.address, milliseconds(body.expires)
        if expires <= context.timestamp:
            raise Refusal("the field 'expires' has to lie in the future")
        current = {key: end for key, end in self.state.delegates.items() if end > context.timestamp}
        delegates = Map(current).set(address, expires)
        if len(delegates) > DELEGATES_MAX:
            raise Refusal(f"a handle has at most {DELEGATES_MAX} delegates: remove one first")
        self._replace(delegates=delegates)
        return Effects(succeed())

    @action("RemoveDelegate", body=RemoveDelegate, callers=OWNER, reply="`status`")
    def remove_delegate(self, body: RemoveDelegate, context: Context) -> Effects:
        """Remove a delegate."""
        only_owner(context)
        if body.address not in self.state.delegates:
            raise Refusal(f"{body.address!r} is no delegate")
        self._replace(delegates=self.state.delegates.delete(body.address))
        return Effects(succeed())

    @action("GetDelegates", reply="list of `address`, `expires` (seconds)")
    def get_delegates(self, body: EmptyBody, context: Context) -> Effects:
        """List the delegates that have not expired."""
        delegates = sorted(self.state.delegates.items())
        return Effects(
            [{"address": address, "expires": end / 1000} for address, end in delegates if end > context.timestamp]
        )

    @action("AddContact", body=AddContact, callers=OWNER, reply="`status`")
    def add_contact(self, body: AddContact, context: Context) -> Effects:
        """Add a contact, or change its note."""
        only_owner(context)
        contacts = self.state.contacts.set(body.handle, body.note or "")
        if len(contacts) > CONTACTS_MAX:
            raise Refusal(f"a handle has at most {CONTACTS_MAX} contacts: remove one first")
        self._replace(contacts=contacts)
        return Effects(succeed())

    @action("RemoveContact", body=RemoveContact, callers=OWNER, reply="`status`")
    def remove_contact(self, body: RemoveContact, context: Context) -> Effects:
        """Remove a contact."""
        only_owner(context)
        if body.handle not in self.state.contacts:
            raise Refusal(f"{body.handle!r} is not among the contacts")
        self._replace(contacts=self.state.contacts.delete(body.handle))
        return Effects(succeed())

    @action("GetContacts", reply="list of `handle`, `note`")
    def get_contacts(self, body: EmptyBody, context: Context) -> Effects:
        """List the contacts, sorted by handle."""
        return Effects([{"handle": handle, "note": note} for handle, note in sorted(self.state.contacts.items())])

    @action(REPLY, body=Fields, callers="a process")
    def keep_refusal(self, body: Fields, context: Context) -> Effects:
        """Keep a session's refusal of a relayed message in the chat list, where the owner reads it."""
        chat = self.state.chats.get(context.sender)
        if chat is None or not context.from_process:
            return Effects(None)
        if body.get("status") == "error":
            refused = msgspec.structs.replace(chat, refusal=body["message"], refused_message=body["messageID"])
            self._keep_chat(context.sender, refused)
        return Effects(None)

    def _only_owner_or_delegate(self, context: Context) -> None:
        expires = self.state.delegates.get(context.sender)
        if expires is None or expires <= context.timestamp:
            only_owner(context)

    def _keep_chat(self, session: str, chat: Chat) -> None:
        self.state = msgspec.structs.replace(self.state, chats=self.state.chats.set(session, chat))


def only_owner(context: Context) -> None:
    """Check that the sender owns the process.

    Raises:
        Refusal: it does not.
    """
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
