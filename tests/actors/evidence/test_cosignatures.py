"""Cosignatures: a checkpoint that public witnesses cosigned, and forgeries of it. The vectors name their sources."""

import json
from base64 import b64decode
from pathlib import Path

import pytest

from actors.evidence.checkpoints import (
    WITNESS_KEY,
    Checkpoint,
    NoteInvalid,
    VerifierKey,
    parse_note,
    sign,
    signature_line,
    verified,
)
from actors.evidence.cosignatures import cosign, cosignatures_of
from tests.actors.people import ALICE, EVE, NODE

VECTORS = json.loads((Path(__file__).parent / "vectors" / "cosignatures.json").read_text())
NOTE: str = VECTORS["note"]
KEYS = [VerifierKey.parse(text, kind=WITNESS_KEY) for text in VECTORS["witness_keys"]]
LOG = VerifierKey("mostao/log", NODE.public_key)
WITNESS = VerifierKey("witness.example/w", ALICE.public_key, WITNESS_KEY)
CHECKPOINT = Checkpoint(LOG.name, 7, bytes(32))


def cosigned(checkpoint: Checkpoint = CHECKPOINT, *, timestamp: int = 1_700_000_000) -> str:
    return sign(checkpoint, NODE) + cosign(checkpoint, WITNESS, ALICE, timestamp=timestamp)


@pytest.mark.parametrize("text", VECTORS["witness_keys"])
def test_published_keys_of_witnesses_are_read_and_written_as_they_are(text: str) -> None:
    assert str(VerifierKey.parse(text, kind=WITNESS_KEY)) == text


def test_the_cosignatures_of_public_witnesses_are_valid() -> None:
    assert {(each.key, each.timestamp) for each in cosignatures_of(NOTE, KEYS)} == {
        (key, VECTORS["timestamp"]) for key in KEYS
    }


def test_the_log_signed_the_note_that_public_witnesses_cosigned() -> None:
    assert verified(NOTE, VerifierKey.parse(VECTORS["log_key"])).size == 1_432_088_532


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_a_cosignature_is_valid_for_the_cosigned_lines_only(key: VerifierKey) -> None:
    for changed in (
        NOTE.replace("1432088532", "1432088533"),
        NOTE.replace("arche2025h1.staging.ct.transparency.dev\n", "another log\n"),
        NOTE.replace("U7WM79", "U7WM78"),
        NOTE.replace("\n\n", "\nan extension line\n\n"),
    ):
        with pytest.raises(NoteInvalid, match="does not match"):
            cosignatures_of(changed, [key])


def test_the_example_of_the_specification_is_read() -> None:
    _, [_, (witness, signature)] = parse_note(VECTORS["example"]["note"])
    assert (witness, len(signature)) == ("witness.example.com/w1", 4 + 8 + 64)
    assert int.from_bytes(signature[4:12], "big") == VECTORS["example"]["timestamp"]


def test_a_log_key_is_no_witness_key_and_the_other_way_round() -> None:
    with pytest.raises(NoteInvalid, match="verifier key of a log; pass the one of a witness"):
        VerifierKey.parse(str(LOG), kind=WITNESS_KEY)
    with pytest.raises(NoteInvalid, match="verifier key of a witness; pass the one of a log"):
        VerifierKey.parse(str(WITNESS))


def test_a_cosigned_note_is_verified_with_the_logs_key_and_with_the_witnesss_key() -> None:
    note = cosigned()
    assert verified(note, LOG) == CHECKPOINT
    [cosignature] = cosignatures_of(note, [WITNESS])
    assert (cosignature.key, cosignature.timestamp) == (WITNESS, 1_700_000_000)


def test_extension_lines_are_signed_and_cosigned() -> None:
    checkpoint = CHECKPOINT._replace(extensions=("extension one", "two"))
    note = cosigned(checkpoint)
    assert parse_note(note)[0] == verified(note, LOG) == checkpoint
    assert len(cosignatures_of(note, [WITNESS])) == 1
    for changed in (note.replace("extension one\n", ""), note.replace("two", "tow")):
        with pytest.raises(NoteInvalid):
            verified(changed, LOG)
        with pytest.raises(NoteInvalid):
            cosignatures_of(changed, [WITNESS])


def test_unknown_signature_lines_are_ignored_even_with_a_known_name_or_id() -> None:
    stranger = WITNESS._replace(public_key=EVE.public_key)
    lines = signature_line(stranger, bytes(72)) + signature_line(WITNESS._replace(name="else.example"), bytes(7))
    note = cosigned() + lines
    assert verified(note, LOG) == CHECKPOINT
    assert [each.key for each in cosignatures_of(note, [WITNESS])] == [WITNESS]
    assert cosignatures_of(sign(CHECKPOINT, NODE) + lines, [WITNESS]) == []


def test_the_newest_of_several_cosignatures_of_a_witness_counts() -> None:
    note = cosigned(timestamp=5) + cosign(CHECKPOINT, WITNESS, ALICE, timestamp=9)
    assert [each.timestamp for each in cosignatures_of(note, [WITNESS])] == [9]


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(8),
        bytes(8 + 64),
        ALICE.signature(CHECKPOINT.text.encode()),
        bytes(7) + b"\1" + ALICE.signature(CHECKPOINT.text.encode()),
        b64decode(cosign(CHECKPOINT, WITNESS, ALICE, timestamp=1).split()[-1])[4:] + b"\0",
        b64decode(cosign(CHECKPOINT, WITNESS, ALICE, timestamp=2**63).split()[-1])[4:],
        b64decode(cosign(CHECKPOINT, WITNESS, EVE, timestamp=1).split()[-1])[4:],
    ],
)
def test_a_forged_cosignature_of_a_known_witness_is_refused(signature: bytes) -> None:
    with pytest.raises(NoteInvalid, match="does not match"):
        cosignatures_of(sign(CHECKPOINT, NODE) + signature_line(WITNESS, signature), [WITNESS])


def test_the_time_of_a_cosignature_is_signed() -> None:
    line = cosign(CHECKPOINT, WITNESS, ALICE, timestamp=5)
    raw = b64decode(line.split()[-1])[4:]
    later = (6).to_bytes(8, "big") + raw[8:]
    with pytest.raises(NoteInvalid):
        cosignatures_of(sign(CHECKPOINT, NODE) + signature_line(WITNESS, later), [WITNESS])


@pytest.mark.parametrize("lines", ["an extension\n\n", "\n", "tab\there\n"])
def test_empty_and_control_characters_are_no_extension_lines(lines: str) -> None:
    text, _, signatures = sign(CHECKPOINT, NODE).partition("\n\n")
    with pytest.raises(NoteInvalid):
        parse_note(f"{text}\n{lines}\n{signatures}")


def test_a_note_may_have_sixteen_large_signatures_of_strangers() -> None:
    lines = "".join(signature_line(WITNESS._replace(name=f"w{number}"), bytes(4_900)) for number in range(16))
    assert verified(sign(CHECKPOINT, NODE) + lines, LOG) == CHECKPOINT
