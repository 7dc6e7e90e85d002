"""``mostao export``: a history as a bundle that AO's tools open."""

from pathlib import Path

import click
import msgspec

from actors.ao.export import export as export_history
from actors.ao.export import process_of
from actors.cli.note_files import load_key
from actors.cli.paths import check_writable
from actors.cli.progress import progress_bar
from actors.evidence.checkpoints import key_of
from eventstore import LogMissing, read_log


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
@click.option("--process", "names", multiple=True, metavar="ID-or-@HANDLE", help="Whose history; several may be given.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="[default: LOG.ans104]")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The node's key.  [default: LOG.key]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
def export(path: Path, names: tuple[str, ...], output: Path | None, key: Path | None, as_json: bool) -> None:
    """Write the history of LOG, or of some of its processes, as one bundle of signed data items (ANS-104).

    It holds, for each message in the order of the log, its assignment, which the node signs, and the message: as its
    sender signed it, or signed by the node for a process. `mostao import` makes a log of it.
    """
    output = output or path.with_name(path.name + ".ans104")
    check_writable(output)
    log = read_log(path)
    try:
        if not log.head().sequence:
            raise LogMissing(f"{path} holds no events")
        processes = []
        for name in names:
            process = process_of(log, name)
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
