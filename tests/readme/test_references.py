"""Everything that a README names exists: files, links, headings, tests, commands, actions."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors.processes import MODULES
from actors.protocol.messages import REPLY
from simulations.cli.main import main
from simulations.faults.registry import Faults
from tests.readme.documents import NAMES, ROOT, prose, read
from tests.readme.shell import parse

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:[\w.]+/)+\w+\.(?:py|md|toml|mjs|js|html|css|json)|(?:[\w.]+/){2,}|\w+\.py")
FILES = {
    path.name for folder in ("actors", "eventstore", "simulations", "tests") for path in (ROOT / folder).rglob("*.py")
}
LINES_MAX = 150


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    missing = []
    for link in LINK.findall(prose(name)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_is_named_is_there(name: str) -> None:
    package = Path(name).parent
    folders = [ROOT / package, ROOT / "tests" / package, ROOT, ROOT / "actors", ROOT / "tests"]
    named = {word for word in CODE.findall(prose(name)) if PATH.fullmatch(word)}
    missing = {word for word in named if not any((folder / word).exists() for folder in folders)}
    assert {word for word in missing if "/" in word or word not in FILES} == set()


def test_the_front_page_is_short() -> None:
    assert len(read("README.md").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("command", re.findall(r"^\| `mostao (\w+)", read("README.md"), re.MULTILINE))
def test_every_command_of_the_table_is_there(command: str) -> None:
    run = CliRunner().invoke(main, [command, "--help"])
    assert (run.exit_code, run.output.startswith("Usage: ")) == (0, True)


def test_every_command_is_in_the_table() -> None:
    named = re.findall(r"^\| `mostao (\w+)", read("README.md"), re.MULTILINE)
    assert set(main.list_commands(main.make_context("mostao", [], resilient_parsing=True))) == set(named)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_the_text_names_can_be_parsed(name: str) -> None:
    for word in CODE.findall(prose(name)):
        if re.match(r"(\.venv/bin/)?(mostao|pytest|pip|python -m) ", word):
            parse(word, ROOT)


def test_every_setting_of_a_fault_is_in_the_table() -> None:
    rows = "".join(re.findall(r"^\| (`.*?) \|", read("simulations/README.md"), re.MULTILINE))
    assert {name for name in Faults.__struct_fields__ if f"`{name}`" not in rows} == set()


def test_every_action_is_in_the_protocols_table() -> None:
    actions = {name for module in MODULES.values() for name in module.handlers} - {REPLY, "GetCurrentKey"}
    text = read("actors/processes/README.md")
    assert {name for name in actions if f"`{name}`" not in text} == set()


def test_every_test_that_is_named_is_there() -> None:
    text = read("tests/README.md")
    named = set(re.findall(r"`(test_\w+)`", text))
    files = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", text))
    folder = Path(__file__).parents[1]
    there = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("test_*.py")}
    assert len(named) > 50
    assert files - set(there) == set()
    assert {name for name in named if not any(f"def {name}(" in source for source in there.values())} == set()


def test_each_requirement_names_the_file_of_its_tests() -> None:
    rows = [line for line in read("tests/README.md").splitlines() if re.search(r"`test_\w+`", line)]
    wrong = []
    for row in rows:
        for file, names in re.findall(r"`([\w/]+\.py)`: ((?:`test_\w+`(?:, )?)+)", row):
            source = (ROOT / "tests" / file).read_text()
            wrong += [(file, name) for name in re.findall(r"`(test_\w+)`", names) if f"def {name}(" not in source]
    assert wrong == []
