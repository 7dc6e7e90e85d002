"""A read of a log that has no end."""

import threading
from typing import Any


class EndlessRead:
    """Reads a log again and again, until the node ends the read.

    Attributes:
        started: set once the read began.
        ended: set once it ended.
    """

    def __init__(self) -> None:
        self.started, self.ended = threading.Event(), threading.Event()

    def __call__(self, log: Any, *_: Any, **__: Any) -> Any:
        self.started.set()
        try:
            while True:
                list(log.read())
        finally:
            self.ended.set()
