"""``mostao witness``, ``mostao serve --witness`` and ``mostao audit --witness`` as people run them."""

import json
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from click.testing import CliRunner, Result

from actors import Wallet
from actors.ans104.wallet import key_path
from actors.evidence.checkpoints import WITNESS_KEY, VerifierKey, checkpoint_of, sign, verified
from actors.http.witness.store import WitnessStore
from actors.http.witness.wire_format import AddCheckpoint
from eventstore import read_log
from eventstore.merkle.rfc9162 import consistency_path
from simulations.cli.main import main
from tests.actors.audit.forger import forget_checkpoints, place, read, relinked, write
from tests.actors.http.serve_command import COMMAND, STOP_S, mostao_serve
from tests.actors.people import EVE
from tests.sqlite_file import execute

TOWN = "simulate --users 4 --messages 10 --log"


def mostao(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


class Killed(Exception):
    """Ends the block of ``running_witness`` with a kill."""


class RunningWitness(NamedTuple):
    url: str
    key: VerifierKey
    logs: list[str]


@contextmanager
def running_witness(path: Path, *options: object) -> Iterator[RunningWitness]:
    """Run ``mostao witness`` until the block ends, and check that it stops cleanly."""
    command = [*COMMAND, "witness", str(path), "--port", "0", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            first, second = process.stdout.readline(), process.stdout.readline()
            url = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", first)
            assert url, first + process.communicate()[1]
            key = VerifierKey.parse(second.removeprefix("  verifier key"), kind=WITNESS_KEY)
            line = process.stdout.readline()
            assert line.startswith("  log ")
            yield RunningWitness(url[1], key, [line.split()[1]])
        except BaseException:
            process.kill()
            raise
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=STOP_S)
        assert (process.returncode, errors, "stopped" in out) == (0, "", True), errors


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "town.db"
    assert mostao(*TOWN.split(), path).exit_code == 0
    return path


@pytest.fixture
def log(town: Path, path: Path) -> Path:
    for name in ("", ".key"):
        path.with_name(path.name + name).write_bytes(town.with_name(town.name + name).read_bytes())
    return path


def last_line(run: Result) -> str:
    return run.output.rstrip().split("\n")[-1]


def test_a_served_log_is_witnessed_and_every_forgery_of_it_contradicts_the_witness(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "witness.db"
    with running_witness(state, "--log-of", log, "--name", "witness.example") as witness:
        assert stat.S_IMODE((tmp_path / "witness.db.key").stat().st_mode) == 0o600
        with mostao_serve(log, "--witness", witness.url):
            pass
        events = len(read(log))
        run = mostao("audit", log, "--witness", witness.url)
        assert run.exit_code == 0, run.output
        assert f"The checkpoint of {events} events held by the witness at {witness.url}, signed by " in last_line(run)
        assert "cosigned by witness witness.example at 20" in last_line(run)
        assert last_line(run).endswith(f"vouches for events 1..{events}.")
        stored = mostao("audit", log, "--witness-key", witness.key)
        assert "stored in the log" in last_line(stored)

        rows = read(log)
        del rows[place(rows, "RelayMessage", 2) :]
        for forge in ("cut", "replaced"):
            if forge == "replaced":
                other = tmp_path / "other.db"
                assert mostao(*TOWN.split(), other, "--seed", 9).exit_code == 0
                run = mostao("audit", other, "--witness", witness.url)
                assert (run.exit_code, "holds no checkpoint of" in run.output) == (2, True), run.output
            else:
                write(log, relinked(rows))
                forget_checkpoints(log)
                assert "No external statement" in last_line(mostao("audit", log))
                run = mostao("audit", log, "--witness", witness.url)
                assert (run.exit_code, "replaced by an older copy" in run.output) == (1, True), run.output


def test_the_log_of_a_proxy_is_witnessed_too(log: Path, tmp_path: Path) -> None:
    with running_witness(tmp_path / "witness.db", "--log-of", log) as witness:
        command = [*COMMAND, "proxy", str(log), "--proxy", "first:0", "--witness", witness.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("listening on ")
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=STOP_S)
            assert (process.returncode, errors) == (0, "")
        run = mostao("audit", log, "--witness", witness.url)
        assert last_line(run).endswith(f"vouches for events 1..{len(read(log))}."), run.output


def test_a_killed_witness_knows_everything_that_it_cosigned(log: Path, tmp_path: Path) -> None:
    """Kill the witness right after each response, three times, while its log grows."""
    state, keys = tmp_path / "witness.db", mostao("checkpoint", log, "--verifier-key").output.strip()
    key = VerifierKey.parse(keys)
    reader, wallet = read_log(log), Wallet.load(f"{log}.key")
    old_size = 0
    for size in (5, 17, 60):
        note = sign(checkpoint_of(reader, key, size=size), wallet)
        request = AddCheckpoint(old_size, consistency_path(old_size, size, reader.tree().subtree), note)
        with suppress(Killed), running_witness(state, "--log", keys) as witness:
            assert httpx.post(f"{witness.url}/add-checkpoint", content=request.encode()).status_code == 200
            raise Killed
        old_size = size
    with running_witness(state, "--log", keys) as witness:
        conflict = httpx.post(f"{witness.url}/add-checkpoint", content=request._replace(old_size=0, proof=[]).encode())
        assert (conflict.status_code, conflict.text) == (409, "60\n")
    reader.close()


def test_a_proof_is_verified_with_the_key_of_a_witness(log: Path, tmp_path: Path) -> None:
    key = mostao("checkpoint", log, "--verifier-key").output.strip()
    with running_witness(tmp_path / "witness.db", "--log", key) as witness, mostao_serve(log, "--witness", witness.url):
        pass
    reader = read_log(log)
    note, proof = tmp_path / "note", tmp_path / "proof"
    note.write_text(reader.checkpoints()[-1])
    reader.close()
    proof.write_text(mostao("prove", log, 7, "--checkpoint", note).output)
    run = mostao("verify", proof, "--key", key, "--witness-key", witness.key)
    assert run.exit_code == 0, run.output
    assert last_line(run).startswith(f"  cosigned  {witness.key.name}, 20")
    proof.write_text(mostao("prove", log, 7).output)
    run = mostao("verify", proof, "--key", key, "--witness-key", witness.key)
    assert (run.exit_code, "NOT PROVEN: the checkpoint is not cosigned by" in run.output) == (1, True), run.output


def test_verify_without_a_key_or_a_kept_checkpoint_says_what_is_missing(log: Path, tmp_path: Path) -> None:
    note, proof, grown = (tmp_path / name for name in ("note", "proof", "grown"))
    note.write_text(mostao("checkpoint", log).output)
    proof.write_text(mostao("prove", log, 7, "--checkpoint", note).output)
    grown.write_text(mostao("prove", log, "--since", note).output)
    for file in (proof, grown):
        run = mostao("verify", file)
        assert run.exit_code == 2
        assert "PROVEN" not in run.output
        for option in ("--key", "--checkpoint", "mostao checkpoint LOG --verifier-key"):
            assert option in run.output
        assert "PROVEN" in mostao("verify", file, "--checkpoint", note).output


def test_verify_does_not_accept_an_attackers_proof_of_the_same_log(log: Path, tmp_path: Path) -> None:
    """The attacker re-signs the log's root with a key of their own, and puts that key into the proof."""
    note, proof = tmp_path / "note", tmp_path / "proof"
    note.write_text(mostao("checkpoint", log).output)
    key = mostao("checkpoint", log, "--verifier-key").output.strip()
    parsed = VerifierKey.parse(key)
    content = json.loads(mostao("prove", log, 7, "--checkpoint", note).output)
    content["checkpoint"] = sign(verified(note.read_text(), parsed), EVE)
    content["key"] = str(VerifierKey(parsed.name, EVE.public_key))
    proof.write_text(json.dumps(content))
    for option, code in (((), 2), (("--key", key), 1), (("--checkpoint", note), 1)):
        run = mostao("verify", proof, *option)
        assert run.exit_code == code, run.output
        assert "PROVEN: the message" not in run.output


def test_a_witness_keeps_its_name_and_key(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "witness.db"
    with running_witness(state, "--log-of", log) as first:
        pass
    keys = tmp_path / "logs.txt"
    keys.write_text(f"# logs\n\n{mostao('checkpoint', log, '--verifier-key').output}")
    with running_witness(state, "--logs", keys) as second:
        assert second.key == first.key
        assert second.logs == first.logs
    renamed = mostao("witness", state, "--log-of", log, "--name", "another")
    assert (renamed.exit_code, "a new name needs a new FILE" in renamed.output) == (2, True)
    for name in ("witness.db", "witness.db.key"):
        (tmp_path / name).rename(tmp_path / "elsewhere")
        lost = mostao("witness", state, "--log-of", log)
        assert (lost.exit_code, f"{name} is missing: restore it" in lost.output) == (2, True)
        (tmp_path / "elsewhere").rename(tmp_path / name)


def test_a_first_start_of_a_witness_that_was_interrupted_is_repeated(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "witness.db"
    WitnessStore.open(state).close()  # the interruption: there is a file, and no key yet
    with running_witness(state, "--log-of", log):
        pass
    WitnessStore.open(named := tmp_path / "named.db").close()
    Wallet.create().save(key_path(named))  # there is a key, and no name yet
    with running_witness(named, "--log-of", log):
        pass


def test_misuse_is_answered_with_a_sentence_and_exit_code_2(log: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no key\n")
    state = tmp_path / "witness.db"
    key = "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv"
    for arguments, sentence in (
        (("witness", state), "name the logs to witness"),
        (("witness", state, "--log", "x"), "a verifier key has to be written"),
        (("witness", state, "--log", key), "this is the verifier key of a witness; pass the one of a log"),
        (("witness", state, "--logs", text), "a verifier key has to be written"),
        (("witness", state, "--log-of", "missing.db"), "there is no log at"),
        (("witness", state, "--log-of", log, "--name", "a b"), "neither spaces nor +"),
        (("witness", tmp_path / "no" / "witness.db", "--log-of", log), "cannot be opened"),
        (("serve", log, "--witness", "nowhere"), "is not an http or https URL"),
        (("serve", log, "--witness-key", "x"), "a verifier key has to be written"),
        *((("serve", log, "--checkpoint-every", number), "--checkpoint-every") for number in ("0", "nan", "inf", "x")),
        (("witness", state, "--logs", log), "is not UTF-8 text: name a file of verifier keys"),
        (
            ("audit", log, "--witness", "http://127.0.0.1:1"),
            "does not respond (Connection refused (os error 111)): is it running?",
        ),
        (("audit", log, "--witness", "file:///etc"), "is not an http or https URL"),
        (("verify", text, "--key", key), "pass the one of a log"),
    ):
        run = mostao(*arguments)
        assert (run.exit_code, sentence in run.output) == (2, True), f"{arguments}: {run.output}"
        assert isinstance(run.exception, SystemExit)
    assert not state.exists()


def test_serve_needs_the_key_of_its_log_for_a_witness(log: Path) -> None:
    log.with_name(log.name + ".key").unlink()
    run = mostao("serve", log, "--port", "0", "--witness", "http://127.0.0.1:1")
    assert (run.exit_code, "needs the key of its node" in run.output) == (2, True), run.output


def test_the_newest_cosigned_checkpoint_survives_a_forger_only_outside_of_the_file(log: Path, tmp_path: Path) -> None:
    """A forger deletes the stored notes: the audit says that nothing vouches, and the witness still knows."""
    with running_witness(tmp_path / "witness.db", "--log-of", log) as witness:
        with mostao_serve(log, "--witness", witness.url):
            pass
        execute(log, "delete from checkpoints")
        assert "No external statement" in last_line(mostao("audit", log, "--witness-key", witness.key))
        run = mostao("audit", log, "--witness", witness.url, "--json")
        assert json.loads(run.output)["statement"]["source"] == f"held by the witness at {witness.url}"
