"""A node that no longer writes the file that its log's name leads to stops, and acknowledges nothing more."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from actors import Limits, Node, replay
from actors.ans104.wallet import key_path
from eventstore import LogFailed, LogInUse, LogUnusable, open_log, read_log
from eventstore.sqlite import file_identity
from eventstore.sqlite.file_names import beside
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.writer_lock import lock_path
from tests.actors.http.serve_command import COMMAND
from tests.actors.people import ALICE, NODE, item, register, still
from tests.eventstore.logs import append, assignments
from tests.sqlite_file import execute

CHILD_AT_ONCE = Limits(delegate_rows_min=1, delegate_batch_rows_min=1)
THREAD = Limits()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "world.db"


def move(path: Path) -> Path:
    return path.rename(path.with_name("moved.db"))


def replace(path: Path) -> Path:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    moved = path.rename(path.with_name("moved.db"))
    copy.rename(path)
    return moved


def move_folder(path: Path) -> Path:
    return path.parent.rename(path.parent.with_name("moved")) / path.name


def replace_folder(path: Path) -> Path:
    copy = path.parent.with_name("copy")
    shutil.copytree(path.parent, copy)
    moved = move_folder(path)
    copy.rename(path.parent)
    return moved


MOVES: dict[str, Callable[[Path], Path]] = {
    "the file is moved": move,
    "the file is replaced by a copy": replace,
    "its folder is moved": move_folder,
    "its folder is replaced by a copy": replace_folder,
}


async def acknowledged(node: Node, count: int) -> list[str]:
    sends = [item(ALICE, node.registry, "QueryHandle", {"handle": "x"}) for _ in range(count)]
    return [(await node.send(raw)).message_id for raw in sends]


async def child_writes(node: Node) -> None:
    await acknowledged(node, 1)
    await node._log_writer.started()
    assert node.load().writer_pid is not None


def ids_in(path: Path) -> set[str]:
    log = read_log(path)
    try:
        return {row.message.id for row in log.read()}
    finally:
        log.close()


@pytest.mark.parametrize("writer", ["a thread", "a child process"])
@pytest.mark.parametrize("move", MOVES)
async def test_a_node_whose_log_is_moved_acknowledges_nothing_more_and_lost_nothing(
    path: Path, move: str, writer: str
) -> None:
    limits = CHILD_AT_ONCE if writer == "a child process" else THREAD
    ids: list[str] = []

    async def run() -> Path:
        async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
            if limits is CHILD_AT_ONCE:
                await child_writes(node)
            ids.extend(await acknowledged(node, 5))
            moved = MOVES[move](path)
            for _ in range(2):
                with pytest.raises(LogFailed, match=r"was moved, replaced or removed while a node was writing it"):
                    await acknowledged(node, 1)
            assert isinstance(await node.failed(), LogFailed)
        return moved

    try:
        moved = await run()
    except LogFailed:  # the parent of a child process finds it, too, when it closes
        assert limits is CHILD_AT_ONCE
        moved = next(path.parent.parent.glob("**/moved*/world.db"), path.with_name("moved.db"))
    copied = moved.parent.parent / "alone.db"
    shutil.copy(moved, copied)  # without its -wal: the file alone has everything
    assert set(ids) <= ids_in(copied)


def overwrite(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.rename(path)


@pytest.mark.parametrize("writer", ["a thread", "a child process"])
@pytest.mark.parametrize("lose", [Path.unlink, overwrite])
async def test_the_last_copy_of_a_log_that_is_removed_or_replaced_is_rescued(
    path: Path, lose: Callable[[Path], None], writer: str
) -> None:
    ids: list[str] = []

    async def run() -> None:
        limits = CHILD_AT_ONCE if writer == "a child process" else THREAD
        async with Node.open(path, clock=still, limits=limits) as node:
            if limits is CHILD_AT_ONCE:
                await child_writes(node)
            ids.extend(await acknowledged(node, 5))
            lose(path)
            with pytest.raises(LogFailed, match=r"has no name any more: .*world.db.rescued-"):
                await acknowledged(node, 1)

    if writer == "a child process":
        with pytest.raises(LogFailed, match=r"was copied to .*world.db.rescued-1. Move that to .*world.db, and start"):
            await run()
    else:
        await run()
    assert [file.name for file in path.parent.glob("*rescued*")] == ["world.db.rescued-1"]
    beside(path, ".rescued-1").rename(path)
    async with Node.open(path, clock=still) as node:
        await acknowledged(node, 1)
    assert set(ids) <= ids_in(path)


async def test_an_idle_node_whose_log_is_removed_rescues_it_when_it_closes(path: Path) -> None:
    async def run() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            await acknowledged(node, 1)
            path.chmod(0o600)
            path.unlink()

    for number in (1, 2):
        with pytest.raises(LogFailed, match=f"was copied to .*world.db.rescued-{number}"):
            await run()
        assert beside(path, f".rescued-{number}").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("suffix", ["-wal", "-shm", ".lock"])
@pytest.mark.parametrize("does", ["removed", "replaced"])
async def test_a_node_whose_files_beside_the_log_are_gone_stops_and_the_log_has_everything(
    path: Path, suffix: str, does: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_identity, "BESIDE_CHECK_S", 0)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        ids = await acknowledged(node, 5)
        file = beside(path, suffix)
        file.rename(beside(path, ".away"))
        if does == "replaced":
            shutil.copy(beside(path, ".away"), file)
        with pytest.raises(LogFailed, match=f"world.db{suffix} was {does} while a node was writing"):
            await acknowledged(node, 1)
    alone = path.parent.with_name("alone.db")
    shutil.copy(path, alone)
    assert set(ids) <= ids_in(alone)
    async with Node.open(path, clock=still) as node:
        assert set(ids) <= ids_in(path)
        await acknowledged(node, 1)


async def test_a_removed_lock_file_alone_causes_no_warning_about_missing_events(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            await acknowledged(node, 3)
            lock_path(path).unlink()

    with pytest.raises(LogFailed, match=r"world.db.lock was removed"):
        await run()
    async with Node.open(path, wallet=NODE, clock=still) as node:
        await acknowledged(node, 1)
    assert "its newest events are missing" not in caplog.text


async def test_an_idle_node_whose_log_was_moved_says_so_when_it_closes(path: Path) -> None:
    ids: list[str] = []

    async def run() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            ids.extend(await acknowledged(node, 3))
            move(path)

    with pytest.raises(LogFailed, match="was moved, replaced or removed"):
        await run()
    assert set(ids) <= ids_in(path.with_name("moved.db"))


def test_a_delegate_refuses_a_file_that_its_node_does_not_have_open(path: Path) -> None:
    log = SqliteLog.open(path)
    append(log, assignments(10), expected=0)
    moved = replace(path)
    with pytest.raises(LogUnusable, match="not the file that the holder of its lock has open"):
        SqliteLog.open_as_delegate(path)
    path.unlink()
    moved.rename(path)
    log.close()


async def test_a_log_with_several_names_is_rejected_with_instructions(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still):
        pass
    other = path.with_name("other.db")
    other.hardlink_to(path)
    for name in (path, other):
        with pytest.raises(LogUnusable, match=r"has 2 names \(hard links\).*-samefile.*cp "):
            async with Node.open(name, clock=still):
                pass
    other.unlink()
    async with Node.open(path, clock=still):
        pass


async def test_a_link_that_is_added_while_a_node_runs_only_warns_and_opens_no_second_node(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        other = path.with_name("backup.db")
        other.hardlink_to(path)
        await acknowledged(node, 5)
        assert [record.getMessage().count("got a second name") for record in caplog.records] == [1]
        with pytest.raises(LogUnusable, match="has 2 names"):
            open_log(other)
        other.unlink()
        root = node.state_root
    assert replay(path).state_root == root


async def test_a_symbolic_link_leads_to_the_same_lock(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        with pytest.raises(LogInUse):
            open_log(link)
        await acknowledged(node, 1)
    async with Node.open(link, clock=still) as node:
        with pytest.raises(LogInUse):
            open_log(path)
        await acknowledged(node, 1)
    assert not lock_path(link).exists()


async def killed(path: Path) -> None:
    """A log as a killed node leaves it: its last events are in ``LOG-wal`` only."""
    source = path.with_name("source.db")
    async with Node.open(source, wallet=NODE, clock=still) as node:
        await register(node, ALICE, "alice")
        await node.drain()
        for suffix in ("", "-wal"):
            shutil.copy(beside(source, suffix), beside(path, suffix))
    for suffix in ("", ".lock"):
        beside(source, suffix).unlink()


def without_log(path: Path) -> None:
    path.unlink()


def empty_log(path: Path) -> None:
    path.write_bytes(b"")


def closed_log(path: Path) -> None:
    wal = beside(path, "-wal")
    kept = wal.read_bytes()
    execute(path, "pragma journal_mode = delete")
    wal.write_bytes(kept)


def journal_only(path: Path) -> None:
    path.unlink()
    beside(path, "-wal").rename(beside(path, "-journal"))


ORPHANS: dict[str, Callable[[Path], None]] = {
    "the log is missing": without_log,
    "the log is empty": empty_log,
    "the log was closed": closed_log,
    "a journal without a log": journal_only,
}


@pytest.mark.parametrize("orphan", ORPHANS)
async def test_an_orphan_is_rejected_with_instructions_and_nothing_is_changed(path: Path, orphan: str) -> None:
    await killed(path)
    ORPHANS[orphan](path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    for _ in range(2):
        with pytest.raises(LogUnusable, match=r"is left over: .* Put the file .* back .* or move .* away"):
            async with Node.open(path, wallet=NODE, clock=still):
                pass
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


async def test_reading_an_empty_log_deletes_no_write_ahead_log(path: Path) -> None:
    await killed(path)
    empty_log(path)
    before = beside(path, "-wal").read_bytes()
    with pytest.raises(LogUnusable, match="is left over"):
        read_log(path)
    assert beside(path, "-wal").read_bytes() == before


async def test_what_a_kill_leaves_behind_is_no_orphan(path: Path) -> None:
    await killed(path)
    async with Node.open(path, clock=still) as node:
        assert node.sequence > 2
    path.unlink()  # a kill while the first page was written: an empty log and its journal
    lock_path(path).unlink()
    path.touch()
    beside(path, "-journal").write_bytes(bytes(512))
    async with Node.open(path, wallet=NODE, clock=still):
        pass


async def test_a_log_that_was_moved_without_its_write_ahead_log_is_opened_with_a_warning(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await killed(path)
    moved = path.rename(path.with_name("moved.db"))
    for warnings in (1, 0):  # the first node closes it, so the second one has nothing to say
        caplog.clear()
        async with Node.open(moved, wallet=NODE, clock=still):
            pass
        assert sum("its newest events are missing" in record.getMessage() for record in caplog.records) == warnings


async def test_a_key_without_its_log_is_rejected(path: Path) -> None:
    async with Node.open(path, clock=still):
        pass
    key = key_path(path).read_bytes()
    for lose in (without_log, empty_log):
        lose(path)
        with pytest.raises(LogUnusable, match=r"world.db.key is left over: its log .* is missing or has no events"):
            async with Node.open(path, clock=still):
                pass
    assert key_path(path).read_bytes() == key
    key_path(path).unlink()
    path.unlink()
    async with Node.open(path, clock=still):
        pass
    assert key_path(path).read_bytes() != key


def test_mostao_serve_stops_with_an_error_when_its_log_is_replaced(path: Path) -> None:
    command = [*COMMAND, "serve", str(path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        registry = httpx.get(f"{url}/info").json()
        replace(path)
        target = registry.get("registry") or registry["Registry"]
        raw = item(ALICE, target, "QueryHandle", {"handle": "x"})
        response = httpx.post(url, content=raw, headers={"Content-Type": "application/octet-stream"})
        assert response.status_code == 503
        assert "was moved, replaced or removed" in response.json()["error"]
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "was moved, replaced or removed" in errors.splitlines()[-1]
    assert "Traceback" not in errors
