from pathlib import Path

import pytest
from click.testing import CliRunner

from eventstore import read_log
from simulations.cli.main import main
from simulations.report.facts import Facts, read_facts


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The log of a world and its report."""
    folder = tmp_path_factory.mktemp("world")
    options = ["--users", "8", "--messages", "80", "--report", str(folder / "w.html"), "--log", str(folder / "w.db")]
    result = CliRunner().invoke(main, ["simulate", "churn", *options])
    assert result.exit_code == 0, result.output
    return folder / "w.db", (folder / "w.html").read_text()


@pytest.fixture(scope="module")
def facts(world: tuple[Path, str]) -> Facts:
    return read_facts(world[0])


def test_every_message_is_counted_once(world: tuple[Path, str], facts: Facts) -> None:
    log = read_log(world[0])
    rows = list(log.read())
    log.close()
    assert facts.events == len(rows) == sum(count for count, _ in facts.actions.values())
    assert facts.events == sum(map(sum, facts.by_hour.values()))
    assert sum(refused for _, refused in facts.actions.values()) == sum(row.error is not None for row in rows)
    assert sum(facts.talk.values()) == 80
    assert all("" not in two for two in facts.talk)


def test_what_is_unread_grows_and_is_nothing_in_the_end(facts: Facts) -> None:
    assert max(facts.unread) > 0
    assert facts.unread[-1] == 0
    assert len(facts.unread) == facts.hours


def test_a_chain_is_a_message_from_outside_with_all_that_it_caused(world: tuple[Path, str], facts: Facts) -> None:
    log = read_log(world[0])
    rows = list(log.read())
    log.close()
    longest = facts.chains[0]
    caused = {longest.sequence}
    for row in rows:
        if row.message.parent in caused:
            caused.add(row.sequence)
    assert len(caused) == longest.events
    assert longest.events == max(chain.events for chain in facts.chains)


def test_the_page_needs_nothing_else_and_says_how_to_make_it_again(world: tuple[Path, str]) -> None:
    _, page = world
    assert "mostao simulate churn --users 8 --messages 80 --seed 1" in page
    assert page.count("<svg") == 3
    for outside in ("<script", "<link", "<img", "src=", 'href="http', "url(http"):
        assert outside not in page
    for heading in ("What happened", "Who talked with whom", "Latencies", "Refusals"):
        assert f"<h2>{heading}</h2>" in page


def test_text_of_people_is_no_html(tmp_path: Path) -> None:
    scenario = tmp_path / "<b>x.toml"
    scenario.write_text('[population]\nusers = 2\n[ties]\nshape = "pairs"\n[talk]\nmessages = 2')
    page = tmp_path / "w.html"
    options = ["--report", str(page), "--log", str(tmp_path / "w.db")]
    result = CliRunner().invoke(main, ["simulate", str(scenario), *options])
    assert result.exit_code == 0, result.output
    assert "<b>x" not in page.read_text()


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_done(path: Path) -> None:
    result = CliRunner().invoke(main, ["simulate", "--report", "nowhere/w.html", "--log", str(path)])
    assert result.exit_code == 2
    assert "nowhere is not a folder" in result.output
    assert not path.exists()
