"""Version 2 of the handle: its state and its answers have a limit in bytes, and strangers a limit in its chat list."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from actors.processes.base import action, same_address, succeed
from actors.processes.collections.map import Map
from actors.processes.limits import ANSWER_BYTES_MAX, STATE_BYTES_MAX, ListPage, check_state, json_bytes
from actors.processes.messaging import chat_list_v2
from actors.processes.messaging.chat_list import chat_of, with_message
from actors.processes.messaging.chat_list_v2 import (
    REFUSAL_CHARACTERS_MAX,
    REMOVED_BYTES,
    ChatPage,
    ChatV2,
    chat_bytes,
    strangers_refusal,
)
from actors.processes.messaging.handle import (
    OWNER,
    OWNER_OR_DELEGATE,
    AddContact,
    AddDelegate,
    Handle,
    HandleState,
    RemoveContact,
    UpdateChatList,
    only_owner,
)
from actors.processes.messaging.handle_bodies_v2 import (
    AddContactV2,
    AddDelegateV2,
    ChatNotAdded,
    RemoveChat,
    StartV2,
    UpdateChatListV2,
)
from actors.processes.messaging.relay import RelayMessage, relayed_message
from actors.processes.request_body import Fields, parser
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import sent_id
from actors.protocol.messages import REPLY, Context, Effects, Outgoing, Refusal

FIXED_BYTES = 64 * 1024
"""Most bytes of a state besides profile, environment, contacts and chats: the delegates and names of fields."""


class HandleStateV2(HandleState, frozen=True):
    """State of a handle."""

    chats: Map[str, ChatV2] = Map()
    strangers: int = 0
    """Number of chats that others opened and the owner never answered."""
    removed: Map[str, int] = Map()
    """Session or group of a removed chat to the slot of its removal. Only its owner adds it again."""
    profile_bytes: int = 0
    env_bytes: int = 0
    state_bytes: int = FIXED_BYTES
    """An upper bound of the state's bytes as canonical JSON."""


_parse_start = parser(StartV2)


