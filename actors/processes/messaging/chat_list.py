"""A handle's chat list."""

from typing import Any

import msgspec
from immutables import Map

from actors.protocol.messages import Refusal


class Chat(msgspec.Struct, frozen=True, gc=False):
    """One session as its handle sees it. Times are ms; None before the first."""

    other_name: str
    other_id: str
    activity: int
    """Slot of the last thing that happened here: the higher, the further up in the list."""
    last_message: int | None = None
    last_viewed: int | None = None
    unread: int = 0
    refusal: str | None = None
    """Why the session refused the last message that it did refuse."""
    refused_message: str | None = None
    """Id of that message."""


Chats = Map[str, Chat]
"""By session id."""


def chat_of(chats: Chats, session: str) -> Chat:
    """A session's entry.

    Raises:
        Refusal: it is not in the list.
    """
    chat = chats.get(session)
    if chat is None:
        raise Refusal(f"the session {session!r} is not in the chat list")
    return chat


def with_message(chat: Chat, *, timestamp: int, slot: int, unread: int) -> Chat:
    """After a message in either direction: moved to the top, its time never back."""
    last = timestamp if chat.last_message is None else max(timestamp, chat.last_message)
    return msgspec.structs.replace(chat, last_message=last, activity=slot, unread=chat.unread + unread)


def chat_rows(chats: Chats) -> list[dict[str, Any]]:
    """What GetChatList answers: the busiest last first, times in seconds, absent ones left out."""
    ordered = sorted(chats.items(), key=lambda item: item[1].activity, reverse=True)
    return [_row(session, chat) for session, chat in ordered]


def _row(session: str, chat: Chat) -> dict[str, Any]:
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
    """What GetUnread answers: the count per session, where there is any, and in all."""
    counts = {session: chats[session].unread for session in sorted(chats) if chats[session].unread}
    return {"total": sum(counts.values()), "sessions": counts}
