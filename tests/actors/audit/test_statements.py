"""A forger who holds the log and ``LOG.key`` evaluates a changed history again. What the audit says about it."""

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from shutil import copyfile

import pytest
from click.testing import CliRunner, Result

from actors import Node
from actors.ans104.wallet import Wallet
from actors.audit.audit import audit
from actors.audit.replay import replay
from actors.evidence.checkpoints import WITNESS_KEY, VerifierKey, checkpoint_of, key_of, sign, verified
from actors.evidence.cosignatures import cosign
from eventstore import read_log
from eventstore.sqlite.log import SqliteLog
from simulations import User
from simulations.cli.main import main
from tests.actors.audit.forger import Rows, forget_checkpoints, place, read, relinked, write
from tests.actors.people import BOB, EVE, NODE

WITNESS = VerifierKey("witness.example", BOB.public_key, WITNESS_KEY)
STRANGER = VerifierKey("stranger.example", EVE.public_key, WITNESS_KEY)


def without_a_message(rows: Rows) -> Rows:
    """A message of a user left out."""
    del rows[place(rows, "GetProfile", 1)]
    return rows


def in_another_order(rows: Rows) -> Rows:
    """Two messages of users in the other order."""
    first, second = place(rows, "GetProfile"), place(rows, "GetProfile", 1)
    rows[first], rows[second] = rows[second], rows[first]
    return rows


def at_another_time(rows: Rows) -> Rows:
    """Every event an hour later."""
    for row in rows:
        row.timestamp += 3_600_000
    return rows


def cut_short(rows: Rows) -> Rows:
    """The newest events cut off."""
    return rows[: place(rows, "GetProfile", 1)]


FORGERIES = (without_a_message, in_another_order, at_another_time, cut_short)


async def two_people(path: Path) -> None:
    async with Node.open(path) as node:
        for name in ("ada", "ben"):
            user = User.create(name)
            await user.register(node)
            await node.send(user.item(user.pid, "GetProfile", {}))
            await node.send(user.item(user.pid, "GetProfile", {"again": True}))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("honest") / "people.db"
    asyncio.run(two_people(path))
    return path


@pytest.fixture
def log(honest: Path, path: Path) -> Path:
    for name in ("", ".key"):
        copyfile(f"{honest}{name}", f"{path}{name}")
    return path


def checkpoint_now(path: Path) -> str:
    with closing(read_log(path)) as opened:
        return sign(checkpoint_of(opened, key_of(opened)), Wallet.load(f"{path}.key"))


def cosigned_now(path: Path) -> str:
    with closing(read_log(path)) as opened:
        return checkpoint_now(path) + cosign(checkpoint_of(opened, key_of(opened)), WITNESS, BOB, timestamp=7)


def evaluate_again(path: Path, forge: Callable[[Rows], Rows]) -> None:
    """Forge the history, recompute the chains, the tree and the index, and sign a checkpoint with ``LOG.key``."""
    write(path, relinked(forge(read(path))))
    forget_checkpoints(path)
    note = checkpoint_now(path)
    with closing(SqliteLog.open(path)) as opened:
        opened.store_checkpoint(opened.head().sequence, note)


def mostao(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def last_line(run: Result) -> str:
    return run.output.rstrip().split("\n")[-1]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__doc__)
def test_a_reevaluated_history_passes_only_with_the_line_that_nothing_vouches_for_it(
    forge: Callable[[Rows], Rows], log: Path
) -> None:
    before = replay(log).log_head
    evaluate_again(log, forge)
    assert replay(log).log_head != before
    run = mostao("audit", log)
    assert run.exit_code == 0, run.output
    assert last_line(run).startswith("No external statement vouches for this log: ")
    assert json.loads(mostao("audit", log, "--json").output)["statement"] is None


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__doc__)
def test_a_reevaluated_history_is_a_fault_with_a_kept_checkpoint(
    forge: Callable[[Rows], Rows], log: Path, tmp_path: Path
) -> None:
    for name, note in (("plain", checkpoint_now(log)), ("cosigned", cosigned_now(log))):
        (tmp_path / name).write_text(note)
    evaluate_again(log, forge)
    for name in ("plain", "cosigned"):
        run = mostao("audit", log, "--checkpoint", tmp_path / name)
        assert run.exit_code == 1, run.output
        assert "the log is not the one of a checkpoint" in run.output
        assert "vouches" not in run.output


