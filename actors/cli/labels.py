"""Short, readable labels for ids in listings."""

from actors.cli.handle_names import HandleNames
from actors.processes import REGISTRIES
from actors.protocol.spawn import module_of
from eventstore import Assignment, LogFile

_SHORT = 8


class Labels:
    """Labels of processes: ``@alice`` for a handle that the log's registry binds to that name, ``registry``, and for
    others the start of their ids, as in ``session:Zk3…``.

    Anyone can start a handle that claims a name, or a registry of their own, so a process does not name itself.

    Args:
        log: the log. An excerpt has no registry that could name its handles.
    """

    def __init__(self, log: LogFile) -> None:
        first = None if log.is_excerpt else next(log.read(until=1), None)
        self._registry = first.process if first is not None and module_of(first.message) in REGISTRIES else ""
        self._names = HandleNames(log.read_process(self._registry) if self._registry else ())
        self._kinds: dict[str, str] = {}

    def add(self, assignment: Assignment) -> None:
        """Record the kind of a process if this message spawns it."""
        if not assignment.slot:
            module = module_of(assignment.message)
            self._kinds[assignment.process] = module.removeprefix("mostao.").partition("@")[0]

    def of(self, address: str, *, at: int) -> str:
        """The label of a process after the message with a sequence, or the start of a wallet's address."""
        kind = self._kinds.get(address)
        if address == self._registry and address:
            return "registry"
        name = self._names.of(address, at=at) if kind == "handle" else ""
        return f"@{name}" if name else f"{kind or 'wallet'}:{address[:_SHORT]}"
