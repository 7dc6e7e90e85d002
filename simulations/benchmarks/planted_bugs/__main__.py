"""``python -m simulations.benchmarks.planted_bugs``: prints how many seeds a sweep needs to find each planted bug."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import click
import msgspec

from actors.runtime.child_process import cores
from actors.runtime.tuning import dedicate_process
from simulations.benchmarks.planted_bugs.registry import BUGS
from simulations.benchmarks.planted_bugs.search import search
from simulations.cli.seeds import Seeds

FINDING_CHARACTERS = 150
EXIT_FINDING = 1


@click.command()
@click.option("--seeds", type=Seeds(), default="1..100", show_default=True, help="The seeds to try, in order.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=cores,
    show_default="number of cores",
    help="Searches that run at the same time.",
)
@click.option(
    "--bug", "names", multiple=True, type=click.Choice(list(BUGS)), metavar="NAME", help="Only this bug. Repeatable."
)
@click.option("--list", "listed", is_flag=True, help="List the bugs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.pass_context
def main(context: click.Context, seeds: range, jobs: int, names: tuple[str, ...], listed: bool, as_json: bool) -> None:
    """Plant each bug, and print how many seeds a sweep needs to find it. Exit code 1 if it finds one of them not."""
    if listed:
        for bug in BUGS.values():
            click.echo(f"{bug.name:<22} {bug.description}")
        return
    wanted = list(names or BUGS)
    # spawned processes inherit nothing, and each one runs one search: no bug stays planted in another search
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=dedicate_process, max_tasks_per_child=1
    ) as processes:
        searches = list(processes.map(search, wanted, [seeds] * len(wanted)))
    missed = [found for found in searches if not found.finding]
    if as_json:
        click.echo(msgspec.json.encode({"searches": [found._asdict() for found in searches], "missed": len(missed)}))
    else:
        click.echo(f"{'bug':<22} {'seeds':>5} {'s':>6}  first finding")
        for found in searches:
            shown = found.finding or f"not found in {found.seeds} seeds"
            click.echo(f"{found.bug:<22} {found.seeds:>5} {found.elapsed_s:>6.1f}  {shown[:FINDING_CHARACTERS]}")
        click.echo(f"{len(searches) - len(missed)} of {len(searches)} bugs found")
    if missed:
        context.exit(EXIT_FINDING)


if __name__ == "__main__":
    main()
