"""The rules of a witness (C2SP tlog-witness): which checkpoints it cosigns. Pure: no clock, no key, no storage."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from actors.crypto.ed25519 import is_valid
from actors.evidence.checkpoints import (
    Checkpoint,
    NoteInvalid,
    VerifierKey,
    parse_note,
    signature_line,
    signatures_by,
)
from actors.http.witness.wire_format import SIZE_TYPE, AddCheckpoint, RequestMalformed
from eventstore.merkle.rfc9162 import EMPTY_ROOT, ProofInvalid, check_consistency

TrustedKeys = Mapping[str, Sequence[VerifierKey]]
"""The verifier keys of each log, by its origin."""
BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, UNPROCESSABLE = 400, 403, 404, 409, 422


class Refused(Exception):
    """The witness does not cosign.

    Attributes:
        status: the HTTP status that tlog-witness requires.
        content_type: of the response whose body is the text of this error.
    """

    def __init__(self, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        super().__init__(text)
        self.status, self.content_type = status, content_type


class Submission(NamedTuple):
    """A request whose checkpoint is signed by a log that the witness knows."""

    old_size: int
    proof: list[bytes]
    checkpoint: Checkpoint
    note: str
    """The checkpoint with the valid signatures of its log. A signature of an unknown key would be stored unverified."""


def verify_request(body: bytes, logs: TrustedKeys) -> Submission:
    """Check everything about a request that does not depend on what the witness cosigned before.

    Raises:
        Refused: 400 for a malformed request, 404 for an unknown log, 403 for a checkpoint that its log did not sign.
    """
    try:
        request = AddCheckpoint.decode(body)
        checkpoint, signatures = parse_note(request.note)
    except (RequestMalformed, NoteInvalid) as error:
        raise Refused(BAD_REQUEST, f"{error}\n") from None
    keys = logs.get(checkpoint.origin)
    if keys is None:
        raise Refused(NOT_FOUND, "this witness does not know the log\n")
    lines = []
    for key in keys:
        for signature in dict.fromkeys(signatures_by(key, signatures)):  # a repeated one costs time and room
            if not is_valid(signature, checkpoint.text.encode(), key.public_key):
                raise Refused(FORBIDDEN, "the signature of the log does not match its checkpoint\n")
            lines.append(signature_line(key, signature))
    if not lines:
        raise Refused(FORBIDDEN, "the checkpoint is not signed by a key of the log that this witness trusts\n")
    if request.old_size > checkpoint.size:
        raise Refused(BAD_REQUEST, "the old size is larger than the checkpoint\n")
    return Submission(request.old_size, request.proof, checkpoint, "\n".join((checkpoint.text, "".join(lines))))


def check_growth(submission: Submission, newest: Checkpoint | None) -> None:
    """Check that a checkpoint extends the newest one that the witness cosigned for this log.

    Raises:
        Refused: 409 with the newest size if the request has another old size; 409 for another root of the same size;
            422 if the proof does not verify, or an empty log has another root than the one of the empty tree.
    """
    checkpoint, old_size = submission.checkpoint, submission.old_size
    newest_size, newest_root = (newest.size, newest.root) if newest else (0, EMPTY_ROOT)
    if old_size != newest_size:
        raise Refused(CONFLICT, f"{newest_size}\n", SIZE_TYPE)
    if not checkpoint.size and checkpoint.root != EMPTY_ROOT:
        raise Refused(UNPROCESSABLE, "a log of no events has the root of the empty tree\n")
    if checkpoint.size == newest_size and checkpoint.root != newest_root:
        raise Refused(CONFLICT, "this witness cosigned another root of this size\n")
    try:
        check_consistency(old_size, newest_root, checkpoint.size, checkpoint.root, submission.proof)
    except ProofInvalid as error:
        raise Refused(UNPROCESSABLE, f"the consistency proof does not verify: {error}\n") from None
