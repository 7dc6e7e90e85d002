"""Ethereum and Arweave wallets, and their use beside Ed25519 wallets on one node."""

import asyncio
from base64 import urlsafe_b64encode
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from actors import ItemRefused, Node, WalletError
from actors.ans104.external_wallets import ArweaveWallet, EthereumWallet
from actors.ans104.item import parse
from actors.ans104.signer import Signer
from actors.audit.audit import audit
from actors.crypto.schemes import ETHEREUM, SCHEMES
from actors.crypto.secp256k1 import ethereum_address, signing_key
from eventstore.records import encode_id
from tests.actors.people import ALICE, NODE, item, relay, still

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
PROCESS = encode_id(bytes(32))
ETHER = EthereumWallet(bytes(31) + b"\1")


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 4096)


@pytest.fixture(scope="module")
def arweave(private_key: rsa.RSAPrivateKey) -> ArweaveWallet:
    return ArweaveWallet(private_key)


def test_the_address_of_the_key_1_is_what_everybody_knows_it_to_be() -> None:
    assert ETHER.address == "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


@given(secret=st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32)), text=st.binary(max_size=99))
def test_an_ethereum_wallet_signs_as_others_do(secret: bytes, text: bytes) -> None:
    wallet = EthereumWallet(secret)
    signature = wallet.signature(text)
    assert signature == Account.sign_message(encode_defunct(text), secret).signature
    assert signing_key(text, signature) == wallet.public_key
    assert wallet.address == Account.from_key(secret).address


@given(
    tags=st.lists(st.tuples(*[st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)] * 2), max_size=5),
    data=st.binary(max_size=200),
    anchor=st.sampled_from([b"", bytes(range(32))]),
)
def test_what_an_ethereum_wallet_signs_is_read_back_and_genuine(
    tags: list[tuple[str, str]], data: bytes, anchor: bytes
) -> None:
    found = parse(ETHER.sign(target=PROCESS, data=data, tags=tags, anchor=anchor))
    found.verify()
    assert (found.sender, found.target, found.tags, found.data) == (ETHER.address, PROCESS, tags, data)


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_an_ethereum_item_can_be_changed(position: int, bit: int) -> None:
    raw = bytearray(ETHER.sign(target=PROCESS, action="Register", data=b'{"handle":"alice"}', anchor=bytes(32)))
    raw[position % len(raw)] ^= 1 << bit
    with pytest.raises(ItemRefused):
        parse(bytes(raw)).verify()


def test_nobody_can_give_a_signed_message_a_second_id() -> None:
    raw = ETHER.sign(target=PROCESS, action="Register", anchor=bytes(32))
    scheme = SCHEMES[ETHEREUM]
    signature = raw[scheme.signature]
    other_s = (ORDER - int.from_bytes(signature[32:64])).to_bytes(32)
    for forged in (
        signature[:64] + bytes([signature[64] - 27]),
        signature[:64] + bytes([signature[64] + 8]),
        signature[:32] + other_s + bytes([55 - signature[64]]),
        bytes(65),
        signature[:32] + bytes(32) + signature[64:],
    ):
        changed = raw[:2] + forged + raw[scheme.signature.stop :]
        with pytest.raises(ItemRefused, match="does not match"):
            parse(changed).verify()


def test_what_an_arweave_wallet_signs_is_genuine_and_nothing_else_is(arweave: ArweaveWallet) -> None:
    raw = arweave.sign(target=PROCESS, action="Register", data="x", anchor=bytes(32))
    found = parse(raw)
    found.verify()
    assert found.sender == arweave.address
    for position in (2, 513, 514, 1025, len(raw) - 1):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises(ItemRefused):
            parse(bytes(changed)).verify()
    for modulus in (bytes(512), bytes(511) + b"\1", bytes(511) + b"\2"):
        with pytest.raises(ItemRefused, match="does not match"):
            parse(raw[:514] + modulus + raw[1026:]).verify()


