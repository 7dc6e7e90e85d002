from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.load.arrivals import arrivals
from simulations.load.people import pairs, sessions_max
from simulations.load.plan import Stage, parse_duration, parse_rate, parse_stages
from simulations.load.thresholds import parse_threshold

STAGES = st.lists(st.builds(Stage, st.floats(0.5, 20), st.floats(0, 500)), min_size=1, max_size=4)


@given(STAGES, st.integers(0, 2**32))
def test_arrivals_come_in_order_and_within_the_stages(stages: list[Stage], seed: int) -> None:
    due = list(arrivals(stages, share=1, random=Random(seed)))
    assert due == sorted(due)
    assert all(0 <= one <= sum(stage.seconds for stage in stages) + 1e-6 for one in due)


@given(STAGES)
def test_as_many_arrive_as_the_rates_say_and_every_part_of_the_way_has_its_share(stages: list[Stage]) -> None:
    due = list(arrivals(stages, share=0.5, random=Random(1)))
    rate, start = stages[0].rate, 0.0
    for stage in stages:
        stop = start + stage.seconds
        expected = 0.5 * stage.seconds * (rate + stage.rate) / 2
        found = sum(start < one <= stop for one in due)
        assert abs(found - expected) <= 6 * expected**0.5 + 6
        rate, start = stage.rate, stop


@given(st.integers(2, 40), st.data())
def test_no_two_sessions_are_between_the_same_two(users: int, data: st.DataObject) -> None:
    sessions = data.draw(st.integers(1, sessions_max(users)))
    made = [frozenset(pair) for pair in pairs(users, sessions)]
    assert len(set(made)) == sessions
    assert all(len(pair) == 2 for pair in made)
    assert sessions_max(users) == users * (users - 1) // 2


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("10s", 10), ("1.5m", 90), ("2h", 7200), (" 3s ", 3)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "0s", "-1s", "25h", "ten s", "1s2"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|a day"):
        parse_duration(text)


def test_stages() -> None:
    assert parse_stages("10s:1000,500ms:0") == (Stage(10, 1000), Stage(0.5, 0))


@pytest.mark.parametrize("text", ["", "10s", "10s:", "10s:-1", "10s:nan", "10s:inf", "10:5", "1s:1,,"])
def test_what_are_no_stages_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"stage|rate|duration"):
        parse_stages(text)


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "1e9"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_rate(text)


FIGURES = {"p99": 40.0, "max": 2000.0, "sends": 95, "errors": 5, "sends_per_s": 500.0, "rss_mb": 80.0}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("p99<50ms", True),
        ("p99 < 40ms", False),
        ("p99<=40ms", True),
        ("max<1.5s", False),
        ("errors<=5%", True),
        ("errors<5", False),
        ("sends_per_s>499.5", True),
        ("rss<80MB", False),
        ("p50<1s", False),  # nothing was measured
    ],
)
def test_thresholds(text: str, kept: bool) -> None:
    assert parse_threshold(text).kept(FIGURES) is kept


@pytest.mark.parametrize("text", ["", "p99", "p99<", "p99<5", "p99<5%", "errors<5ms", "speed>1", "p99=5ms", "rss<1"])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"metric|threshold|needs the unit"):
        parse_threshold(text)
