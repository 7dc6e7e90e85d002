"""A person's client: a wallet, a key for what is sealed to it, and the eight steps of an encrypted conversation."""

import os
from collections.abc import Sequence
from sys import intern
from typing import Any, NamedTuple, Protocol

from nacl.public import PrivateKey

from actors.ans104.wallet import SEED_BYTES, Wallet
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Result
from simulations.clients.encryption import (
    Entropy,
    decrypt,
    encrypt,
    open_session_key,
    public_key_of,
    public_key_text,
    seal_session_key,
)

ANCHOR_BYTES = 32
PAGE = 500
"""Messages asked for at once."""


class UserError(Exception):
    """The node refused what a user asked; the text is the refusal's."""


class NodeClient(Protocol):
    """Where a client's messages go: a node, or a simulation's way to one."""

    @property
    def registry(self) -> str:
        """The registry's process id."""

    async def send(self, raw: bytes) -> Result:
        """See ``Node.send``."""

    async def dryrun(
        self, process: str, *, action: str, data: str = "", sender: str = "", tags: Sequence[tuple[str, str]] = ()
    ) -> Result:
        """See ``Node.dryrun``."""


class Person(NamedTuple):
    """Somebody else, as the registry and their profile show them."""

    handle: str
    pid: str
    pubkey: str


class ReadMessage(NamedTuple):
    """A message, decrypted."""

    id: int
    """Counts from 1 in its session."""
    sender: str
    """The handle process that sent it."""
    generation: int
    timestamp: float
    """Seconds since the epoch."""
    text: str


class User:
    """A person with real keys.

    Attributes:
        handle: the name that they go by.
        wallet: signs what they send.
        key: opens what is sealed to them.
        pid: their handle process, once registered.
        chats: their conversations, by the other's handle process.
    """

    def __init__(self, handle: str, *, entropy: Entropy = os.urandom) -> None:
        self.handle = handle
        self.entropy = entropy
        self.wallet = Wallet(entropy(SEED_BYTES))
        self.key = PrivateKey(entropy(PrivateKey.SIZE))
        self.pubkey = public_key_text(self.key.public_key)
        self.pid = ""
        self.chats: dict[str, Chat] = {}

    @classmethod
    def create(cls, handle: str) -> "User":
        """A new person with keys from the operating system's randomness."""
        return cls(handle)

    async def register(self, door: NodeClient) -> None:
        """Register the handle, with the public key that session keys are to be sealed to.

        Raises:
            UserError: the name is taken.
        """
        answer = await self.ask(door, door.registry, "Register", {"handle": self.handle, "pubkey": self.pubkey})
        self.pid = intern(answer["pid"])

    async def update_profile(self, door: NodeClient, **fields: Any) -> None:
        """Change fields of the profile."""
        await self.ask(door, self.pid, "ProfileUpdate", fields)

    async def look_up(self, door: NodeClient, handle: str) -> Person | None:
        """Find somebody by name; None if the name is not registered."""
        found = await self.query(door, door.registry, "QueryHandle", {"handle": handle})
        if not found["registered"]:
            return None
        profile = await self.query(door, found["pid"], "GetProfile")
        return _person(found["handle"], found["pid"], profile)

    async def establish_session(self, door: NodeClient, *, with_handle: str) -> "Chat":
        """Open the conversation with somebody, or get back the one that there is.

        Raises:
            UserError: nobody goes by that name.
        """
        other = await self.look_up(door, with_handle)
        if other is None:
            raise UserError(f"the handle {with_handle!r} is not registered")
        if other.pid not in self.chats:
            both = {"handleA": self.handle, "handleB": other.handle}
            answer = await self.ask(door, door.registry, "EstablishSession", both)
            self.chats[other.pid] = Chat(self, door, intern(answer["sessionID"]), other)
        return self.chats[other.pid]

    async def chat_list(self, door: NodeClient) -> list[dict[str, Any]]:
        """The chat list, the last active first."""
        return list(await self.query(door, self.pid, "GetChatList"))

    async def catch_up(self, door: NodeClient) -> "list[tuple[Chat, list[ReadMessage]]]":
        """Read everything that is unread, in every chat, and mark it as viewed.

        Marked first, then read: what arrives between the two is read, and at worst counted as unread once more. The
        other way round it would be counted as viewed and never looked for.
        """
        caught_up = []
        for row in await self.chat_list(door):
            if not row["unread"]:
                continue
            chat = self.chats.get(row["otherHandleID"])
            if chat is None:  # somebody else opened it
                profile = await self.query(door, row["otherHandleID"], "GetProfile")
                other = _person(row["otherHandleName"], row["otherHandleID"], profile)
                chat = self.chats[other.pid] = Chat(self, door, intern(row["sessionID"]), other)
            await self.ask(door, self.pid, "MarkAsViewed", {"sessionID": chat.session})
            caught_up.append((chat, await chat.read()))
        return caught_up

    async def read(self, door: NodeClient, *, from_handle: str) -> list[ReadMessage]:
        """What somebody wrote since the last time.

        Raises:
            UserError: nobody goes by that name.
        """
        chat = await self.establish_session(door, with_handle=from_handle)
        return [message for message in await chat.read() if message.sender == chat.other.pid]

    def item(self, target: str, action: str, body: Any = None) -> bytes:
        """A signed message of this person; one of its own, however often the same is said."""
        data = "" if body is None else encode(body)
        return self.wallet.sign(target=target, action=action, data=data, anchor=self.entropy(ANCHOR_BYTES))

    async def ask(self, door: NodeClient, target: str, action: str, body: Any = None) -> Any:
        """Send a message and give its answer.

        Raises:
            UserError: it was refused.
        """
        return _answer(await door.send(self.item(target, action, body)))

    async def query(self, door: NodeClient, target: str, action: str, body: Any = None) -> Any:
        """Ask by dryrun.

        Raises:
            UserError: it was refused.
        """
        data = "" if body is None else encode(body)
        return _answer(await door.dryrun(target, action=action, data=data, sender=self.wallet.address))


