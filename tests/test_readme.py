"""What the README shows is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulations.cli.main import main

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_example_runs(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    run = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_log_is_read_with_other_tools_as_shown(tmp_path: Path) -> None:
    bin_ = Path(sys.executable).parent
    simulate = [bin_ / "mostao", "simulate", "--users", "3", "--messages", "3", "--log", "town.db"]
    subprocess.run(simulate, cwd=tmp_path, check=True, capture_output=True)
    queries = re.findall(r'^sqlite-utils query town.db "(.*?)" --table$', README, re.MULTILINE)
    assert len(queries) == 2
    for query in queries:
        command = [bin_ / "sqlite-utils", "query", "town.db", query, "--table"]
        table = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        assert "Register" in table or "mostao.registry@" in table


def test_checkpoints_and_proofs_are_made_and_checked_as_shown(tmp_path: Path) -> None:
    [block] = re.findall(r"```sh\n(mostao checkpoint.*?)```", README, re.DOTALL)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = f"mostao simulate --users 6 --messages 30 --log town.db\n{block}"
    command = ["bash", "-euo", "pipefail", "-c", script]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "No fault was found." in run.stdout
    assert run.stdout.count("PROVEN") == 2


@pytest.mark.parametrize("command", re.findall(r"^\| `mostao (\w+)", README, re.MULTILINE))
def test_every_command_of_the_table_is_there(command: str) -> None:
    run = CliRunner().invoke(main, [command, "--help"])
    assert (run.exit_code, run.output.startswith("Usage: ")) == (0, True)


def test_every_action_is_in_the_protocols_table() -> None:
    from actors.processes import MODULES
    from actors.protocol.messages import REPLY

    actions = {name for module in MODULES.values() for name in module.handlers} - {REPLY, "GetCurrentKey"}
    assert {name for name in actions if f"`{name}`" not in README} == set()


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", README))
    files = set(re.findall(r"`(?:\w+/)*(test_\w+\.py)`", README))
    folder = Path(__file__).parent
    there = list(folder.rglob("test_*.py"))
    everything = "".join(file.read_text() for file in there)
    assert len(named) > 50
    assert files - {file.name for file in there} == set()
    assert {name for name in named if f"def {name}(" not in everything} == set()
