import re

from click.testing import CliRunner

from simulations.benchmarks.peers import main


def test_prints_the_rate_of_each_and_what_the_node_is_of_it() -> None:
    printed = CliRunner().invoke(main, ["--rounds", "1", "--sends", "200", "--sessions", "20"])
    assert printed.exit_code == 0, printed.output
    for name in ("mostao", "eventsourcing", "pykka threads"):
        assert re.search(rf"^{name} +[\d,]+ +[\d.]+ x +[\d.]+$", printed.output, re.MULTILINE), printed.output
