"""Short load tests with a real node, generator and audit, each in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.audit.audit import audit
from eventstore import read_log
from simulations.cli.main import main
from simulations.load.metrics import metrics_of
from simulations.load.plan import Plan
from simulations.load.run import Run
from simulations.load.time_series import Second, Summary
from simulations.load.verify import verify
from simulations.report.histogram import Histogram

SMALL = ["--sessions", "3", "--duration", "500ms", "--warmup", "200ms"]
NEEDED = {"sends", "sends_per_s", "events_per_s", "p50_ms", "p99_ms", "errors", "acknowledged", "in_log", "log_bytes"}


def load(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["load", *SMALL, "--log", str(path), *options])


def figures(result: Result) -> Any:
    assert result.exit_code in (0, 1), result.output
    return msgspec.json.decode(result.stdout)


@pytest.mark.parametrize(
    "options", [("--in-flight", "8"), ("--rate", "100", "--generators", "2"), ("--stages", "300ms:50,300ms:150")]
)
def test_what_is_counted_is_in_the_log_and_the_log_is_sound(path: Path, options: tuple[str, ...]) -> None:
    found = figures(load(path, *options, "--json"))
    assert found.keys() >= NEEDED | {"rss_mb"}
    assert found["sends"] > 0
    assert found["acknowledged"] == found["in_log"] >= found["sends"]
    assert (found["errors"], found["faults"], found["twice"]) == ({}, [], 0)
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["max_ms"]
    log = read_log(path)
    relays = sum(row.message.action == "RelayMessage" and not row.error for row in log.read())
    log.close()
    assert relays == found["acknowledged"] + 3  # each session's first key was relayed, too
    assert not audit(path).faults


def test_a_threshold_decides_the_exit_code_and_the_page_says_so(path: Path, tmp_path: Path) -> None:
    page = tmp_path / "load.html"
    result = load(path, "--threshold", "p99<60s", "--threshold", "max<0ms", "--report", str(page))
    assert result.exit_code == 1
    assert "NOT KEPT    max<0ms" in result.stdout
    assert "kept        p99<60s" in result.stdout
    html = page.read_text()
    assert "NOT KEPT" in html
    assert "<svg" in html
    for outside in ("<script", "<link", "<img", "src=", 'href="http', "url(http"):
        assert outside not in html


def test_the_highest_rate_is_one_that_was_tried_and_kept(path: Path) -> None:
    found = figures(load(path, "--find-max", "--threshold", "p99<10s", "--in-flight", "4", "--json"))
    kept = [trial["rate"] for trial in found["trials"] if trial["kept"]]
    assert found["trials"]
    assert found["max_rate"] == max(kept, default=0.0)
    assert found["in_log"] == found["acknowledged"]


def test_ctrl_c_ends_with_what_there_is_and_a_sound_log(path: Path) -> None:
    code = "from simulations.cli.main import main; main()"
    command = [sys.executable, "-c", code, "load", *SMALL, "--duration", "60s", "--log", str(path), "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not path.exists() or _events(path) < 30:
        assert child.poll() is None
    os.kill(child.pid, signal.SIGINT)
    out, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    if out:  # the interrupt came during the load, not before
        found = msgspec.json.decode(out)
        assert found["interrupted"]
        assert found["acknowledged"] == found["in_log"]
    assert not audit(path).faults


def _events(path: Path) -> int:
    try:
        log = read_log(path)
    except Exception:
        return 0
    try:
        return log.head().sequence
    finally:
        log.close()


def test_a_send_that_the_log_does_not_hold_is_no_result(path: Path, tmp_path: Path) -> None:
    assert load(path, "--in-flight", "2").exit_code == 0
    log = read_log(path)
    ids = [row.message.id for row in log.read()][:5]
    log.close()
    told = tmp_path / "told"
    told.write_text("".join(f"{one}\n" for one in [*ids, ids[0], "B" * 43]))
    verified = verify(path, [told])
    assert (verified.acknowledged, verified.in_log, verified.twice, verified.holds) == (6, 5, 1, False)
    plan = Plan(1, 2, 1, 1.0, 0.0, 1, (), 1, 1)
    assert not metrics_of(Run(plan, Summary(), []), verified).valid


def test_a_second_of_the_warm_up_counts_for_no_figure() -> None:
    summary = Summary()
    histogram = Histogram()
    histogram.record(5000)
    summary.add(Second(-1, 7, {"overloaded": 3}, histogram.counts, 900.0))
    summary.add(Second(0, 2, {"refused": 1}, histogram.counts, 1.0))
    assert (sum(summary.accepted.values()), summary.errors, summary.late_ms) == (2, {"refused": 1}, 1.0)
    assert summary.latencies()["max"] == pytest.approx(5, rel=0.01)
    assert summary.latencies([7]) == {}


def test_compare_sets_two_results_side_by_side(tmp_path: Path, path: Path) -> None:
    one = tmp_path / "a.json"
    one.write_text(load(path, "--in-flight", "2", "--json").stdout)
    result = CliRunner().invoke(main, ["load", "compare", str(one), str(one)])
    assert result.exit_code == 0
    assert "sends_per_s" in result.output
    assert "1.00" in result.output
    other = tmp_path / "b.json"
    other.write_text("{}")
    for bad in (other, tmp_path / "none.json"):
        refused = CliRunner().invoke(main, ["load", "compare", str(one), str(bad)])
        assert refused.exit_code == 2
        assert str(bad) in refused.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--threshold", "p99<50"], "p99 needs the unit ms or s"),
        (["--threshold", "speed<1"], "unknown metric 'speed'"),
        (["--rate", "-1"], "not between 0 and"),
        (["--rate", "0"], "the rate is 0"),
        (["--stages", "10:5"], "not a duration"),
        (["--duration", "0s"], "must be above 0"),
        (["--rate", "5", "--in-flight", "3"], "use only one of"),
        (["--find-max"], "needs a --threshold"),
        (["--sessions", "10", "--users", "3"], "3 users can have at most 3 sessions"),
        (["--report", "nowhere/load.html"], "not a folder"),
    ],
)
def test_misuse_is_refused_before_anything_is_done(path: Path, options: list[str], said: str) -> None:
    result = load(path, *options)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not path.exists()


def test_a_log_that_is_there_is_not_written_over(path: Path) -> None:
    path.write_text("mine")
    result = load(path)
    assert result.exit_code == 2
    assert path.read_text() == "mine"
