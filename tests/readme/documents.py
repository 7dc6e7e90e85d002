"""Reads the README files: their sections, fenced blocks, and the HTML comments that direct the tests."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
READMES = sorted(
    path
    for path in ROOT.rglob("README.md")
    if not {"node_modules", ".pytest_cache"} & set(path.parts) and not path.is_relative_to(ROOT / ".venv")
)
NAMES = [str(path.relative_to(ROOT)) for path in READMES]
SET_UP = ("run", "test")
"""Marks of the two set-up commands, which ``.ci/run`` extracts and runs in a fresh clone."""

_BLOCK = re.compile(
    r"(?P<comments>(?:^<!-- .*? -->\n)*)^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"^<!-- (.*?) -->$", re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block, with what the comments above it tell the tests to do."""

    section: str
    """The heading above it."""
    language: str
    text: str
    """With all replacements applied."""
    mark: str
    """``run`` or ``test`` for a set-up command; else empty."""
    skip: str
    """Why the block is not run; empty if it is."""
    needs: str
    """A program that the block needs; empty for none."""
    file: str
    """Name of the file that the block is written to; empty for none."""


def read(name: str) -> str:
    """The text of a README, by its path from the root of the repository."""
    return (ROOT / name).read_text()


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a README, from top to bottom."""
    found, text, section, end = [], read(name), "", 0
    for match in _BLOCK.finditer(text):
        section = [section, *_HEADING.findall(text[end : match.start()])][-1]
        found.append(_block(section, match))
        end = match.end()
    return found


def prose(name: str) -> str:
    """The text of a README without its fenced blocks."""
    return _BLOCK.sub("", read(name))


def _block(section: str, match: re.Match[str]) -> Block:
    text, mark, skip, needs, file = match["text"], "", "", "", ""
    for comment in _COMMENT.findall(match["comments"]):
        if comment in SET_UP:
            mark = comment
            continue
        kind, _, directive = comment.partition(": ")
        old, arrow, new = directive.partition(" => ")
        assert kind == "test", f"unknown comment above a block: {comment!r}"
        if arrow:
            assert old in text, f"nothing to replace: {comment!r}"
            text = text.replace(old, new)
        elif directive.startswith("skip, "):
            skip = directive.removeprefix("skip, ")
        elif directive.startswith("needs "):
            needs = directive.removeprefix("needs ")
        elif directive.startswith("file "):
            file = directive.removeprefix("file ")
        else:
            raise AssertionError(f"unknown comment above a block: {comment!r}")
    return Block(section, match["language"], text, mark, skip, needs, file)
