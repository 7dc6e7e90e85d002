"""People with real keys on a real node, for the node's tests."""

import json
from itertools import count
from typing import Any

from actors import Node, Result, Wallet

NOW_MS = 1_700_000_000_000
KEYS = {"encrypted_sk_by_a": "SK_EA", "pubkey_a": "a", "encrypted_sk_by_b": "SK_EB", "pubkey_b": "b"}
_anchors = count(1)


def wallet(number: int) -> Wallet:
    return Wallet(bytes([number]) * 32)


NODE, ALICE, BOB, EVE = map(wallet, range(4))


def still() -> int:
    """A clock that stands still."""
    return NOW_MS


def item(sender: Wallet, target: str, action: str, body: Any = "") -> bytes:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return sender.sign(target=target, action=action, data=data, anchor=next(_anchors).to_bytes(32, "big"))


def relay(sender: Wallet, handle: str, target: str, action: str, body: Any = "") -> bytes:
    data = body if isinstance(body, str) else json.dumps(body)
    return item(sender, handle, "RelayMessage", {"Target": target, "Data": data, "Tags": {"Action": action}})


async def register(node: Node, sender: Wallet, handle: str) -> str:
    result = await node.send(item(sender, node.registry, "Register", {"handle": handle, "pubkey": "k"}))
    return str(result.answer["pid"])


async def talking(node: Node) -> tuple[str, str, str]:
    """Alice's handle, Bob's, and their session, which has a key."""
    a, b = await register(node, ALICE, "alice"), await register(node, BOB, "bob")
    body = {"handleA": "alice", "handleB": "bob"}
    result: Result = await node.send(item(ALICE, node.registry, "EstablishSession", body))
    session = result.answer["sessionID"]
    await node.send(relay(ALICE, a, session, "RotateSessionKey", KEYS))
    await node.drain()
    return a, b, session
