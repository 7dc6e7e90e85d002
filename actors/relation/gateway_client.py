"""HTTP requests to a gateway that may be hostile: bounded in bytes, time and redirects."""

from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from actors.http.common.client_errors import reason_of
from actors.relation.archives import ArchiveFailed, ArchiveRefused

IDLE_S = 30.0
"""Limit of the time without a byte."""
REQUEST_S = 60.0
"""Limit of a request's time, in addition to the time of its bytes at ``BYTES_PER_S_MIN``."""
BYTES_PER_S_MIN = 1_000_000
REDIRECTS_MAX = 3
_REASON_BYTES_MAX = 200
_REDIRECTS = (301, 302, 303, 307, 308)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class BodyTooLarge(ArchiveRefused):
    """A body exceeds its limit."""


class GatewayClient:
    """Sends requests to one origin.

    Bodies are read in identity encoding only, because a small compressed body can expand to any size. Redirects are
    followed within the origin (scheme, host and port) only, so a gateway cannot make this machine send requests to
    others.

    Args:
        url: the gateway's URL.
        idle_s: limit of the time without a byte.
        request_s: limit of a request's time, in addition to the time of its bytes.
    """

    def __init__(self, url: str, *, idle_s: float = IDLE_S, request_s: float = REQUEST_S) -> None:
        self.url = url.rstrip("/")
        self._idle_s, self._request_s = idle_s, request_s

    async def get(self, path: str, *, bytes_max: int) -> bytes | None:
        """The body of a resource; None if there is none (404).

        Raises:
            BodyTooLarge: the body is larger than ``bytes_max``.
            ArchiveRefused: the body is compressed, or the gateway redirects to another origin or too often.
            ArchiveFailed: the gateway does not respond in time, or responds with an error.
        """
        return await self._request("GET", path, b"", "", bytes_max)

    async def post(self, path: str, body: bytes, kind: str, *, bytes_max: int) -> bytes | None:
        """The body of the response to an upload; None for 404.

        Args:
            path: path of the resource.
            body: the body to send.
            kind: its media type.
            bytes_max: limit of the response.

        Raises:
            BodyTooLarge, ArchiveRefused, ArchiveFailed: as ``get``.
        """
        return await self._request("POST", path, body, kind, bytes_max)

    async def _request(self, method: str, path: str, body: bytes, kind: str, bytes_max: int) -> bytes | None:
        seconds = self._request_s + (len(body) + bytes_max) / BYTES_PER_S_MIN
        idle = timedelta(seconds=self._idle_s)
        builder = ClientBuilder().connect_timeout(idle).read_timeout(idle).timeout(timedelta(seconds=seconds))
        builder.follow_redirects(enable=False)
        for decompress in (builder.gzip, builder.brotli, builder.zstd, builder.deflate):
            decompress(enable=False)
        try:
            async with builder.build() as client:
                return await self._follow(client, method, self.url + path, body, kind, bytes_max)
        except TimeoutError:
            raise ArchiveFailed(
                f"{self.url}{path} takes longer than {seconds:g} s, or sends nothing for {self._idle_s:g} s"
            ) from None
        except (PyreqwestError, ValueError) as error:  # ValueError: the URL is malformed
            raise ArchiveFailed(f"{self.url} does not respond ({reason_of(error)})") from None

    async def _follow(self, client: Any, method: str, url: str, body: bytes, kind: str, bytes_max: int) -> bytes | None:
        for _ in range(REDIRECTS_MAX + 1):
            request = client.request(method, url).header("Accept-Encoding", "identity")
            if body:
                request = request.header("Content-Type", kind).body_bytes(body)
            async with request.build_streamed() as response:
                if response.status == 404:
                    return None
                if response.status not in _REDIRECTS:
                    return await self._body(response, url, bytes_max)
                target = urljoin(url, response.get_header("location") or "")
                if method != "GET":
                    raise ArchiveRefused(f"{url} redirects an upload to {target[:200]!r}")
                if _origin(target) != _origin(self.url):
                    raise ArchiveRefused(
                        f"{url} redirects to another origin, {target[:200]!r}: if that is the gateway, name its URL"
                    )
                url = target
        raise ArchiveRefused(f"{self.url} redirects more than {REDIRECTS_MAX} times")

    async def _body(self, response: Any, url: str, bytes_max: int) -> bytes:
        if response.status >= 400:
            reason = await response.body_reader.read(_REASON_BYTES_MAX) or b""
            raise ArchiveFailed(f"{url} responded with {response.status}: {bytes(reason).decode(errors='replace')!r}")
        encoding = response.get_header("content-encoding") or "identity"
        if encoding != "identity":
            raise ArchiveRefused(f"{url} sends {encoding[:40]!r} although only the identity encoding is accepted")
        declared = response.get_header("content-length")
        if declared is not None and int(declared) > bytes_max:
            raise BodyTooLarge(f"{url} is larger than {bytes_max:,} bytes")
        body = bytearray()
        while (chunk := await response.body_reader.read_chunk()) is not None:
            body += bytes(chunk)
            if len(body) > bytes_max:
                raise BodyTooLarge(f"{url} is larger than {bytes_max:,} bytes")
        return bytes(body)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
