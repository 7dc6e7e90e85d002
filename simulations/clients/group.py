"""A group as one of its members holds it: real keys, sealed to everybody, rotated whenever somebody comes or goes."""

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

SEALED_AT_ONCE = 200
"""Members that a key is sealed to in one message."""
ADDED_AT_ONCE = 500


class GroupChat:
    """One person's part in a group.

    Attributes:
        group: the group's process id.
        keys: the key of each generation that this person could open.
    """

    def __init__(self, user: User, door: NodeClient, group: str) -> None:
        self.group = group
        self.keys: dict[int, bytes] = {}
        self._user = user
        self._door = door
        self._read_until = 0
        self._read_from = 0.0

    @classmethod
    async def found(cls, user: User, door: NodeClient, name: str, *, free: bool = False) -> "GroupChat":
        """Found a group, whose first administrator this person is.

        Raises:
            UserError: the registry refused.
        """
        body = {"handle": user.handle, "name": name, "free": free}
        answer = await user.ask(door, door.registry, "CreateGroup", body)
        return cls(user, door, answer["groupID"])

    @classmethod
    async def join(cls, user: User, door: NodeClient, group: str) -> "GroupChat":
        """Ask to be let in. Whether the group did shows in its members, and in the handle's chat list."""
        await user.ask(door, door.registry, "JoinGroup", {"handle": user.handle, "group": group})
        return cls(user, door, group)

    async def about(self) -> dict[str, Any]:
        """Its name, its size, whether its key is stale."""
        return dict(await self._query("GetGroup"))

    async def members(self) -> list[str]:
        """The handle processes of its members, in the order in which they came."""
        found: list[str] = []
        while rows := await self._query("GetMembers", {"offset": len(found), "limit": PAGE}):
            found += [row["member"] for row in rows]
        return found

    async def add(self, members: Sequence[str]) -> None:
        """Take in handle processes; only an administrator can."""
        for start in range(0, len(members), ADDED_AT_ONCE):
            await self.relay("AddMember", {"members": list(members[start : start + ADDED_AT_ONCE])})

    async def rotate_key(self) -> None:
        """Make a new key, seal it to every member, and hand it to the group.

        Raises:
            CannotOpen: the profile of a member has no key to seal to.
        """
        user, about = self._user, await self.about()
        key, action = user.entropy(32), "RotateGroupKey"
        members = await self.members()
        for start in range(0, len(members), SEALED_AT_ONCE):
            sealed = {
                member: seal_session_key(key, public_key_of(await self._pubkey(member)), user.entropy)
                for member in members[start : start + SEALED_AT_ONCE]
            }
            await self.relay(action, {"epoch": about["epoch"], "sealed": sealed})
            action = "AddGroupKeys"

    async def send(self, text: str) -> str:
        """Encrypt a message under the newest key and send it; gives its id.

        Raises:
            CannotOpen: there is no key that this person can open.
        """
        generation = (await self.about())["generation"]
        key = await self._key(generation)
        if key is None:
            raise CannotOpen("the group has no key for this person: rotate it before the first message")
        return await self.relay(
            "SendMessage", {"content": encrypt(text, key, self._user.entropy), "generation": generation}
        )

    async def read(self) -> list[ReadMessage]:
        """What was said since the last time, oldest first, as far as this person has keys."""
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
        """Have this person's handle send something to the group; gives the id of what it sends."""
        message = {"Target": self.group, "Data": encode({} if body is None else body), "Tags": {"Action": action}}
        answer = await self._user.ask(self._door, self._user.pid, "RelayMessage", message)
        return str(answer["messageID"])

    async def _page(self) -> list[dict[str, Any]]:
        rows = await self._query("QueryMessage", {"from": self._read_from, "limit": PAGE, "order": "ASC"})
        return [row for row in rows if row["id"] > self._read_until]

    async def _key(self, generation: int) -> bytes | None:
        if generation not in self.keys:
            asked = {"generation": generation, "member": self._user.pid}
            for row in await self._query("GetKeyByGeneration", asked):
                self.keys[generation] = open_session_key(row["sealed"], self._user.key)
        return self.keys.get(generation)

    async def _pubkey(self, member: str) -> str:
        if member == self._user.pid:
            return self._user.pubkey
        return str((await self._user.query(self._door, member, "GetProfile")).get("pubkey", ""))

    async def _query(self, action: str, body: Any = None) -> Any:
        return await self._user.query(self._door, self.group, action, body)
