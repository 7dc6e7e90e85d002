"""A plain install runs every command that needs no extra, and the others name the extra that they need."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors.cli.extras import EXTRAS
from simulations.cli.main import main

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
OPTIONAL = {module: package for extra in EXTRAS.values() for module, package in extra.packages.items()}
ID = "A" * 43


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[>=\[;]", requirement)[0] for requirement in requirements}


def test_the_extras_are_those_of_the_package() -> None:
    declared = {name: names(PROJECT["optional-dependencies"][name]) for name in EXTRAS}
    assert declared == {name: set(extra.packages.values()) for name, extra in EXTRAS.items()}
    assert names(PROJECT["dependencies"]).isdisjoint(OPTIONAL.values())


@pytest.mark.parametrize(
    ("module", "command", "error"),
    [
        ("matplotlib", "simulate --report x.html", "reports need matplotlib: pip install 'mostao[report]'"),
        ("networkx", "simulate --report x.html", "reports need networkx: pip install 'mostao[report]'"),
        ("matplotlib", "load --report x.html", "reports need matplotlib: pip install 'mostao[report]'"),
        ("psutil", "load", "load tests need psutil: pip install 'mostao[load]'"),
        ("rich", "load", "load tests need rich: pip install 'mostao[load]'"),
        ("fastapi", "proxy x.db", "a proxy of Relation ONE needs fastapi: pip install 'mostao[proxy]'"),
        ("pyreqwest", "load", "load tests need pyreqwest: pip install 'mostao[load]'"),
        *(
            ("pyreqwest", command, "requests to a witness need pyreqwest: pip install 'mostao[witness]'")
            for command in ("serve x.db --witness http://127.0.0.1:1", "audit x.db --witness http://127.0.0.1:1")
        ),
        *(
            ("pyreqwest", command, "an archive at a URL needs pyreqwest: pip install 'mostao[archive]'")
            for command in (
                "proxy x.db --archive http://127.0.0.1:1",
                f"archive verify {ID} --archive https://example.org",
                "archive pack empty.db --archive https://example.org",
            )
        ),
    ],
)
def test_a_command_names_a_missing_extra_before_it_does_anything(
    module: str, command: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.db").touch()
    monkeypatch.setitem(sys.modules, module, None)
    run = CliRunner().invoke(main, command.split())
    assert (run.exit_code, run.output) == (2, f"Error: {error}\n")
    assert [(file.name, file.stat().st_size) for file in tmp_path.iterdir()] == [("empty.db", 0)]


def test_all_other_commands_run_without_the_extras(tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules.update(dict.fromkeys({list(OPTIONAL)}))
from simulations.cli.main import main
main(sys.argv[1:])
"""
    for command in (
        *("simulate --users 4 --messages 10 --log town.db", "simulate relation --users 4 --messages 5 --log ours.db"),
        *(
            "replay town.db",
            "audit town.db",
            "log town.db",
            "trace town.db 5",
            "archive pack ours.db",
            "load --help",
            "load compare --help",
            "proxy --help",
            "witness --help",
        ),
    ):
        run = subprocess.run(
            [sys.executable, "-c", script, *command.split()], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (run.returncode, "Traceback" in run.stderr) == (0, False), f"{command}: {run.stderr}"
