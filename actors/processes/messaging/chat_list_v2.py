"""The chat list of version 2 of the handle: it counts bytes, and marks the chats that strangers opened."""

from actors.processes.collections.map import Map
from actors.processes.limits import json_bytes
from actors.processes.messaging.chat_list import Chat
from actors.protocol.messages import Refusal

STRANGERS_MAX = 1000
"""Most chats that others opened and the owner never answered."""
REFUSAL_CHARACTERS_MAX = 512
"""Length of a session's refusal in a chat list; a longer one is cut."""
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


def check_strangers(strangers: int) -> None:
    """Check the number of chats that strangers opened.

    Raises:
        Refusal: there are more than ``STRANGERS_MAX``.
    """
    if strangers > STRANGERS_MAX:
        raise Refusal(
            f"a chat list has at most {STRANGERS_MAX} chats that others opened and the owner never answered:"
            " answer or remove some"
        )
