"""Runs one world: one scenario with one seed on a new log."""

import asyncio
import traceback
from collections.abc import Callable, Sequence
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any

import msgspec

from actors.ans104.wallet import Wallet, key_path
from actors.relation.services import keys_path
from eventstore import EventStoreError, LogFault
from simulations.faults.crashable_node import AcknowledgedLost, CrashableNode, NodeRefused, StorageLoss
from simulations.faults.disk import Disk, DiskFaults
from simulations.faults.fault import NodeFault
from simulations.faults.virtual_time import VirtualClock
from simulations.scenario.scenario import Scenario
from simulations.world.invariants import Finding, WorldCrashed, check, check_log
from simulations.world.relation_town import Operator
from simulations.world.town import DAWN_MS, Outcome, Town

PERCENTILES = [*range(1, 100), 99.5, 99.9, 100]


class WorldResult(msgspec.Struct, frozen=True):
    """The results of a world."""

    outcome: Outcome
    crashes: int
    events: int
    log_head: str
    state_root: str
    read_after_s: list[float]
    """Virtual time in seconds between the sending and the reading of each message."""
    answered_ms: list[tuple[float, float]]
    """Percentiles of the node's reply times: the percentage, and real time in ms."""


async def run_world(
    scenario: Scenario, *, seed: int, path: Path, progress: Callable[[], Any], checked: bool = False
) -> WorldResult:
    """Run a world to its end, and check its invariants.

    Args:
        scenario: the scenario.
        seed: the same seed gives the same log, byte for byte.
        path: the log file, which must not contain a world yet.
        progress: called for each message that is sent.
        checked: also compare the node with the model after each step, and replay and audit the log.

    Raises:
        Finding: an invariant is broken, or an unexpected error ended the world (``WorldCrashed``).
        LogFault: the audit found a fault.
        StorageLoss: the simulated storage was damaged, and the node refused it, or no node can notice.
        EventStoreError: the log cannot be created.
    """
    clock, wallet = VirtualClock(DAWN_MS), node_wallet(seed)
    commit_delay_ms = sum(fault.commit_delay_ms() for fault in scenario.faults.of_kind(NodeFault))
    live_max = max(fault.live_max() for fault in scenario.faults.of_kind(NodeFault))
    disk = _disk(scenario, seed, path)
    crashable = CrashableNode(
        path, wallet=wallet, clock=clock, commit_delay_ms=commit_delay_ms, live_max=live_max, disk=disk
    )
    has_started = False
    try:
        async with crashable:
            has_started = True
            if not key_path(path).exists():
                wallet.save(key_path(path))
            operator = Operator(wallet, keys_wallet(seed), path.with_name(path.name + ".archive"))
            if scenario.relation.share and not keys_path(path).exists():
                operator.secret.save(keys_path(path))
            town = Town(crashable, clock, scenario, operator, seed=seed, progress=progress, checked=checked)
            if town.step_check:
                await town.step_check.check_step((), (), restarted=False)
            outcome = await town.run()
            result = WorldResult(
                outcome,
                crashable.crashes,
                crashable.node.sequence,
                crashable.node.log_head,
                crashable.node.state_root,
                [ms / 1000 for ms in town.journal.read_after_ms],
                _percentiles_ms(town.reply_times_us),
            )
        check(outcome.hostile_attempts == outcome.hostile_refused, "hostile attempts", "all refused", outcome.refusals)
        check(not outcome.third_party_opened, "secrets that a third party opened", 0, outcome.third_party_opened)
        if checked:
            if crashable.is_damaged:  # the node ignores damaged snapshots, which the audit reports
                path.with_name(path.name + ".snapshots").unlink(missing_ok=True)
            await asyncio.to_thread(check_log, path, msgspec.structs.asdict(result))
    except (Finding, LogFault):
        raise
    except StorageLoss as loss:
        raise _counted(loss, crashable) from loss.__cause__
    except AcknowledgedLost as error:
        raise Finding(str(error)) from error
    except Exception as error:
        if not has_started:
            raise
        if crashable.is_damaged and isinstance(error, EventStoreError):
            raise _counted(NodeRefused(str(error)), crashable) from error
        raise WorldCrashed(_crash_text(error)) from error
    return result


def _counted(loss: StorageLoss, crashable: CrashableNode) -> StorageLoss:
    loss.crashes, loss.events = crashable.crashes, crashable.events
    return loss


def _disk(scenario: Scenario, seed: int, path: Path) -> Disk | None:
    """The simulated disk of a world whose storage fails; None for the real one."""
    node_faults = scenario.faults.of_kind(NodeFault)
    faults = DiskFaults(
        torn_write=sum(fault.torn_write_share() for fault in node_faults),
        lost_fsync=sum(fault.lost_fsync_share() for fault in node_faults),
        bit_rot=sum(fault.bit_rot_share() for fault in node_faults),
    )
    lock = path.with_name(path.name + ".lock")
    return Disk(faults, f"{seed}/disk", unsynced=lock) if faults.occur else None


def node_wallet(seed: int) -> Wallet:
    """The node's key, which follows from the seed: its signatures are part of the log."""
    return Wallet(sha256(f"mostao node {seed}".encode()).digest())


def keys_wallet(seed: int) -> Wallet:
    """The key keeper's secret, which follows from the seed likewise."""
    return Wallet(sha256(f"mostao keys {seed}".encode()).digest())


def _crash_text(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"an unexpected error ended the world: {type(error).__name__} in {Path(frame.filename).name}: {error}"


def _percentiles_ms(times_us: Sequence[int]) -> list[tuple[float, float]]:
    """Percentiles of some times by the nearest-rank method; each 0 if there are none."""
    ordered = sorted(times_us) or [0]
    return [(percent, ordered[ceil(percent / 100 * len(ordered)) - 1] / 1000) for percent in PERCENTILES]
