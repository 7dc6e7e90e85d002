"""The chat list of version 2 of the handle: it counts bytes, and marks the chats that strangers opened."""

from typing import Annotated, Any

from msgspec import Meta

from actors.processes.collections.map import Map
from actors.processes.limits import ROWS_MAX, ListPage, fitting, json_bytes
from actors.processes.messaging.chat_list import Chat, chat_row

STRANGERS_MAX = 1000
"""Most chats that others opened and the owner never answered."""
REMOVED_MAX = 1000
"""Most removed chats that a handle remembers. The oldest is forgotten first."""
REMOVED_BYTES = 96
"""Most bytes of a removed chat in a state."""
REFUSAL_CHARACTERS_MAX = 512
"""Length of a session's refusal in a chat list; a longer one is cut."""
AFTER_CHARACTERS_MAX = 64
CHAT_BYTES = 256
"""Most bytes of a chat in a state besides its name and its refusal."""
REFUSAL_BYTES = 96
"""Most bytes that a refusal adds besides its text."""


class ChatV2(Chat, frozen=True, gc=False, omit_defaults=True):
    """One session or group in a chat list."""

    stranger: bool = False
    """Whether another person opened the chat, and the owner has not answered."""


ChatsV2 = Map[str, ChatV2]
"""Session or group id to chat."""


def chat_bytes(chat: ChatV2) -> int:
    """An upper bound of a chat's bytes in a state."""
    refusal = REFUSAL_BYTES + json_bytes(chat.refusal) if chat.refusal is not None else 0
    return CHAT_BYTES + json_bytes(chat.other_name) + refusal


class ChatPage(ListPage):
    """Which chats to return: the first page without these fields; with ``after``, chats sorted by `sessionID`."""

    after: Annotated[str, Meta(max_length=AFTER_CHARACTERS_MAX)] | None = None

    def chats(self, chats: ChatsV2) -> list[dict[str, Any]]:
        """The requested rows. Pages by ``after`` neither skip nor repeat a chat that a message moves meanwhile."""
        limit = ROWS_MAX if self.limit is None else self.limit
        if self.after is not None:
            sessions = sorted(session for session in chats if session > self.after)
            return fitting([chat_row(session, chats[session]) for session in sessions[:limit]])
        ordered = sorted(chats.items(), key=lambda item: item[1].activity, reverse=True)
        rows = ordered[self.offset :]
        if self.limit is not None or self.offset:
            rows = rows[:limit]
        return fitting([chat_row(session, chat) for session, chat in rows])


def strangers_refusal() -> str:
    """The reason not to add a chat of a stranger."""
    return f"a chat list has at most {STRANGERS_MAX} chats that others opened and the owner never answered"
