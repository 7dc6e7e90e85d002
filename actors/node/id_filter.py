"""Which messages the log may hold already: Bloom filters over their ids, so that for a new one nobody asks the disk."""

import time

from rbloom import Bloom

from eventstore import EventLog
from eventstore.sqlite.file_format import ID_START

_FALSE_SHARE = 0.001
"""Of the new messages so many are looked for in the log for nothing."""
_CAPACITY_MIN = 65_536
_REST_S = 0.004
"""A rest after every thousand ids that are read: the event loop would wait for the interpreter lock."""


class Seen:
    """Takes ids, and never says of one that it has not seen it when it has.

    What the log held before is read in another thread; until then every message may be one of those.
    """

    def __init__(self) -> None:
        self._before: Bloom | None = None
        self._since = [Bloom(_CAPACITY_MIN, _FALSE_SHARE)]
        self._room = _CAPACITY_MIN
        self._closed = False

    def read(self, log: EventLog) -> None:
        """Take what a log holds. Others may ask and add meanwhile.

        Raises:
            LogUnusable: it cannot be read; then every message may be in it.
        """
        before = Bloom(max(log.head().sequence, 1), _FALSE_SHARE)
        for starts in log.id_prefixes():
            if self._closed:
                return
            before.update(starts)
            time.sleep(_REST_S)
        self._before = before

    def add(self, message_id: str) -> None:
        """Take one that is being assigned."""
        if not self._room:
            self._room = _CAPACITY_MIN << len(self._since)
            self._since.append(Bloom(self._room, _FALSE_SHARE))
        self._room -= 1
        self._since[-1].add(message_id[:ID_START])

    def may_hold(self, message_id: str) -> bool:
        """Whether a message may be among them."""
        start = message_id[:ID_START]
        return self._before is None or start in self._before or any(start in some for some in self._since)

    def close(self) -> None:
        """Read no further."""
        self._closed = True
