"""The benchmark of processor time names every thread and child process."""

from click.testing import CliRunner

from simulations.benchmarks.cpu import main


def test_it_names_the_event_loop_the_writer_and_what_passed() -> None:
    ended = CliRunner().invoke(main, ["--sends", "1000", "--in-flight", "100", "--sessions", "20"])
    assert ended.exit_code == 0, ended.output
    for name in ("event loop", "writer", "child: signatures", "child: the log", "total", "elapsed"):
        assert f"\n{name}" in ended.output
