"""Export and import of histories."""

import sqlite3
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Node, Wallet, replay
from actors.ans104.bundle import Bundle, BundleUnusable, write_bundle
from actors.ans104.item import parse
from actors.ao.export import Exported, export, process_of
from actors.ao.import_ import ImportFault, import_bundle
from actors.ao.manifest import Manifest, manifest_item, manifest_of
from actors.audit.audit import audit
from eventstore import LogExists, LogUnusable, read_log
from tests.actors.people import ALICE, BOB, EVE, NODE, item, relay, still, talking


async def create_log(path: Path) -> tuple[str, str, str]:
    """Create a log with events of every kind; returns two handles and their session."""
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, b, session = await talking(node)
        for number in range(5):
            await node.send(relay(ALICE, a, session, "SendMessage", {"content": f"m{number} ünï"}))
            await node.send(relay(BOB, b, session, "SendMessage", {"content": f"n{number}"}))
        await node.send(item(EVE, a, "ProfileUpdate", {"name": "Mallory"}))  # refused
        await node.send(item(EVE, session, "QueryMessage", {"limit": 3}))
        await node.send(item(BOB, node.registry, "QueryHandle", b"\xff\x00 no text"))
        tags = {"Action": "SendMessage", **{f"tag{number}": "x" * 3000 for number in range(3)}}
        body = {"Target": session, "Data": '{"content": "many tags"}', "Tags": tags}
        await node.send(item(ALICE, a, "RelayMessage", body))
        await node.drain()
    return a, b, session


def export_to(path: Path, bundle: Path, *processes: str) -> Exported:
    log = read_log(path)
    try:
        with bundle.open("wb") as file:
            return export(log, NODE, file, processes=processes)
    finally:
        log.close()


def rows(path: Path) -> list[object]:
    return sqlite3.connect(path).execute("select * from assignments order by sequence").fetchall()


async def test_a_whole_log_comes_back_as_it_was(path: Path, tmp_path: Path) -> None:
    await create_log(path)
    bundle, again = tmp_path / "bundle", tmp_path / "again.db"
    out = export_to(path, bundle)
    imported = import_bundle(bundle, again)
    assert rows(again) == rows(path)
    assert imported.whole
    assert imported.node == NODE.address
    assert imported.state_root == out.state_root == replay(path).state_root == replay(again).state_root
    assert audit(again).faults == []
    async with Node.open(again, wallet=NODE, clock=still) as node:  # the new log can be continued
        await node.send(item(ALICE, node.registry, "Register", {"handle": "second", "pubkey": "k"}))


async def test_a_processs_history_comes_back_as_an_excerpt(path: Path, tmp_path: Path) -> None:
    for process in await create_log(path):
        bundle, again = tmp_path / "bundle", tmp_path / f"{process}.db"
        out = export_to(path, bundle, process)
        imported = import_bundle(bundle, again)
        assert (imported.whole, imported.processes, imported.events) == (False, [process], out.events)
        replayed = replay(again)
        assert replayed.state_root == imported.state_root == out.state_root
        assert replayed.state(process) == replay(path).state(process)
        with pytest.raises(LogUnusable, match="excerpt of another log"):
            audit(again)
        with pytest.raises(LogUnusable, match="excerpt of another log"):
            async with Node.open(again):
                pass


async def test_several_processes_go_into_one_bundle(path: Path, tmp_path: Path) -> None:
    a, b, _ = await create_log(path)
    bundle, again = tmp_path / "bundle", tmp_path / "again.db"
    export_to(path, bundle, a, b, a)
    assert import_bundle(bundle, again).processes == sorted([a, b])
    whole = replay(path)
    assert [replay(again).state(one) for one in (a, b)] == [whole.state(one) for one in (a, b)]


async def test_a_process_is_named_by_id_or_handle(path: Path) -> None:
    a, _, session = await create_log(path)
    log = read_log(path)
    assert process_of(log, "@alice") == process_of(log, "@ALICE") == a
    assert process_of(log, session) == session
    assert process_of(log, "@nobody") is process_of(log, "nobody") is None
    log.close()


def resigned(raw: bytes, key: Wallet, **changes: object) -> bytes:
    """Sign an item again, with another key or with other content."""
    found = parse(raw)
    parts = {"target": found.target, "tags": found.tags, "data": found.data, "anchor": found.anchor, **changes}
    return key.sign(**parts)  # type: ignore[arg-type]


def retagged(raw: bytes, name: str, value: str) -> bytes:
    tags = [(key, value if key == name else old) for key, old in parse(raw).tags]
    return resigned(raw, NODE, tags=tags)


