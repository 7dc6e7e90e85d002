"""Load on a served node, over HTTP."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from actors.audit.audit import audit
from simulations.cli.main import main
from simulations.load.http_transport import HttpTransport
from simulations.load.people import SetUpFailed, set_up
from simulations.load.plan import Plan
from simulations.load.served import Size, verify_served
from simulations.load.transport import RATE_LIMITED, NotServed, Reply
from tests.actors.http.serve_command import mostao_serve

SMALL = ["--sessions", "3", "--duration", "500ms", "--warmup", "200ms", "--in-flight", "8"]


def load(*options: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["load", *options])
    return result.exit_code, result.stdout, result.stderr


def test_what_was_acknowledged_is_in_the_nodes_signed_pages(path: Path) -> None:
    with mostao_serve(path) as url:
        for seed in ("1", "2"):  # a node that already has people takes others
            code, out, errors = load("--url", url, *SMALL, "--seed", seed, "--json")
            assert code == 0, out + errors
            found: dict[str, Any] = msgspec.json.decode(out)
            assert found["url"] == url
            assert found["acknowledged"] == found["in_log"] >= found["sends"] > 0
            assert (found["errors"], found["faults"], found["twice"]) == ({}, [], 0)
            assert found["log_bytes"] > 0
        code, out, _ = load("--url", url, *SMALL, "--seed", "3")
        assert code == 0
        assert "valid: every assignment continues the hash chain and is signed" in out
        # sending the same items again returns their first results and adds no events, so the counts are invalid
        code, out, _ = load("--url", url, *SMALL, "--seed", "2", "--json")
        assert code == 1
        assert "which is less than" in msgspec.json.decode(out)["faults"][0]
    assert audit(path).faults == []


def test_the_set_up_waits_for_a_spawn_limit_and_names_the_option(path: Path) -> None:
    with mostao_serve(path, "--spawn-limit", "1/second") as url:  # 20 of an address: here 6 people and 12 sessions
        code, out, errors = load("--url", url, *SMALL[2:], "--sessions", "12", "--users", "12", "--json")
    assert code == 0, out + errors
    assert "spawn limit: one" in errors
    assert "to measure without this limit, start `mostao serve` with --spawn-limit none" in errors


def test_a_limit_that_refuses_sends_is_named_in_the_result_with_its_option(path: Path) -> None:
    large = ("--sessions", "1", "--size", "50000", "--duration", "1s", "--warmup", "100ms", "--in-flight", "4")
    with mostao_serve(path, "--append-limit", "2MiB/minute") as url:
        code, out, errors = load("--url", url, *large)
        assert code == 0, out + errors
        limited = next(line for line in out.splitlines() if "LIMITED" in line)
        assert (
            "append limit: the messages of one sender and all that they cause append at most 2,097,152 bytes" in limited
        )
        assert "start `mostao serve` with --append-limit none" in limited
        code, out, _ = load("--url", url, *large, "--seed", "2", "--json")
        found = msgspec.json.decode(out)
        assert found["limit"].startswith("append limit: ")
        assert found["errors"]["rate limited"] > 0


async def test_a_set_up_that_would_wait_too_long_ends_with_the_limit_and_the_option() -> None:
    plan = Plan(1, 2, 10, 0, 0, 1, (), 1, 1)
    waits: list[str] = []
    with pytest.raises(SetUpFailed, match=r"spawn limit: .* start `mostao serve` with --spawn-limit none"):
        await set_up(_Limited(), "", plan, waits.append)
    assert waits == []


class _Limited:
    """A node that is above its limit for a day."""

    def submit(self, raw: bytes, *, answer: bool = False) -> "asyncio.Future[Reply]":
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        reply.set_result(Reply(0, RATE_LIMITED, "spawn limit: one sender starts at most 1 process per day", 86_400))
        return reply

    async def close(self) -> None:
        pass


def test_what_is_not_in_the_pages_is_found_out(path: Path, tmp_path: Path) -> None:
    acknowledged = tmp_path / "acknowledged"
    acknowledged.write_text("nothing\n")
    with mostao_serve(path) as url:
        registry = asyncio.run(_registry(url))
        verified = asyncio.run(verify_served(url, [acknowledged], [registry], Size(0, 0), lambda _: None))
    assert (verified.acknowledged, verified.in_log) == (1, 0)
    assert not verified.holds


async def _registry(url: str) -> str:
    transport = await HttpTransport.open(url)
    try:
        return str((await transport.get("/info"))["registry"])
    finally:
        await transport.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--url", "nonsense"), "is not a URL"),
        (("--url", "http://127.0.0.1:1", "--log", "x.db"), "leave out --log"),
    ],
)
def test_misuse(options: tuple[str, ...], said: str) -> None:
    code, _, errors = load(*SMALL, *options)
    assert (code, said in errors) == (2, True)


def test_where_nobody_answers(tmp_path: Path) -> None:
    code, _, errors = load(*SMALL, "--url", "http://127.0.0.1:1")
    assert (code, "does not answer as a node" in errors) == (1, True)


async def test_a_line_says_why() -> None:
    transport = await HttpTransport.open("http://127.0.0.1:1")
    with pytest.raises(NotServed, match="does not answer as a node"):
        await transport.get("/info")
    reply = await transport.submit(b"x")
    assert reply.kind == "failed"
    await transport.close()
