"""The client of a witness (C2SP tlog-witness)."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from actors.evidence.checkpoints import (
    NOTE_BYTES_MAX,
    WITNESS_KEY,
    NoteInvalid,
    VerifierKey,
    parse_note,
    parse_signature_lines,
    signature_line,
    signatures_by,
)
from actors.evidence.cosignatures import cosignatures_of
from actors.http.common.client_errors import reason_of
from actors.http.witness.rules import CONFLICT, NOT_FOUND, UNPROCESSABLE
from actors.http.witness.wire_format import SIZE_TYPE, AddCheckpoint, checkpoint_path

if TYPE_CHECKING:
    from pyreqwest.client import Client  # slow to import

TIMEOUT_S = 30.0
_OK = 200
_SIZE = re.compile("(0|[1-9][0-9]{0,17})\n")
_REASON_CHARACTERS = 200


class WitnessUnavailable(Exception):
    """A witness cannot be reached or used. The text names it and the reason. A retry is safe."""


class CheckpointRefused(Exception):
    """A witness refuses to cosign.

    Attributes:
        is_contradiction: the checkpoint contradicts the newest one that the witness cosigned.
    """

    def __init__(self, text: str, *, is_contradiction: bool) -> None:
        super().__init__(text)
        self.is_contradiction = is_contradiction


class SizeConflict(Exception):
    """The proof of a request does not begin at the newest checkpoint that the witness cosigned.

    Attributes:
        size: of that checkpoint.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness cosigned {size:,} events")
        self.size = size


class _Response(NamedTuple):
    status: int
    content_type: str
    body: bytes


class WitnessClient:
    """Talks to one witness over HTTP. Close it after use.

    Args:
        url: prefix of the witness's routes.
        keys: verifier keys of the witness. Without any, the key is taken from the witness itself on first use, which
            only ``mostao witness`` offers.
    """

    def __init__(self, url: str, keys: Sequence[VerifierKey] = ()) -> None:
        self.url = url.rstrip("/")
        self._keys = list(keys)
        self._client: Client | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def keys(self) -> Sequence[VerifierKey]:
        """The verifier keys that cosignatures of this witness are verified with.

        Raises:
            WitnessUnavailable: no key was given, and the witness does not name its own.
        """
        if not self._keys:
            response = await self._request("GET", "/verifier-key")
            try:
                self._keys.append(VerifierKey.parse(response.body.decode(), kind=WITNESS_KEY))
            except (NoteInvalid, UnicodeDecodeError):
                raise WitnessUnavailable(
                    f"the witness at {self.url} does not name its verifier key: name it with --witness-key"
                ) from None
        return self._keys

    async def add_checkpoint(self, request: AddCheckpoint) -> str:
        """Request a cosignature.

        Returns:
            The signature lines of this witness's keys, verified.

        Raises:
            SizeConflict: the old size of the request is not the one that the witness has.
            CheckpointRefused: the witness does not cosign.
            WitnessUnavailable: the witness cannot be reached, or its response is none of a witness.
        """
        keys = await self.keys()
        if any(key.name == parse_note(request.note)[0].origin for key in keys):
            raise WitnessUnavailable(f"the witness at {self.url} has the name of the log: a witness needs its own")
        response = await self._request("POST", "/add-checkpoint", request.encode())
        if response.status == CONFLICT and response.content_type == SIZE_TYPE:
            size = _SIZE.fullmatch(response.body.decode(errors="replace"))
            if size is None:
                raise WitnessUnavailable(f"the witness at {self.url} sent a size that is no number")
            raise SizeConflict(int(size[1]))
        if response.status in (CONFLICT, UNPROCESSABLE):
            raise CheckpointRefused(_reason(response), is_contradiction=True)
        if response.status != _OK:
            if response.status >= 500 or response.status == 429:
                raise WitnessUnavailable(f"the witness at {self.url} responded with {_reason(response)}")
            raise CheckpointRefused(_reason(response), is_contradiction=False)
        try:
            signatures = parse_signature_lines(response.body.decode())
            lines = "".join(signature_line(key, each) for key in keys for each in signatures_by(key, signatures))
            if cosignatures_of(request.note + lines, keys):
                return lines
            reason = f"it is not signed by {', '.join(key.name for key in keys)}"
        except (NoteInvalid, UnicodeDecodeError) as error:
            reason = str(error)
        raise WitnessUnavailable(f"the witness at {self.url} sent no valid cosignature: {reason}")

    async def newest(self, origin: str) -> str | None:
        """The newest note of a log that the witness holds; None if it holds none. The note is not verified.

        Raises:
            WitnessUnavailable: the witness cannot be reached, or does not offer its checkpoints.
        """
        response = await self._request("GET", checkpoint_path(origin))
        if response.status == NOT_FOUND:
            return None
        try:
            if response.status != _OK:
                raise WitnessUnavailable(f"the witness at {self.url} responded with {_reason(response)}")
            return response.body.decode()
        except UnicodeDecodeError:
            raise WitnessUnavailable(f"the witness at {self.url} sent no checkpoint: it is not UTF-8") from None

    async def _request(self, method: str, path: str, body: bytes = b"") -> _Response:
        from pyreqwest.client import ClientBuilder  # slow to import
        from pyreqwest.exceptions import PyreqwestError

        if self._client is None:  # kept, because it takes 20 ms to read the certificates of this machine
            builder = ClientBuilder().timeout(timedelta(seconds=TIMEOUT_S)).follow_redirects(False)
            self._client = builder.build()
        try:
            request = self._client.request(method, self.url + path)
            if body:
                request = request.header("Content-Type", "text/plain; charset=utf-8").body_bytes(body)
            async with request.build_streamed() as response:
                content = bytes(await response.body_reader.read(NOTE_BYTES_MAX + 1) or b"")
                kind = response.get_header("content-type") or ""
                status = response.status
        except (PyreqwestError, ValueError) as error:  # ValueError: the URL is malformed
            text = f"the witness at {self.url} does not respond ({reason_of(error)}): is it running?"
            raise WitnessUnavailable(text) from None
        if len(content) > NOTE_BYTES_MAX:
            raise WitnessUnavailable(f"the witness at {self.url} sent more than {NOTE_BYTES_MAX:,} bytes")
        return _Response(status, kind, content)


def _reason(response: _Response) -> str:
    text = "".join(char for char in response.body.decode(errors="replace").strip() if char.isprintable())
    return f"{response.status}: {text[:_REASON_CHARACTERS]}"
