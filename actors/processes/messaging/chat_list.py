"""The chat list of a handle."""

from typing import Any, TypeVar

import msgspec

from actors.processes.collections.map import Map
from actors.protocol.messages import Refusal


class Chat(msgspec.Struct, frozen=True, gc=False):
    """One session or group in a chat list. Times are in ms, and None before the first event."""

    other_name: str
    other_id: str
    activity: int
    """Slot of the last event of the chat. The list is sorted by it, highest first."""
    last_message: int | None = None
    last_viewed: int | None = None
    unread: int = 0
    refusal: str | None = None
    """Reason of the session's last refusal."""
    refused_message: str | None = None
    """Id of the message that the session refused last."""


AnyChat = TypeVar("AnyChat", bound=Chat)
Chats = Map[str, Chat]
"""Session or group id to chat."""


def chat_of(chats: Chats, session: str) -> Chat:
    """The chat of a session.

    Raises:
        Refusal: the session is not in the chat list.
    """
    chat = chats.get(session)
    if chat is None:
        raise Refusal(f"the session {session!r} is not in the chat list")
    return chat


def with_message(chat: AnyChat, *, timestamp: int, slot: int, unread: int) -> AnyChat:
    """The chat after a message in either direction: it moves to the top, and its time never decreases."""
    last = timestamp if chat.last_message is None else max(timestamp, chat.last_message)
    return msgspec.structs.replace(chat, last_message=last, activity=slot, unread=chat.unread + unread)


def chat_rows(chats: Chats) -> list[dict[str, Any]]:
    """The reply of GetChatList: last active first, times in seconds, absent values left out."""
    ordered = sorted(chats.items(), key=lambda item: item[1].activity, reverse=True)
    return [chat_row(session, chat) for session, chat in ordered]


def chat_row(session: str, chat: Chat) -> dict[str, Any]:
    """A chat as a row of the reply of GetChatList."""
    row: dict[str, Any] = {
        "sessionID": session,
        "otherHandleName": chat.other_name,
        "otherHandleID": chat.other_id,
        "unread": chat.unread,
    }
    if chat.last_message is not None:
        row["lastMessageTime"] = chat.last_message / 1000
    if chat.last_viewed is not None:
        row["lastViewedTime"] = chat.last_viewed / 1000
    if chat.refusal is not None:
        row["refusal"] = {"message": chat.refusal, "messageID": chat.refused_message}
    return row


def unread_counts(chats: Chats) -> dict[str, Any]:
    """The reply of GetUnread: unread messages per session, where there are any, and in total."""
    counts = {session: chats[session].unread for session in sorted(chats) if chats[session].unread}
    return {"total": sum(counts.values()), "sessions": counts}
