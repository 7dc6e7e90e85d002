"""Bloom filters over message ids: they tell which messages may be in the log, so that new ones need no lookup."""

import time

from rbloom import Bloom

from actors.node.limits import Limits
from eventstore import LogFile
from eventstore.records import ID_START

_FALSE_POSITIVE_RATE = 0.001
"""Share of new messages that cause a needless lookup in the log."""
_REST_S = 0.004
"""Rest after each list of ids that is read. Without it the event loop waits for the interpreter lock."""


class IdFilter:
    """Contains every id that was added. It may also claim to contain others, at the false positive rate.

    ``read`` adds the ids of the log in another thread. Until it ends, every id may be in the log.
    """

    def __init__(self, limits: Limits) -> None:
        self._capacity = limits.id_filter_min
        self._stored: Bloom | None = None
        """Ids that were in the log when the node opened it."""
        self._new = [Bloom(self._capacity, _FALSE_POSITIVE_RATE)]
        """Ids since then."""
        self._room = self._capacity
        self._is_closed = False

    def read(self, log: LogFile) -> None:
        """Add the ids of a log, while other threads use this filter.

        Raises:
            LogUnusable: the log cannot be read. Then every id may be in it.
        """
        stored = Bloom(max(log.head().sequence, 1), _FALSE_POSITIVE_RATE)
        for prefixes in log.id_prefixes():
            if self._is_closed:
                return
            stored.update(prefixes)
            time.sleep(_REST_S)
        self._stored = stored

    def add(self, message_id: str) -> None:
        """Add the id of a new message."""
        if not self._room:
            self._room = self._capacity << len(self._new)
            self._new.append(Bloom(self._room, _FALSE_POSITIVE_RATE))
        self._room -= 1
        self._new[-1].add(message_id[:ID_START])

    def may_contain(self, message_id: str) -> bool:
        """Whether a message may have been added."""
        prefix = message_id[:ID_START]
        return self._stored is None or prefix in self._stored or any(prefix in new for new in self._new)

    def close(self) -> None:
        """Stop reading."""
        self._is_closed = True
