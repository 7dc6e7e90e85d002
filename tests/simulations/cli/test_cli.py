"""The command line: what it prints, and its errors for bad input."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import sqlite_utils
from click.testing import CliRunner, Result

from actors import Wallet
from actors.audit.audit import audit
from eventstore import EventStoreError, open_log, read_log
from simulations.cli.main import main
from tests.eventstore.logs import write_in_format
from tests.sqlite_file import execute


def mostao(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


MOSTAO = Path(sys.executable).parent / "mostao"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The log of a small town, and the JSON that the run printed."""
    path = tmp_path_factory.mktemp("town") / "town.db"
    run = mostao("simulate", "--users", 6, "--messages", 30, "--seed", 7, "--log", path, "--json")
    assert run.exit_code == 0, run.output
    return path, json.loads(run.output)


def test_simulate_prints_one_object_with_the_figures(town: tuple[Path, dict[str, Any]]) -> None:
    path, figures = town
    assert figures.keys() >= {
        *("users", "handles", "sessions", "generations", "messages_sent", "messages_read", "hostile_attempts"),
        *("hostile_refused", "events", "elapsed_s", "events_per_s", "log", "log_head", "state_root"),
    }
    assert figures["log"] == str(path)
    assert (figures["users"], figures["messages_sent"], figures["messages_read"]) == (6, 30, 30)
    assert len(bytes.fromhex(figures["log_head"])) == len(bytes.fromhex(figures["state_root"])) == 32