FORGERIES: dict[str, tuple[Callable[[list[bytes]], object], str]] = {
    "a message that its sender did not sign": (
        lambda items: items.__setitem__(4, items[4][:-1] + b"!"),
        "signature does not match",
    ),
    "an assignment changed after it was signed": (
        lambda items: items.__setitem__(3, items[3][:-3] + b"\0\0\0"),
        "signature does not match|truncated|tag",
    ),
    "an assignment of another node": (
        lambda items: items.__setitem__(3, resigned(items[3], EVE)),
        "is not signed by the node",
    ),
    "another node's history under a manifest of one's own": (
        lambda items: items.__setitem__(0, resigned(items[0], EVE)),
        "is not signed by the node",
    ),
    "a message left out": (lambda items: items.__delitem__(slice(9, 11)), "nonce|hash chain|missing"),
    "the newest message left out": (lambda items: items.__delitem__(slice(-2, None)), "its node signed"),
    "an assignment without its message": (lambda items: items.pop(), "has no message"),
    "two messages swapped": (
        lambda items: items.__setitem__(slice(3, 7), items[5:7] + items[3:5]),
        "nonce|hash chain|stands before|not the next",
    ),
    "two messages swapped under their assignments": (
        lambda items: items.__setitem__(slice(3, 7), [items[3], items[6], items[5], items[4]]),
        "is of another message",
    ),
    "another time, signed by the node": (
        lambda items: items.__setitem__(-2, retagged(items[-2], "Timestamp", "1")),
        "cannot stand|stands before",
    ),
    "another height, signed by the node": (
        lambda items: items.__setitem__(-2, retagged(items[-2], "Block-Height", "7")),
        "cannot stand|stands before",
    ),
    "another nonce, signed by the node": (
        lambda items: items.__setitem__(-2, retagged(items[-2], "Nonce", "99")),
        "nonce 99 follows",
    ),
    "a number that is none": (
        lambda items: items.__setitem__(-2, retagged(items[-2], "Nonce", "x")),
        "invalid literal",
    ),
    "a state root that it does not come to": (
        lambda items: items.__setitem__(
            0,
            manifest_item(Manifest(len(items) // 2, manifest_of(parse(items[0])).whole, "00" * 32), NODE),  # type: ignore[union-attr]
        ),
        "its node signed",
    ),
}


@pytest.mark.parametrize("whole", [True, False], ids=["log", "excerpt"])
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_history_is_refused_and_leaves_nothing(
    path: Path, tmp_path: Path, forgery: str, whole: bool
) -> None:
    a, _, _ = await create_log(path)
    bundle, again = tmp_path / "bundle", tmp_path / "again.db"
    export_to(path, bundle, *([] if whole else [a]))
    items = list(Bundle.of_file(bundle).items())
    forge, reason = FORGERIES[forgery]
    forge(items)
    with bundle.open("wb") as file:
        write_bundle(file, items)
    with pytest.raises(ImportFault, match=reason):
        import_bundle(bundle, again)
    assert not again.exists()


async def test_a_message_that_no_evaluation_sent_is_refused_though_the_node_signed_it(
    path: Path, tmp_path: Path
) -> None:
    await create_log(path)
    bundle = tmp_path / "bundle"
    export_to(path, bundle)
    items = list(Bundle.of_file(bundle).items())
    place = next(number for number, raw in enumerate(items) if dict(parse(raw).tags).get("Action") == "Notify")
    items[place] = resigned(items[place], NODE, data=b'{"lastMessageTime": 1}')
    with bundle.open("wb") as file:
        write_bundle(file, items)
    with pytest.raises(ImportFault, match="is not the next one that an evaluation sent"):
        import_bundle(bundle, tmp_path / "again.db")


def test_a_bundle_holds_items_of_any_length_in_order(tmp_path: Path) -> None:
    items = [NODE.sign(data=bytes(size), anchor=bytes([size % 251]) * 32) for size in (0, 1, 1000, 100_000)]
    file = BytesIO()
    assert write_bundle(file, items) == 4
    path = tmp_path / "bundle"
    path.write_bytes(file.getvalue())
    assert list(Bundle.of_file(path).items()) == items


@given(st.data())
def test_a_file_that_is_cut_or_changed_is_no_bundle(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    items = [NODE.sign(data=b"x" * size) for size in (1, 20)]
    file = BytesIO()
    write_bundle(file, items)
    raw = bytearray(file.getvalue())
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    else:
        raw[data.draw(st.integers(0, 32 + 2 * 64 - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    with pytest.raises(BundleUnusable):
        list(Bundle.of_file(path).items())


def test_what_is_no_history_is_said_to_be_none(tmp_path: Path) -> None:
    bundle, log = tmp_path / "bundle", tmp_path / "log.db"
    with bundle.open("wb") as file:
        write_bundle(file, [NODE.sign(data=b"x")])
    with pytest.raises(BundleUnusable, match="no manifest"):
        import_bundle(bundle, log)
    with bundle.open("wb") as file:
        write_bundle(file, [])
    with pytest.raises(BundleUnusable, match="no manifest"):
        import_bundle(bundle, log)
    with pytest.raises(BundleUnusable, match="cannot be read"):
        import_bundle(tmp_path / "nothing", log)


async def test_a_log_that_holds_something_is_left_alone(path: Path, tmp_path: Path) -> None:
    await create_log(path)
    bundle = tmp_path / "bundle"
    export_to(path, bundle)
    before = path.read_bytes()
    with pytest.raises(LogExists):
        import_bundle(bundle, path)
    assert path.read_bytes() == before
