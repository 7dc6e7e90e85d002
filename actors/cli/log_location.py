"""The argument ``LOG``: the location of a log."""

from pathlib import Path
from typing import Any

import click

from eventstore.engines import Location


class LogLocation(click.ParamType[Location]):
    """The path of a log file, or ``engine://…``.

    Args:
        exists: refuse the path of a file that does not exist.
    """

    name = "log"

    def __init__(self, *, exists: bool = False) -> None:
        self._path: click.Path = click.Path(path_type=Path, exists=exists, dir_okay=not exists)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Location:
        """Keep a location with an engine as it is; a path would lose one of its slashes."""
        if "://" in str(value):
            return str(value)
        path: Path = self._path.convert(value, param, ctx)  # type: ignore[assignment]
        return path


LOG_LOCATION = LogLocation()
