"""A witness over HTTP: the status codes of C2SP tlog-witness, and what no request can achieve."""

import asyncio
import json
import stat
from base64 import b64encode
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ans104.wallet import Wallet
from actors.evidence.checkpoints import (
    Checkpoint,
    VerifierKey,
    parse_note,
    sign,
    signature_line,
    signatures_by,
    verified,
)
from actors.evidence.cosignatures import cosignatures_of
from actors.http.witness.rules import Refused, check_growth, verify_request
from actors.http.witness.wire_format import PROOF_LINES_MAX, REQUEST_BYTES_MAX, AddCheckpoint
from eventstore.merkle.rfc9162 import EMPTY_ROOT
from tests.actors.http.witness.served_witness import LOG, Tree, served_witness
from tests.actors.people import ALICE, EVE, NOW_MS
from tests.sqlite_file import execute

VECTORS = json.loads((Path(__file__).parent / "vectors" / "add_checkpoint.json").read_text())
LEAVES = [str(number) for number in range(40)]
TREE = Tree(LEAVES)
OTHER_TREE = Tree(["another", *LEAVES])
HASH = b64encode(bytes(32)).decode()


@pytest.mark.parametrize("log", VECTORS["logs"], ids=lambda log: log["name"])
async def test_requests_of_other_implementations_get_their_status(log: dict[str, Any], path: Path) -> None:
    key = VerifierKey.parse(log["key"])
    async with served_witness(path, key) as served:
        for step in log["steps"]:
            response = await served.post(step["body"])
            assert response.status_code == step["status"], (step["name"], response.text)
            if step["response"]:
                assert (response.text, response.headers["content-type"]) == (step["response"], "text/x.tlog.size")
            if response.status_code == 200:
                note = step["body"].partition("\n\n")[2]
                [cosignature] = cosignatures_of(note + response.text, [served.witness.key])
                assert cosignature.timestamp == NOW_MS // 1000
                held = await served.client.get(f"/{sha256(key.name.encode()).hexdigest()}/checkpoint")
                assert held.text == note + response.text
                assert held.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_log_grows_step_by_step_and_may_submit_the_same_checkpoint_again(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        old = 0
        for size in (0, 0, 1, 2, 3, 7, 8, 8, 32, 33):
            assert await served.status(TREE.request(old, size)) == 200
            old = size


async def test_a_log_that_dropped_reordered_or_cut_events_is_refused(path: Path) -> None:
    dropped, reordered = Tree(LEAVES[:3] + LEAVES[4:]), Tree([*LEAVES[:2], LEAVES[3], LEAVES[2], *LEAVES[4:]])
    async with served_witness(path, LOG) as served:
        assert await served.status(TREE.request(0, 8)) == 200
        for forged in (dropped, reordered, OTHER_TREE):
            assert await served.status(forged.request(8, 9)) == 422
            assert await served.status(forged.request(8, 8)) == 409
        cut = await served.post(TREE.request(5, 6).encode())
        assert (cut.status_code, cut.text) == (409, "8\n")
        assert await served.status(TREE.request(8, 9)) == 200


async def test_another_root_of_the_same_size_gets_409_without_a_size(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        assert await served.status(TREE.request(0, 8)) == 200
        response = await served.post(OTHER_TREE.request(8, 8).encode())
        assert (response.status_code, response.headers["content-type"]) == (409, "text/plain; charset=utf-8")


async def test_signatures_of_strangers_are_neither_accepted_nor_stored(path: Path) -> None:
    by_alice = Tree(LEAVES, wallet=ALICE)
    async with served_witness(path, LOG) as served:
        assert await served.status(by_alice.request(0, 3)) == 403
        forged = signature_line(served.witness.key, bytes(72)) + signature_line(LOG._replace(name="x"), bytes(64))
        request = TREE.request(0, 3)
        assert await served.status(request._replace(note=request.note + forged)) == 200
        assert await served.status(TREE.request(3, 4)) == 200
        note = await served.asked().newest(LOG.name)
        assert note is not None
        assert verified(note, LOG).size == 4
        assert len(cosignatures_of(note, [served.witness.key])) == 1
        assert len(parse_note(note)[1]) == 2


async def test_a_valid_and_an_invalid_signature_of_the_log_are_refused(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        request = TREE.request(0, 3)
        note = request.note + signature_line(LOG, bytes(64))
        assert await served.status(request._replace(note=note)) == 403


async def test_a_signature_that_is_repeated_is_stored_once(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        request = TREE.request(0, 3)
        lines = request.note.partition("\n\n")[2]
        assert await served.status(request._replace(note=request.note + lines * 500)) == 200
        note = await served.asked().newest(LOG.name)
        assert note is not None
        assert len(parse_note(note)[1]) == 2


async def test_a_log_may_have_two_keys(path: Path) -> None:
    second = VerifierKey(LOG.name, ALICE.public_key)
    async with served_witness(path, LOG, second) as served:
        assert await served.status(TREE.request(0, 3)) == 200
        assert await served.status(Tree(LEAVES, key=second, wallet=ALICE).request(3, 4)) == 200


async def test_extension_lines_are_cosigned(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        note = TREE.note(3, extensions=("an extension",))
        response = await served.post(AddCheckpoint(0, [], note).encode())
        assert response.status_code == 200
        assert len(cosignatures_of(note + response.text, [served.witness.key])) == 1


MALFORMED = [
    b"",
    b"\n",
    b"\n\n",
    b"old\n\n",
    b"\xff\xfe\n\n",
    b"old 0",
    "old 0\n\n",
    f"old 0\n{TREE.note(3)}",
    f"old 00\n\n{TREE.note(3)}",
    f"old -1\n\n{TREE.note(3)}",
    f"old 1e3\n\n{TREE.note(3)}",
    f"old ٣\n\n{TREE.note(3)}",
    f"old 9999999999999999999999\n\n{TREE.note(3)}",
    f" old 0\n\n{TREE.note(3)}",
    f"old 0 \n\n{TREE.note(3)}",
    f"old 0\r\n\r\n{TREE.note(3)}",
    f"old 0\nAAAA\n\n{TREE.note(3)}",
    f"old 0\n{HASH[:-1]}\n\n{TREE.note(3)}",
    f"old 0\n {HASH}\n\n{TREE.note(3)}",
    "old 0\n" + f"{HASH}\n" * (PROOF_LINES_MAX + 1) + f"\n{TREE.note(3)}",
    f"old 0\n\n{TREE.note(3)}".rstrip("\n"),
    f"old 0\n\n{TREE.note(3)}\n",
    f"old 0\n\n{TREE.note(3)}garbage\n",
    f"old 0\n\n{TREE.note(3)}".replace("\n3\n", "\n03\n"),
    f"old 0\n\n{TREE.note(3)}".replace("— ", "- "),
    "old 4\n\n" + TREE.note(3),
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
async def test_a_malformed_request_gets_400(body: bytes | str, path: Path) -> None:
    async with served_witness(path, LOG) as served:
        response = await served.post(body)
        assert response.status_code == 400, response.text
        assert await served.status(TREE.request(0, 3)) == 200


async def test_a_proof_from_an_empty_log_has_to_be_empty(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        assert await served.status(TREE.request(0, 3)._replace(proof=[bytes(32)])) == 422


async def test_an_empty_log_has_the_root_of_the_empty_tree(path: Path) -> None:
    bogus = sign(Checkpoint(LOG.name, 0, bytes(32)), EVE)
    async with served_witness(path, LOG) as served:
        assert await served.status(AddCheckpoint(0, [], bogus)) == 422
        assert await served.status(TREE.request(0, 0)) == 200
        assert await served.status(AddCheckpoint(0, [], bogus)) == 422


async def test_other_routes_and_methods_and_large_bodies_get_their_status(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        client = served.client
        assert (await client.get("/add-checkpoint")).status_code == 405
        assert (await client.post("/verifier-key")).status_code == 405
        assert (await client.get("/nothing")).status_code == 404
        assert (await client.get(f"/{'0' * 64}/checkpoint")).status_code == 404
        assert (await client.get(f"/{sha256(LOG.name.encode()).hexdigest()}/checkpoint")).status_code == 404
        assert (await served.post(b"x" * (REQUEST_BYTES_MAX + 1))).status_code == 413
        assert (await client.get("/verifier-key")).text == f"{served.witness.key}\n"


async def test_a_rate_limit_is_kept(path: Path) -> None:
    async with served_witness(path, LOG, rate="2/minute") as served:
        assert [await served.status(TREE.request(0, 3)) for _ in range(3)] == [200, 409, 429]


async def test_of_concurrent_requests_one_wins_and_no_size_goes_back(path: Path) -> None:
    """The race of the specification: requests to 3..34 from size 2, all at once, in two forks of the log."""
    fork = Tree([*LEAVES[:2], "fork", *LEAVES[3:]])
    async with served_witness(path, LOG) as served:
        assert await served.status(TREE.request(0, 2)) == 200
        requests = [tree.request(2, size) for size in range(3, 35) for tree in (TREE, fork)]
        statuses = await asyncio.gather(*map(served.status, requests))
        assert sorted(statuses) == [200, *[409] * (len(requests) - 1)]
        note = await served.asked().newest(LOG.name)
        assert note is not None
        [winner] = [request for request, status in zip(requests, statuses, strict=True) if status == 200]
        assert parse_note(note)[0] == parse_note(winner.note)[0]


async def test_what_was_cosigned_is_known_after_a_restart(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        assert await served.status(TREE.request(0, 8)) == 200
        key = served.witness.key
    async with served_witness(path, LOG) as served:
        assert served.witness.key == key
        assert await served.status(OTHER_TREE.request(8, 9)) == 422
        assert (await served.post(TREE.request(0, 9).encode())).text == "8\n"


async def test_a_cosignature_is_stored_before_it_leaves(path: Path) -> None:
    """Another connection sees the note when the response has arrived: the transaction is committed."""
    async with served_witness(path, LOG) as served:
        response = await served.post(TREE.request(0, 8).encode())
        [[note]] = execute(path, "select note from checkpoints")
        assert note == TREE.note(8) + response.text


async def test_a_witness_that_cannot_store_does_not_cosign(path: Path) -> None:
    async with served_witness(path, LOG) as served:
        served.store._connection.execute("pragma query_only = 1")
        response = await served.post(TREE.request(0, 8).encode())
        assert (response.status_code, "—" in response.text) == (503, False)
        served.store._connection.execute("pragma query_only = 0")
        assert await served.status(TREE.request(0, 8)) == 200


def test_the_key_of_a_witness_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    Wallet.load_or_create(tmp_path / "witness.db.key")
    assert stat.S_IMODE((tmp_path / "witness.db.key").stat().st_mode) == 0o600


@settings(max_examples=100)
@given(data=st.data())
def test_only_growth_is_accepted(data: st.DataObject) -> None:
    """Any request about any fork against any newest checkpoint: accepted means the newest tree is a prefix."""
    sizes = st.integers(0, 12)
    leaves = st.lists(st.sampled_from("ab"), min_size=12, max_size=12)
    held, submitted = data.draw(leaves), data.draw(leaves)
    held_size, old_size, size = data.draw(sizes), data.draw(sizes), data.draw(sizes)
    newest = parse_note(Tree(held).note(held_size))[0] if held_size else None
    request = Tree(submitted).request(min(old_size, size), size)._replace(old_size=old_size)
    grows = old_size == held_size <= size and submitted[:held_size] == held[:held_size]
    with nullcontext() if grows else pytest.raises(Refused):
        check_growth(verify_request(request.encode(), {LOG.name: [LOG]}), newest)


def test_the_signatures_of_a_submission_are_the_verified_ones() -> None:
    request = TREE.request(0, 3)
    noisy = request._replace(note=request.note + signature_line(LOG._replace(name="stranger"), bytes(64)))
    submission = verify_request(noisy.encode(), {LOG.name: [LOG]})
    assert submission.note == request.note
    assert len(signatures_by(LOG, parse_note(submission.note)[1])) == 1
    assert parse_note(TREE.note(0))[0].root == EMPTY_ROOT