def test_the_same_seed_makes_the_same_file_byte_for_byte(town: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    again, other = tmp_path / "again.db", tmp_path / "other.db"
    for path, seed in ((again, 7), (other, 8)):
        assert mostao("simulate", "--users", 6, "--messages", 30, "--seed", seed, "--log", path).exit_code == 0
    assert again.read_bytes() == town[0].read_bytes()
    assert other.read_bytes() != town[0].read_bytes()


def test_simulate_without_a_path_takes_the_first_free_one_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("town.db", "town-2.db"):
        run = mostao("simulate", "--users", 3, "--messages", 5)
        assert run.exit_code == 0, run.output
        assert f"mostao replay {name}" in run.output
        assert "5 sent, 5 decrypted by their receivers as written" in run.output
        assert (tmp_path / name).exists()


def test_replay_prints_the_same_head_and_root_as_the_run(town: tuple[Path, dict[str, Any]]) -> None:
    path, figures = town
    replayed = json.loads(mostao("replay", path, "--json").output)
    assert {name: replayed[name] for name in ("events", "log_head", "state_root")} == {
        name: figures[name] for name in ("events", "log_head", "state_root")
    }
    text = mostao("replay", path).output
    assert figures["state_root"] in text
    assert figures["log_head"] in text


def test_replay_stops_at_a_sequence(town: tuple[Path, dict[str, Any]]) -> None:
    path, figures = town
    heads = {json.loads(mostao("replay", path, "--at", at, "--json").output)["log_head"] for at in (1, 2, 20)}
    assert len(heads) == 3
    at_the_end = json.loads(mostao("replay", path, "--at", figures["events"], "--json").output)
    assert at_the_end["state_root"] == figures["state_root"]
    assert json.loads(mostao("replay", path, "--at", 0, "--json").output)["events"] == 0


def test_replay_stops_at_a_time(town: tuple[Path, dict[str, Any]]) -> None:
    path, figures = town
    assert json.loads(mostao("replay", path, "--at", "1969-12-31", "--json").output)["events"] == 0
    half = json.loads(mostao("replay", path, "--at", "2026-01-01T00:15:00", "--json").output)["events"]
    assert 0 < half < figures["events"]
    assert mostao("log", path, "--from", half + 1).output.split()[1] > "2026-01-01T00:15:00"
    assert json.loads(mostao("replay", path, "--at", "2025-12-31", "--json").output)["events"] == 0
    assert json.loads(mostao("replay", path, "--at", "2027-01-01", "--json").output)["events"] == figures["events"]


def test_diff_shows_what_changed_in_a_process(town: tuple[Path, dict[str, Any]]) -> None:
    path, figures = town
    rows = [json.loads(line) for line in mostao("log", path, "--json", "--process", "@ada").output.splitlines()]
    profile = next(row for row in rows if row["action"] == "ProfileUpdate")
    run = mostao("diff", path, profile["sequence"] - 1, profile["sequence"], "--process", "@ada")
    assert run.exit_code == 0
    assert '+    "bio": "neighbour 0",' in run.output
    assert "-    " not in run.output
    assert mostao("diff", path, 0, figures["events"], "--process", "@ada").output.startswith("--- @ada at A (0 events)")
    same = mostao("diff", path, 20, 20, "--process", rows[0]["process"]).output
    assert same == f"{rows[0]['process']} is the same at A (20 events) and B (20 events)\n"
    back = mostao("diff", path, profile["sequence"], profile["sequence"] - 1, "--process", "@ada").output
    assert '-    "bio": "neighbour 0",' in back
    assert "+    " not in back


def test_replay_prints_a_processs_state(town: tuple[Path, dict[str, Any]]) -> None:
    path, _ = town
    state = json.loads(mostao("replay", path, "--process", "@ADA").output)
    assert state["name"] == "ada"
    reader = read_log(path)
    registry = next(reader.read()).process
    reader.close()
    assert len(json.loads(mostao("replay", path, "--process", registry).output)["handles"]["names"]) == 6


def test_log_lists_and_filters(town: tuple[Path, dict[str, Any]]) -> None:
    path, figures = town
    assert len(mostao("log", path).output.splitlines()) == figures["events"]
    rows = [json.loads(line) for line in mostao("log", path, "--json", "--process", "@ada").output.splitlines()]
    assert {row["process"] for row in rows} == {rows[0]["process"]}
    assert [row["slot"] for row in rows] == list(range(len(rows)))
    sent = mostao("log", path, "--action", "SendMessage", "--sender", "@ben").output
    assert sent
    assert all("@ben → session:" in line for line in sent.splitlines())
    assert len(mostao("log", path, "--from", 5, "--to", 9).output.splitlines()) == 5
    late = mostao("log", path, "--from", "2026-01-01T00:15:00", "--to", "2026-01-01T00:20:00Z").output.splitlines()
    assert late
    assert all("T00:1" in line or "T00:20:00.000" in line for line in late)
    assert all("refused: " in line for line in mostao("log", path, "--refused").output.splitlines())
    assert mostao("log", path, "--action", "Nothing").output == ""


def test_audit_finds_no_fault_in_a_town_and_says_what_it_checked(town: tuple[Path, dict[str, Any]]) -> None:
    path, figures = town
    run = mostao("audit", path)
    assert (run.exit_code, run.output.splitlines()[-2]) == (0, "No fault was found.")
    report = json.loads(mostao("audit", path, "--json").output)
    assert {name: report[name] for name in ("events", "log_head", "state_root", "faults", "unsent")} == {
        "events": figures["events"],
        "log_head": figures["log_head"],
        "state_root": figures["state_root"],
        "faults": [],
        "unsent": 0,
    }
    assert report["signatures"] + report["inside"] == figures["events"]


def test_an_id_may_begin_with_a_hyphen(town: tuple[Path, dict[str, Any]]) -> None:
    for command in ("trace", "prove"):
        result = CliRunner().invoke(main, [command, str(town[0]), "-" + "A" * 42])
        assert (result.exit_code, "-AAAA" in result.stderr, "option" in result.stderr) == (2, True, False)


def test_trace_shows_what_a_message_caused(town: tuple[Path, dict[str, Any]]) -> None:
    path, _ = town
    reader = read_log(path)
    sent = next(event for event in reader.read() if event.message.action == "SendMessage" and event.message.parent)
    relay = next(reader.read(after=sent.message.parent - 1))
    reader.close()
    for name in (relay.message.id, relay.sequence):
        lines = mostao("trace", path, name).output
        places = [lines.index(action) for action in ("RelayMessage", "SendMessage", "Notify")]
        assert places == sorted(places)
        assert relay.message.id in lines


MISUSE = [
    (("simulate", "--users", "1"), "'--users'"),
    (("simulate", "--users", "many"), "'--users'"),
    (("simulate", "--messages", "-1"), "'--messages'"),
    (("simulate", "--seed", "x"), "'--seed'"),
    (("simulate", "--log", "{town}"), "already contains a log"),
    (("simulate", "--log", "/nowhere/town.db"), "/nowhere is not a folder"),
    (("simulate", "--log", "{folder}"), "is a folder"),
    (("simulate", "--log", "{text}"), "not a mostao log"),
    (("dance",), "No such command"),
    (("replay",), "Missing argument"),
    (("replay", "missing.db"), "there is no log at"),
    (("replay", "{folder}"), "is a folder"),
    (("replay", "{text}"), "not a mostao log"),
    (("replay", "{cats}"), "not a mostao log"),
    (("replay", "{newer}"), "use a newer mostao"),
    (("replay", "{empty}"), "is empty"),
    (("replay", "{town}", "--at", "1000000"), "the log ends at sequence"),
    (("replay", "{town}", "--at", "-1"), "'--at'"),
    (("replay", "{town}", "--process", "@nobody"), "no handle '@nobody'"),
    (("replay", "{town}", "--process", "nobody"), "a handle is written @name"),
    (("audit", "missing.db"), "there is no log at"),
    (("audit", "{text}"), "not a mostao log"),
    (("diff", "{town}", "1", "2"), "Missing option '--process'"),
    (("diff", "{town}", "1", "soon", "--process", "@ada"), "neither a sequence nor a time"),
    (("diff", "{town}", "1", "99999", "--process", "@ada"), "the log ends at sequence"),
    (("diff", "{town}", "1", "2", "--process", "@nobody"), "no handle '@nobody'"),
    (("log", "missing.db"), "there is no log at"),
    (("log", "{town}", "--process", "@nobody"), "no handle '@nobody'"),
    (("log", "{town}", "--from", "yesterday"), "neither a sequence nor a time"),
    (("trace", "{town}", "A" * 43), "has no message"),
    (("trace", "{town}", "99999999"), "has no message"),
    (("trace", "{town}", "99999999999999999999999"), "has no message"),
    (("replay", "{town}", "--process", "@"), "no handle '@'"),
    (("log", "{town}", "--process", "nobody"), "a handle is written @name"),
    (("log", "{town}", "--sender", "@nobody"), "'--sender'"),
    (("export", "{town}", "-o", "{town}"), "would be overwritten"),
    (("export", "{town}", "-o", "{cats}"), "is a database and would be overwritten"),
    (("simulate", "--log", ""), "is a folder"),
    (("simulate", "--seeds", "1..2", "--seed", "3"), "--seeds and --seed exclude each other"),
    (("simulate", "--seeds", "1..99999999999999999999999"), "must contain 1 to"),
    (("load", "--log", "/nowhere/load.db"), "/nowhere is not a folder"),
    (("trace", "missing.db", "1"), "there is no log at"),
    (("audit", "{town}", "--checkpoint", "missing"), "No such file"),
    (("checkpoint", "missing.db"), "there is no log at"),
    (("checkpoint", "{town}", "--key", "missing.key"), "(No such file or directory): name it with --key"),
    (("checkpoint", "{town}", "--key", "{text}"), "is not an Ed25519 key file"),
    (("checkpoint", "{town}", "--key", "{other_key}"), "is not the key of the node that began"),
    (("prove", "{town}"), "name a MESSAGE-ID, or a checkpoint with --since"),
    (("prove", "{town}", "99999999"), "has no message"),
    (("prove", "{town}", "--since", "{text}"), "a checkpoint has a line with the log's name"),
    (("verify", "missing"), "No such file"),
    (("verify", "{text}"), "this is no proof"),
    (("verify", "{text}", "--key", "x"), "a verifier key has to be written name+id+key"),
]


@pytest.fixture(scope="module")
def files(town: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files that are not what a command wants."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "text").write_text("just text, and long enough to be no empty database" * 20)
    (folder / "empty").touch()
    sqlite_utils.Database(folder / "cats.db")["cats"].insert({"name": "Tom"})
    open_log(folder / "newer.db").close()
    sqlite_utils.Database(folder / "newer.db").execute("pragma user_version = 99")
    Wallet(bytes(32)).save(folder / "other.key")
    names = {
        "text": "text",
        "empty": "empty",
        "cats": "cats.db",
        "newer": "newer.db",
        "folder": "",
        "other_key": "other.key",
    }
    return {"town": str(town[0])} | {name: str(folder / file) for name, file in names.items()}


@pytest.mark.parametrize(
    ("arguments", "sentence"), MISUSE, ids=lambda value: " ".join(value) if type(value) is tuple else ""
)
def test_misuse_is_answered_with_a_sentence_and_exit_code_2_and_changes_nothing(
    files: dict[str, str], arguments: tuple[str, ...], sentence: str
) -> None:
    before = {name: Path(file).read_bytes() for name, file in files.items() if Path(file).is_file()}
    run = mostao(*(argument.format(**files) for argument in arguments))
    assert run.exit_code == 2, run.output
    assert sentence in run.output
    assert "Traceback" not in run.output
    assert isinstance(run.exception, SystemExit)
    assert before == {name: Path(file).read_bytes() for name, file in files.items() if Path(file).is_file()}


def test_a_log_that_was_changed_is_a_finding_with_exit_code_1(
    town: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    changed = tmp_path / "changed.db"
    changed.write_bytes(town[0].read_bytes())
    database = sqlite_utils.Database(changed)
    database.execute("update assignments set sender = 'mallory' where sequence = 9")
    database.conn.commit()
    report = json.loads(mostao("audit", changed, "--all", "--json").output)
    assert {fault["sequence"] for fault in report["faults"]} >= {9}
    for command in (
        ("audit", changed),
        ("replay", changed),
        ("replay", changed, "--json"),
        ("log", changed, "--process", "@ada"),
    ):
        run = mostao(*command)
        assert (run.exit_code, "sequence 9" in run.output) == (1, True), run.output
        assert "Traceback" not in run.output


def test_a_checkpoint_and_proofs_go_from_hand_to_hand(town: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path, figures = town
    note, proof, since = (tmp_path / name for name in ("note", "proof", "since"))
    note.write_text(mostao("checkpoint", path).output)
    assert f"\n{figures['events']}\n" in note.read_text()
    key = mostao("checkpoint", path, "--verifier-key").output.strip()
    proof.write_text(mostao("prove", path, 9).output)
    since.write_text(mostao("prove", path, "--since", note).output)
    for file, says in ((proof, "is event 9 of the log"), (since, "nothing in it was changed")):
        run = mostao("verify", file, "--key", key)
        assert (run.exit_code, "PROVEN" in run.output, says in run.output) == (0, True, True), run.output
    assert "2 checkpoints, signed" in mostao("audit", path, "--checkpoint", note).output
    proof.write_text(proof.read_text().replace('"path":["', '"path":["AAAA'))
    run = mostao("verify", proof, "--key", key)
    assert (run.exit_code, "NOT PROVEN" in run.output) == (1, True)


def test_a_log_of_an_older_version_is_upgraded_and_then_audited(
    town: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path, figures = town
    older = tmp_path / "older.db"
    write_in_format(2, older, path)
    run = mostao("audit", older)
    assert (run.exit_code, f"mostao upgrade {older}" in run.output) == (2, True), run.output
    run = mostao("upgrade", older)
    assert (run.exit_code, "from format 2" in run.output, figures["log_head"] in run.output) == (0, True, True)
    assert "already" in mostao("upgrade", older).output
    run = mostao("audit", older)
    assert (run.exit_code, figures["log_head"] in mostao("audit", older, "--json").output) == (0, True), run.output


def test_a_kept_checkpoint_finds_an_older_copy(town: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path, _ = town
    note, older = tmp_path / "note", tmp_path / "older.db"
    note.write_text(mostao("checkpoint", path).output)
    older.write_bytes(path.read_bytes())
    execute(older, "delete from assignments where sequence > 100")
    execute(older, "delete from checkpoints")
    assert mostao("audit", older).exit_code == 0
    for command in (("audit", older, "--checkpoint", note), ("prove", older, "--since", note, "--checkpoint", note)):
        run = mostao(*command)
        assert (run.exit_code, "replaced by an older copy" in run.output) == (1, True), run.output


def test_an_audit_without_signatures_says_so(town: tuple[Path, dict[str, Any]]) -> None:
    path, _ = town
    run = mostao("audit", path, "--no-signatures")
    assert (run.exit_code, "signatures not checked" in run.output) == (0, True)


def test_a_simulation_that_cannot_have_its_log_says_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    log = open_log(path)
    run = mostao("simulate", "--log", path)
    log.close()
    assert run.exit_code == 2
    assert f"is being written by process {os.getpid()}" in run.output


def test_a_folder_that_cannot_be_written_is_named() -> None:
    run = mostao("simulate", "--log", "/proc/town.db")
    assert run.exit_code == 2
    assert "/proc cannot be written" in run.output


def test_the_installed_command_runs_and_its_reader_may_go_away(town: tuple[Path, dict[str, Any]]) -> None:
    command = Path(sys.executable).with_name("mostao")
    listing = subprocess.Popen([command, "log", town[0]], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.readline()
    listing.stdout.close()
    assert b"Traceback" not in listing.stderr.read()
    listing.wait()
    assert b"mostao, version" in subprocess.run([command, "--version"], capture_output=True, check=True).stdout


def test_export_and_import_carry_a_log_and_a_process_over(town: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path, figures = town
    out = mostao("export", path, "-o", tmp_path / "whole.ans104", "--json")
    assert out.exit_code == 0, out.output
    assert json.loads(out.output)["state_root"] == figures["state_root"]
    back = mostao("import", tmp_path / "whole.ans104", tmp_path / "back.db")
    assert back.exit_code == 0, back.output
    assert "the whole log" in back.output
    replayed = json.loads(mostao("replay", tmp_path / "back.db", "--json").output)
    assert (replayed["log_head"], replayed["state_root"]) == (figures["log_head"], figures["state_root"])
    assert mostao("audit", tmp_path / "back.db").exit_code == 0

    reader = read_log(path)
    handle = next(row.message.data for row in reader.read() if row.message.action == "Register")
    reader.close()
    name = "@" + json.loads(handle)["handle"]
    out = mostao("export", path, "--process", name, "-o", tmp_path / "one.ans104", "--json")
    root = json.loads(out.output)["state_root"]
    back = mostao("import", tmp_path / "one.ans104", tmp_path / "one.db")
    assert (back.exit_code, "an excerpt" in back.output, root in back.output) == (0, True, True)
    assert json.loads(mostao("replay", tmp_path / "one.db", "--json").output)["state_root"] == root
    assert mostao("log", tmp_path / "one.db").exit_code == 0
    for command in ("audit", "checkpoint"):
        refused = mostao(command, tmp_path / "one.db")
        assert (refused.exit_code, "is an excerpt of another log" in refused.output) == (2, True)


def test_export_and_import_say_what_was_wrong(town: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path, _ = town
    bundle = tmp_path / "whole.ans104"
    assert mostao("export", path, "-o", bundle).exit_code == 0
    cut, forged = tmp_path / "cut.ans104", tmp_path / "forged.ans104"
    cut.write_bytes(bundle.read_bytes()[:-10])
    forged.write_bytes(bundle.read_bytes()[:-1] + b"!")
    for arguments, code, said in (
        (("export", path, "--process", "@nobody"), 2, "the log has no process '@nobody'"),
        (("export", path, "-o", tmp_path / "no" / "where"), 2, "is not a folder"),
        (("export", path, "--key", tmp_path / "no.key"), 2, "name it with --key"),
        (("export", tmp_path / "no.db"), 2, "there is no log"),
        (("import", path, tmp_path / "x.db"), 2, "is not a bundle"),
        (("import", tmp_path / "no", tmp_path / "x.db"), 2, "cannot be read"),
        (("import", bundle, path), 2, "is there already"),
        (("import", cut, tmp_path / "x.db"), 2, "is truncated"),
        (("import", forged, tmp_path / "x.db"), 1, "signature does not match"),
    ):
        result = mostao(*arguments)
        assert (result.exit_code, said in result.output) == (code, True), result.output
        assert not (tmp_path / "x.db").exists()


def test_a_process_that_has_not_started_yet_is_named(town: tuple[Path, dict[str, Any]]) -> None:
    path, _ = town
    log = read_log(path)
    [registration] = log.read(after=1, until=2)
    log.close()
    handle = msgspec.json.decode(registration.message.data)["handle"]
    for command in (["replay", str(path), "--at", "2"], ["diff", str(path), "1", "2"]):
        run = CliRunner().invoke(main, [*command, "--process", f"@{handle}"])
        assert run.exit_code == 2
        assert f"the process of @{handle} has not started at sequence 2" in " ".join(run.output.split())


def test_an_id_that_is_no_text_is_refused(town: tuple[Path, dict[str, Any]]) -> None:
    path, _ = town
    for command in ("trace", "prove"):
        ran = subprocess.run([MOSTAO, command, path, b"\xff"], capture_output=True, check=False)
        assert (ran.returncode, b"the log has no message" in ran.stderr) == (2, True), ran.stderr


def test_a_reader_that_has_seen_enough_is_no_error(town: tuple[Path, dict[str, Any]]) -> None:
    path, _ = town
    command = f"{MOSTAO} log {path} | head -n 1; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr, ran.stdout.count(b"\n")) == (0, b"", 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_output_to_a_full_disk_is_refused(town: tuple[Path, dict[str, Any]]) -> None:
    path, _ = town
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run([MOSTAO, "audit", path], stdout=full, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 2
    assert b"the output cannot be written (No space left on device)" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_a_log_with_damaged_pages_is_named(town: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path, _ = town
    whole = path.read_bytes()
    for page in range(2, len(whole) // 4096, max(1, len(whole) // 4096 // 12)):
        damaged = tmp_path / f"{page}.db"
        damaged.write_bytes(whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :])
        ran = CliRunner().invoke(main, ["audit", str(damaged)])
        assert ran.exit_code in (0, 1, 2)
        assert ran.exception is None or isinstance(ran.exception, SystemExit), (page, ran.exception)


def test_ctrl_c_in_the_middle_of_a_day_leaves_a_page_of_what_there_is_and_a_sound_log(path: Path) -> None:
    page = path.with_name("world.html")
    options = ["--users", "8", "--messages", "200000", "--log", str(path), "--report", str(page)]
    child = subprocess.Popen(
        [sys.executable, "-c", "from simulations.cli.main import main; main()", "simulate", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while events(path) < 100:
        assert child.poll() is None
    os.kill(child.pid, signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, "Traceback" in said) == (130, False), said
    assert "interrupted" in page.read_text()
    report = audit(path)
    assert report.faults == []
    assert report.events >= 100


def events(path: Path) -> int:
    try:
        log = read_log(path)
    except EventStoreError:
        return 0
    try:
        return log.head().sequence
    finally:
        log.close()


def test_help_imports_no_command() -> None:
    script = """
import sys
from simulations.cli.main import main
main(["--help"], standalone_mode=False)
roots = {name.partition(".")[0] for name in sys.modules}
sys.exit(str(roots & {"asyncio", "eventstore", "msgspec", "nacl", "pykka", "rich", "structlog", "uvloop"} or ""))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.stderr.strip() == ""
    assert re.findall(r"^  (\w+)  ", run.stdout, re.MULTILINE) == main.list_commands(click.Context(main))


@pytest.mark.parametrize("name", sorted(main.list_commands(click.Context(main))))
def test_help_lists_the_first_sentence_of_each_docstring(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.callback is not None
    assert f"  {name:<11} {command.get_short_help_str(limit=200)}\n" in mostao("--help").output


def test_the_summaries_of_all_commands_fit_their_lines() -> None:
    for command in ((), ("archive",), ("load",)):
        listed = mostao(*command, "--help").output.partition("\nCommands:\n")[2]
        assert listed
        assert "..." not in listed


@pytest.mark.parametrize("name", sorted(main.list_commands(click.Context(main))))
def test_every_help_fits_80_columns(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    names = [(name, sub) for sub in command.commands] if isinstance(command, click.Group) else []
    for arguments in [(name,), *names]:
        text = CliRunner(env={"COLUMNS": "80"}).invoke(main, [*arguments, "--help"]).output
        assert [line for line in text.splitlines() if len(line) > 80] == []
