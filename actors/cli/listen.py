"""The addresses of a command that serves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from actors.http.common.server import Listener, listen


@contextmanager
def open_listeners(host: str, places: Sequence[tuple[str | None, int]]) -> Iterator[list[Listener]]:
    """Take addresses until the block ends; misuse if one cannot be had.

    Args:
        host: to listen at.
        places: for each the unit that answers there (None for all), and the port.
    """
    found: list[Listener] = []
    try:
        for unit, port in places:
            try:
                found.append(listen(host, port, unit))
            except OSError as error:
                reason = error.strerror or str(error)
                raise click.UsageError(f"nothing can listen at {host}:{port} ({reason}): choose another") from None
        yield found
    finally:
        for place in found:
            place.socket.close()
