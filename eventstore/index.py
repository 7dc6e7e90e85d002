"""The log index: finds assignments by process, slot, message id and parent."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from eventstore.records import Assignment
from eventstore.sequencer import ProcessHead


class LogIndex(Protocol):
    """Lookups in a log."""

    def find(self, message_id: str) -> Assignment | None:
        """The assignment of a message; None if the log lacks it."""

    def existing_ids(self, message_ids: Sequence[str]) -> set[str]:
        """Those of the ids that the log contains."""

    def id_prefixes(self) -> Iterator[list[str]]:
        """The first ``ID_START`` characters of every message id, in lists of about a thousand."""

    def children(self, sequence: int) -> list[Assignment]:
        """The messages that the message at ``sequence`` directly caused, in order."""

    def processes(self) -> Iterator[str]:
        """The id of every process that was ever started, in the order of their start."""

    def process_head(self, process: str, *, until: int) -> ProcessHead | None:
        """The end of a process's history up to a sequence; None if the process had not started by then."""

    def read_process(self, process: str, *, from_slot: int = 0, limit: int | None = None) -> Iterator[Assignment]:
        """One process's assignments in the order of their slots, at most ``limit`` of them."""

    def sequence_of(self, process: str, slot: int, *, assignment_id: bytes | None = None) -> int | None:
        """The sequence of a process's slot. None if the slot is missing, or if it has another id than the one given."""

    def payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        """The data of a process's messages at these slots.

        Raises:
            LookupError: a slot is missing.
        """
