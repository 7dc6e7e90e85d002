"""Who talks in a load test: people with keys of their own, registered, each session with its first key."""

import asyncio
from collections.abc import Iterator
from hashlib import sha256

import msgspec
from nacl.public import PrivateKey

from actors import Wallet
from actors.protocol.canonical_json import encode
from simulations.clients.encryption import encrypt, public_key_text, seal_session_key
from simulations.load.connect import Line
from simulations.load.plan import Plan
from simulations.load.socket_transport import ACCEPTED, Answered

SETTING_UP_AT_ONCE = 256


class SetUpFailed(Exception):
    """The people could not be brought onto the node."""


class Talk(msgspec.Struct):
    """One session, as one who makes load for it has to know it."""

    session: str
    seeds: tuple[bytes, bytes]
    """Of the wallets of its two people."""
    handles: tuple[str, str]
    key: bytes
    """The session key."""


class Talker:
    """Makes the signed items of a session, its two people in turn."""

    def __init__(self, talk: Talk, content_bytes: int, number: int) -> None:
        self._talk = talk
        self._wallets = [Wallet(seed) for seed in talk.seeds]
        self._text = "x" * content_bytes
        self._entropy = _stream(b"%d" % number)
        self._sent = 0

    def next(self) -> bytes:
        """The next signed message: its content encrypted under the session key, its nonce its own."""
        side = self._sent % 2
        self._sent += 1
        content = encrypt(self._text, self._talk.key, lambda count: next(self._entropy)[:count])
        relayed = {
            "Target": self._talk.session,
            "Data": encode({"content": content, "generation": 1}),
            "Tags": {"Action": "SendMessage"},
        }
        return self._wallets[side].sign(
            target=self._talk.handles[side], action="RelayMessage", data=encode(relayed), anchor=next(self._entropy)
        )


def _stream(seed: bytes) -> Iterator[bytes]:
    """Bytes that follow from a seed, 32 at a time."""
    number = 0
    while True:
        yield sha256(b"mostao load %s %d" % (seed, number)).digest()
        number += 1


def pairs(users: int, sessions: int) -> Iterator[tuple[int, int]]:
    """Who talks with whom: everybody with the next, then with the one after, until there are enough sessions."""
    for number in range(sessions):
        distance, one = divmod(number, users)
        yield one, (one + distance + 1) % users


def sessions_max(users: int) -> int:
    """Sessions that ``pairs`` makes without making one twice."""
    return users * ((users - 1) // 2) + (users // 2 if users % 2 == 0 else 0)


async def set_up(line: Line, registry: str, plan: Plan) -> list[Talk]:
    """Register everybody, establish every session, and give each a key.

    Raises:
        SetUpFailed: the node refused something.
    """
    seeds = [sha256(b"load user %d %d" % (plan.seed, number)).digest() for number in range(plan.users)]
    wallets = [Wallet(seed) for seed in seeds]
    keys = [PrivateKey(sha256(b"load key %d %d" % (plan.seed, number)).digest()) for number in range(plan.users)]

    def name(number: int) -> str:
        return f"user{number}-{plan.seed}"

    turn = asyncio.Semaphore(SETTING_UP_AT_ONCE)

    async def ask(wallet: Wallet, target: str, action: str, body: object) -> dict[str, str]:
        async with turn:
            answered = await line.submit(
                wallet.sign(target=target, action=action, data=encode(body), anchor=bytes(32)), answer=True
            )
        return _answer(answered, action)

    async def register(number: int) -> str:
        pubkey = public_key_text(keys[number].public_key)
        answer = await ask(wallets[number], registry, "Register", {"handle": name(number), "pubkey": pubkey})
        return answer["pid"]

    handles = await asyncio.gather(*map(register, range(plan.users)))

    async def establish(one: int, other: int) -> Talk:
        both = {"handleA": name(one), "handleB": name(other)}
        session = (await ask(wallets[one], registry, "EstablishSession", both))["sessionID"]
        entropy = _stream(session.encode())
        key = next(entropy)
        batch = {}
        for side, number in (("a", one), ("b", other)):
            batch[f"encrypted_sk_by_{side}"] = seal_session_key(
                key, keys[number].public_key, lambda count: next(entropy)[:count]
            )
            batch[f"pubkey_{side}"] = public_key_text(keys[number].public_key)
        relayed = {"Target": session, "Data": encode(batch), "Tags": {"Action": "RotateSessionKey"}}
        await ask(wallets[one], handles[one], "RelayMessage", relayed)
        return Talk(session, (seeds[one], seeds[other]), (handles[one], handles[other]), key)

    return list(await asyncio.gather(*(establish(*pair) for pair in pairs(plan.users, plan.sessions))))


def _answer(answered: Answered, action: str) -> dict[str, str]:
    if answered.kind != ACCEPTED:
        raise SetUpFailed(f"{action}: {answered.kind}: {answered.text}")
    answer: dict[str, str] = msgspec.json.decode(answered.text)
    return answer
