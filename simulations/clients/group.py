"""A member's client of a group: keys that are sealed to all members, and rotated when the membership changes."""

from collections.abc import Sequence
from typing import Any

from actors.protocol.canonical_json import encode
from simulations.clients.encryption import (
    CannotOpen,
    decrypt,
    encrypt,
    open_session_key,
    public_key_of,
    seal_session_key,
)
from simulations.clients.user import PAGE, NodeClient, ReadMessage, User

KEYS_PER_MESSAGE = 200
"""Highest number of sealed keys in one message."""
MEMBERS_PER_MESSAGE = 500
"""Highest number of members that one message adds."""


class GroupChat:
    """One member's side of a group.

    Attributes:
        group: process id of the group.
        keys: the group keys that this person has opened, by generation.
    """

    def __init__(self, user: User, client: NodeClient, group: str) -> None:
        self.group = group
        self.keys: dict[int, bytes] = {}
        self._user = user
        self._client = client
        self._read_until = 0
        self._read_from = 0.0

    @classmethod
    async def found(cls, user: User, client: NodeClient, name: str, *, free: bool = False) -> "GroupChat":
        """Create a group with this person as its first administrator.

        Raises:
            UserError: the registry refused.
        """
        body = {"handle": user.handle, "name": name, "free": free}
        reply = await user.ask(client, client.registry, "CreateGroup", body)
        return cls(user, client, reply["groupID"])

    @classmethod
    async def join(cls, user: User, client: NodeClient, group: str) -> "GroupChat":
        """Request membership. The group's members and the handle's chat list show whether the group accepted."""
        await user.ask(client, client.registry, "JoinGroup", {"handle": user.handle, "group": group})
        return cls(user, client, group)

    async def about(self) -> dict[str, Any]:
        """The group's name, size, key generation and epoch."""
        return dict(await self._query("GetGroup"))

    async def members(self) -> list[str]:
        """Process ids of the members' handles, in the order in which they joined."""
        found: list[str] = []
        while rows := await self._query("GetMembers", {"offset": len(found), "limit": PAGE}):
            found += [row["member"] for row in rows]
        return found

    async def add(self, members: Sequence[str]) -> None:
        """Add handles as members. Only administrators may."""
        for start in range(0, len(members), MEMBERS_PER_MESSAGE):
            await self.relay("AddMember", {"members": list(members[start : start + MEMBERS_PER_MESSAGE])})

    async def rotate_key(self) -> None:
        """Make a new key, seal it to every member, and send it to the group.

        Raises:
            CannotOpen: the profile of a member has no public key.
        """
        user, about = self._user, await self.about()
        key, action = user.entropy(32), "RotateGroupKey"
        members = await self.members()
        for start in range(0, len(members), KEYS_PER_MESSAGE):
            sealed = {
                member: seal_session_key(key, public_key_of(await self._pubkey(member)), user.entropy)
                for member in members[start : start + KEYS_PER_MESSAGE]
            }
            await self.relay(action, {"epoch": about["epoch"], "sealed": sealed})
            action = "AddGroupKeys"

    async def send(self, text: str) -> str:
        """Encrypt a message under the newest key and send it; returns its id.

        Raises:
            CannotOpen: this person has no key of the newest generation.
        """
        generation = (await self.about())["generation"]
        key = await self._key(generation)
        if key is None:
            raise CannotOpen("the group has no key for this person: rotate it before the first message")
        return await self.relay(
            "SendMessage", {"content": encrypt(text, key, self._user.entropy), "generation": generation}
        )

    async def read(self) -> list[ReadMessage]:
        """Read the messages since the previous call, oldest first. Skips messages without a key for this person."""
        messages = []
        while page := await self._page():
            for row in page:
                key = await self._key(row["generation"])
                if key is not None:
                    text = decrypt(row["content"], key)
                    messages.append(ReadMessage(row["id"], row["sender"], row["generation"], row["timestamp"], text))
            self._read_until, self._read_from = page[-1]["id"], page[-1]["timestamp"]
        return messages

    async def relay(self, action: str, body: Any = None) -> str:
        """Relay an action to the group through this person's handle; returns the id of the relayed message."""
        message = {"Target": self.group, "Data": encode({} if body is None else body), "Tags": {"Action": action}}
        reply = await self._user.ask(self._client, self._user.pid, "RelayMessage", message)
        return str(reply["messageID"])

    async def _page(self) -> list[dict[str, Any]]:
        query: dict[str, Any] = {"from": self._read_from, "limit": PAGE, "order": "ASC"}
        if self._read_until:  # version 1 of the group ignores it
            query["after"] = self._read_until
        rows = await self._query("QueryMessage", query)
        return [row for row in rows if row["id"] > self._read_until]

    async def _key(self, generation: int) -> bytes | None:
        if generation not in self.keys:
            query = {"generation": generation, "member": self._user.pid}
            for row in await self._query("GetKeyByGeneration", query):
                self.keys[generation] = open_session_key(row["sealed"], self._user.key)
        return self.keys.get(generation)

    async def _pubkey(self, member: str) -> str:
        if member == self._user.pid:
            return self._user.pubkey
        return str((await self._user.query(self._client, member, "GetProfile")).get("pubkey", ""))

    async def _query(self, action: str, body: Any = None) -> Any:
        return await self._user.query(self._client, self.group, action, body)
