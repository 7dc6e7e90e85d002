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
from simulations.load.served import Size, verify_served
from simulations.load.transport import NotServed
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
