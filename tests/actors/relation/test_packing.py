"""Messages are packed when due and stored once; all of them can be read back from the newest id alone."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Node, replay
from actors.audit.audit import audit
from actors.relation.archive_reader import read_back
from actors.relation.archives import ArchiveFailed, NotArchived
from actors.relation.folder_archive import FolderArchive
from actors.relation.gateway_archive import GatewayArchive
from actors.relation.packing import BYTES_MAX, INTERVAL_MS, Packer, Waiting, due_at
from actors.relation.services import Services, process_client
from actors.relation.transactions import TransactionInvalid, pack, transaction_id, unpack
from simulations.clients.relation_user import RelationUser
from tests.actors.people import EVE, NODE, NOW_MS
from tests.actors.relation.gateway import gateway, read_item
from tests.actors.relation.served import SECRET

HOUR_MS = 3600 * 1000


class PackingWorld:
    """A node with two accounts, and a clock that the test sets."""

    def __init__(self, node: Node, services: Services, now: Callable[[int], int]) -> None:
        self.node, self.services, self.later = node, services, now
        random = Random("packing")
        self.alice, self.bob = (RelationUser(random.randbytes, now=NOW_MS, lasts=365 * 24 * HOUR_MS) for _ in range(2))
        self.anchors = 0

    def packer(self, place: Any, **options: int) -> Packer:
        return Packer(self.services, place, clock=lambda: self.later(0), **options)

    async def say(self, text: str) -> str:
        message = self.alice.compose(self.bob.address, text, timestamp=self.later(0))
        await self.services.calls.tell(self.services.relation, "sendMessage", **message)
        return str(message["id"])


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[PackingWorld]:
    clock = [NOW_MS]

    def later(ms: int) -> int:
        clock[0] += ms
        return clock[0]

    async with Node.open(path, wallet=NODE, clock=lambda: clock[0]) as node:
        found = PackingWorld(node, await Services.of(process_client(node), SECRET), later)
        for user, name in ((found.alice, "alice.eth"), (found.bob, "bob.eth")):
            body = json.dumps({"owner": user.address, "name": name})
            target = found.services.relation
            await node.send(user.wallet.sign(target=target, action="register", data=body))
        yield found


async def history(place: Any, newest: str) -> list[str]:
    """The ids of all archived messages, oldest first."""
    packs = [transaction async for transaction in read_back(place, newest)]
    return [message.id for transaction in reversed(packs) for message in transaction.messages]


@pytest.mark.parametrize(
    ("first", "size", "due"),
    [
        (None, 0, None),
        (0, 1, INTERVAL_MS),
        (INTERVAL_MS - 1, 1, INTERVAL_MS),
        (INTERVAL_MS, 1, 2 * INTERVAL_MS),  # no message in the first twelve hours: the next interval counts
        (5 * INTERVAL_MS + 1, 1, 6 * INTERVAL_MS),
        (7, BYTES_MAX, INTERVAL_MS),
        (7, BYTES_MAX + 1, 7),
    ],
)
def test_messages_are_due_after_twelve_hours_or_at_once_when_they_are_many(
    first: int | None, size: int, due: int | None
) -> None:
    since = None if first is None else NOW_MS + first
    found = due_at(Waiting(1 if size else 0, size, since), since=NOW_MS)
    assert found == (None if due is None else NOW_MS + due)


@given(st.integers(0, 10**9), st.integers(1, 10**8), st.integers(0, 10**9))
def test_nobody_waits_longer_than_an_interval(since: int, interval: int, after: int) -> None:
    due = due_at(Waiting(1, 1, since + after), since=since, interval_ms=interval)
    assert due is not None
    assert 0 < due - (since + after) <= interval


async def test_packs_are_made_when_due_and_form_a_chain(path: Path, tmp_path: Path) -> None:
    place = FolderArchive(tmp_path / "archive")
    async with world(path) as found:
        packer = found.packer(place)
        assert await packer.step() is None
        ids = [await found.say(f"{number}") for number in range(3)]
        found.later(INTERVAL_MS - 1)
        assert await packer.step() is None
        found.later(1)
        first = await packer.step()
        assert first is not None
        assert first.messages == 3
        found.later(INTERVAL_MS)
        assert await packer.step() is None  # no new messages
        ids.append(await found.say("later"))
        found.later(INTERVAL_MS)
        second = await packer.step()
        assert second is not None
        assert await history(place, second.id) == ids
        assert unpack(await place.get(second.id), second.id).previous == first.id
        assert await packer.pack() is None
        root = found.node.state_root
    assert audit(path).faults == []
    assert replay(path).state_root == root


async def test_too_much_is_packed_at_once_and_no_transaction_holds_more(path: Path, tmp_path: Path) -> None:
    place = FolderArchive(tmp_path / "archive")
    async with world(path) as found:
        packer = found.packer(place, bytes_max=200_000)
        ids = [await found.say(f"{number}") for number in range(600)]  # more than one page
        packed = await packer.step()
        assert packed is not None
        assert packed.messages == 600
        assert await history(place, packed.id) == ids
        sizes = [
            sum(len(msgspec.json.encode(message)) for message in transaction.messages)
            async for transaction in read_back(place, packed.id)
        ]
        assert len(sizes) == packed.transactions == 3
        assert max(sizes) <= 200_000
        await found.say("later")
        await found.say("last")
        packed = await found.packer(place, bytes_max=1).step()  # a message larger than the limit is packed alone
        assert packed is not None
        assert (packed.messages, packed.transactions) == (2, 2)


async def test_what_was_interrupted_is_finished_and_nothing_is_kept_twice(path: Path) -> None:
    async with gateway() as far:
        place = GatewayArchive(far.url)
        async with world(path) as found:
            ids = [await found.say("before")]
            found.later(INTERVAL_MS)
            far.failing = 1
            with pytest.raises(ArchiveFailed, match="responded with 504"):
                await found.packer(place).step()
            ids_later = [await found.say("after")]  # not part of the interrupted pack
        async with world(path) as found:  # after a restart of the node
            packed = await found.packer(place).step()
            assert packed is not None
            assert (packed.messages, far.puts, len(far.items)) == (1, 2, 1)
            assert await history(place, packed.id) == ids
            assert await found.packer(place).step() is None
            found.later(2 * INTERVAL_MS)
            packed = await found.packer(place).step()
            assert packed is not None
            assert await history(place, packed.id) == ids + ids_later
        with pytest.raises(NotArchived):
            await place.get("A" * 43)
    with pytest.raises(ArchiveFailed, match="does not respond"):
        await place.get(packed.id)


async def test_a_folder_keeps_what_it_has(tmp_path: Path) -> None:
    place = FolderArchive(tmp_path)
    raw = NODE.sign(data=b"x")
    await place.put(raw)
    await place.put(raw)
    assert [file.name for file in tmp_path.iterdir()] == [f"{transaction_id(raw)}.ans104"]
    assert await place.get(transaction_id(raw)) == raw
    with pytest.raises(NotArchived, match="there is no transaction"):
        await place.get("A" * 43)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveFailed, match="cannot be written"):
        await FolderArchive(tmp_path / "file").put(raw)


def messages(count: int) -> list[dict[str, Any]]:
    user = RelationUser(Random("messages").randbytes, now=NOW_MS)
    return [user.compose(user.address, f"{number}", timestamp=NOW_MS) for number in range(count)]


def test_a_pack_is_a_bundle_that_others_read() -> None:
    said = messages(3)
    raw = pack(said, previous="p" * 43, first=7, key=NODE)
    node = read_item(raw)
    tags = {tag["name"]: tag["value"] for tag in node["tags"]}
    assert (tags["Bundle-Format"], tags["Bundle-Version"], tags["Previous"], tags["First"]) == (
        "binary",
        "2.0.0",
        "p" * 43,
        "7",
    )
    assert int.from_bytes(node["data"][:32], "little") == 3
    assert pack(said, previous="p" * 43, first=7, key=NODE) == raw


class Folder(FolderArchive):
    """Stores any bytes under any id."""

    def keep(self, raw: bytes, id_: str) -> None:
        (self._folder / f"{id_}.ans104").write_bytes(raw)


async def test_whatever_is_wrong_with_an_archive_is_found(tmp_path: Path) -> None:
    place, said = Folder(tmp_path), messages(6)
    first = pack(said[:2], previous="", first=0, key=NODE)
    second = pack(said[2:4], previous=transaction_id(first), first=2, key=NODE)
    third = pack(said[4:], previous=transaction_id(second), first=4, key=NODE)
    newest = transaction_id(third)
    for raw in (first, second, third):
        await place.put(raw)
    assert await history(place, newest) == [message["id"] for message in said]

    async def fault() -> str:
        with pytest.raises((TransactionInvalid, NotArchived)) as found:
            await history(place, newest)
        await place.put(second)
        return str(found.value)

    id_ = transaction_id(second)
    place.keep(second[:-1], id_)
    assert id_ in await fault()
    for position in range(0, len(second), 97):
        changed = bytearray(second)
        changed[position] ^= 1
        place.keep(bytes(changed), id_)
        assert await fault()
        place.keep(second, id_)
    place.keep(first, id_)
    assert "another transaction under the id" in await fault()
    place.keep(second, id_)
    (tmp_path / f"{id_}.ans104").unlink()
    assert "there is no transaction" in await fault()

    async def forged(part: str, *packs: tuple[list[dict[str, Any]], int, Any], first: str = "") -> None:
        previous = first
        for content, number, key in packs:
            raw = pack(content, previous=previous, first=number, key=key)
            await place.put(raw)
            previous = transaction_id(raw)
        with pytest.raises(TransactionInvalid, match=part):
            await history(place, previous)

    await forged("the next begins after 3", (said[:2], 0, NODE), (said[3:], 3, NODE))
    await forged("2 messages precede it", (said[2:], 2, NODE))
    await forged("twice", (said[:2], 0, NODE), (said[:2], 2, NODE))
    await forged("packed by", (said[:2], 0, EVE), (said[2:], 2, NODE))
    await forged("is not an id", (said[:2], 0, NODE), (said[2:], 2, NODE), first="../../etc")
    await forged("the id of this message", ([{**said[0], "payload": "x"}], 0, NODE))
    await forged("not signed by the session key", ([{**said[0], "sig": said[1]["sig"]}], 0, NODE))
