"""An account's chats at a proxy: the messages, joined with the proxy's own flags."""

from typing import Any

from actors.crypto.secp256k1 import checksummed
from actors.processes.relation.relation import GROUP_CHANNEL
from actors.relation.process_client import ProcessClient, Refused

_NO_FLAGS: dict[str, Any] = {"read": -1, "muted": False, "sticky": False}


class Chats:
    """Chats at one proxy.

    Args:
        calls: calls the processes.
        relation: id of the process with the messages.
        proxy: id of the process with the proxy's state.
    """

    def __init__(self, calls: ProcessClient, relation: str, proxy: str) -> None:
        self._calls, self._relation, self._proxy = calls, relation, proxy

    async def page(self, address: str, *, limit: int, offset: int) -> list[dict[str, Any]]:
        """A page of chats in the format of section 7.4: pinned chats first, then by newest message."""
        rows = sorted(await self._rows(address), key=lambda row: not row["sticky"])[offset : offset + limit]
        return [{**row, **await self._newest(row["place"])} for row in rows]

    async def unread(self, address: str) -> int:
        """Number of unread messages in all chats that are not muted."""
        return sum(row["unreadMessageCount"] for row in await self._rows(address) if not row["muted"])

    async def mark_as_read(self, address: str, message_id: str) -> None:
        """Mark a message, and those before it in its chat, as read.

        Raises:
            Refused: the message is not in the account's chats.
        """
        [row] = await self._message(message_id)
        sender, receiver = (checksummed(row["message"][field]) for field in ("sender", "receiver"))
        chat = sender if receiver == address != sender else receiver
        channel_types = {row["id"]: row["channelType"] for row in await self._rows(address)}
        if chat not in channel_types or (address not in (sender, receiver) and channel_types[chat] != GROUP_CHANNEL):
            raise Refused(f"there is no message {message_id[:80]!r} in your chats")
        await self._calls.tell(self._proxy, "markAsRead", addr=address, chat=chat, place=row["place"])

    async def index_of(self, message_id: str) -> int:
        """A message's index among all messages, from 0.

        Raises:
            Refused: there is no message with that id.
        """
        [row] = await self._message(message_id)
        return int(row["place"])

    async def _rows(self, address: str) -> list[dict[str, Any]]:
        flags = await self._calls.ask(self._proxy, "getFlags", addr=address)
        read = {chat: flag["read"] for chat, flag in flags.items()}
        rows = await self._calls.ask_list(self._relation, "getChats", addr=address, read=read)
        return [
            {**row, **{name: flags.get(row["id"], _NO_FLAGS)[name] for name in ("muted", "sticky")}} for row in rows
        ]

    async def _message(self, message_id: str) -> list[Any]:
        rows: list[Any] = await self._calls.ask(self._relation, "getMessage", id=message_id)
        if not rows:
            raise Refused(f"there is no message {message_id[:80]!r}")
        return rows

    async def _newest(self, index: int) -> dict[str, Any]:
        if index < 0:
            return {"type": "", "payload": "", "lastPostAt": ""}
        [row] = await self._calls.ask(self._relation, "messagesAfter", after=index - 1, limit=1)
        message = row["message"]
        return {"type": message["type"], "payload": message["payload"], "lastPostAt": str(message["timestamp"])}
