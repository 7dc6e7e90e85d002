"""Proofs are checked without the log and without the node, and no forgery passes."""

import asyncio
from pathlib import Path
from shutil import copyfile
from typing import Any

import msgspec
import pytest

from actors import Node
from actors.evidence.checkpoints import (
    NoteInvalid,
    VerifierKey,
    checkpoint_of,
    key_of,
    sign,
    signature_line,
    verified,
)
from actors.evidence.proofs import (
    Consistency,
    Inclusion,
    check,
    check_with_checkpoint,
    matching_checkpoint,
    prove_consistency,
    prove_inclusion,
    read_proof,
)
from eventstore import LogFault, read_log
from eventstore.merkle.rfc9162 import ProofInvalid
from eventstore.sqlite.log import SqliteLog
from tests.actors.audit.forger import changed, place, read, relinked, write
from tests.actors.people import ALICE, EVE, NODE, item, relay, still, talking


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "world.db"

    async def live() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            a, _, session = await talking(node)
            for number in range(100):
                await node.send(relay(ALICE, a, session, "SendMessage", {"content": str(number)}))
        async with Node.open(path, wallet=NODE, clock=still) as node:
            await node.send(item(EVE, node.registry, "Register", {"handle": "eve"}))

    asyncio.run(live())
    return path


@pytest.fixture
def log(world: Path) -> SqliteLog:
    return read_log(world)


def test_a_node_signs_a_checkpoint_whenever_it_is_closed(log: SqliteLog) -> None:
    key = key_of(log)
    older, newer = (verified(note, key) for note in log.checkpoints())
    assert older.size < newer.size == log.head().sequence
    assert newer == checkpoint_of(log, key)
    assert (key.public_key, newer.origin) == (NODE.public_key, key.name)


def test_a_checkpoint_is_a_signed_note_as_c2sp_has_them(log: SqliteLog) -> None:
    text, _, signature = log.checkpoints()[-1].partition("\n\n")
    origin, size, root = text.split("\n")
    assert origin.startswith("mostao/")
    assert size == str(log.head().sequence)
    assert len(root) == 44
    assert signature.startswith(f"— {origin} ")
    assert VerifierKey.parse(str(key_of(log))) == key_of(log)


def test_the_vector_of_gos_note_package() -> None:
    """The example in the documentation of golang.org/x/mod/sumdb/note."""
    key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert key.id.hex() == "c74f20a3"


@pytest.mark.parametrize("sequence", [1, 2, 100, 256, 257, 300, 310])
def test_every_event_is_proven_to_be_in_the_log(log: SqliteLog, sequence: int) -> None:
    [event] = log.read(after=sequence - 1, until=sequence)
    proof = prove_inclusion(log, event, log.checkpoints()[-1], key_of(log))
    proven = check(read_proof(msgspec.json.encode(proof)), key=key_of(log))
    assert (proven.sequence, proven.timestamp, proven.message) == (sequence, event.timestamp, event.message)
    assert proven.checkpoint.size == log.head().sequence


def test_a_newer_log_is_proven_to_begin_with_an_older_one(log: SqliteLog) -> None:
    older, newer = log.checkpoints()
    for first, second in ((older, newer), (newer, older), (older, older)):
        proven = check(
            read_proof(msgspec.json.encode(prove_consistency(log, first, second, key_of(log)))), key=key_of(log)
        )
        assert proven.older is not None
        assert proven.older.size <= proven.checkpoint.size


def forged(proof: Inclusion | Consistency, **fields: Any) -> Inclusion | Consistency:
    return msgspec.structs.replace(proof, **fields)


def test_no_proof_can_be_changed(log: SqliteLog) -> None:
    older, newer = log.checkpoints()
    events, key = list(log.read()), key_of(log)
    proof, other = (prove_inclusion(log, events[at], newer, key) for at in (200, 201))
    consistency = prove_consistency(log, older, newer, key)
    note_of_eve = sign(checkpoint_of(log, key), EVE)
    for wrong in (
        forged(proof, record=other.record),
        forged(proof, path=other.path),
        forged(proof, path=proof.path[:-1]),
        forged(proof, path=[*proof.path, proof.path[0]]),
        forged(proof, path=["AAAA"]),
        forged(proof, path=proof.path * 100),
        forged(proof, record="!"),
        forged(proof, record="AAAA"),
        forged(proof, checkpoint=older.replace("mostao/", "other/")),
        forged(proof, checkpoint=note_of_eve),
        forged(proof, checkpoint=older),
        forged(consistency, older=newer),
        forged(consistency, newer=note_of_eve),
        forged(consistency, path=consistency.path[1:]),
        forged(consistency, path=[]),
    ):
        with pytest.raises((ProofInvalid, NoteInvalid)):
            check(wrong, key=key)
    with pytest.raises(NoteInvalid, match="not signed by"):
        check(proof, key=VerifierKey(key.name, EVE.public_key))


