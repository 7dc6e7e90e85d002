"""Every command and every example of every README runs. ``tests/README.md`` describes the comments that direct it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulations.scenario.scenario import parse as parse_scenario
from tests.readme.documents import NAMES, ROOT, SET_UP, Block, blocks
from tests.readme.shell import BIN, environment, has_placeholder, is_server, lines, parse, run, run_server

MAKE_TOWN = "mostao simulate --users 6 --messages 30 --log town.db"
SHELL = ("sh", "bash", "shell", "console")
OTHER_TOOLS = ("eventstore/README.md", "Read a log without mostao")
EVIDENCE = ("eventstore/README.md", "Checkpoints and witnesses")
SECTIONS = dict.fromkeys((name, block.section) for name in NAMES for block in blocks(name) if block.language in SHELL)
EXAMPLES = [
    pytest.param(block.text, id=f"{name}, {block.section}")
    for name in NAMES
    for block in blocks(name)
    if block.language == "python"
]


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the log of a small simulation, under two names."""
    folder = tmp_path_factory.mktemp("town")
    run(MAKE_TOWN, folder)
    shutil.copy(folder / "town.db", folder / "people.db")
    shutil.copy(folder / "town.db.key", folder / "people.db.key")
    return folder


@pytest.fixture
def folder(town: Path, tmp_path: Path) -> Path:
    """A folder with these logs, and with the programs that run the tests in ``.venv/bin``."""
    shutil.copytree(town, tmp_path, dirs_exist_ok=True)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(BIN)
    return tmp_path


def run_section(name: str, section: str, folder: Path) -> str:
    """Run the blocks of a section from top to bottom in one folder; returns what they print."""
    printed = ""
    for block in blocks(name):
        if block.section == section and block.file:
            (folder / block.file).write_text(block.text)
        elif block.section == section and block.language in SHELL:
            printed += run_block(block, folder)
    return printed


def run_block(block: Block, folder: Path) -> str:
    """Run a block, or parse what cannot run here; returns what it prints."""
    if block.mark:
        parse(lines(block.text)[-1].rpartition("&& ")[2], ROOT)
        return ""
    assert block.skip or "simulations.benchmarks" not in block.text, "put <!-- test: skip, REASON --> above benchmarks"
    if block.needs and shutil.which(block.needs) is None:
        return ""
    printed, script = "", ""
    for line in block.text.splitlines(keepends=True):
        if lines(line) and (block.skip or has_placeholder(line)):
            parse(line, ROOT)
        elif lines(line) and is_server(line):
            printed += run_server(line, folder)
        else:
            script += line
    return printed + (run(script, folder) if lines(script) else "")


@pytest.mark.parametrize(("name", "section"), [one for one in SECTIONS if one not in (OTHER_TOOLS, EVIDENCE)])
def test_the_commands_run(name: str, section: str, folder: Path) -> None:
    run_section(name, section, folder)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_runs(example: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", example]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_log_is_read_with_other_tools_as_shown(folder: Path) -> None:
    printed = run_section(*OTHER_TOOLS, folder)
    assert "Register" in printed
    assert "mostao.registry@" in printed


def test_checkpoints_and_proofs_are_made_and_checked_as_shown(folder: Path) -> None:
    printed = run_section(*EVIDENCE, folder)
    assert "No fault was found." in printed
    assert "given by --checkpoint kept.txt, signed by mostao/" in printed
    assert printed.count("PROVEN") == 3


def test_the_set_up_commands_are_marked_for_ci() -> None:
    marked = {block.mark: block.text for block in blocks("README.md") if block.mark}
    assert tuple(marked) == SET_UP
    install = "python3 -m venv --without-pip .venv && python3 -m pip --python .venv install -q -e '.[test]' && "
    assert marked == {
        "run": f"{install}.venv/bin/mostao simulate\n",
        "test": f"{install}.venv/bin/pytest -n auto\n",
    }


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=block.file) for name in NAMES for block in blocks(name) if block.file]
)
def test_a_scenario_that_is_shown_is_one(block: Block) -> None:
    assert block.file.endswith(".toml")
    assert parse_scenario(block.text, block.file).description
