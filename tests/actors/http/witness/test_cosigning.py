"""A node that runs and its witnesses: every checkpoint is cosigned and stored, and no message waits for a witness."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from actors import Limits, Node
from actors.audit.audit import audit
from actors.evidence.checkpoints import VerifierKey, is_signed_by_others, key_of, signature_line, verified
from actors.evidence.cosignatures import cosignatures_of
from actors.http.common.server import listen
from actors.http.witness.client import WitnessClient
from actors.http.witness.cosigning import cosigned
from eventstore import read_log, upgrade_log
from tests.actors.http.loopback import loopback
from tests.actors.http.witness.served_witness import ServedWitness, served_witness
from tests.actors.people import ALICE, BOB, EVE, NODE, item, register, still
from tests.sqlite_file import execute

INTERVAL_S = 0.02
WAIT_S = 20


async def log_key(path: Path) -> VerifierKey:
    """The verifier key of a new log."""
    async with Node.open(path, wallet=NODE, clock=still) as node:
        return await node.read(key_of)


async def until_cosigned(served: ServedWitness, size: int, key: VerifierKey) -> str:
    """Wait until a witness holds a checkpoint of so many events."""
    async with asyncio.timeout(WAIT_S):
        while True:
            note = await served.asked().newest(key.name)
            if note is not None and verified(note, key).size >= size:
                return note
            await asyncio.sleep(0.01)


def stored_notes(path: Path) -> list[str]:
    log = read_log(path)
    try:
        return log.checkpoints()
    finally:
        log.close()


async def test_checkpoints_of_a_running_node_are_cosigned_and_stored(path: Path, tmp_path: Path) -> None:
    key = await log_key(path)
    async with served_witness(tmp_path / "witness.db", key) as served:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            async with cosigned(node, [served.asked()], interval_s=INTERVAL_S):
                await until_cosigned(served, 1, key)
                await register(node, ALICE, "alice")
                await node.drain()
                await until_cosigned(served, node.sequence, key)
                await register(node, BOB, "bob")
            events = node.sequence
        notes = stored_notes(path)
        witnessed = [note for note in notes if cosignatures_of(note, [served.witness.key])]
        assert [verified(note, key).size for note in witnessed][-1] == events
        assert len(witnessed) >= 3
        assert audit(path, witness_keys=[served.witness.key]).statement is not None


async def test_each_of_several_witnesses_cosigns_the_same_checkpoint(path: Path, tmp_path: Path) -> None:
    key = await log_key(path)
    async with (
        served_witness(tmp_path / "one.db", key) as one,
        served_witness(tmp_path / "two.db", key, wallet=EVE) as two,
        Node.open(path, wallet=NODE, clock=still) as node,
    ):
        async with cosigned(node, [one.asked(), two.asked()], interval_s=60):
            await register(node, ALICE, "alice")
        keys = [one.witness.key, two.witness.key]
        assert [each.key for each in cosignatures_of(stored_notes(path)[-1], keys)] == keys


async def test_a_witness_names_its_own_key_when_none_is_given(path: Path, tmp_path: Path) -> None:
    key = await log_key(path)
    async with served_witness(tmp_path / "witness.db", key) as served:
        async with (
            Node.open(path, wallet=NODE, clock=still) as node,
            cosigned(node, [WitnessClient(served.url)], interval_s=60),
        ):
            await register(node, ALICE, "alice")
        assert cosignatures_of(stored_notes(path)[-1], [served.witness.key])


async def test_a_node_whose_child_process_writes_stores_cosigned_notes(path: Path, tmp_path: Path) -> None:
    key = await log_key(path)
    limits = Limits(delegate_batch_rows_min=1, delegate_rows_min=1)
    async with (
        served_witness(tmp_path / "witness.db", key) as served,
        Node.open(path, wallet=NODE, clock=still, limits=limits) as node,
    ):
        await register(node, ALICE, "alice")
        async with asyncio.timeout(WAIT_S):
            while node.load().writer_pid is None:
                await node.send(item(ALICE, node.registry, "QueryHandle", {"handle": "alice"}))
                await asyncio.sleep(0.01)
        async with cosigned(node, [served.asked()], interval_s=60):
            await register(node, BOB, "bob")
        assert node.load().writer_pid is not None
        assert cosignatures_of(stored_notes(path)[-1], [served.witness.key])


async def test_messages_do_not_wait_for_a_witness_that_is_away_and_it_is_asked_again(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = await log_key(path)
    with listen("127.0.0.1", 0).socket as reserved:
        port = reserved.getsockname()[1]
    async with Node.open(path, wallet=NODE, clock=still) as node:
        client = WitnessClient(f"http://127.0.0.1:{port}")
        async with cosigned(node, [client], interval_s=INTERVAL_S):
            await register(node, ALICE, "alice")
            async with asyncio.timeout(WAIT_S):
                while "does not respond" not in caplog.text:
                    await asyncio.sleep(0.01)
            async with served_witness(tmp_path / "witness.db", key, port=port) as served:
                await until_cosigned(served, node.sequence, key)
    assert caplog.text.count("does not respond") == 1


@asynccontextmanager
async def hostile(*responses: Response) -> AsyncIterator[str]:
    """A server that gives these responses in turn, and then the last one again and again. Yields its URL."""
    queue = list(responses)

    async def respond(_: Request) -> Response:
        return queue.pop(0) if len(queue) > 1 else queue[0]

    async with loopback(Starlette(routes=[Route("/{path:path}", respond, methods=["GET", "POST"])])) as url:
        yield url


def size_of(text: str) -> Response:
    return Response(text, 409, {"Content-Type": "text/x.tlog.size"})


HOSTILE = {
    "no signature line": PlainTextResponse("nonsense"),
    "nothing": PlainTextResponse(""),
    "not text": Response(b"\xff\xfe"),
    "a stranger's signature": PlainTextResponse("— witness.example AAAAAAAA\n"),
    "too much": PlainTextResponse("x" * 300_000),
    "a redirect": Response("", 302, {"Location": "http://127.0.0.1:1/"}),
    "an error": PlainTextResponse("x" * 10_000, 500),
    "no size": size_of("ten\n"),
    "no line": size_of("10"),
    "a size with a sign": size_of("-1\n"),
    "the same conflict each time": size_of("1\n"),
    "an unknown log": PlainTextResponse("unknown", 404),
    "an untrusted key": PlainTextResponse("untrusted", 403),
}


@pytest.mark.parametrize("response", HOSTILE.values(), ids=HOSTILE)
async def test_no_response_of_a_witness_disturbs_the_node(
    response: Response, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = VerifierKey("witness.example", BOB.public_key, b"\x04")
    async with (
        hostile(response) as url,
        Node.open(path, wallet=NODE, clock=still) as node,
        cosigned(node, [WitnessClient(url, [key])], interval_s=60),
    ):
        await register(node, ALICE, "alice")
    assert "a witness does not cosign" in caplog.text
    assert [len(note.split("\n")) for note in stored_notes(path)] == [6]  # the node's own signature alone
    assert audit(path).faults == []


async def test_a_witness_with_the_name_of_the_log_adds_no_line_to_a_note(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = await log_key(path)
    key = VerifierKey(log.name, BOB.public_key, b"\x04")
    async with (
        hostile(PlainTextResponse(signature_line(key, bytes(72)))) as url,
        Node.open(path, wallet=NODE, clock=still) as node,
        cosigned(node, [WitnessClient(url, [key])], interval_s=60),
    ):
        await register(node, ALICE, "alice")
    assert "has the name of the log" in caplog.text
    assert not any(is_signed_by_others(note, log) for note in stored_notes(path))


async def test_a_log_that_was_cut_or_rewritten_is_a_loud_error(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    key = await log_key(path)
    async with served_witness(tmp_path / "witness.db", key) as served:
        async with Node.open(path, wallet=NODE, clock=still) as node, cosigned(node, [served.asked()], interval_s=60):
            await register(node, ALICE, "alice")
        for table in ("assignments", "checkpoints"):
            execute(path, f"delete from {table} where sequence > 1")
        upgrade_log(path, accept_loss=True)  # a forger also removes what shows the loss
        async with Node.open(path, wallet=NODE, clock=still) as node, cosigned(node, [served.asked()], interval_s=60):
            pass
        assert "A WITNESS CONTRADICTS THIS LOG" in caplog.text
        assert "cut off" in caplog.text
        caplog.clear()
        async with Node.open(path, wallet=NODE, clock=still) as node, cosigned(node, [served.asked()], interval_s=60):
            for name in ("eve", "ada", "ben", "cid"):
                await register(node, EVE, name)
        assert "A WITNESS CONTRADICTS THIS LOG" in caplog.text
        assert "consistency proof does not verify" in caplog.text


async def test_a_node_without_witnesses_stores_checkpoints_while_it_runs(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node, cosigned(node, [], interval_s=INTERVAL_S):
        await register(node, ALICE, "alice")
        await node.drain()
        async with asyncio.timeout(WAIT_S):
            while len(await node.read(lambda log: log.checkpoints())) < 1:
                await asyncio.sleep(0.01)


async def test_a_node_without_the_key_of_its_log_signs_nothing(path: Path) -> None:
    await log_key(path)
    execute(path, "delete from checkpoints")
    async with Node.open(path, wallet=EVE, clock=still) as node, cosigned(node, [], interval_s=INTERVAL_S):
        await register(node, ALICE, "alice")
    assert stored_notes(path) == []
