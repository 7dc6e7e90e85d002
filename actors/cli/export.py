"""``mostao export``: writes a log as a bundle that AO's tools can read."""

from pathlib import Path

import click
import msgspec

from actors.ao.export import export as export_history
from actors.ao.export import process_of
from actors.cli.log_location import LOG_LOCATION
from actors.cli.note_files import load_key
from actors.cli.paths import check_writable
from actors.cli.progress import progress_bar
from actors.evidence.checkpoints import key_of
from actors.protocol.messages import Refusal
from eventstore import LogFile, LogMissing, read_log
from eventstore.engines import Location, path_of


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option("--process", "names", multiple=True, metavar="ID-or-@HANDLE", help="Only this process. Repeatable.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="[default: LOG.ans104]")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The node's key.  [default: LOG.key]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
def export(path: Location, names: tuple[str, ...], output: Path | None, key: Path | None, as_json: bool) -> None:
    """Write LOG as a bundle of signed data items (ANS-104).

    The bundle contains each message in the log's order, together with its assignment, which the node signs. Messages
    from outside keep their sender's signature; messages from processes are signed by the node. `mostao import` creates
    a log from the bundle.

    \b
    Examples:
      mostao export people.db -o people.ans104
      mostao export people.db --process @alice -o alice.ans104
    """
    log = read_log(path)
    try:
        log_file = path_of(path)
        output = output or log_file.with_name(log_file.name + ".ans104")
        check_writable(output, log=log_file)
        if not log.head().sequence:
            raise LogMissing(f"{path} holds no events")
        processes = []
        for name in names:
            process = _process_of(log, name)
            if process is None:
                raise click.BadParameter(f"the log has no process {name!r}", param_hint="'--process'")
            processes.append(process)
        signer = load_key(path, key, key_of(log))
        with output.open("wb") as file, progress_bar("exporting", log.head().sequence) as bar:
            exported = export_history(log, signer, file, processes=processes, progress=bar.at)
    finally:
        log.close()
    if as_json:
        click.echo(msgspec.json.encode(exported._asdict() | {"file": str(output)}))
        return
    click.echo(f"{exported.events:,} events, {exported.items:,} items")
    click.echo(f"  file        {output} ({output.stat().st_size:,} bytes)")
    click.echo(f"  state root  {exported.state_root}")


def _process_of(log: LogFile, name: str) -> str | None:
    try:
        return process_of(log, name)
    except Refusal:  # not a possible handle
        return None
