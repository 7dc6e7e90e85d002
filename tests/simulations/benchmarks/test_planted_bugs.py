"""Every planted bug is found by a sweep."""

import pytest
from click.testing import CliRunner

from simulations.benchmarks.planted_bugs.__main__ import main
from simulations.benchmarks.planted_bugs.registry import BUGS, SCENARIO
from simulations.benchmarks.planted_bugs.search import search
from simulations.scenario.scenario import load
from simulations.world.seed_sweep import run_seed

FOUND_BY = {"order of equal times": 3, "lost cursor": 12, "removed delegate": 2}
"""The first seed that finds a bug, where it is not seed 1."""


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    found = search(bug, [FOUND_BY.get(bug, 1)])
    assert found.finding


def test_no_bug_stays_planted() -> None:
    search("viewed by all", [1])
    assert not run_seed(load(SCENARIO), 1).finding


def test_the_command_prints_the_seeds_and_lists_the_bugs() -> None:
    found = CliRunner().invoke(main, ["--bug", "stale read", "--seeds", "1..2", "--jobs", "1"])
    assert found.exit_code == 0, found.output
    assert "stale read" in found.output
    assert "1 of 1 bugs found" in found.output
    listed = CliRunner().invoke(main, ["--list"])
    assert all(bug in listed.output for bug in BUGS)
    assert len(BUGS) >= 16


def test_a_bug_that_is_not_found_is_a_finding() -> None:
    missed = CliRunner().invoke(main, ["--bug", "removed delegate", "--seeds", "1..1", "--jobs", "1"])
    assert missed.exit_code == 1
    assert "not found in 1 seeds" in missed.output
