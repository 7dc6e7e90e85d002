"""The failure of a world: what is wrong, with people by their handles, and the commands that show that moment."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import msgspec

from actors import UnknownModule, replay
from actors.protocol.canonical_json import decode
from actors.protocol.spawn import module_of
from eventstore import Assignment, EventStoreError, LogFault, LogFile, read_log
from simulations.world.invariants import Finding, WorldCrashed

_ID = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])|0x[0-9a-fA-F]{40}(?![0-9a-fA-F])")
_NUMBERS = re.compile(r"\d+")
_NAMES = re.compile(r"@\w+|\bone\d+\.eth\b")
_HANDLE = "mostao.handle@"
_SESSION = "mostao.session@"
_GROUP = "mostao.group@"
_RELATION = "mostao.relation@"


class Failure(msgspec.Struct, frozen=True):
    """Why a world failed."""

    text: str
    """What was expected and what was found. Handles stand for the ids of processes and accounts."""
    kind: str
    """The broken invariant without names and numbers, the part of an assignment that the audit found faulty, or the
    type of an unexpected error. Two failures of one kind are likely to have the same cause."""
    sequence: int | None = None
    """The event after which the invariant is broken; None if the log has no events."""
    process: str = ""
    """Handle or id of the process whose state is wrong; empty if it is none in particular."""
    is_fault: bool = False
    """Whether the audit found it."""

    def commands(self, log: Path) -> list[str]:
        """Command lines that show this moment of a log."""
        commands: list[list[str]] = []
        if self.is_fault or self.sequence is None:
            commands.append(["audit", str(log)])
        elif self.process:
            # an id may begin with a hyphen, and would be taken for an option
            process = [f"--process={self.process}"] if self.process.startswith("-") else ["--process", self.process]
            commands.append(["replay", str(log), "--at", str(self.sequence), *process])
        if self.sequence is not None:
            commands.append(["trace", str(log), str(self.sequence)])
        return [shlex.join(["mostao", *command]) for command in commands]


def failure_of(error: Finding | LogFault, path: Path) -> Failure:
    """Describe the error that ended a world.

    Args:
        error: the error.
        path: the world's log. It may be missing or damaged; the description is then shorter.
    """
    try:
        log = read_log(path)
    except EventStoreError:
        return Failure(str(error), _kind(error, str(error)))
    try:
        return _describe(error, log, path)
    except (EventStoreError, ValueError, LookupError, TypeError):  # the log is damaged, which may be the failure
        return Failure(str(error), _kind(error, str(error)), is_fault=isinstance(error, LogFault))
    finally:
        log.close()


def _describe(error: Finding | LogFault, log: LogFile, path: Path) -> Failure:
    names = _names(log)
    text = _ID.sub(lambda found: names.get(found[0], found[0]), str(error))
    sequence, process = _moment(error, log)
    name = names.get(process, "")
    if not name.startswith("@") or not _resolves(name, process, path, sequence):
        name = process
    return Failure(text, _kind(error, text), sequence, name, isinstance(error, LogFault))


def _kind(error: Finding | LogFault, text: str) -> str:
    if isinstance(error, LogFault):
        return f"audit: {error.what}"
    if isinstance(error, WorldCrashed):
        return type(error.__cause__).__name__
    subject, expected, _ = text.partition(": expected ")
    if not expected:
        subject = text.partition(": ")[0]
    return _NUMBERS.sub("N", _NAMES.sub("NAME", _ID.sub("ID", subject)))


def _moment(error: Finding | LogFault, log: LogFile) -> tuple[int | None, str]:
    """The sequence and the process of a failure."""
    end = log.head().sequence or None
    if isinstance(error, LogFault):
        return error.sequence or end, error.process
    found = log.find(error.message) if error.message else None
    sequence = error.sequence if error.sequence is not None else found.sequence if found else end
    return sequence, error.process or (found.process if found else "")


def _resolves(handle: str, process: str, path: Path, sequence: int | None) -> bool:
    """Whether a handle names a process at a sequence, so that a command may use it in place of the id."""
    try:
        return replay(path, at=sequence).find(handle) == process
    except (EventStoreError, UnknownModule):
        return False


def _names(log: LogFile) -> Mapping[str, str]:
    """Names of the processes and accounts of a log: ``@ada``, ``the session of @ada and @ben``, ``one0.eth``."""
    names: dict[str, str] = {}
    relations: list[str] = []
    for process in log.processes():
        first = next(log.read_process(process, limit=1))
        module = module_of(first.message)
        if module.startswith(_HANDLE) and first.error is None:
            names[process] = f"@{_data(first)['name']}"
        elif module.startswith(_SESSION):
            sides = _data(first)
            names[process] = " and ".join(f"{names.get(side, side)}" for side in (sides["a"], sides["b"]))
            names[process] = f"the session of {names[process]}"
        elif module.startswith(_GROUP):
            names[process] = f"the group {_data(first).get('name', process)!r}"
        elif module.startswith(_RELATION):
            relations.append(process)
    for relation in relations:
        for row in log.read_process(relation):
            if row.message.action == "register" and row.error is None:
                call = _data(row)
                names[call["owner"]] = call["name"]
    return names


def _data(row: Assignment) -> dict[str, str]:
    found = decode(row.message.data)
    return found if isinstance(found, dict) else {}
