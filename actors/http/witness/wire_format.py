"""The body of an ``add-checkpoint`` request and the path of a stored checkpoint (C2SP tlog-witness)."""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

from actors.evidence.checkpoints import NOTE_BYTES_MAX

PROOF_LINES_MAX = 63
REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 4096
"""Limit of a request: a note, and 63 hashes of 45 bytes each with the line of the old size."""
SIZE_TYPE = "text/x.tlog.size"
"""Content type of a 409 response whose body is the size of the newest cosigned checkpoint."""
_HASH_BYTES = 32
_OLD_SIZE = re.compile("old (0|[1-9][0-9]{0,17})")


class RequestMalformed(ValueError):
    """The body is not an ``add-checkpoint`` request; the text gives the reason."""


class AddCheckpoint(NamedTuple):
    """An ``add-checkpoint`` request."""

    old_size: int
    """Size of the checkpoint that the witness cosigned last; 0 for none."""
    proof: list[bytes]
    """Consistency proof (RFC 6962) from the old size to the size of the checkpoint."""
    note: str
    """The checkpoint, signed by its log."""

    def encode(self) -> bytes:
        """The body of the request."""
        hashes = (b64encode(hashed).decode() for hashed in self.proof)
        head = "".join(f"{line}\n" for line in (f"old {self.old_size}", *hashes))
        return f"{head}\n{self.note}".encode()

    @classmethod
    def decode(cls, body: bytes) -> "AddCheckpoint":
        """Parse the body of a request. The note is not parsed.

        Raises:
            RequestMalformed: the body is not a request.
        """
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise RequestMalformed("the request has to be UTF-8") from None
        head, blank, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        old_size = _OLD_SIZE.fullmatch(first)
        if not blank or old_size is None:
            raise RequestMalformed(
                "a request has the line `old SIZE`, lines of a proof, an empty line and a checkpoint"
            )
        if len(lines) > PROOF_LINES_MAX:
            raise RequestMalformed(f"a proof has at most {PROOF_LINES_MAX} lines")
        if not note.endswith("\n"):
            raise RequestMalformed("each line has to end with a newline")
        return cls(int(old_size[1]), [_hash(line) for line in lines], note)


def checkpoint_path(origin: str) -> str:
    """Path of the newest checkpoint that a witness holds of a log: ``/<SHA-256 of the origin in hex>/checkpoint``."""
    return f"/{origin_hash(origin)}/checkpoint"


def origin_hash(origin: str) -> str:
    """The name of a log in paths: SHA-256 of its origin, in hex."""
    return sha256(origin.encode()).hexdigest()


def _hash(line: str) -> bytes:
    try:
        raw = b64decode(line, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _HASH_BYTES or b64encode(raw).decode() != line:
        raise RequestMalformed("a line of a proof is one hash of 32 bytes in base64")
    return raw
