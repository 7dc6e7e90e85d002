"""``mostao import``: creates a log from a bundle that ``mostao export`` wrote."""

from pathlib import Path

import click
import msgspec

from actors.ans104.bundle import Bundle, BundleUnusable
from actors.ao.import_ import ImportFault, import_bundle
from actors.cli.log_location import LOG_LOCATION
from actors.cli.paths import check_new_log
from actors.cli.progress import progress_bar
from eventstore.engines import Location, path_of


@click.command("import")
@click.argument("bundle", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
def import_(bundle: Path, path: Location, as_json: bool) -> None:
    """Create LOG from a bundle that mostao export wrote.

    LOG must not exist yet. The command verifies every signature and hash chain. It evaluates all messages and compares
    every result and the state root that the node signed. The bundle of a whole log becomes the same log; the bundle of
    some processes becomes an excerpt, which `mostao replay` reads.
    """
    log_file = path_of(path)
    if log_file.exists():
        raise click.UsageError(f"{path} is there already: choose another LOG, or remove it")
    check_new_log(log_file)
    try:
        with progress_bar("importing", max(Bundle.of_file(bundle).count // 2, 1)) as bar:
            imported = import_bundle(bundle, path, progress=bar.at)
    except BundleUnusable as error:
        raise click.UsageError(str(error)) from None
    except ImportFault as fault:
        raise click.ClickException(f"{bundle} is refused: {fault}") from None
    if as_json:
        click.echo(msgspec.json.encode(imported._asdict() | {"log": str(path)}))
        return
    what = "the whole log" if imported.whole else "an excerpt"
    click.echo(f"{imported.events:,} events of {len(imported.processes):,} processes: {what}")
    click.echo(f"  signed by   {imported.node}")
    click.echo(f"  state root  {imported.state_root}")