class HandleV2(Handle):
    """Keeps at most 1 MiB and answers with at most 256 KiB. Strangers have at most 1,000 chats in its chat list.

    A registry spawns it.
    """

    __slots__ = ()

    module = "mostao.handle@2"
    start_body: ClassVar[type] = StartV2
    is_limited = True
    state: HandleStateV2

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from a ``StartV2`` body."""
        start = _parse_start(data)
        profile = {"pubkey": start.pubkey} if start.pubkey else {}
        grown = _members_bytes(profile, profile)
        self.state = HandleStateV2(
            start.name,
            context.sender,
            profile=Map(profile),
            profile_bytes=grown,
            state_bytes=FIXED_BYTES + grown,
        )

    @action("ProfileUpdate", body=Fields, callers=OWNER, reply="`status`")
    def update_profile(self, body: Fields, context: Context) -> Effects:
        """Set fields of the profile: texts for ``name``, ``img``, ``banner``, ``bio`` and ``pubkey``, else any JSON."""
        before = self.state.profile
        effects = super().update_profile(body, context)
        grown = _growth(before, self.state.profile, body)
        self._check_object("profile", self.state.profile_bytes + grown)
        self._replace(profile_bytes=self.state.profile_bytes + grown)
        self._grow(grown)
        return effects

    @action("SetEnv", body=Fields, callers=OWNER, reply="`status`")
    def set_env(self, body: Fields, context: Context) -> Effects:
        """Set environment variables to any JSON values; null removes a variable."""
        before = self.state.env
        effects = super().set_env(body, context)
        grown = _growth(before, self.state.env, body)
        self._check_object("environment", self.state.env_bytes + grown)
        self._replace(env_bytes=self.state.env_bytes + grown)
        self._grow(grown)
        return effects

    @action(
        "RelayMessage",
        body=RelayMessage,
        callers=OWNER_OR_DELEGATE,
        reply="`status`, `messageID` (id of the relayed message)",
    )
    def relay(self, body: RelayMessage, context: Context) -> Effects:
        """Send a message as the handle: to a session or group of the chat list, or EstablishSession to the registry.

        A chat that another person opened is answered by that: it no longer counts as a stranger's.
        """
        self._only_owner_or_delegate(context)
        relayed = relayed_message(body)
        chat = self.state.chats.get(relayed.target)
        if chat is not None:
            if chat.stranger:
                chat = self._admitted(chat)
            if relayed.action == "SendMessage":
                chat = with_message(chat, timestamp=context.timestamp, slot=context.slot, unread=0)
            self._keep_chat(relayed.target, chat)
        elif not (relayed.target == self.state.registry and relayed.action == "EstablishSession"):
            raise Refusal(
                "a handle relays to the sessions of its chat list, and EstablishSession to its registry, nowhere else"
            )
        return Effects(succeed(messageID=sent_id(context.message_id, 1)), messages=(relayed,))

    @action("UpdateChatList", body=UpdateChatListV2, callers="the registry that spawned the handle", reply="`status`")
    def update_chat_list(self, body: UpdateChatList, context: Context) -> Effects:
        """Add a session or group to the chat list. An existing entry stays as it is.

        A chat is a stranger's unless the owner or the handle opened it (``by``). A removed chat of a stranger is not
        added. If the chat list has too many chats of strangers, the other handle gets ChatNotAdded.
        """
        if context.sender != self.state.registry or not context.from_process:
            raise Refusal("only the registry changes the chat list")
        assert isinstance(body, UpdateChatListV2)
        own = body.by == context.process or same_address(body.by, context.owner)
        chat = self.state.chats.get(body.sessionID)
        if chat is not None:
            if own and chat.stranger:
                self._keep_chat(body.sessionID, self._admitted(chat))
        elif own or body.sessionID not in self.state.removed:
            chat = ChatV2(body.otherHandleName, body.otherHandleID, context.slot, stranger=not own)
            if chat.stranger and not self._has_room(chat):
                return Effects(succeed(), messages=_not_added(body), quiet=True)
            self._grow(chat_bytes(chat))
            self._replace(strangers=self.state.strangers + chat.stranger)
            self._keep_chat(body.sessionID, chat)
            if body.sessionID in self.state.removed:
                self._forget(body.sessionID)
        return Effects(succeed(), quiet=True)

    @action(
        "ChatNotAdded", body=ChatNotAdded, callers="the other handle of a session of the chat list", reply="`status`"
    )
    def chat_not_added(self, body: ChatNotAdded, context: Context) -> Effects:
        """Keep in the chat list, as ``refusal``, that the other handle's chat list had no room for the session."""
        chat = self.state.chats.get(body.sessionID)
        if chat is None or chat.other_id != context.sender or not context.from_process:
            raise Refusal("only the other handle of a session of the chat list can do that")
        self._keep_refusal(body.sessionID, chat, strangers_refusal(), context.message_id)
        return Effects(succeed(), quiet=True)

    @action("RemoveChat", body=RemoveChat, callers=OWNER, reply="`status`")
    def remove_chat(self, body: RemoveChat, context: Context) -> Effects:
        """Remove a session or group from the chat list. Only EstablishSession or JoinGroup of the owner adds it again.

        That holds for the newest 1,000 removals.
        """
        only_owner(context)
        chat = chat_of(self.state.chats, body.sessionID)
        assert isinstance(chat, ChatV2)
        self._grow(REMOVED_BYTES - chat_bytes(chat))  # less than 0
        self._replace(
            chats=self.state.chats.delete(body.sessionID),
            strangers=self.state.strangers - int(chat.stranger),
            removed=self.state.removed.set(body.sessionID, context.slot),
        )
        if len(self.state.removed) > chat_list_v2.REMOVED_MAX:
            self._forget(min(self.state.removed, key=self.state.removed.__getitem__))
        return Effects(succeed())

    @action(
        "GetChatList",
        body=ChatPage,
        any_data=True,
        reply="list of `sessionID`, `otherHandleName`, `otherHandleID`, `unread`; where set also `lastMessageTime` and"
        " `lastViewedTime` (seconds) and `refusal` (`message`, `messageID`)",
    )
    def get_chat_list(self, body: Any, context: Context) -> Effects:
        """Return the chat list, last active first, or as much of it as an answer holds.

        Pages by ``after`` are sorted by `sessionID` and begin with an empty one. So a chat that a message moves
        meanwhile is in one page; by ``offset`` it can be in none.
        """
        return Effects(body.chats(self.state.chats))

    @action("AddDelegate", body=AddDelegateV2, callers=OWNER, reply="`status`")
    def add_delegate(self, body: AddDelegate, context: Context) -> Effects:
        """Let an address call RelayMessage and MarkAsViewed for the owner, until ``expires`` (seconds)."""
        return super().add_delegate(body, context)

    @action("AddContact", body=AddContactV2, callers=OWNER, reply="`status`")
    def add_contact(self, body: AddContact, context: Context) -> Effects:
        """Add a contact, or change its note."""
        before = self.state.contacts
        effects = super().add_contact(body, context)
        self._grow(_growth(before, self.state.contacts, (body.handle,)))
        return effects

    @action("RemoveContact", body=RemoveContact, callers=OWNER, reply="`status`")
    def remove_contact(self, body: RemoveContact, context: Context) -> Effects:
        """Remove a contact."""
        before = self.state.contacts
        effects = super().remove_contact(body, context)
        self._grow(_growth(before, self.state.contacts, (body.handle,)))
        return effects

    @action("GetContacts", body=ListPage, any_data=True, reply="list of `handle`, `note`")
    def get_contacts(self, body: Any, context: Context) -> Effects:
        """List the contacts, sorted by handle: all of them, or a page."""
        contacts = sorted(self.state.contacts.items())
        return Effects(body.rows([{"handle": handle, "note": note} for handle, note in contacts]))

    @action(REPLY, body=Fields, callers="a process")
    def keep_refusal(self, body: Fields, context: Context) -> Effects:
        """Keep a session's refusal of a relayed message in the chat list, where the owner reads it."""
        chat = self.state.chats.get(context.sender)
        if chat is not None and context.from_process and body.get("status") == "error":
            self._keep_refusal(context.sender, chat, str(body["message"]), body["messageID"])
        return Effects(None)

    def _keep_refusal(self, session: str, chat: ChatV2, text: str, message_id: str) -> None:
        text = text[:REFUSAL_CHARACTERS_MAX]
        refused = msgspec.structs.replace(chat, refusal=text, refused_message=message_id)
        self._grow(chat_bytes(refused) - chat_bytes(chat))
        self._keep_chat(session, refused)

    def _has_room(self, chat: ChatV2) -> bool:
        """Whether the chat list holds one more chat of a stranger."""
        state = self.state
        return state.strangers < chat_list_v2.STRANGERS_MAX and state.state_bytes + chat_bytes(chat) <= STATE_BYTES_MAX

    def _forget(self, session: str) -> None:
        """Forget that a chat was removed."""
        self._replace(removed=self.state.removed.delete(session))
        self._grow(-REMOVED_BYTES)

    def _admitted(self, chat: ChatV2) -> ChatV2:
        """A stranger's chat as one that the owner answered."""
        self._replace(strangers=self.state.strangers - 1)
        return msgspec.structs.replace(chat, stranger=False)

    def _grow(self, grown: int) -> None:
        """Count bytes that the state gains or loses."""
        state_bytes = self.state.state_bytes + grown
        if grown > 0:
            check_state(state_bytes)
        self._replace(state_bytes=state_bytes)

    @staticmethod
    def _check_object(what: str, object_bytes: int) -> None:
        """Check that an answer holds the profile or the environment."""
        if object_bytes > ANSWER_BYTES_MAX - len("{}"):
            raise Refusal(f"a handle's {what} has at most {ANSWER_BYTES_MAX} bytes: remove something first")


def _not_added(body: UpdateChatList) -> tuple[Outgoing, ...]:
    """The message to the other handle of a session; none for a group."""
    if body.otherHandleID == body.sessionID:
        return ()
    return (Outgoing(body.otherHandleID, "ChatNotAdded", encode({"sessionID": body.sessionID})),)


def _growth(before: Map[str, Any], after: Map[str, Any], names: Iterable[str]) -> int:
    """Bytes that a map gains by a change of some names."""
    return _members_bytes(after, names) - _members_bytes(before, names)


def _members_bytes(fields: Mapping[str, Any], names: Iterable[str]) -> int:
    """Bytes of some members of a JSON object, with their colons and commas."""
    return sum(json_bytes(name) + json_bytes(fields[name]) + len(":,") for name in names if name in fields)
