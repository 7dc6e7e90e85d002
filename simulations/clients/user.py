"""A person's client: a wallet, an encryption key, and the eight steps of an encrypted conversation."""

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
ROWS_UNCUT, ANSWER_BYTES_UNCUT = 50, 200 * 1024
"""A chat list with fewer rows or bytes is complete: from version 2 of the handle on, a longer one may be cut."""
"""Messages per query."""


class UserError(Exception):
    """A message or query of a user was refused. The text is the process's error."""


class NodeClient(Protocol):
    """The part of a node's interface that clients use: implemented by ``Node``, and by simulated connections to it."""

    @property
    def registry(self) -> str:
        """Process id of the registry."""

    async def send(self, raw: bytes) -> Result:
        """Send a signed item and return its result (``Node.send``)."""

    async def dryrun(
        self, process: str, *, action: str, data: str = "", sender: str = "", tags: Sequence[tuple[str, str]] = ()
    ) -> Result:
        """Query a process (``Node.dryrun``)."""


class Person(NamedTuple):
    """Another person, according to the registry and the profile."""

    handle: str
    pid: str
    pubkey: str


class ReadMessage(NamedTuple):
    """A decrypted message."""

    id: int
    """Number of the message in its session, from 1."""
    sender: str
    """Process id of the sender's handle."""
    generation: int
    timestamp: float
    """Seconds since the epoch."""
    text: str


class User:
    """A person with a wallet and an encryption key.

    Attributes:
        handle: the registered name.
        entropy: gives random bytes.
        wallet: signs the person's messages.
        key: opens session keys that are sealed to the person.
        pubkey: the public part of ``key``, as base64.
        pid: process id of the handle; empty before the registration.
        chats: the person's conversations, by process id of the other handle.
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
        """Create a person with keys from the operating system's randomness."""
        return cls(handle)

    async def register(self, client: NodeClient) -> None:
        """Register the handle, with the public key to which session keys are sealed.

        Raises:
            UserError: the name is taken.
        """
        reply = await self.ask(client, client.registry, "Register", {"handle": self.handle, "pubkey": self.pubkey})
        self.pid = intern(reply["pid"])

    async def update_profile(self, client: NodeClient, **fields: Any) -> None:
        """Change fields of the handle's profile."""
        await self.ask(client, self.pid, "ProfileUpdate", fields)

    async def look_up(self, client: NodeClient, handle: str) -> Person | None:
        """Find a person by name; None if the name is not registered."""
        found = await self.query(client, client.registry, "QueryHandle", {"handle": handle})
        if not found["registered"]:
            return None
        profile = await self.query(client, found["pid"], "GetProfile")
        return _person(found["handle"], found["pid"], profile)

    async def establish_session(self, client: NodeClient, *, with_handle: str) -> "Chat":
        """Establish the session with a person, or return the existing one.

        Raises:
            UserError: the name is not registered.
        """
        other = await self.look_up(client, with_handle)
        if other is None:
            raise UserError(f"the handle {with_handle!r} is not registered")
        if other.pid not in self.chats:
            both = {"handleA": self.handle, "handleB": other.handle}
            reply = await self.ask(client, client.registry, "EstablishSession", both)
            self.chats[other.pid] = Chat(self, client, intern(reply["sessionID"]), other)
        return self.chats[other.pid]

    async def chat_list(self, client: NodeClient) -> list[dict[str, Any]]:
        """The handle's chat list, with the most recently active chat first."""
        rows = list(await self.query(client, self.pid, "GetChatList"))
        if len(rows) < ROWS_UNCUT or len(encode(rows)) < ANSWER_BYTES_UNCUT:
            return rows
        paged: dict[str, dict[str, Any]] = {}
        after = ""
        while page := await self.query(client, self.pid, "GetChatList", {"after": after, "limit": PAGE}):
            if page[-1]["sessionID"] in paged:
                break  # version 1 of the handle has no pages, and returns the whole list
            paged |= {row["sessionID"]: row for row in page}
            after = page[-1]["sessionID"]
        known = {row["sessionID"] for row in rows}
        return rows + [row for session, row in paged.items() if session not in known]

    async def catch_up(self, client: NodeClient) -> "list[tuple[Chat, list[ReadMessage]]]":
        """Read all unread messages of all chats, and mark the chats as viewed.

        Marking comes before reading: a message that arrives in between is read, and at worst it counts as unread once
        more. In the opposite order it would count as viewed and never be read.
        """
        caught_up = []
        for row in await self.chat_list(client):
            if not row["unread"]:
                continue
            chat = self.chats.get(row["otherHandleID"])
            if chat is None:  # the other person established this session
                profile = await self.query(client, row["otherHandleID"], "GetProfile")
                other = _person(row["otherHandleName"], row["otherHandleID"], profile)
                chat = self.chats[other.pid] = Chat(self, client, intern(row["sessionID"]), other)
            await self.ask(client, self.pid, "MarkAsViewed", {"sessionID": chat.session})
            caught_up.append((chat, await chat.read()))
        return caught_up

    async def read(self, client: NodeClient, *, from_handle: str) -> list[ReadMessage]:
        """Read a person's messages since the previous call.

        Raises:
            UserError: the name is not registered.
        """
        chat = await self.establish_session(client, with_handle=from_handle)
        return [message for message in await chat.read() if message.sender == chat.other.pid]

    def item(self, target: str, action: str, body: Any = None) -> bytes:
        """Sign a message. A random anchor gives each message its own id, even if its text repeats."""
        data = "" if body is None else encode(body)
        return self.wallet.sign(target=target, action=action, data=data, anchor=self.entropy(ANCHOR_BYTES))

    async def ask(self, client: NodeClient, target: str, action: str, body: Any = None) -> Any:
        """Send a message and return its decoded output.

        Raises:
            UserError: the process refused it.
        """
        return _output(await client.send(self.item(target, action, body)))

    async def query(self, client: NodeClient, target: str, action: str, body: Any = None) -> Any:
        """Query a process with a dryrun and return the decoded output.

        Raises:
            UserError: the process refused it.
        """
        data = "" if body is None else encode(body)
        return _output(await client.dryrun(target, action=action, data=data, sender=self.wallet.address))


