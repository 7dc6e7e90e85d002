"""A person's chats at a proxy: what the messages say of them, and what the proxy itself keeps."""

from typing import Any

from actors.crypto.secp256k1 import checksummed
from actors.processes.relation.relation import GROUP_CHANNEL
from actors.relation.calls import ProcessClient, Refused

_NOTHING: dict[str, Any] = {"read": -1, "muted": False, "sticky": False}


class Chats:
    """Chats at one proxy.

    Args:
        calls: speaks to the processes.
        relation: id of the one with the messages.
        proxy: id of the one with the proxy's state.
    """

    def __init__(self, calls: ProcessClient, relation: str, proxy: str) -> None:
        self._calls, self._relation, self._proxy = calls, relation, proxy

    async def page(self, address: str, *, limit: int, offset: int) -> list[dict[str, Any]]:
        """Chats as section 7.4 has them: those that are pinned first, each part with the newest first."""
        rows = sorted(await self._rows(address), key=lambda row: not row["sticky"])[offset : offset + limit]
        return [{**row, **await self._newest(row["place"])} for row in rows]

    async def unread(self, address: str) -> int:
        """How many messages are unread in all chats that are not muted."""
        return sum(row["unreadMessageCount"] for row in await self._rows(address) if not row["muted"])

    async def mark_as_read(self, address: str, message_id: str) -> None:
        """Note that somebody read a message, and what came before it in its chat.

        Raises:
            Refused: it is none of that person's.
        """
        [row] = await self._message(message_id)
        sender, receiver = (checksummed(row["message"][field]) for field in ("sender", "receiver"))
        chat = sender if receiver == address != sender else receiver
        mine = {row["id"]: row["channelType"] for row in await self._rows(address)}
        if chat not in mine or (address not in (sender, receiver) and mine[chat] != GROUP_CHANNEL):
            raise Refused(f"there is no message {message_id[:80]!r} in your chats")
        await self._calls.tell(self._proxy, "markAsRead", addr=address, chat=chat, place=row["place"])

    async def place_of(self, message_id: str) -> int:
        """Where a message is among all.

        Raises:
            Refused: there is none of that id.
        """
        [row] = await self._message(message_id)
        return int(row["place"])

    async def _rows(self, address: str) -> list[dict[str, Any]]:
        flags = await self._calls.ask(self._proxy, "getFlags", addr=address)
        read = {chat: flag["read"] for chat, flag in flags.items()}
        rows = await self._calls.ask(self._relation, "getChats", addr=address, read=read)
        return [{**row, **{name: flags.get(row["id"], _NOTHING)[name] for name in ("muted", "sticky")}} for row in rows]

    async def _message(self, message_id: str) -> list[Any]:
        rows: list[Any] = await self._calls.ask(self._relation, "getMessage", id=message_id)
        if not rows:
            raise Refused(f"there is no message {message_id[:80]!r}")
        return rows

    async def _newest(self, place: int) -> dict[str, Any]:
        if place < 0:
            return {"type": "", "payload": "", "lastPostAt": ""}
        [row] = await self._calls.ask(self._relation, "messagesAfter", after=place - 1, limit=1)
        message = row["message"]
        return {"type": message["type"], "payload": message["payload"], "lastPostAt": str(message["timestamp"])}
