"""The model of a handle: chat list, profile, delegates and contacts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from actors.protocol.derived_ids import sent_id
from simulations.world.model.process import SUCCESS, Body, Expected, NotModelled, ProcessModel, Received, Refused, Sent

RARELY = 4
"""Queries of the chat list between two queries of the unread counts, which the chat list shows, too."""
_QUERY_OF = {"profile": "GetProfile", "contacts": "GetContacts", "delegates": "GetDelegates", "env": "GetEnv"}
TEXTS = ("name", "img", "banner", "bio", "pubkey")


@dataclass
class Chat:
    """One row of a chat list; times in ms."""

    other_name: str
    other_id: str
    last_ms: int | None = None
    viewed_ms: int | None = None
    unread: int = 0
    refusal: Body | None = None


class HandleModel(ProcessModel):
    """Keeps the chat list as a list of session ids, with the most recently active first.

    Attributes:
        name: the name under which the handle was registered.
        registry: process id of the registry that started it.
    """

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self.name = start.body["name"]
        self.registry = start.sender
        pubkey = start.body.get("pubkey")
        self._profile: Body = {"pubkey": pubkey} if pubkey else {}
        self._chats: dict[str, Chat] = {}
        self._order: list[str] = []
        self._removed: set[str] = set()
        self._delegates: dict[str, int] = {}
        self._contacts: dict[str, str] = {}
        self._env: Body = {}
        self._shown = 0
        self.touch("profile")

    def parts(self) -> Iterator[str]:
        """See ``ProcessModel.parts``."""
        yield from ("chats", "profile", "contacts", "delegates", "env")

    def shown_by(self, part: str) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        if part == "chats":
            yield "GetChatList", {}
            self._shown += 1
            if self._shown % RARELY == 0:
                yield "GetUnread", {}
                yield "GetChatList", {"offset": 1, "limit": 2}
        else:
            yield _QUERY_OF[part], {}
            if part == "contacts":
                yield "GetContacts", {"offset": 1, "limit": 2}

    def _update_profile(self, message: Received) -> Expected:
        self._only_owner(message)
        fields = {name: value for name, value in message.body.items() if value is not None or name not in TEXTS}
        self._profile |= fields
        self.touch("profile")
        return Expected(SUCCESS)

    def _set_env(self, message: Received) -> Expected:
        self._only_owner(message)
        self._env |= message.body
        self._env = {name: value for name, value in self._env.items() if value is not None}
        self.touch("env")
        return Expected(SUCCESS)

    def _relay(self, message: Received) -> Expected:
        self._only_owner_or_delegate(message)
        body = message.body
        tags = body["Tags"]
        pairs = list(tags.items()) if isinstance(tags, dict) else [(tag["name"], tag["value"]) for tag in tags]
        action = next(value for name, value in pairs if name == "Action")
        target = body["Target"]
        if target in self._chats:
            if action == "SendMessage":
                self._message_in(target, message.timestamp)
        elif target != self.registry or action != "EstablishSession":
            raise Refused(
                "a handle relays to the sessions of its chat list, and EstablishSession to its registry, nowhere else"
            )
        others = tuple((name, value) for name, value in pairs if name != "Action")
        sent = Sent(target, action, body.get("Data") or "", others)
        return Expected({**SUCCESS, "messageID": sent_id(message.id, 1)}, (sent,))

    def _update_chat_list(self, message: Received) -> Expected:
        if message.sender != self.registry or not message.from_process:
            raise Refused("only the registry changes the chat list")
        body = message.body
        session, is_own = body["sessionID"], body["by"] in (self.id, self.owner)
        if session not in self._chats and (is_own or session not in self._removed):
            self._chats[session] = Chat(body["otherHandleName"], body["otherHandleID"])
            self._order.insert(0, session)
            self._removed.discard(session)
        self.touch("chats")  # also if nothing changed: a repetition must not reset the chat
        return Expected(SUCCESS, quiet=True)

    def _remove_chat(self, message: Received) -> Expected:
        self._only_owner(message)
        session = message.body["sessionID"]
        if session not in self._chats:
            raise Refused(f"the session {session!r} is not in the chat list")
        del self._chats[session]
        self._order.remove(session)
        self._removed.add(session)
        self.touch("chats")
        return Expected(SUCCESS)

    def _notify(self, message: Received) -> Expected:
        if message.sender not in self._chats or not message.from_process:
            raise Refused("only a session of the chat list notifies a handle")
        given = message.body.get("lastMessageTime")
        self._message_in(message.sender, message.timestamp if given is None else round(given * 1000))
        self._chats[message.sender].unread += 1
        return Expected(SUCCESS, quiet=True)

    def _mark_as_viewed(self, message: Received) -> Expected:
        self._only_owner_or_delegate(message)
        session = message.body["sessionID"]
        if session not in self._chats:
            raise Refused(f"the session {session!r} is not in the chat list")
        chat = self._chats[session]
        chat.viewed_ms, chat.unread = message.timestamp, 0
        self.touch("chats")
        return Expected(SUCCESS)

    def _add_delegate(self, message: Received) -> Expected:
        self._only_owner(message)
        expires = round(message.body["expires"] * 1000)
        if expires <= message.timestamp:
            raise Refused("the field 'expires' has to lie in the future")
        self._delegates[message.body["address"]] = expires
        self.touch("delegates")
        return Expected(SUCCESS)

    def _remove_delegate(self, message: Received) -> Expected:
        self._only_owner(message)
        address = message.body["address"]
        if address not in self._delegates:
            raise Refused(f"{address!r} is no delegate")
        del self._delegates[address]
        self.touch("delegates")
        return Expected(SUCCESS)

    def _add_contact(self, message: Received) -> Expected:
        self._only_owner(message)
        self._contacts[message.body["handle"]] = message.body.get("note") or ""
        self.touch("contacts")
        return Expected(SUCCESS)

    def _remove_contact(self, message: Received) -> Expected:
        self._only_owner(message)
        handle = message.body["handle"]
        if handle not in self._contacts:
            raise Refused(f"{handle!r} is not among the contacts")
        del self._contacts[handle]
        self.touch("contacts")
        return Expected(SUCCESS)

    def _chat_not_added(self, message: Received) -> Expected:
        chat = self._chats.get(message.body["sessionID"])
        if chat is None or chat.other_id != message.sender or not message.from_process:
            raise Refused("only the other handle of a session of the chat list can do that")
        raise NotModelled("ChatNotAdded from a full chat list, which no world has")

    def _reply(self, message: Received) -> Expected:
        body = message.body
        if message.sender in self._chats and message.from_process and body.get("status") == "error":
            refusal = {"message": body["message"], "messageID": body["messageID"]}
            self._chats[message.sender].refusal = refusal
            self.touch("chats")
        return Expected()

    def _message_in(self, session: str, time_ms: int) -> None:
        """A message of a session, in either direction, moves its chat to the top."""
        chat = self._chats[session]
        chat.last_ms = max(time_ms, chat.last_ms or 0)
        self._order.remove(session)
        self._order.insert(0, session)
        self.touch("chats")

    def _only_owner(self, message: Received) -> None:
        if message.sender != self.owner:
            raise Refused("only the owner can do that")

    def _only_owner_or_delegate(self, message: Received) -> None:
        if message.timestamp >= self._delegates.get(message.sender, 0):
            self._only_owner(message)

    def _chat_list(self, body: Body, _: int) -> list[Body]:
        return _page([self._row(session, self._chats[session]) for session in self._order], body)

    def _row(self, session: str, chat: Chat) -> Body:
        row: Body = {
            "sessionID": session,
            "otherHandleName": chat.other_name,
            "otherHandleID": chat.other_id,
            "unread": chat.unread,
        }
        if chat.last_ms is not None:
            row["lastMessageTime"] = chat.last_ms / 1000
        if chat.viewed_ms is not None:
            row["lastViewedTime"] = chat.viewed_ms / 1000
        if chat.refusal is not None:
            row["refusal"] = chat.refusal
        return row

    def _unread(self, _: Body, __: int) -> Body:
        counts = {session: chat.unread for session, chat in self._chats.items() if chat.unread}
        return {"total": sum(counts.values()), "sessions": counts}

    def _get_profile(self, _: Body, __: int) -> Body:
        return dict(self._profile)

    def _get_env(self, _: Body, __: int) -> Body:
        return dict(self._env)

    def _get_contacts(self, body: Body, _: int) -> list[Body]:
        return _page([{"handle": handle, "note": self._contacts[handle]} for handle in sorted(self._contacts)], body)

    def _get_delegates(self, _: Body, now_ms: int) -> list[Body]:
        valid = {address: end for address, end in self._delegates.items() if end > now_ms}
        return [{"address": address, "expires": valid[address] / 1000} for address in sorted(valid)]

    changes: ClassVar[dict[str, Any]] = {
        "ProfileUpdate": _update_profile,
        "SetEnv": _set_env,
        "RelayMessage": _relay,
        "UpdateChatList": _update_chat_list,
        "RemoveChat": _remove_chat,
        "ChatNotAdded": _chat_not_added,
        "Notify": _notify,
        "MarkAsViewed": _mark_as_viewed,
        "AddDelegate": _add_delegate,
        "RemoveDelegate": _remove_delegate,
        "AddContact": _add_contact,
        "RemoveContact": _remove_contact,
        "Reply": _reply,
    }
    queries: ClassVar[dict[str, Any]] = {
        "GetChatList": _chat_list,
        "GetUnread": _unread,
        "GetProfile": _get_profile,
        "GetEnv": _get_env,
        "GetContacts": _get_contacts,
        "GetDelegates": _get_delegates,
    }


def _page(rows: list[Body], body: Body) -> list[Body]:
    offset, limit = body.get("offset", 0), body.get("limit")
    return rows[offset:] if limit is None else rows[offset : offset + limit]
