"""Child processes that verify signatures for a busy node: they judge as threads do, and may be gone at any time."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from actors import ItemRefused, Limits, Node
from actors.ans104.external_wallets import ArweaveWallet, EthereumWallet
from actors.ans104.item import DataItem, parse, verify_all
from actors.ans104.signer import Signer
from actors.node.verifier_pool import VerifierPool
from tests.actors.people import ALICE, NODE, item

PROCESS = "A" * 43
CROWD = Limits().verifier_items_min
WITH_CHILDREN = Limits(verifier_items_min=0)
"""The first large batch starts the child processes."""


def forged(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


def crowd(signer: Signer, target: str, *, start: int = 0) -> list[bytes]:
    """Enough items for child processes to be started; every seventh is forged."""
    items = [
        signer.sign(target=target, action="QueryHandle", data='{"handle":"a"}', anchor=number.to_bytes(32, "big"))
        for number in range(start, start + CROWD)
    ]
    return [raw if number % 7 else forged(raw) for number, raw in enumerate(items)]


@contextmanager
def pool(limits: Limits = WITH_CHILDREN) -> Iterator[VerifierPool]:
    with ThreadPoolExecutor() as threads:
        yield VerifierPool(threads, limits)


async def start_children(node: Node) -> tuple[int, ...]:
    """Send crowds until child processes verify; returns their process ids."""
    start = 10**6
    while not node.load().verifier_pids:
        await answers(node, crowd(ALICE, node.registry, start=start))
        start += CROWD
    return node.load().verifier_pids


async def answers(node: Node, items: list[bytes]) -> list[bool]:
    """Which of the items were taken."""
    results = await asyncio.gather(*map(node.send, items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            assert isinstance(result, ItemRefused)
            assert "signature does not match" in str(result)
    return [not isinstance(result, BaseException) for result in results]


async def test_they_come_to_the_verdicts_of_threads_for_every_kind_of_key() -> None:
    signers: list[Signer] = [ALICE, EthereumWallet(bytes([5]) * 32), ArweaveWallet.create()]
    genuine = [signer.sign(target=PROCESS, data="x") for signer in signers]
    items: list[DataItem] = [parse(raw) for one in genuine for raw in (one, forged(one))]
    with pool() as children:
        children.start()
        await children.started()
        assert children.pids
        try:
            assert await children.verify(items) == verify_all(items) == [True, False] * len(signers)
            assert await children.verify(items[:1]) == [True]
        finally:
            await children.close()


async def test_a_node_starts_them_for_a_crowd_and_they_end_with_it(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        before = set(psutil.Process().children())
        assert await answers(node, crowd(ALICE, node.registry)) == [bool(number % 7) for number in range(CROWD)]
        await start_children(node)
        children = set(psutil.Process().children()) - before
        assert children
        assert await answers(node, crowd(ALICE, node.registry, start=CROWD)) == [bool(n % 7) for n in range(CROWD)]
    assert not any(child.is_running() for child in children)


async def test_a_node_whose_children_were_killed_goes_on_without(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        for pid in await start_children(node):
            os.kill(pid, signal.SIGKILL)
        for round_ in range(2):
            taken = await answers(node, crowd(ALICE, node.registry, start=round_ * CROWD))
            assert taken == [bool(number % 7) for number in range(CROWD)]
        assert not node.load().verifier_pids


async def test_a_node_whose_children_are_stuck_goes_on_without(path: Path) -> None:
    async with Node.open(path, wallet=NODE, limits=Limits(verifier_reply_s=0.5)) as node:
        for pid in await start_children(node):
            os.kill(pid, signal.SIGSTOP)
        assert await answers(node, crowd(ALICE, node.registry)) == [bool(number % 7) for number in range(CROWD)]
        assert not node.load().verifier_pids


async def test_a_node_that_closes_while_they_start_leaves_none(path: Path) -> None:
    before = set(psutil.Process().children())
    async with Node.open(path, wallet=NODE, limits=WITH_CHILDREN) as node:
        await answers(node, crowd(ALICE, node.registry))  # which starts them
        await node.send(item(ALICE, node.registry, "Register", {"handle": "alice", "pubkey": "k"}))
    assert set(psutil.Process().children()) <= before


def test_they_end_with_a_process_that_is_killed() -> None:
    command = [sys.executable, "-c", f"import {__name__} as it; it.become_a_victim()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        children = [psutil.Process(int(pid)) for pid in victim.stdout.readline().split()]
        assert children
        victim.kill()
    gone, left = psutil.wait_procs(children, timeout=30)
    assert len(gone) == len(children)
    assert not left


def become_a_victim() -> None:
    """Start some, say which they are, and wait for the end."""

    async def wait() -> None:
        with pool() as children:
            children.start()
            await children.started()
            print(*children.pids, flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(wait())


async def test_few_items_start_none(path: Path) -> None:
    before = set(psutil.Process().children())
    async with Node.open(path, wallet=NODE) as node:
        await asyncio.gather(*(node.send(item(ALICE, node.registry, "QueryHandle")) for _ in range(8)))
        assert not node.load().verifier_pids
    assert set(psutil.Process().children()) <= before