def test_a_proof_by_an_attackers_key_needs_the_attackers_checkpoint(log: SqliteLog) -> None:
    """An attacker signs the root of the log, or of any other log, with a key of their own."""
    older, newer = log.checkpoints()
    events, key = list(log.read()), key_of(log)
    theirs = VerifierKey(key.name, EVE.public_key)
    by_eve = [sign(verified(note, key), EVE) for note in (older, newer)]
    inclusion = prove_inclusion(log, events[7], newer, key)
    consistency = prove_consistency(log, older, newer, key)
    for proof, kept in (
        (forged(inclusion, key=str(theirs), checkpoint=by_eve[1]), newer),
        (forged(consistency, key=str(theirs), older=by_eve[0], newer=by_eve[1]), older),
        (forged(consistency, key=str(theirs)), older),
        (forged(inclusion, key="nonsense"), newer),
    ):
        with pytest.raises(NoteInvalid):
            check_with_checkpoint(proof, kept)
    with pytest.raises(NoteInvalid, match="not signed by"):
        check(forged(inclusion, checkpoint=by_eve[1]), key=key)


def test_a_kept_checkpoint_stands_for_the_key(log: SqliteLog) -> None:
    older, newer = log.checkpoints()
    events, key = list(log.read()), key_of(log)
    inclusion, consistency = prove_inclusion(log, events[7], newer, key), prove_consistency(log, older, newer, key)
    assert check_with_checkpoint(inclusion, newer).sequence == 8
    for kept in (older, newer):
        assert check_with_checkpoint(consistency, kept).older == verified(older, key)
    with pytest.raises(ProofInvalid, match="not about the checkpoint"):
        check_with_checkpoint(inclusion, older)


def test_a_kept_checkpoint_that_two_keys_signed_needs_the_logs_key(log: SqliteLog) -> None:
    older, newer = log.checkpoints()
    key = key_of(log)
    theirs = VerifierKey(key.name, EVE.public_key)
    both = older + signature_line(theirs, EVE.signature(verified(older, key).text.encode()))
    honest = prove_consistency(log, both, newer, key)
    evil = Consistency(str(theirs), both, both, [])
    for proof in (evil, honest):
        with pytest.raises(NoteInvalid, match=r"several keys .* pass the log's verifier key with --key"):
            check_with_checkpoint(proof, both)
    assert check_with_checkpoint(honest, both, key=key).key == key
    assert check_with_checkpoint(evil, both, key=key).key == key  # and not the one that the proof names


def test_a_proof_shows_that_its_sender_signed_the_event(world: Path, path: Path) -> None:
    copyfile(world, path)
    rows = read(path)
    index = place(rows, "RelayMessage", 3)
    rows[index] = changed(rows[index], message=changed(rows[index].message, data=b"{}"))
    rows = relinked(rows)
    write(path, rows)
    log = read_log(path)
    note = sign(checkpoint_of(log, key_of(log)), NODE)  # the node itself is the forger
    with pytest.raises(ProofInvalid, match="signed item is not valid"):
        check(prove_inclusion(log, rows[index], note, key_of(log)), key=key_of(log))


def test_a_log_that_is_not_the_one_of_a_checkpoint_proves_nothing(world: Path, path: Path) -> None:
    older, newer = read_log(world).checkpoints()
    copyfile(world, path)
    rows = read(path)
    write(path, rows[:-1])
    short = read_log(path)
    with pytest.raises(LogFault, match="cut off, or it was replaced by an older copy"):
        prove_consistency(short, older, newer, key_of(short))
    with pytest.raises(NoteInvalid, match="use a newer checkpoint"):
        prove_inclusion(read_log(world), rows[-1], older, key_of(short))
    assert matching_checkpoint(short, older, key_of(short)).size < len(rows)
    write(path, relinked(rows[:5] + rows[6:]))
    rewritten = read_log(path)
    with pytest.raises(LogFault, match="not the one of a checkpoint"):
        matching_checkpoint(rewritten, older, key_of(rewritten))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"proof":"other"}', b"\xff", b'{"proof":"mostao.inclusion@1"}'])
def test_what_is_no_proof_is_refused(raw: bytes) -> None:
    with pytest.raises(ProofInvalid, match="this is no proof"):
        read_proof(raw)


@pytest.mark.parametrize("text", ["", "a", "a+b", "a+b+c", "a+00000000+AQ==", "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVk"])
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid, match="name\\+id\\+key"):
        VerifierKey.parse(text)
