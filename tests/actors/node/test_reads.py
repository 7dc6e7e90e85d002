import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors import Limits, Node, Overloaded
from actors.node import reads
from actors.node.node import NodeClosed
from actors.node.reads import Read, ReadLane, ReadTimeout
from eventstore import LogFile, ReadPool
from eventstore.sqlite.log import SqliteLog
from tests.actors.people import ALICE, NODE, item, register, still

ENDLESS = "with recursive numbers(n) as (select 1 union all select n + 1 from numbers) select sum(n) from numbers"


def opened(path: Path, **limits: Any) -> Any:
    return Node.open(path, wallet=NODE, clock=still, limits=Limits(**limits))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def test_a_read_ends_at_its_time_limit_and_says_which(path: Path) -> None:
    def rows_without_end(log: LogFile) -> None:
        while True:
            list(log.read())

    async with opened(path, read_s=0.05) as node:
        with pytest.raises(ReadTimeout, match=r"longer than 0\.05 s \(Limits\.read_s\)"):
            await node.read_page(rows_without_end)
        assert await node.read(lambda log: log.head().sequence) == 1


async def test_a_search_without_rows_ends_at_its_time_limit(path: Path) -> None:
    def search(log: SqliteLog) -> Any:
        return log._connection.execute(ENDLESS).fetchone()

    async with opened(path, read_s=0.05) as node:
        with pytest.raises(ReadTimeout):
            await node.read_page(search)  # type: ignore[arg-type]
        with pytest.raises(ReadTimeout):
            await node.read_page(lambda log: log._first(ENDLESS))  # type: ignore[attr-defined]


async def test_a_read_ends_when_nothing_waits_for_it(path: Path) -> None:
    ended = threading.Event()
    read = Read()

    def rows_without_end(log: LogFile) -> None:
        try:
            while True:
                list(log.read())
        finally:
            ended.set()

    async with opened(path, read_s=3600) as node:
        reading = asyncio.create_task(node.read_page(rows_without_end, read))
        await until(lambda: read.rows > 10)
        reading.cancel()
        await asyncio.to_thread(ended.wait)


async def test_a_read_that_failed_does_not_hide_new_messages_from_later_ones(path: Path) -> None:
    def fail(log: LogFile) -> None:
        rows = log.read()
        next(rows)
        raise RuntimeError(rows)  # the error keeps the unfinished read

    async with opened(path) as node:
        alice = await register(node, ALICE, "alice")
        for read in (node.read, node.read_page):
            with pytest.raises(RuntimeError) as error:
                await read(fail)
            result = await node.send(item(ALICE, alice, "GetProfile"))
            assert await node.outcome(result.message_id) is not None
            assert error.value.args


async def test_pages_delay_neither_short_reads_nor_messages(path: Path) -> None:
    done = threading.Event()
    async with opened(path) as node:
        pages = [asyncio.create_task(node.read_page(lambda _: done.wait())) for _ in range(50)]
        alice = await register(node, ALICE, "alice")
        result = await node.send(item(ALICE, alice, "GetProfile"))
        assert await node.send(item(ALICE, alice, "GetProfile")) is not None
        assert await node.outcome(result.message_id) is not None
        assert await node.read(lambda log: log.find(alice)) is not None
        done.set()
        await asyncio.gather(*pages)


async def test_too_many_reads_are_refused_and_the_limit_is_named(path: Path) -> None:
    done = threading.Event()
    async with opened(path, reads_max=3) as node:
        pages = [asyncio.create_task(node.read_page(lambda _: done.wait())) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match=r"3 reads wait \(Limits\.reads_max\)"):
            await node.read_page(lambda log: log.head())
        done.set()
        await asyncio.gather(*pages)
        assert (await node.read_page(lambda log: log.head())).sequence == 1


async def test_a_node_that_stops_its_pages_ends_those_that_run_and_wait(path: Path) -> None:
    def rows_without_end(log: LogFile) -> None:
        while True:
            list(log.read())

    async with opened(path, read_s=3600) as node:
        pages = [asyncio.create_task(node.read_page(rows_without_end)) for _ in range(5)]
        await asyncio.sleep(0)
        node.stop_pages()
        for page in pages:
            with pytest.raises(NodeClosed):
                await page
        with pytest.raises(NodeClosed):
            await node.read_page(lambda log: log.head())
        assert await node.read(lambda log: log.head().sequence) == 1


@pytest.mark.parametrize("is_busy", [True, False])
async def test_a_page_rests_while_messages_wait(path: Path, monkeypatch: pytest.MonkeyPatch, *, is_busy: bool) -> None:
    async with opened(path):
        pass
    rests: list[float] = []
    monkeypatch.setattr(reads.time, "sleep", rests.append)
    pool = ReadPool(lambda: SqliteLog.open_to_read(path))
    lane = ReadLane("test", pool, Limits(), is_busy=lambda: is_busy)

    def work(log: LogFile) -> None:
        while len(rests) < 5:
            list(log.read())

    await lane.run(work)
    lane.close()
    pool.close()
    assert (sum(rests) > 0) == is_busy
