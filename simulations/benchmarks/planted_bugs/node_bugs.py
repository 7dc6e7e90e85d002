"""Bugs in the node: its order, its durability, its recovery and its memory."""

from typing import Any

from msgspec.structs import replace

from actors.evaluation.passive_processes import PassiveProcesses
from actors.evaluation.process_table import ProcessTable
from actors.node import node as node_module
from actors.node import recovery
from actors.node.deduplication import Deduplicator
from actors.node.executor import Executor
from actors.node.group_commit import GroupCommit
from actors.node.id_filter import IdFilter
from actors.processes.collections.map import Map
from eventstore import Sequencer
from eventstore.sqlite import log as log_module
from eventstore.sqlite.connect import prepare_to_write
from simulations.benchmarks.planted_bugs.bug import Plant, PlantedBug, every

HALF_AN_HOUR_MS = 1_800_000
FIRST_EARLY = 10


def _swapped_pair(plant: Plant) -> None:
    offer, due = Deduplicator.offer, every(3)

    async def swapped(self: Deduplicator, batch: list[Any]) -> None:
        if len(batch) > 1 and due():
            batch[0], batch[1] = batch[1], batch[0]
        await offer(self, batch)

    plant.attribute(Deduplicator, "offer", swapped)


def _effects_in_the_wrong_order(plant: Plant) -> None:
    evaluated = Executor._evaluated

    def reversed_outbox(self: Executor, assignment: Any, result: Any) -> None:
        evaluated(self, assignment, replace(result, outbox=result.outbox[::-1]))

    plant.attribute(Executor, "_evaluated", reversed_outbox)


def _swapped_replies(plant: Plant) -> None:
    release, held = GroupCommit.release_when_durable, list[Any]()

    def swapped(self: GroupCommit, result: Any, future: Any) -> None:
        same_batch = [entry for entry in self._results if entry[0] > self.durable]
        if same_batch and len(held) < 1:
            sequence, first, first_result = self._results.pop()
            held.append(first)
            self._results.append((sequence, first, result))
            release(self, first_result, future)
        else:
            release(self, result, future)

    plant.attribute(GroupCommit, "release_when_durable", swapped)


def _stale_read(plant: Plant) -> None:
    evaluate, dryrun, due = ProcessTable.evaluate, ProcessTable.dryrun, every(11)
    before: dict[str, Any] = {}

    def remember(self: ProcessTable, assignment: Any) -> Any:
        entry = self.entries.get(assignment.message.target)
        if entry is not None and entry.process is not None:
            before[assignment.message.target] = entry.process.state
        return evaluate(self, assignment)

    def stale(self: ProcessTable, message: Any, *, timestamp: int) -> Any:
        entry = self.entries.get(message.target)
        if entry is None or entry.process is None or message.target not in before or not due():
            return dryrun(self, message, timestamp=timestamp)
        state, entry.process.state = entry.process.state, before[message.target]
        try:
            return dryrun(self, message, timestamp=timestamp)
        finally:
            entry.process.state = state

    plant.attribute(ProcessTable, "evaluate", remember)
    plant.attribute(ProcessTable, "dryrun", stale)


def _early_acknowledgement(plant: Plant) -> None:
    correct = GroupCommit.release_when_durable

    def release(self: GroupCommit, result: Any, future: Any) -> None:
        if result.sequence < FIRST_EARLY:  # the node itself reads the first events back
            correct(self, result, future)
        elif not future.done():
            future.set_result(result)

    plant.attribute(GroupCommit, "release_when_durable", release)


def _forgotten_ids(plant: Plant) -> None:
    plant.attribute(IdFilter, "may_contain", lambda *_: False)


def _lost_effect(plant: Plant) -> None:
    recover = recovery.recover
    plant.attribute(node_module, "recover", lambda *a, **b: recover(*a, **b)._replace(pending_outbox=[]))


def _lost_cursor(plant: Plant) -> None:
    recover = recovery.recover

    def forgetful(*arguments: Any, **named: Any) -> Any:
        recovered = recover(*arguments, **named)
        for entry in recovered.processes.entries.values():
            if entry.process is not None and entry.module.startswith("mostao.group@"):
                state: Any = entry.process.state
                members = {pid: replace(member, viewed=0) for pid, member in state.members.items()}
                entry.process.state = replace(state, members=Map(members))
        return recovered

    plant.attribute(node_module, "recover", forgetful)


def _time_goes_back(plant: Plant) -> None:
    recover, assign = recovery.recover, Sequencer.assign
    restarted = set[int]()

    def restart(*arguments: Any, **named: Any) -> Any:
        recovered = recover(*arguments, **named)
        if recovered.sequencer.sequence:
            restarted.add(id(recovered.sequencer))
        return recovered

    def behind(self: Sequencer, message: Any, now_ms: int) -> Any:
        if id(self) in restarted:
            self.timestamp, now_ms = 0, now_ms - HALF_AN_HOUR_MS
        return assign(self, message, now_ms)

    plant.attribute(node_module, "recover", restart)
    plant.attribute(Sequencer, "assign", behind)


def _old_snapshot(plant: Plant) -> None:
    snapshot = PassiveProcesses.snapshot

    def old(self: PassiveProcesses, process: str, *, before: int) -> Any:
        found = snapshot(self, process, before=before)
        return None if found is None else found._replace(slot=found.slot + 1)

    plant.attribute(PassiveProcesses, "snapshot", old)


def _forgotten_slots(plant: Plant) -> None:
    rows = PassiveProcesses.rows

    def forgetful(self: PassiveProcesses, process: str, *, from_slot: int, before: int) -> Any:
        found = list(rows(self, process, from_slot=from_slot, before=before))
        return iter(found[:-1] if len(found) > 1 else found)

    plant.attribute(PassiveProcesses, "rows", forgetful)


def _unsynced_commits(plant: Plant) -> None:
    def relaxed(connection: Any) -> None:
        prepare_to_write(connection)
        connection.execute("pragma synchronous = normal")

    plant.attribute(log_module, "prepare_to_write", relaxed)


NODE_BUGS = (
    PlantedBug("swapped pair", "two messages that arrive together are assigned in the wrong order", _swapped_pair),
    PlantedBug(
        "effects reordered", "the effects of a message are assigned in the wrong order", _effects_in_the_wrong_order
    ),
    PlantedBug("swapped replies", "two senders get each other's replies, once", _swapped_replies),
    PlantedBug("stale read", "every 11th query sees the state before the last message", _stale_read),
    PlantedBug(
        "early acknowledgement", "the node acknowledges messages before they are durable", _early_acknowledgement
    ),
    PlantedBug(
        "missing fsync",
        "SQLite does not sync its commits (synchronous = normal)",
        _unsynced_commits,
        faults={"torn_write": 1.0},
    ),
    PlantedBug("duplicate delivery", "after a restart the node does not recognise messages of its log", _forgotten_ids),
    PlantedBug("lost effect", "after a crash the node does not send what it had not sent", _lost_effect),
    PlantedBug("lost cursor", "after a crash the members of a group have viewed nothing", _lost_cursor),
    PlantedBug("time goes back", "after a restart the timestamps are half an hour behind", _time_goes_back),
    PlantedBug("old snapshot", "a process restored from a snapshot lacks the slot after it", _old_snapshot),
    PlantedBug("forgotten slot", "a restored process lacks its last slot", _forgotten_slots),
)