class Chat:
    """One conversation, as one of its two people holds it: its session keys by generation, and what is read.

    Attributes:
        session: the session's process id.
        other: the other person.
        keys: session key of each generation that this person could open.
    """

    __slots__ = ("_door", "_read_from", "_read_until", "_user", "keys", "other", "session")

    def __init__(self, user: User, door: NodeClient, session: str, other: Person) -> None:
        self.session = session
        self.other = other
        self.keys: dict[int, bytes] = {}
        self._user = user
        self._door = door
        self._read_until = 0
        self._read_from = 0.0

    @property
    def generation(self) -> int:
        """The newest generation whose key this person has; 0 for none."""
        return max(self.keys, default=0)

    async def rotate_key(self) -> int:
        """Make a new session key, seal it to both, and hand it to the session (steps 1 to 4).

        Returns:
            Its generation.
        """
        user = self._user
        session_key = user.entropy(32)
        batch = {
            "encrypted_sk_by_a": seal_session_key(session_key, user.key.public_key, user.entropy),
            "pubkey_a": user.pubkey,
            "encrypted_sk_by_b": seal_session_key(session_key, public_key_of(self.other.pubkey), user.entropy),
            "pubkey_b": self.other.pubkey,
        }
        await self.relay("RotateSessionKey", batch)
        await self.fetch_keys()
        return self.generation

    async def fetch_keys(self) -> None:
        """Open the newest session key, if there is one (step 8)."""
        for batch in await self._user.query(self._door, self.session, "GetCurrentKeys"):
            self._open(batch)

    async def send(self, text: str) -> str:
        """Encrypt a message under the newest key that this person has, and send it (steps 5 and 6).

        Returns:
            The id of the message that the handle sends to the session.

        Raises:
            UserError: there is no key yet, or the handle refused.
        """
        if not self.keys:
            await self.fetch_keys()
        if not self.keys:
            raise UserError("the session has no key yet: rotate its key before the first message")
        content = encrypt(text, self.keys[self.generation], self._user.entropy)
        return await self.relay("SendMessage", {"content": content, "generation": self.generation})

    async def read(self) -> list[ReadMessage]:
        """Fetch and decrypt the messages of both sides since the last time, oldest first (step 8)."""
        messages = []
        while page := await self._page():
            for row in page:
                generation = row["generation"]
                if generation not in self.keys:
                    query = {"generation": generation}
                    for batch in await self._user.query(self._door, self.session, "GetKeyByGeneration", query):
                        self._open(batch)
                text = decrypt(row["content"], self.keys[generation])
                messages.append(ReadMessage(row["id"], row["sender"], generation, row["timestamp"], text))
            self._read_until, self._read_from = page[-1]["id"], page[-1]["timestamp"]
        return messages

    async def relay(self, action: str, body: Any) -> str:
        """Have this person's handle send something to the session; gives the id of what it sends."""
        message = {"Target": self.session, "Data": encode(body), "Tags": {"Action": action}}
        answer = await self._user.ask(self._door, self._user.pid, "RelayMessage", message)
        return str(answer["messageID"])

    async def _page(self) -> list[dict[str, Any]]:
        query = {"from": self._read_from, "limit": PAGE, "order": "ASC"}
        rows = await self._user.query(self._door, self.session, "QueryMessage", query)
        return [row for row in rows if row["id"] > self._read_until]

    def _open(self, batch: dict[str, Any]) -> None:
        generation = batch["generation"]
        if generation not in self.keys:
            ours = "encrypted_sk_by_a" if batch["pubkey_a"] == self._user.pubkey else "encrypted_sk_by_b"
            self.keys[generation] = open_session_key(batch[ours], self._user.key)


def _person(handle: str, pid: str, profile: dict[str, Any]) -> Person:
    """Somebody, in words that everybody who knows them shares."""
    return Person(intern(handle), intern(pid), intern(profile.get("pubkey", "")))


def _answer(result: Result) -> Any:
    if result.error is not None:
        raise UserError(result.error)
    return result.answer
