"""A witness: its key, the logs that it knows, and what it cosigned."""

from collections.abc import Callable

from actors.ans104.wallet import Wallet
from actors.evidence.checkpoints import WITNESS_KEY, VerifierKey, parse_note
from actors.evidence.cosignatures import cosign
from actors.http.witness.rules import TrustedKeys, check_growth, verify_request
from actors.http.witness.store import WitnessStore
from actors.http.witness.wire_format import origin_hash


class Witness:
    """Cosigns checkpoints that extend the newest one of their log. One thread may use it at a time.

    Args:
        store: holds the newest checkpoint of each log.
        name: key name of the witness.
        wallet: its private key.
        logs: the verifier keys of each log that the witness knows, by origin.
        clock: gives the time in ms since the epoch.

    Attributes:
        key: verifier key of the witness.
    """

    def __init__(
        self, store: WitnessStore, *, name: str, wallet: Wallet, logs: TrustedKeys, clock: Callable[[], int]
    ) -> None:
        self.key = VerifierKey(name, wallet.public_key, WITNESS_KEY)
        self._store, self._wallet, self._logs, self._clock = store, wallet, logs, clock
        self._origins = {origin_hash(origin): origin for origin in logs}

    def add_checkpoint(self, body: bytes) -> str:
        """Cosign the checkpoint of an ``add-checkpoint`` request.

        Returns:
            The cosignature, a line of a signed note. The checkpoint is stored durably.

        Raises:
            Refused: the witness does not cosign; the error has the HTTP status.
            StoreUnusable: the checkpoint could not be stored.
        """
        submission = verify_request(body, self._logs)
        line = ""

        def replace(stored: str | None) -> str | None:
            nonlocal line
            newest = None if stored is None else parse_note(stored)[0]
            check_growth(submission, newest)
            line = cosign(submission.checkpoint, self.key, self._wallet, timestamp=self._clock() // 1000)
            is_stored = newest is not None and newest.text == submission.checkpoint.text
            return None if is_stored else submission.note + line

        self._store.update(submission.checkpoint.origin, replace)
        return line

    def newest(self, hashed: str) -> str | None:
        """The newest checkpoint of a log, with the signatures of the log and of this witness; None if there is none.

        Args:
            hashed: SHA-256 of the log's origin, in hex.

        Raises:
            StoreUnusable: the file cannot be read.
        """
        origin = self._origins.get(hashed)
        return None if origin is None else self._store.newest(origin)
