"""Every command takes the location of a log, also one that is no path."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors import Node
from eventstore import engines
from simulations.cli.main import main
from tests import another_engine
from tests.actors.people import talking


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (arguments, result.output)
    return result.stdout


def state_root(printed: str) -> str:
    return printed.rpartition("state root  ")[2].split()[0]


@pytest.fixture
def location(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(engines.ENGINES, "another", another_engine.__name__)
    location = f"another://{path}"
    asyncio.run(talk(location))
    return location


async def talk(location: str) -> None:
    async with Node.open(location) as node:
        await talking(node)
        await node.drain()


def test_a_log_of_another_engine_is_read_checked_and_upgraded(location: str) -> None:
    assert state_root(run("replay", location)) == state_root(run("audit", location))
    assert "Register" in run("log", location, "--process", "@alice") + run("log", location)
    assert run("trace", location, "2")
    assert run("diff", location, "2020-01-01T00:00", "8", "--process", "@alice")
    assert "already has format" in run("upgrade", location)


def test_its_files_lie_beside_it(location: str, path: Path, tmp_path: Path) -> None:
    kept, proof = tmp_path / "kept.txt", tmp_path / "proof.json"
    kept.write_text(run("checkpoint", location))
    run("audit", location, "--checkpoint", kept)
    proof.write_text(run("prove", location, "3"))
    assert "PROVEN" in run("verify", proof, "--key", run("checkpoint", location, "--verifier-key").strip())
    run("export", location)
    bundle = path.with_name(path.name + ".ans104")
    copy = f"another://{tmp_path}/copy.db"
    run("import", bundle, copy)
    assert state_root(run("replay", copy)) == state_root(run("replay", location))
    assert CliRunner().invoke(main, ["import", str(bundle), copy]).exit_code == 2


def test_an_unknown_engine_is_misuse() -> None:
    result = CliRunner().invoke(main, ["replay", "postgres://host/log"])
    assert result.exit_code == 2
    assert "there is no storage engine 'postgres'" in result.output
