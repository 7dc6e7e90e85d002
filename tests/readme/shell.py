"""Runs and parses the shell commands of the README files."""

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import click

from simulations.cli.main import main

BIN = Path(sys.executable).parent
SERVERS = ("serve", "proxy", "witness")
READY_S = 20.0
_PLACEHOLDER = re.compile(r"[A-Z][A-Z-]+(\.\w+)?")
_PORT = re.compile(r"(?<=:)\d{4}\b")
_OPERATORS = ("&&", "||", "|", ";", ">", ">>", "2>", "<", "&")


def environment() -> dict[str, str]:
    """The environment in which ``mostao``, ``python`` and ``pytest`` are those that run the tests."""
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def commands(line: str) -> list[list[str]]:
    """The simple commands of a line, each as its words, without redirections; none for a part of a longer command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    redirected = False
    try:
        parts = list(lexer)
    except ValueError:  # a quotation that goes on in another line
        return []
    for word in parts:
        if redirected:
            redirected = False
        elif word in _OPERATORS:
            redirected = word in (">", ">>", "2>", "<")
            if not redirected:
                found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def lines(text: str) -> list[str]:
    """The commands of a block, one a line; those that go on in the next line are joined."""
    return [line for line in text.replace("\\\n", " ").splitlines() if commands(line)]


def is_server(line: str) -> bool:
    """Whether a command serves until it is stopped."""
    words = commands(line)[0]
    return Path(words[0]).name == "mostao" and words[1:2] != [] and words[1] in SERVERS


def has_placeholder(line: str) -> bool:
    """Whether a command has an argument in capitals, in whose place a reader puts their own."""
    return any(_PLACEHOLDER.fullmatch(word) for words in commands(line) for word in words)


def run(script: str, folder: Path) -> str:
    """Run a script and return its standard output; fail if a command of it fails."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_server(line: str, folder: Path) -> str:
    """Start a server on free ports, wait until it listens, and stop it; returns its standard output."""
    [words] = commands(line)
    words = [str(BIN / Path(words[0]).name), *(_PORT.sub("0", word) for word in words[1:])]
    if "--ao" in words:
        words[words.index("--ao") + 1] = "0"
    if words[1] in ("serve", "witness") and "--port" not in words:
        words += ["--port", "0"]
    if words[1] == "proxy" and "--proxy" not in words:
        words += ["--proxy", "first:0"]
    pipe = subprocess.PIPE
    server = subprocess.Popen(words, cwd=folder, env=environment(), stdout=pipe, stderr=subprocess.STDOUT, text=True)
    assert server.stdout is not None
    try:
        begun = time.monotonic()
        ready, _, _ = select.select([server.stdout], [], [], READY_S)
        first = server.stdout.readline() if ready else f"nothing in {time.monotonic() - begun:.0f} s"
        assert "listening on http://127.0.0.1:" in first, first + (server.stdout.read() if ready else "")
        server.send_signal(signal.SIGTERM)
        rest, _ = server.communicate(timeout=READY_S)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 0, first + rest
    return first + rest


def parse(line: str, root: Path) -> None:
    """Check that each command of a line exists and takes the given options, without running it."""
    for words in commands(line):
        name, arguments = Path(words[0]).name, words[1:]
        if name == "mostao":
            _parse_click(main, "mostao", arguments)
        elif name in ("python", "python3") and arguments[:1] == ["-m"]:
            _parse_module(arguments[1], arguments[2:])
        elif name == "pytest":
            paths = [word for word in arguments if word.startswith("tests/")]
            assert [path for path in paths if not (root / path.partition("::")[0]).exists()] == []
        elif name == "pip":
            assert arguments[0] == "install"
        else:
            assert (root / words[0]).exists() or shutil.which(words[0], path=environment()["PATH"]), words


def _parse_module(module: str, arguments: list[str]) -> None:
    imported = import_module(module)
    if hasattr(imported, "__path__"):
        imported = import_module(f"{module}.__main__")
    command = getattr(imported, "main", None)
    if isinstance(command, click.Command):  # any other module reads its arguments itself
        _parse_click(command, module, arguments)


def _parse_click(command: click.Command, name: str, arguments: list[str]) -> None:
    """Parse a command line as click does, but leave files alone that need not be there."""
    context = click.Context(command, info_name=name, resilient_parsing=True)
    if isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        child = command.get_command(context, arguments[0])
        if child is not None:
            _parse_click(child, arguments[0], arguments[1:])
            return
        assert command.invoke_without_command, f"there is no command {name} {arguments[0]}"
    _, rest, _ = command.make_parser(context).parse_args(list(arguments))
    assert rest == [], f"{name} does not take {rest}"
    assert command.get_help(context).startswith("Usage: ")
