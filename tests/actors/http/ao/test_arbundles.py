"""The npm package arbundles reads the items that this project writes, and the other way round."""

import random
from base64 import b64decode, b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from nacl.signing import SigningKey

from actors import Node, Wallet
from actors.ans104.bundle import Bundle
from actors.ans104.external_wallets import ArweaveWallet, EthereumWallet
from actors.ans104.item import DATA_BYTES_MAX, parse
from actors.ans104.signer import Signer
from actors.ans104.tags import BLOCK_BYTES_MAX, NAME_BYTES_MAX, TAGS_MAX, VALUE_BYTES_MAX
from actors.ao.export import export
from eventstore import read_log
from eventstore.records import encode_id
from tests.actors.http.node_js import packages, run_js
from tests.actors.people import ALICE, NODE, relay, still, talking

__all__ = ["packages"]
ALPHABET = "".join(map(chr, range(32, 127))) + "äß€漢字🙂\n\t\0"
RANDOM_ITEMS = 40
SECRET = bytes(range(32))


def base58(raw: bytes) -> str:
    digits, number = "", int.from_bytes(raw, "big")
    while number:
        number, digit = divmod(number, 58)
        digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[digit] + digits
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + digits


def parts(seed: int) -> dict[str, Any]:
    """Random fields of an item."""
    draw = random.Random(seed)
    words = lambda most: "".join(draw.choices(ALPHABET, k=draw.randint(1, most)))  # noqa: E731
    return {
        "target": encode_id(draw.randbytes(32)) if draw.random() < 0.7 else "",
        "anchor": bytes(draw.choices(range(1, 128), k=32)) if draw.random() < 0.5 else b"",
        "tags": [(words(12), words(40)) for _ in range(draw.choice([0, 1, 2, 5, 20]))],
        "data": draw.randbytes(draw.choice([0, 1, 255, 4096])),
    }


LIMITS: list[dict[str, Any]] = [
    {"target": "", "anchor": b"", "tags": [], "data": b""},
    {"target": encode_id(bytes(32)), "anchor": b"a" * 32, "tags": [], "data": bytes(DATA_BYTES_MAX)},
    {"target": "", "anchor": b"", "tags": [("n", "v")] * TAGS_MAX, "data": b"x"},
    {"target": "", "anchor": b"", "tags": [("n" * NAME_BYTES_MAX, "v" * (VALUE_BYTES_MAX - 64))], "data": b""},
    {"target": "", "anchor": b"", "tags": [("n", "v" * VALUE_BYTES_MAX)], "data": b""},
]


@pytest.fixture(scope="module")
def signers() -> dict[int, Signer]:
    key = rsa.generate_private_key(65537, 4096)
    return {1: ArweaveWallet(key), 2: Wallet(SECRET), 3: EthereumWallet(SECRET)}


def jwk(wallet: Signer) -> dict[str, str]:
    numbers = wallet._key.private_numbers()  # type: ignore[attr-defined]
    public = numbers.public_numbers
    fields = {"n": public.n, "e": public.e, "d": numbers.d, "p": numbers.p, "q": numbers.q}
    fields |= {"dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    encoded = {
        name: urlsafe_b64encode(value.to_bytes(-(-value.bit_length() // 8), "big")).rstrip(b"=").decode()
        for name, value in fields.items()
    }
    return {"kty": "RSA", **encoded}


def test_both_ways(packages: Path, signers: dict[int, Signer]) -> None:
    cases = [(kind, case) for kind in signers for case in [*LIMITS, *map(parts, range(RANDOM_ITEMS))]]
    ours = [signers[kind].sign(**case) for kind, case in cases]
    given = {
        "items": [b64encode(raw).decode() for raw in ours],
        "keys": {
            "arweave": jwk(signers[1]),
            "solana": base58(SECRET + bytes(SigningKey(SECRET).verify_key)),
            "ethereum": SECRET.hex(),
        },
        "specs": [
            {**case, "kind": kind, "anchor": case["anchor"].hex(), "data": b64encode(case["data"]).decode()}
            for kind, case in cases
        ],
    }
    told = run_js("bundles.mjs", given=given)
    assert len(told["read"]) == len(told["made"]) == len(cases)
    for (kind, case), raw, read, made in zip(cases, ours, told["read"], told["made"], strict=True):
        said = {
            "kind": kind,
            "target": case["target"],
            "anchor": case["anchor"].hex(),
            "tags": [list(tag) for tag in case["tags"]],
            "data": b64encode(case["data"]).decode(),
        }
        assert read == {"valid": True, "id": parse(raw).id, **said}
        item = parse(b64decode(made["raw"]))
        item.verify()
        assert made == {"raw": made["raw"], "id": item.id, **said}
        assert item.sender == signers[kind].address
        assert (item.target, item.anchor, item.tags, item.data) == tuple(
            case[part] for part in ("target", "anchor", "tags", "data")
        )
    assert max(len(parse(raw).envelope) for raw in ours) < BLOCK_BYTES_MAX + 2 + 512 + 512 + 33 + 33 + 16


async def test_an_exported_history_opens(path: Path, tmp_path: Path, packages: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, _, session = await talking(node)
        await node.send(relay(ALICE, a, session, "SendMessage", {"content": "hello"}))
        await node.drain()
    bundle = tmp_path / "bundle"
    log = read_log(path)
    with bundle.open("wb") as file:
        out = export(log, NODE, file, processes=[session])
    log.close()
    given = {"items": [], "specs": [], "keys": {}, "bundle": b64encode(bundle.read_bytes()).decode()}
    told = run_js("bundles.mjs", given=given)["bundled"]
    assert told["valid"]
    assert len(told["items"]) == out.items == 2 * out.events + 1
    assert [item["id"] for item in told["items"]] == [parse(raw).id for raw in Bundle.of_file(bundle).items()]
