"""The models of a proxy's state and of the archive index."""

from collections.abc import Iterator
from typing import Any, ClassVar

from simulations.world.model.process import SUCCESS, Body, Expected, ProcessModel, Received, Refused


class ProxyModel(ProcessModel):
    """Keeps how far each person has read each chat, and which chats are muted or pinned."""

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self._kept: dict[str, dict[str, Body]] = {}

    def parts(self) -> Iterator[str]:
        """See ``ProcessModel.parts``."""
        yield from self._kept

    def shown_by(self, part: str) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        yield "getFlags", {"addr": part}

    def _mark_as_read(self, message: Received) -> Expected:
        flags = self._flags_of(message)
        flags["read"] = max(flags["read"], message.body["place"])
        return Expected(SUCCESS)

    def _set_muted(self, message: Received) -> Expected:
        self._flags_of(message)["muted"] = message.body["muted"]
        return Expected(SUCCESS)

    def _set_sticky(self, message: Received) -> Expected:
        self._flags_of(message)["sticky"] = message.body["sticky"]
        return Expected(SUCCESS)

    def _flags_of(self, message: Received) -> Body:
        if message.sender != self.owner:
            raise Refused("only the owner of this proxy can do that")
        address, chat = message.body["addr"], message.body["chat"]
        self.touch(address)
        return self._kept.setdefault(address, {}).setdefault(chat, {"read": -1, "muted": False, "sticky": False})

    def _flags(self, body: Body, _: int) -> Body:
        return {chat: dict(flags) for chat, flags in self._kept.get(body["addr"], {}).items()}

    changes: ClassVar[dict[str, Any]] = {
        "markAsRead": _mark_as_read,
        "setMuted": _set_muted,
        "setSticky": _set_sticky,
    }
    queries: ClassVar[dict[str, Any]] = {"getFlags": _flags}


class ArchiveModel(ProcessModel):
    """Keeps the packs of an archive."""

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self._packs: list[str] = []
        self._packed = self._pending = 0
        self._since = start.timestamp
        self.touch("archive")

    def parts(self) -> Iterator[str]:
        """See ``ProcessModel.parts``."""
        yield "archive"

    def shown_by(self, part: str) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        yield "getArchive", {}

    def _begin(self, message: Received) -> Expected:
        self._only_owner(message)
        if self._pending:
            raise Refused(f"{self._pending} messages are being packed: finish that first")
        self._pending = message.body["count"]
        self.touch("archive")
        return Expected(SUCCESS)

    def _stored(self, message: Received) -> Expected:
        self._only_owner(message)
        if not self._pending:
            raise Refused("nothing is being packed")
        self._packs.append(message.body["id"])
        self._packed, self._pending, self._since = self._packed + self._pending, 0, message.timestamp
        self.touch("archive")
        return Expected({**SUCCESS, "packs": len(self._packs)})

    def _only_owner(self, message: Received) -> None:
        if message.sender != self.owner:
            raise Refused("only the owner of this archive can do that")

    def _get(self, _: Body, __: int) -> Body:
        return {
            "newest": self._packs[-1] if self._packs else "",
            "packs": len(self._packs),
            "packed": self._packed,
            "pending": self._pending,
            "since": self._since,
        }

    changes: ClassVar[dict[str, Any]] = {"beginPack": _begin, "stored": _stored}
    queries: ClassVar[dict[str, Any]] = {"getArchive": _get}
