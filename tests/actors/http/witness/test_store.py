"""The file of a witness: what it is, what it is not, and transactions of several processes."""

import sqlite3
import threading
from pathlib import Path

import pytest

from actors import Node
from actors.http.witness.store import StoreUnusable, WitnessStore
from tests.actors.http.witness.served_witness import LOG, Tree
from tests.actors.people import NODE
from tests.sqlite_file import execute

TREE = Tree([str(number) for number in range(9)])


def test_a_name_is_stored_once(path: Path) -> None:
    first = WitnessStore.open(path)
    assert first.name("one") == "one"
    first.close()
    second = WitnessStore.open(path)
    assert second.name("another") == "one"
    second.close()


async def test_other_files_are_refused_and_stay_as_they_are(path: Path, tmp_path: Path) -> None:
    async with Node.open(path, wallet=NODE):
        pass
    text = tmp_path / "text"
    text.write_text("just text, and long enough to be no empty database" * 20)
    for other in (path, text, tmp_path):
        before = other.read_bytes() if other.is_file() else b""
        with pytest.raises(StoreUnusable, match=r"is not the file of a witness|cannot be opened"):
            WitnessStore.open(other)
        assert before == (other.read_bytes() if other.is_file() else b"")


def test_a_damaged_note_is_found_on_opening(path: Path) -> None:
    store = WitnessStore.open(path)
    store.update(LOG.name, lambda _: TREE.note(3))
    store.close()
    execute(path, "update checkpoints set note = 'x'")
    with pytest.raises(StoreUnusable, match="damaged"):
        WitnessStore.open(path)


def test_an_update_that_raises_leaves_the_note(path: Path) -> None:
    store = WitnessStore.open(path)
    store.update(LOG.name, lambda _: TREE.note(3))

    def fail(_: str | None) -> str:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.update(LOG.name, fail)
    assert store.newest(LOG.name) == TREE.note(3)
    store.update(LOG.name, lambda note: TREE.note(4) if note == TREE.note(3) else None)
    assert store.newest(LOG.name) == TREE.note(4)
    store.close()


def test_two_processes_never_both_replace_the_same_note(path: Path) -> None:
    """Two connections, as two processes have them: 20 updates each, and each one sees the one before."""
    WitnessStore.open(path).close()
    execute(path, "insert into checkpoints values (?, ?)", (LOG.name, "0"))

    def count_up(store: WitnessStore) -> None:
        for _ in range(20):
            store.update(LOG.name, lambda note: str(int(note or "0") + 1))

    connections = [sqlite3.connect(path, isolation_level=None, check_same_thread=False) for _ in range(2)]
    threads = [threading.Thread(target=count_up, args=(WitnessStore(path, each),)) for each in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert execute(path, "select note from checkpoints") == [("40",)]