class Chat:
    """One person's side of a session: its keys by generation, and how far the person has read.

    Attributes:
        session: process id of the session.
        other: the other person.
        keys: the session keys that this person has opened, by generation.
    """

    __slots__ = ("_client", "_read_from", "_read_until", "_user", "keys", "other", "session")

    def __init__(self, user: User, client: NodeClient, session: str, other: Person) -> None:
        self.session = session
        self.other = other
        self.keys: dict[int, bytes] = {}
        self._user = user
        self._client = client
        self._read_until = 0
        self._read_from = 0.0

    @property
    def generation(self) -> int:
        """The newest generation whose key this person has; 0 without a key."""
        return max(self.keys, default=0)

    async def rotate_key(self) -> int:
        """Make a new session key, seal it to both people, and send it to the session (steps 1 to 4).

        Returns:
            The generation of the key.
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
        """Fetch and open the newest session key, if any (step 8)."""
        for batch in await self._user.query(self._client, self.session, "GetCurrentKeys"):
            self._open(batch)

    async def send(self, text: str) -> str:
        """Encrypt a message under the newest key that this person has, and send it (steps 5 and 6).

        Returns:
            The id of the message that the handle sends to the session.

        Raises:
            UserError: the session has no key yet, or the handle refused the message.
        """
        if not self.keys:
            await self.fetch_keys()
        if not self.keys:
            raise UserError("the session has no key yet: rotate its key before the first message")
        content = encrypt(text, self.keys[self.generation], self._user.entropy)
        return await self.relay("SendMessage", {"content": content, "generation": self.generation})

    async def read(self) -> list[ReadMessage]:
        """Fetch and decrypt both people's messages since the previous call, oldest first (step 8)."""
        messages = []
        while page := await self._page():
            for row in page:
                generation = row["generation"]
                if generation not in self.keys:
                    query = {"generation": generation}
                    for batch in await self._user.query(self._client, self.session, "GetKeyByGeneration", query):
                        self._open(batch)
                text = decrypt(row["content"], self.keys[generation])
                messages.append(ReadMessage(row["id"], row["sender"], generation, row["timestamp"], text))
            self._read_until, self._read_from = page[-1]["id"], page[-1]["timestamp"]
        return messages

    async def relay(self, action: str, body: Any) -> str:
        """Relay an action to the session through this person's handle; returns the id of the relayed message."""
        message = {"Target": self.session, "Data": encode(body), "Tags": {"Action": action}}
        reply = await self._user.ask(self._client, self._user.pid, "RelayMessage", message)
        return str(reply["messageID"])

    async def _page(self) -> list[dict[str, Any]]:
        query: dict[str, Any] = {"from": self._read_from, "limit": PAGE, "order": "ASC"}
        if self._read_until:  # earlier versions of the session ignore it
            query["after"] = self._read_until
        rows = await self._user.query(self._client, self.session, "QueryMessage", query)
        return [row for row in rows if row["id"] > self._read_until]

    def _open(self, batch: dict[str, Any]) -> None:
        generation = batch["generation"]
        if generation not in self.keys:
            side = "encrypted_sk_by_a" if batch["pubkey_a"] == self._user.pubkey else "encrypted_sk_by_b"
            self.keys[generation] = open_session_key(batch[side], self._user.key)


def _person(handle: str, pid: str, profile: dict[str, Any]) -> Person:
    """Make a ``Person`` whose strings are interned, because many people know the same person."""
    return Person(intern(handle), intern(pid), intern(profile.get("pubkey", "")))


def _output(result: Result) -> Any:
    if result.error is not None:
        raise UserError(result.error)
    return result.answer
