import re

from click.testing import CliRunner

from simulations.benchmarks.http import main


def test_prints_both_rates_and_the_share() -> None:
    printed = CliRunner().invoke(main, ["--rounds", "1", "--sends", "200", "--sessions", "20"])
    assert printed.exit_code == 0, printed.output
    for name in ("durable sends/s", "constant/s", "share"):
        assert re.search(rf"^{name} +[\d,.]+", printed.output, re.MULTILINE), printed.output
