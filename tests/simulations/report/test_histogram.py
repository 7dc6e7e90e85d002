from hypothesis import given
from hypothesis import strategies as st

from simulations.report.histogram import LATENCY_US_MAX, Histogram

NUMBERS = st.lists(st.integers(1, LATENCY_US_MAX), min_size=1, max_size=200)


@given(one=NUMBERS, other=st.lists(st.integers(1, LATENCY_US_MAX), max_size=50))
def test_percentiles_of_all_values_have_three_significant_digits(one: list[int], other: list[int]) -> None:
    first, second = Histogram(), Histogram()
    for histogram, numbers in ((first, one), (second, other)):
        for number in numbers:
            histogram.record(number)
    first.add(second.counts)
    ordered = sorted(one + other)
    found = first.percentiles()
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1)):
        exact = ordered[max(1, round(len(ordered) * share)) - 1]
        assert exact <= found[name] <= exact * 1.001


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert Histogram().percentiles() == {}
