"""``mostao load compare``: two load tests side by side."""

from pathlib import Path

import click
import msgspec

_ROWS = ("sends_per_s", "events_per_s", "p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms", "bytes_per_send", "rss_mb")
_SETTINGS = ("model", "sessions", "users", "content_bytes", "in_flight", "generators")


class Saved(msgspec.Struct):
    """The fields to compare of the JSON that ``mostao load --json`` prints."""

    model: str
    sessions: int
    users: int
    content_bytes: int
    in_flight: int | None
    generators: int
    sends_per_s: float
    events_per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p99_9_ms: float | None
    max_ms: float | None
    bytes_per_send: float
    rss_mb: float
    acknowledged: int
    in_log: int


@click.command()
@click.argument("a", metavar="A.json", type=click.Path(path_type=Path))
@click.argument("b", metavar="B.json", type=click.Path(path_type=Path))
def compare(a: Path, b: Path) -> None:
    """Compare two results of mostao load --json.

    Prints the metrics side by side, with B as a multiple of A.

    \b
    Example:
      mostao load --json > A.json && mostao load --json > B.json
      mostao load compare A.json B.json
    """
    result_a, result_b = _read(a), _read(b)
    different = [name for name in _SETTINGS if getattr(result_a, name) != getattr(result_b, name)]
    click.echo(f"{'':15}{a.name:>16}{b.name:>16}{'B / A':>9}")
    for name in _ROWS:
        first, second = getattr(result_a, name), getattr(result_b, name)
        ratio = f"{second / first:.2f}" if first and second is not None else "-"
        click.echo(f"{name:15}{_number(first):>16}{_number(second):>16}{ratio:>9}")
    for name in different:
        click.echo(f"different settings: {name} is {getattr(result_a, name)} and {getattr(result_b, name)}")


def _read(path: Path) -> Saved:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Saved)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read ({error.strerror})") from None
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"{path} is not a result of mostao load --json ({error})") from None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
