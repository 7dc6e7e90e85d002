"""``python -m simulations.benchmarks.fuzz``: coverage-guided fuzzing of every decoder (atheris, libFuzzer)."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from simulations.benchmarks.decoders import DECODERS

MEMORY_MB = 1024
HANG_S = 10
INPUT_BYTES_MAX = 8192


@click.command()
@click.option(
    "--inputs", type=click.IntRange(1000, 10**9), default=1_000_000, show_default=True, help="Total for all decoders."
)
@click.option("--seed", type=click.IntRange(1, 2**31), default=1, show_default=True)
@click.option("--decoder", type=click.Choice(list(DECODERS)), help="Fuzz only this decoder.")
def main(inputs: int, seed: int, decoder: str | None) -> None:
    """Fuzz the decoders. Exit code 1 if one crashes, hangs or exceeds the memory limit."""
    names = [decoder] if decoder else list(DECODERS)
    started, ran = time.perf_counter(), 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            ran += _fuzz(name, -(-inputs // len(names)), seed, Path(folder))
    elapsed = time.perf_counter() - started
    click.echo(
        f"{ran:,} inputs to {len(names)} decoders in {elapsed:.0f} s: no crash, no hang over {HANG_S} s,"
        f" no memory over {MEMORY_MB:,} MB, always a typed error"
    )


def _fuzz(name: str, runs: int, seed: int, folder: Path) -> int:
    for number, example in enumerate(DECODERS[name].examples):
        (folder / str(number)).write_bytes(example)
    limits = [f"-max_len={INPUT_BYTES_MAX}", f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MB}"]
    command = [sys.executable, "-m", "simulations.benchmarks.fuzz_one", name, f"-runs={runs}", f"-seed={seed}", *limits]
    run = subprocess.run(
        [*command, f"-artifact_prefix={folder}/found-", str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    done = re.search(r"Done (\d+) runs", run.stderr)
    if run.returncode or done is None:
        for found in folder.glob("found-*"):
            click.echo(f"{name}: {found.read_bytes()!r}", err=True)
        click.echo(run.stdout[-4000:] + run.stderr[-4000:], err=True)
        sys.exit(1)
    click.echo(f"  {name:<24} {int(done[1]):>9,} inputs")
    return int(done[1])


if __name__ == "__main__":
    main()