@pytest.mark.parametrize("length", [1, 2, 60, 66, 67, 100, 131, 132, 150, 164, 172, 190])
def test_an_ethereum_item_that_is_cut_off_is_refused(length: int) -> None:
    raw = ETHER.sign(target=PROCESS, action="Register", data=b"{}", anchor=bytes(32))
    with pytest.raises(ItemRefused):
        parse(raw[:length]).verify()


async def test_people_of_three_networks_register_and_talk_and_the_audit_verifies_each(
    path: Path, arweave: ArweaveWallet
) -> None:
    people: dict[str, Signer] = {"ether": ETHER, "weave": arweave, "alice": ALICE}
    async with Node.open(path, wallet=NODE, clock=still) as node:
        pids = {}
        for name, wallet in people.items():
            body = msgspec.json.encode({"handle": name, "pubkey": "k"})
            raw = wallet.sign(target=node.registry, action="Register", data=body)
            [first, repeated] = await asyncio.gather(node.send(raw), node.send(raw))
            assert first == repeated
            pids[name] = first.answer["pid"]
        establish = msgspec.json.encode({"handleA": "ether", "handleB": "weave"})
        session = await node.send(ETHER.sign(target=node.registry, action="EstablishSession", data=establish))
        keys = dict.fromkeys(("encrypted_sk_by_a", "pubkey_a", "encrypted_sk_by_b", "pubkey_b"), "k")
        for wallet, name, action, body in (
            (ETHER, "ether", "RotateSessionKey", keys),
            (arweave, "weave", "SendMessage", {"content": "from afar"}),
        ):
            relayed = relay(wallet, pids[name], session.answer["sessionID"], action, body)
            assert (await node.send(relayed)).error is None
        await node.drain()
        said = await node.dryrun(session.answer["sessionID"], action="QueryMessage")
        assert [row["content"] for row in said.answer] == ["from afar"]
        owned = await node.dryrun(
            node.registry, action="GetHandles", data=msgspec.json.encode({"owner": ETHER.address.lower()}).decode()
        )
        assert "ether" in str(owned.answer)
        refused = await node.send(item(ALICE, pids["ether"], "ProfileUpdate", {"bio": "mine"}))
        assert refused.error == "only the owner can do that"
    report = audit(path)
    assert (report.faults, report.unsent) == ([], 0)


def test_a_key_file_of_arweave_is_read(tmp_path: Path, private_key: rsa.RSAPrivateKey, arweave: ArweaveWallet) -> None:
    numbers = private_key.private_numbers()
    public = numbers.public_numbers
    values = {
        "n": public.n,
        "e": public.e,
        "d": numbers.d,
        "p": numbers.p,
        "q": numbers.q,
        "dp": numbers.dmp1,
        "dq": numbers.dmq1,
        "qi": numbers.iqmp,
    }
    jwk = {name: urlsafe_b64encode(_bytes(value)).rstrip(b"=").decode() for name, value in values.items()}
    file = tmp_path / "key.json"
    file.write_bytes(msgspec.json.encode({"kty": "RSA", **jwk}))
    assert ArweaveWallet.load(file).address == arweave.address
    for bad in (b"", b"{}", b"[]", msgspec.json.encode({**jwk, "n": "AQ"}), msgspec.json.encode({**jwk, "d": "!"})):
        file.write_bytes(bad)
        with pytest.raises(WalletError, match="key file"):
            ArweaveWallet.load(file)
    with pytest.raises(WalletError, match="cannot be read"):
        ArweaveWallet.load(tmp_path / "none")


def _bytes(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


def test_a_key_of_another_length_is_none_of_arweaves() -> None:
    with pytest.raises(WalletError, match="4096 bits"):
        ArweaveWallet(rsa.generate_private_key(65537, 2048))
    for secret in (b"", bytes(32), b"\xff" * 32):
        with pytest.raises(WalletError, match="secp256k1"):
            EthereumWallet(secret)


def test_addresses_have_the_checksum_of_eip_55() -> None:
    wallets = [EthereumWallet(bytes(31) + bytes([number])) for number in range(1, 20)]
    for wallet in wallets:
        assert wallet.address == ethereum_address(wallet.public_key)
        assert wallet.address != wallet.address.lower()
