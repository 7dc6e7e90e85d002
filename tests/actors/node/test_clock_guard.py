"""A wrong clock puts no wrong time into a log. The clocks of these tests are virtual."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

import pytest

from actors import ClockUnreliable, Node
from actors.node.clock_guard import JUMP_MS_MAX, ClockGuard, guarded_system_clock, system_clock
from actors.relation.process_client import Refused
from actors.relation.services import Services, process_client
from eventstore import read_log
from simulations.clients.relation_user import RelationUser, auth_sig, for_address
from tests.actors.http.serve_command import COMMAND
from tests.actors.http.served_node import served
from tests.actors.people import ALICE, NODE, NOW_MS, item, register, wallet

HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS
SEALED = "ab" * 112


class VirtualClocks:
    """A wall clock, which can jump, and a monotonic one."""

    def __init__(self) -> None:
        self.wall, self.monotonic = NOW_MS, 5_000
        self.reads = 0

    def guard(self) -> ClockGuard:
        return ClockGuard(lambda: self.wall, self._read_monotonic)

    def advance(self, ms: int) -> None:
        self.wall += ms
        self.monotonic += ms

    def _read_monotonic(self) -> int:
        self.reads += 1
        return self.monotonic


@pytest.fixture
def clocks() -> VirtualClocks:
    return VirtualClocks()


def test_time_that_passes_on_both_clocks_is_accepted_however_long_it_is(clocks: VirtualClocks) -> None:
    guard = clocks.guard()
    for ms in (0, 1, 999, 1_000, HOUR_MS, 3 * HOUR_MS, YEAR_MS):  # the last ones are a suspended laptop
        clocks.advance(ms)
        assert guard() == clocks.wall


@pytest.mark.parametrize("jump", [HOUR_MS + 1, -HOUR_MS - 1, YEAR_MS, -YEAR_MS, 10**15, -(10**15)])
def test_a_jump_of_more_than_an_hour_is_refused_until_the_clock_agrees_again(clocks: VirtualClocks, jump: int) -> None:
    guard = clocks.guard()
    guard()
    clocks.wall += jump
    for _ in range(3):
        with pytest.raises(ClockUnreliable, match=r"the system clock jumped: it shows .* expected 2023-11-14 22:13:20"):
            guard()
        clocks.advance(100)
    clocks.wall -= jump
    assert guard() == clocks.wall


@pytest.mark.parametrize("jump", [HOUR_MS + 1, -HOUR_MS - 1])
def test_an_operator_confirms_a_jump(clocks: VirtualClocks, jump: int) -> None:
    guard = clocks.guard()
    clocks.wall += jump
    with pytest.raises(ClockUnreliable):
        guard()
    guard.confirm()
    assert guard() == clocks.wall
    clocks.wall -= jump  # what was confirmed is the reference now
    with pytest.raises(ClockUnreliable):
        guard()


def test_small_steps_in_one_direction_add_up(clocks: VirtualClocks) -> None:
    guard = clocks.guard()
    clocks.wall += JUMP_MS_MAX
    assert guard() == clocks.wall
    clocks.wall += 1_001
    with pytest.raises(ClockUnreliable, match="1:00:01 after the expected"):
        guard()


def test_the_monotonic_clock_is_read_once_a_second_however_many_events_there_are(clocks: VirtualClocks) -> None:
    guard = clocks.guard()
    for _ in range(10_000):
        clocks.advance(1)
        guard()
    assert clocks.reads <= 12


def test_the_guard_reports_each_change_once(clocks: VirtualClocks) -> None:
    guard, changes = clocks.guard(), []
    guard.on_change = changes.append
    for jump in (YEAR_MS, -YEAR_MS):
        clocks.wall += jump
        for _ in range(3):
            try:
                guard()
            except ClockUnreliable as error:
                last = str(error)
    assert changes == [last, None]


def test_the_systems_clocks_agree() -> None:
    assert abs(guarded_system_clock()() - time.time() * 1000) < 1_000


async def test_while_the_clock_is_wrong_no_message_gets_a_time_and_questions_are_answered(
    path: Path, clocks: VirtualClocks
) -> None:
    async with Node.open(path, wallet=NODE, clock=clocks.guard()) as node:
        await register(node, ALICE, "alice")
        await node.drain()
        events = node.sequence
        clocks.wall += YEAR_MS
        for _ in range(2):
            with pytest.raises(ClockUnreliable):
                await register(node, ALICE, "bob")
        reply = await node.dryrun(node.registry, action="QueryHandle", data='{"handle": "alice"}')
        assert reply.error is None
        assert (node.sequence, node.timestamp) == (events, NOW_MS)
        clocks.wall -= YEAR_MS
        await register(node, ALICE, "bob")
        clocks.wall += YEAR_MS
        with pytest.raises(ClockUnreliable):
            await register(node, ALICE, "carol")
        node.confirm_clock()
        await register(node, ALICE, "carol")
        assert node.timestamp == NOW_MS + YEAR_MS


async def test_over_http_a_wrong_clock_is_503_with_the_reason(path: Path, clocks: VirtualClocks) -> None:
    async with served(path, clock=clocks.guard()) as node:
        clocks.wall += YEAR_MS
        raw = item(ALICE, node.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        headers = {"Content-Type": "application/octet-stream"}
        reason = await node.refusal(503, "POST", "/", content=raw, headers=headers)
        assert "the system clock jumped" in reason
        assert "SIGHUP" in reason


async def test_effects_of_a_message_keep_its_time_when_the_clock_jumps_between_them(path: Path) -> None:
    times = iter([NOW_MS] * 40)

    def wall() -> int:
        return next(times, NOW_MS + YEAR_MS)

    async with Node.open(path, wallet=NODE, clock=ClockGuard(wall, lambda: 0)) as node:
        with suppress(ClockUnreliable):
            for number in count():  # a registration has effects: for some number the jump is between them
                await register(node, ALICE, f"alice-{number}")
        await node.drain()
    log = read_log(path)
    assert {row.timestamp for row in log.read()} == {NOW_MS}
    log.close()


async def test_a_clock_behind_the_log_is_rejected_unless_accepted(path: Path, clocks: VirtualClocks) -> None:
    async with Node.open(path, wallet=NODE, clock=clocks.guard()) as node:
        await register(node, ALICE, "alice")
    clocks.wall -= HOUR_MS
    async with Node.open(path, wallet=NODE, clock=clocks.guard()):
        pass
    clocks.wall -= 1
    expected = r"shows 2023-11-14 21:13:19 UTC, but the last event of .* is of 2023-11-14 22:13:20 UTC.*--accept-clock"
    with pytest.raises(ClockUnreliable, match=expected):
        async with Node.open(path, wallet=NODE, clock=clocks.guard()):
            pass
    async with Node.open(path, wallet=NODE, clock=clocks.guard(), accept_clock=True) as node:
        await register(node, ALICE, "bob")
        assert node.timestamp == NOW_MS
    async with Node.open(path, wallet=NODE, clock=lambda: 0):  # a clock without a guard is trusted
        pass


async def test_a_clock_that_once_ran_ahead_expires_no_key(path: Path, clocks: VirtualClocks) -> None:
    """The statement of a user is good for a day. A message from next year would expire it, and all later ones."""
    user = RelationUser(Random("clock").randbytes, now=NOW_MS)
    conditions = for_address(user.address)

    async def open_key(services: Services) -> None:
        proof = auth_sig(user, now=NOW_MS)
        body = {"accessControlConditions": conditions, "encryptedSymmetricKey": SEALED, "authSig": proof}
        await services.calls.tell(services.keys.process, "saveEncryptionKey", **body)

    async def run(clock: Callable[[], int], file: Path) -> None:
        async with Node.open(file, wallet=NODE, clock=clock) as node:
            services = await Services.of(process_client(node), wallet(77))
            await open_key(services)
            clocks.wall += YEAR_MS
            with suppress(ClockUnreliable):
                await register(node, ALICE, "alice")
            clocks.wall -= YEAR_MS
            await open_key(services)

    await run(clocks.guard(), path)
    with pytest.raises(Refused, match="expired"):  # this is what happens without the guard
        await run(lambda: clocks.wall, path.with_name("trusting.db"))


def test_serve_rejects_a_clock_behind_the_log_and_sighup_confirms_the_clock(path: Path) -> None:
    async def begin() -> None:
        async with Node.open(path, clock=lambda: system_clock() + 2 * HOUR_MS):
            pass

    asyncio.run(begin())
    refused = subprocess.run([*COMMAND, "serve", str(path), "--port", "0"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--accept-clock" in refused.stderr
    assert "Traceback" not in refused.stderr
    options = ["serve", str(path), "--port", "0", "--accept-clock"]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on ")
        for number in (signal.SIGHUP, signal.SIGTERM):
            process.send_signal(number)
        assert "stopped: " in process.communicate(timeout=30)[0]
        assert process.returncode == 0