def test_the_last_line_names_the_kept_checkpoint_its_signer_and_its_witness(log: Path, tmp_path: Path) -> None:
    events = len(read(log))
    with closing(read_log(log)) as opened:
        key = key_of(opened)
        kept = checkpoint_of(opened, key, size=5)
    file = tmp_path / "kept.txt"
    wallet = Wallet.load(f"{log}.key")
    file.write_text(sign(kept, wallet) + cosign(kept, WITNESS, BOB, timestamp=1_700_000_000))
    line = last_line(mostao("audit", log, "--checkpoint", file))
    rest = f"vouches for events 1..5; events 6..{events} have no external statement."
    assert line == f"The checkpoint of 5 events given by --checkpoint {file}, signed by {key}, {rest}"
    line = last_line(mostao("audit", log, "--checkpoint", file, "--witness-key", WITNESS))
    assert f"signed by {key}, cosigned by witness witness.example at 2023-11-14T22:13:20.000Z, {rest}" in line
    statement = json.loads(mostao("audit", log, "--checkpoint", file, "--witness-key", WITNESS, "--json").output)
    assert statement["statement"] == {
        "events": 5,
        "source": f"given by --checkpoint {file}",
        "signed_by": str(key),
        "cosigned_by": [{"witness": "witness.example", "time": "2023-11-14T22:13:20.000Z"}],
        "events_without_statement": events - 5,
    }


def test_a_checkpoint_of_no_events_vouches_for_no_event(log: Path, tmp_path: Path) -> None:
    with closing(read_log(log)) as opened:
        empty = checkpoint_of(opened, key_of(opened), size=0)
    file = tmp_path / "kept.txt"
    file.write_text(sign(empty, Wallet.load(f"{log}.key")))
    line = last_line(mostao("audit", log, "--checkpoint", file))
    assert line.endswith(f"vouches for no event; events 1..{len(read(log))} have no external statement.")


def test_a_checkpoint_in_the_log_is_a_statement_from_outside_only_if_a_known_witness_cosigned_it(log: Path) -> None:
    assert audit(log).checkpoints == 1
    assert audit(log).statement is None
    note = cosigned_now(log)
    with closing(SqliteLog.open(log)) as opened:
        opened.store_checkpoint(opened.head().sequence, note)
    assert audit(log).statement is None
    assert audit(log, witness_keys=[STRANGER]).statement is None
    statement = audit(log, witness_keys=[STRANGER, WITNESS]).statement
    assert statement is not None
    assert [each.key for each in statement.cosignatures] == [WITNESS]
    line = last_line(mostao("audit", log, "--witness-key", WITNESS))
    assert "stored in the log" in line
    assert line.endswith(f"vouches for events 1..{len(read(log))}.")


def test_the_longest_matching_statement_counts(log: Path) -> None:
    with closing(read_log(log)) as opened:
        key = key_of(opened)
        notes = [sign(checkpoint_of(opened, key, size=size), Wallet.load(f"{log}.key")) for size in (9, 3, 7)]
    statement = audit(log, checkpoints=notes).statement
    assert statement is not None
    assert statement.checkpoint.size == 9


def test_a_forged_cosignature_of_a_known_witness_is_a_fault(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "kept.txt"
    with closing(read_log(log)) as opened:
        file.write_text(checkpoint_now(log) + cosign(checkpoint_of(opened, key_of(opened)), WITNESS, EVE, timestamp=7))
    run = mostao("audit", log, "--checkpoint", file, "--witness-key", WITNESS)
    assert (run.exit_code, "the cosignature of witness.example does not match" in run.output) == (1, True)
    assert mostao("audit", log, "--checkpoint", file).exit_code == 0


def test_a_checkpoint_of_another_log_or_by_another_key_is_a_fault(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "kept.txt"
    with closing(read_log(log)) as opened:
        checkpoint = checkpoint_of(opened, key_of(opened))
    for note, sentence in (
        (sign(checkpoint, EVE), "not signed by"),
        (sign(checkpoint._replace(origin="mostao/another"), NODE), "the checkpoint is of mostao/another"),
    ):
        file.write_text(note)
        run = mostao("audit", log, "--checkpoint", file)
        assert (run.exit_code, sentence in run.output) == (1, True), run.output


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", b"\xff\xfe\x00", b"a\n1\nAAAA\n\n\xe2\x80\x94 a AAAA\n", b"x" * 200_000],
)
@pytest.mark.parametrize("command", ["audit --checkpoint", "prove 3 --checkpoint", "prove --since"])
def test_a_file_that_is_no_checkpoint_is_misuse(command: str, content: bytes, log: Path, tmp_path: Path) -> None:
    file = tmp_path / "kept.txt"
    file.write_bytes(content)
    name, *rest = command.split()
    run = mostao(name, log, *rest, file)
    assert (run.exit_code, "is not a checkpoint" in run.output) == (2, True), run.output
    assert isinstance(run.exception, SystemExit)


def test_a_statement_vouches_for_a_longer_log_up_to_its_size(log: Path) -> None:
    note = checkpoint_now(log)

    async def go_on() -> None:
        async with Node.open(log) as node:
            await User.create("eve").register(node)

    asyncio.run(go_on())
    report = audit(log, checkpoints=[note])
    assert report.statement is not None
    assert report.statement.checkpoint.size < report.events
    with closing(read_log(log)) as opened:
        assert report.statement.checkpoint == verified(note, key_of(opened))
