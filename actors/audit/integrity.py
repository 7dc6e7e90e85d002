"""Checks the pages and indexes of a log's storage in a thread, while a replay uses the other cores."""

import threading
import time
from collections.abc import Callable
from typing import Any

from eventstore import EventStoreError, LogFault
from eventstore.engines import Location, engine_of


class IntegrityCheck:
    """One check, which releases the interpreter lock while it runs.

    Attributes:
        elapsed_s: how long it took.
    """

    def __init__(self, location: Location, *, faults_max: int) -> None:
        self.elapsed_s = 0.0
        self._location = location
        self._faults_max = faults_max
        self._faults: list[LogFault] = []
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="integrity check", daemon=True)

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread.ident is None:
            self._thread.start()

    def start_with(self, progress: Callable[[int], Any]) -> Callable[[int], Any]:
        """A function that reports progress and begins the check: by then, child processes were forked.

        A process that has threads cannot fork safely, and a fresh interpreter takes a tenth of a second to start.
        """

        def started(events: int) -> None:
            self.start()
            progress(events)

        return started

    def faults(self) -> list[LogFault]:
        """Wait for the end. Return what was found."""
        self.start()
        self._thread.join()
        return self._faults

    def stop(self) -> None:
        """End early, and report nothing."""
        self._is_stopped = True
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        begun = time.perf_counter()
        try:
            self._faults = engine_of(self._location).integrity_faults(
                self._location, faults_max=self._faults_max, is_stopped=lambda: self._is_stopped
            )
        except EventStoreError as error:
            self._faults = [LogFault.of_file("the integrity check", "a readable log", str(error))]
        self.elapsed_s = time.perf_counter() - begun
