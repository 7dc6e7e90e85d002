"""The names of handles at any point of a log, from the registry's messages."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter

from actors.processes.messaging.name_directory import key
from actors.protocol.canonical_json import decode
from actors.protocol.messages import Refusal
from eventstore import Assignment


class HandleNames:
    """Which name the registry binds to a process, at any sequence.

    Reads the registry's messages only as far as they are needed. It keeps the changes that ``name_directory.Directory``
    makes, in mutable maps: a long log has many of them, and an immutable directory of each costs ten times as much.

    Args:
        rows: all messages of the registry, in order.
    """

    def __init__(self, rows: Iterable[Assignment]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)
        self._names: dict[str, tuple[str, str]] = {}
        """Key of a name to the name as its owner wrote it, and its process."""
        self._keys: dict[str, str] = {}
        """Process to the key of its first name."""
        self._changes: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        """Process to the sequences at which its name changed, and the new name, or an empty text."""

    def of(self, process: str, *, at: int) -> str:
        """The name of a process after the message with a sequence; empty if it has none."""
        while self._next is not None and self._next.sequence <= at:
            if self._next.error is None and self._next.message.action in ("Register", "Renounce"):
                self._apply(self._next)
            self._next = next(self._rows, None)
        changes = self._changes.get(process, [])
        index = bisect_right(changes, at, key=itemgetter(0))
        return changes[index - 1][1] if index else ""

    def _apply(self, row: Assignment) -> None:
        """Apply a change that the registry made, as its reply states it."""
        try:
            reply = decode((row.output or "").encode())
            shown = reply["handle"]
            name_key, pid = key(shown), "" if row.message.action == "Renounce" else reply["pid"]
        except (Refusal, ValueError, LookupError, TypeError, AttributeError):  # a domain, or no reply of a registry
            return
        if not isinstance(pid, str):
            return
        shown, old = self._names.pop(name_key, (shown, ""))
        if self._keys.get(old) == name_key:
            del self._keys[old]
        if pid:
            self._names[name_key] = shown, pid
            self._keys.setdefault(pid, name_key)
        for process in {old, pid} - {""}:
            found = self._keys.get(process)
            self._changes[process].append((row.sequence, self._names[found][0] if found else ""))
