"""Binds the sockets of a command that serves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from actors.http.common.server import Listener, listen


@contextmanager
def open_listeners(host: str, ports: Sequence[tuple[str | None, int]]) -> Iterator[list[Listener]]:
    """Bind sockets; they are closed when the block ends.

    Args:
        host: the address to listen at.
        ports: each port with the unit that is served there (None for all units).

    Raises:
        UsageError: an address cannot be bound.
    """
    if not host:
        raise click.UsageError("--host is empty: write an address, such as 127.0.0.1, or 0.0.0.0 for all")
    listeners: list[Listener] = []
    try:
        for unit, port in ports:
            try:
                listeners.append(listen(host, port, unit))
            except OSError as error:
                reason = (error.strerror or str(error)).partition(" (while")[0]
                raise click.UsageError(
                    f"cannot listen on {host}:{port} ({reason}): choose another port or --host"
                ) from None
        yield listeners
    finally:
        for listener in listeners:
            listener.socket.close()
