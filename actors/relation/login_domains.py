"""The domains at which accounts log in (EIP-4361, ``domain`` and ``uri``)."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {80, 443, None}


class WrongDomain(Exception):
    """A request is for a domain at which this proxy logs no account in."""


class DomainMalformed(ValueError):
    """A text is not the domain of a proxy, with the reason."""


class LoginDomains:
    """The domains of a proxy.

    A signed challenge is worth a login, so a proxy issues it only for a domain of its own. Otherwise another site could
    request a challenge in its own name, show it to its visitors, and log in with their signatures.

    Args:
        domains: each one is ``HOST[:PORT]``, or ``https://HOST[:PORT]`` for a proxy that clients reach over TLS.

    Raises:
        DomainMalformed: a domain has another form.
    """

    def __init__(self, domains: Iterable[str]) -> None:
        self._uris = dict(_parse(domain) for domain in domains)

    def check(self, host: str) -> str:
        """The domain that a request is for.

        Args:
            host: the request's ``Host`` header.

        Raises:
            WrongDomain: it is not a domain of this proxy.
        """
        try:
            domain = "" if "://" in host else _parse(host)[0]  # a Host header has no scheme (RFC 9110, 7.2)
        except DomainMalformed:
            domain = ""
        if domain not in self._uris:
            raise WrongDomain(
                f"accounts log in to this proxy at {' or '.join(self._uris)}, but this request is for {host[:64]!r}:"
                " use that domain, or start the proxy with --domain; a server in front of the proxy has to keep the"
                " Host header"
            )
        return domain

    def uri(self, domain: str) -> str:
        """The URI of a domain that ``check`` returned."""
        return self._uris[domain]


def listening_domains(bound: tuple[str, int], host: str) -> list[str]:
    """The domains of a proxy that listens at an address; none if it listens at all addresses of the machine.

    Args:
        bound: address and port of the socket.
        host: the name or address that the socket was bound by.
    """
    address, port = bound
    ip = ip_address(address)
    if ip.is_unspecified:
        return []
    names = [address, host, *(["localhost"] if ip.is_loopback else [])]
    return [f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name in dict.fromkeys(names)]


def _parse(text: str) -> tuple[str, str]:
    """The domain in lower case, without a default port, and its URI."""
    scheme, separator, rest = text.rpartition("://")
    scheme = scheme.lower() if separator else "http"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        name, port = parts.hostname, parts.port
    except ValueError:
        name = port = None
    if not name or scheme not in ("http", "https") or parts.netloc != rest or "@" in rest or not _is_visible(rest):
        raise DomainMalformed(f"{text[:64]!r} is not a domain, as in chat.example or chat.example:4200")
    shown = f"[{name}]" if ":" in name else name
    domain = shown if port in _DEFAULT_PORTS else f"{shown}:{port}"
    return domain, f"{scheme}://{domain}"


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
