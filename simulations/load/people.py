"""The people of a load test: wallets, registered handles, and sessions with their first keys."""

import asyncio
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import msgspec
from nacl.public import PrivateKey

from actors import Wallet
from actors.protocol.canonical_json import encode
from simulations.clients.encryption import encrypt, public_key_text, seal_session_key
from simulations.load.plan import Plan
from simulations.load.transport import ACCEPTED, Reply, Transport, without_limit

SET_UP_IN_FLIGHT_MAX = 256
SET_UP_WAIT_MAX_S = 600
"""Seconds that one item of the set-up waits for the limits of a node."""


class SetUpFailed(Exception):
    """The node refused a registration, a session or a key."""


class Conversation(msgspec.Struct):
    """One session, with everything that a generator needs to send messages in it."""

    session: str
    seeds: tuple[bytes, bytes]
    """Seeds of the wallets of its two people."""
    handles: tuple[str, str]
    key: bytes
    """The session key."""


class MessageSource:
    """Makes the signed items of a session; its two people send alternately.

    Args:
        conversation: the session.
        content_bytes: size of the plain text.
        number: seed of the nonces and anchors.
    """

    def __init__(self, conversation: Conversation, content_bytes: int, number: int) -> None:
        self._conversation = conversation
        self._wallets = [Wallet(seed) for seed in conversation.seeds]
        self._text = "x" * content_bytes
        self._entropy = _stream(b"%d" % number)
        self._sent = 0

    def next(self) -> bytes:
        """The next signed message: its content is encrypted under the session key with a new nonce."""
        side = self._sent % 2
        self._sent += 1
        content = encrypt(self._text, self._conversation.key, lambda count: next(self._entropy)[:count])
        relayed = {
            "Target": self._conversation.session,
            "Data": encode({"content": content, "generation": 1}),
            "Tags": {"Action": "SendMessage"},
        }
        return self._wallets[side].sign(
            target=self._conversation.handles[side],
            action="RelayMessage",
            data=encode(relayed),
            anchor=next(self._entropy),
        )


def _stream(seed: bytes) -> Iterator[bytes]:
    """A deterministic stream of 32-byte blocks."""
    number = 0
    while True:
        yield sha256(b"mostao load %s %d" % (seed, number)).digest()
        number += 1


def pairs(users: int, sessions: int) -> Iterator[tuple[int, int]]:
    """The pairs of users who share a session: each user with the next one, then with the one after it, and so on."""
    for number in range(sessions):
        distance, user = divmod(number, users)
        yield user, (user + distance + 1) % users


def sessions_max(users: int) -> int:
    """The highest number of sessions for which ``pairs`` yields distinct pairs."""
    return users * ((users - 1) // 2) + (users // 2 if users % 2 == 0 else 0)


async def set_up(
    transport: Transport, registry: str, plan: Plan, on_wait: Callable[[str], Any] = lambda _: None
) -> list[Conversation]:
    """Register all users, establish all sessions, and rotate each session's key once.

    Where the node is above a limit and names a time, the items wait that long and are sent again.

    Args:
        transport: to the node.
        registry: process id of the registry.
        plan: how many people and sessions.
        on_wait: called with the reason when a wait begins.

    Raises:
        SetUpFailed: the node refused an item.
    """
    seeds = [sha256(b"load user %d %d" % (plan.seed, number)).digest() for number in range(plan.users)]
    wallets = [Wallet(seed) for seed in seeds]
    keys = [PrivateKey(sha256(b"load key %d %d" % (plan.seed, number)).digest()) for number in range(plan.users)]

    def name(number: int) -> str:
        return f"user{number}-{plan.seed}"

    slots = asyncio.Semaphore(SET_UP_IN_FLIGHT_MAX)

    waiting = 0

    async def request(wallet: Wallet, target: str, action: str, body: object) -> dict[str, str]:
        nonlocal waiting
        raw = wallet.sign(target=target, action=action, data=encode(body), anchor=bytes(32))
        waited_s = 0
        async with slots:  # an item that waits keeps its slot: others would be refused, too
            while (reply := await transport.submit(raw, answer=True)).retry_s:
                waited_s += reply.retry_s
                if waited_s > SET_UP_WAIT_MAX_S:
                    break
                if not waiting:
                    on_wait(f"{action}: {reply.text}. Waiting; {without_limit(reply.text)}".rstrip("; "))
                waiting += 1
                await asyncio.sleep(reply.retry_s)
                waiting -= 1
        return _output(reply, action)

    async def register(number: int) -> str:
        pubkey = public_key_text(keys[number].public_key)
        output = await request(wallets[number], registry, "Register", {"handle": name(number), "pubkey": pubkey})
        return output["pid"]

    handles = await asyncio.gather(*map(register, range(plan.users)))

    async def establish(one: int, other: int) -> Conversation:
        both = {"handleA": name(one), "handleB": name(other)}
        session = (await request(wallets[one], registry, "EstablishSession", both))["sessionID"]
        entropy = _stream(session.encode())
        key = next(entropy)
        batch = {}
        for side, number in (("a", one), ("b", other)):
            batch[f"encrypted_sk_by_{side}"] = seal_session_key(
                key, keys[number].public_key, lambda count: next(entropy)[:count]
            )
            batch[f"pubkey_{side}"] = public_key_text(keys[number].public_key)
        relayed = {"Target": session, "Data": encode(batch), "Tags": {"Action": "RotateSessionKey"}}
        await request(wallets[one], handles[one], "RelayMessage", relayed)
        return Conversation(session, (seeds[one], seeds[other]), (handles[one], handles[other]), key)

    return list(await asyncio.gather(*(establish(*pair) for pair in pairs(plan.users, plan.sessions))))


def _output(reply: Reply, action: str) -> dict[str, str]:
    if reply.kind != ACCEPTED:
        remedy = without_limit(reply.text)
        raise SetUpFailed(f"{action}: {reply.kind}: {reply.text}{remedy and f'; {remedy}'}")
    output: dict[str, str] = msgspec.json.decode(reply.text)
    return output
