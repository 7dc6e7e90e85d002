"""Opens a transport to a node: a socket on this machine, or HTTP."""

from simulations.load.socket_transport import SocketTransport
from simulations.load.transport import Transport


async def open_transport(address: str) -> Transport:
    """Connect to a node at a socket's path or at a URL."""
    if not is_url(address):
        return await SocketTransport.open(address)
    from simulations.load.http_transport import HttpTransport  # only load over HTTP needs an HTTP client

    return await HttpTransport.open(address)


def is_url(address: str) -> bool:
    """Whether an address is an HTTP URL."""
    return address.startswith(("http://", "https://"))
