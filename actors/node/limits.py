"""The limits of a node: one immutable struct, passed to ``Node.open``."""

import msgspec

from actors.ans104.item import DATA_BYTES_MAX


class PerPeriod(msgspec.Struct, frozen=True):
    """An amount for each period."""

    amount: int
    seconds: int

    def text(self, unit: str) -> str:
        """The limit as an error names it, such as ``600 processes per minute``."""
        return f"{self.amount:,} {unit} per {PERIODS.get(self.seconds, f'{self.seconds} seconds')}"


PERIODS = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}
"""Periods by their seconds."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a node accepts and holds at a time. A sender that exceeds a limit gets ``Overloaded`` and may retry."""

    data_bytes_max: int = DATA_BYTES_MAX
    """Bytes of one message's data."""
    waiting_max: int = 16_384
    """External messages that are accepted and not yet assigned."""
    waiting_per_process_max: int = 8_192
    """The same, for one process."""
    undurable_max: int = 32_768
    """Events that are assigned and not yet durable. At this number the node assigns nothing more."""
    dryruns_max: int = 4_096
    """Dryruns that wait for their result."""
    reads_max: int = 1_024
    """Reads of the log that wait for a thread or run: short ones and pages are counted separately."""
    read_s: float = 10.0
    """Seconds in which a read has to end, including its wait for a thread."""
    read_rest_factor: float = 4.0
    """While messages wait, a read rests this many times as long as it worked. Two reads at once rest twice as long."""
    appended_max: PerPeriod | None = None
    """Bytes that the items of one sender and all that they cause append to the log; None for no limit. A network
    address may append 20 times as many."""
    spawns_max: PerPeriod | None = None
    """Processes that the items of one sender start; None for no limit. A network address may start 20 times as many."""

    fifo_max: int = 4_096
    """FIFO up to this queue length; above it, round-robin by process until the queue is empty. So a flooded process
    delays itself, and senders keep their order while the queue is short."""
    round_turns_max: int = 512
    """Turns in one round of the round-robin."""
    process_turns_max: int = 16
    """Turns of one process in a round while other processes wait. A round also ends when the queue holds everything
    that was accepted and all assigned events are durable."""
    alone_s: float = 5.0
    """A process that had every turn for this many seconds, with no other process waiting, has no turn limit."""

    verify_batch_max: int = 1_024
    """Items whose signatures are verified together; the next batch fills meanwhile."""
    verifier_items_min: int = 256
    """Items in large batches after which the node starts child processes that verify signatures. They then verify
    everything, because a thread would wait for the interpreter lock."""
    verifier_reply_s: float = 10.0
    """A verifier process that takes longer is replaced by threads."""

    recent_results_max: int = 4_096
    """Results kept in memory for repeated messages, besides those that are not released yet."""
    recent_ids_max: int = 65_536
    """Ids of older messages kept in memory. There must be more than can wait and be in flight: a lookup in the log may
    miss a message that became durable while the lookup ran."""
    id_filter_min: int = 65_536
    """Capacity of the first Bloom filter over message ids. Each further filter has twice the capacity."""

    batch_rows_max: int = 8_192
    """Events in one durable batch."""
    delegate_batch_rows_min: int = 48
    """Batches from this size on count towards ``delegate_rows_min``."""
    delegate_rows_min: int = 2_048
    """Events in large batches after which the node starts a child process that writes the log. It then writes
    everything: a connection drops its page cache when another connection writes."""

    recheck_events_max: int = 100_000
    """After a kill or a failure of the machine, a log of up to so many events is checked and replayed as a whole before
    the node accepts messages. A longer log continues from its snapshots, and a child process checks it meanwhile."""
    recheck_long_logs: bool = True
    """Whether that child process runs."""

    live_max: int = 100_000
    """Processes in memory. The others are restored when a message reaches them."""
    idle_s: float = 300.0
    """Seconds without a message after which a process is evicted from memory."""
    snapshot_slots_min: int = 32
    """New slots of a process that make a snapshot worthwhile; fewer are replayed."""
    snapshot_bytes_per_slot: int = 1_024
    """One more new slot is needed for each of these bytes in the last snapshot, so that large states are written less
    often."""
    snapshot_events: int = 100_000
    """Events between two rounds of snapshots. A killed node replays at most this many events when it opens its log."""
    snapshot_log_events_min: int = 1_000
    """A shorter log gets no snapshots: replaying it is faster than reading them."""
    snapshot_rest_factor: float = 4.0
    """The snapshot thread rests this many times as long as it worked on the snapshot before, unless the node waits for
    it. Without rests, other work would wait for the interpreter lock."""
