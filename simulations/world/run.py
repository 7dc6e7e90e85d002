"""One world: a scenario and a seed, lived on a log of its own."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from actors.ans104.wallet import Wallet, key_path
from actors.relation.services import keys_path
from simulations.faults.crashable_node import CrashableNode
from simulations.faults.virtual_time import VirtualClock
from simulations.scenario.scenario import Scenario
from simulations.world.invariants import check, check_log
from simulations.world.relation_town import Home
from simulations.world.town import DAWN_MS, Outcome, Town

PERCENTILES = [*range(1, 100), 99.5, 99.9, 100]


class WorldResult(msgspec.Struct, frozen=True):
    """What a world came to."""

    outcome: Outcome
    crashes: int
    events: int
    log_head: str
    state_root: str
    read_after_s: list[float]
    """How long each message lay until it was read, in virtual time."""
    answered_ms: list[tuple[float, float]]
    """Percentiles, and the real time within which so many questions were answered."""


async def live(
    scenario: Scenario, *, seed: int, path: Path, progress: Callable[[], Any], checked: bool = False
) -> WorldResult:
    """Live a world to its end.

    Args:
        scenario: what it is made of.
        seed: the same seed makes the same log, byte for byte.
        path: the log's file, which must not hold a world yet.
        progress: called for each message that was said.
        checked: hold the log against its replay, and audit it.

    Raises:
        Finding: something is not as it has to be.
        LogFault: the log contradicts itself.
        EventStoreError: the log cannot be made.
    """
    clock, wallet = VirtualClock(DAWN_MS), node_wallet(seed)
    house = CrashableNode(path, wallet=wallet, clock=clock, slow_disk_ms=scenario.faults.slow_disk_ms)
    async with house:
        if not key_path(path).exists():
            wallet.save(key_path(path))
        home = Home(wallet, keys_wallet(seed), path.with_name(path.name + ".archive"))
        if scenario.relation.share and not keys_path(path).exists():
            home.secret.save(keys_path(path))
        town = Town(house, clock, scenario, home, seed=seed, progress=progress)
        outcome = await town.live()
        lived = WorldResult(
            outcome,
            house.crashes,
            house.node.sequence,
            house.node.log_head,
            house.node.state_root,
            [ms / 1000 for ms in town.journal.read_after_ms],
            [(percent, town.answered_us.get_value_at_percentile(percent) / 1000) for percent in PERCENTILES],
        )
    check(outcome.hostile_attempts == outcome.hostile_refused, "hostile attempts", "all refused", outcome.refusals)
    check(not outcome.third_party_opened, "what a third party opened", 0, outcome.third_party_opened)
    if checked:
        await asyncio.to_thread(check_log, path, msgspec.structs.asdict(lived))
    return lived


def node_wallet(seed: int) -> Wallet:
    """The node's key follows from the seed, so that the same seed signs the same log."""
    return Wallet(sha256(f"mostao node {seed}".encode()).digest())


def keys_wallet(seed: int) -> Wallet:
    """Likewise what keys are sealed to that are kept under conditions."""
    return Wallet(sha256(f"mostao keys {seed}".encode()).digest())
