"""Published signed notes and checkpoints of other implementations. The file of vectors names their sources."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from actors.ans104.wallet import Wallet
from actors.crypto.ed25519 import is_valid
from actors.evidence.checkpoints import Checkpoint, NoteInvalid, VerifierKey, parse_note, sign, verified

VECTORS = json.loads((Path(__file__).parent / "vectors" / "signed_notes.json").read_text())
GO = VECTORS["go"]
CHECKPOINTS = VECTORS["checkpoints"]
KEY_ID_BYTES = 4
SIGNATURE_LINE = f"\n— {GO['verifier_key'].partition('+')[0]} {GO['signature']}\n"


def published_wallet() -> Wallet:
    """The published private key: the algorithm's byte, then the seed."""
    *_, encoded = GO["private_key"].split("+", 4)
    return Wallet(b64decode(encoded)[1:])


@pytest.mark.parametrize(
    "text", [GO["verifier_key"], GO["other_verifier_key"], *{vector["verifier_key"] for vector in CHECKPOINTS}]
)
def test_published_verifier_keys_are_read_and_written_as_they_are(text: str) -> None:
    key = VerifierKey.parse(text)
    assert str(key) == text
    assert [key.name, key.id.hex()] == text.split("+")[:2]


@pytest.mark.parametrize("text", GO["bad_verifier_keys"])
def test_published_bad_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        VerifierKey.parse(text)


def test_every_part_of_a_verifier_key_and_every_changed_character_is_refused() -> None:
    """The manglings of Go's own test."""
    text = GO["verifier_key"]
    parts = {text[start:stop] for start in range(len(text)) for stop in range(start + 1, len(text) + 1)} - {text}
    changed = {text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text))}
    for mangled in parts | changed:
        with pytest.raises(NoteInvalid):
            VerifierKey.parse(mangled)


def test_the_published_private_key_has_the_published_verifier_key() -> None:
    name, _, _ = GO["verifier_key"].partition("+")
    assert str(VerifierKey(name, published_wallet().public_key)) == GO["verifier_key"]


def test_the_published_text_gets_the_published_signature() -> None:
    signature = b64decode(GO["signature"])
    assert signature[:KEY_ID_BYTES] == VerifierKey.parse(GO["verifier_key"]).id
    assert published_wallet().signature(GO["text"].encode()) == signature[KEY_ID_BYTES:]


@pytest.mark.parametrize("which", ["", "other_"])
def test_the_published_signatures_are_valid_and_only_for_the_published_text(which: str) -> None:
    key, signature = VerifierKey.parse(GO[f"{which}verifier_key"]), b64decode(GO[f"{which}signature"])
    assert signature[:KEY_ID_BYTES] == key.id
    assert is_valid(signature[KEY_ID_BYTES:], GO["text"].encode(), key.public_key)
    assert not is_valid(signature[KEY_ID_BYTES:], GO["text"].encode() + b"\n", key.public_key)


@pytest.mark.parametrize("vector", CHECKPOINTS, ids=lambda vector: vector["origin"])
def test_published_checkpoints_are_read(vector: dict[str, Any]) -> None:
    checkpoint, [(signer, signature)] = parse_note(vector["note"])
    assert checkpoint == Checkpoint(vector["origin"], vector["size"], b64decode(vector["root"]))
    assert vector["note"].startswith(checkpoint.text + "\n")
    assert (signer, signature[:KEY_ID_BYTES]) == (vector["signer"], VerifierKey.parse(vector["verifier_key"]).id)


@pytest.mark.parametrize("vector", CHECKPOINTS, ids=lambda vector: vector["origin"])
def test_the_signatures_of_published_checkpoints_are_valid_for_the_text_that_was_signed(vector: dict[str, Any]) -> None:
    checkpoint, [(_, signature)] = parse_note(vector["note"])
    key = VerifierKey.parse(vector["verifier_key"])
    signed = checkpoint._replace(origin=vector["signed_origin"])
    assert is_valid(signature[KEY_ID_BYTES:], signed.text.encode(), key.public_key)
    assert not is_valid(signature[KEY_ID_BYTES:], signed._replace(size=1).text.encode(), key.public_key)


@pytest.mark.parametrize("vector", CHECKPOINTS, ids=lambda vector: vector["origin"])
def test_a_checkpoint_whose_origin_is_not_the_name_of_the_key_is_refused(vector: dict[str, Any]) -> None:
    """C2SP recommends that they agree, and a node's checkpoints do."""
    with pytest.raises(NoteInvalid):
        verified(vector["note"], VerifierKey.parse(vector["verifier_key"]))


@pytest.mark.parametrize("vector", VECTORS["bodies"], ids=lambda vector: vector["desc"])
def test_published_bodies_are_read_or_refused(vector: dict[str, Any]) -> None:
    note = vector["body"] + SIGNATURE_LINE
    if vector["wantErr"]:
        with pytest.raises(NoteInvalid):
            parse_note(note)
    else:
        checkpoint, _ = parse_note(note)
        assert checkpoint.text == vector["body"]


def test_a_signature_of_another_key_beside_the_own_one_is_ignored() -> None:
    """As Go's test of a note with two signatures, of which one verifier is known."""
    key = VerifierKey.parse(GO["verifier_key"])
    note = sign(Checkpoint(key.name, 1, bytes(32)), published_wallet())
    other = f"— EnochRoot {GO['other_signature']}\n"
    text, _, own = note.partition("\n\n")
    for lines in (own + other, other + own):
        assert verified(f"{text}\n\n{lines}", key) == Checkpoint(key.name, 1, bytes(32))
    with pytest.raises(NoteInvalid):
        verified(f"{text}\n\n{other}", key)
