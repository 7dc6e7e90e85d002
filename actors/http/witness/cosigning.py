"""Signs checkpoints of a node that runs, and requests cosignatures for them. Messages never wait for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from actors.ans104.wallet import Wallet
from actors.evidence.checkpoints import Checkpoint, checkpoint_of, key_of, sign
from actors.http.witness.client import CheckpointRefused, SizeConflict, WitnessClient, WitnessUnavailable
from actors.http.witness.wire_format import AddCheckpoint
from actors.node.node import Node
from actors.runtime.logs import get_logger
from eventstore import EventStoreError, LogFile
from eventstore.merkle.rfc9162 import consistency_path

RETRY_S = 1.0
"""Seconds before the first retry; each further one waits twice as long, up to the interval."""
FINISH_S = 10.0
"""Seconds that the last checkpoint waits for its cosignatures when the node stops."""
_CONFLICTS_MAX = 4
"""Proofs that are sent for one checkpoint. A second one is needed when the witness's size was not known."""
logger = get_logger()


@asynccontextmanager
async def cosigned(node: Node, witnesses: Sequence[WitnessClient], *, interval_s: float) -> AsyncIterator[None]:
    """Sign and store checkpoints while the block runs, and with witnesses a last one when it ends.

    The clients of the witnesses are closed. A node without the key of its log signs none. See ``Cosigning`` for the
    arguments.
    """
    if node.key is None:
        yield
        return
    cosigning = Cosigning(node, node.key, witnesses, interval_s=interval_s)
    running = asyncio.create_task(cosigning.run())
    try:
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        if witnesses:
            await cosigning.finish()
    finally:
        for client in witnesses:
            await client.close()


class _Signed(NamedTuple):
    """A checkpoint and its signed note."""

    checkpoint: Checkpoint
    note: str


class Cosigning:
    """Signs a checkpoint at intervals, has it cosigned, and stores it in the log.

    A witness that does not respond is asked again with increasing delays. A witness that holds a checkpoint which the
    log contradicts, or which is longer than the log, is reported as an error.

    Args:
        node: the node.
        key: the key that started its log.
        witnesses: the witnesses; without any, the checkpoints have the signature of the node alone.
        interval_s: seconds between two checkpoints of a log that grows.
    """

    def __init__(self, node: Node, key: Wallet, witnesses: Sequence[WitnessClient], *, interval_s: float) -> None:
        self._node, self._key, self._interval_s = node, key, interval_s
        self._witnesses = [_Cosigner(node, client, interval_s) for client in witnesses]
        self._stored_size = 0

    async def run(self) -> None:
        """Sign checkpoints until the task is cancelled. The first one is signed at once."""
        loop = asyncio.get_running_loop()
        while True:
            await self._round([cosigner for cosigner in self._witnesses if cosigner.due <= loop.time()])
            due = [cosigner.due for cosigner in self._witnesses]
            await asyncio.sleep(max(0.0, min(due) - loop.time()) if due else self._interval_s)

    async def finish(self) -> None:
        """Sign the last checkpoint of a node that is about to be closed."""
        try:
            await self._node.drain()
        except EventStoreError:  # the node stopped: it reports this when it closes
            return
        try:
            await asyncio.wait_for(self._round(self._witnesses), FINISH_S)
        except TimeoutError:
            logger.warning("the last checkpoint has not all cosignatures", seconds=FINISH_S)

    async def _round(self, cosigners: "Sequence[_Cosigner]") -> None:
        """Sign a checkpoint, request cosignatures, and store the note."""
        try:
            signed = await self._node.read(lambda log: _signed_checkpoint(log, self._key))
            lines = await asyncio.gather(*(cosigner.cosign(signed) for cosigner in cosigners))
            if any(lines) or (not self._witnesses and signed.checkpoint.size > self._stored_size):
                await self._node.store_checkpoint(signed.checkpoint.size, signed.note + "".join(lines))
                self._stored_size = signed.checkpoint.size
        except EventStoreError as error:
            logger.error("no checkpoint", error=str(error))


class _Cosigner:
    """Requests the cosignatures of one witness.

    Attributes:
        due: when to ask it next, in seconds of the event loop's clock.
    """

    def __init__(self, node: Node, client: WitnessClient, interval_s: float) -> None:
        self.due = 0.0
        self._node, self._client, self._interval_s = node, client, interval_s
        self._old_size, self._cosigned_size = 0, -1
        self._delay_s, self._problem = RETRY_S, ""

    async def cosign(self, signed: _Signed) -> str:
        """The signature lines of the witness for a checkpoint; empty if it gave none, or has cosigned it already."""
        lines, problem, is_contradiction = "", "", False
        if signed.checkpoint.size != self._cosigned_size:
            try:
                lines = await self._request(signed)
            except (WitnessUnavailable, CheckpointRefused) as error:
                problem = str(error)
                is_contradiction = isinstance(error, CheckpointRefused) and error.is_contradiction
        self._schedule(is_retry=bool(problem))
        self._report(problem, signed.checkpoint.size, is_contradiction=is_contradiction)
        return lines

    async def _request(self, signed: _Signed) -> str:
        checkpoint = signed.checkpoint
        for _ in range(_CONFLICTS_MAX):
            proof = await self._node.read(
                lambda log: consistency_path(self._old_size, checkpoint.size, log.tree().subtree)
            )
            try:
                lines = await self._client.add_checkpoint(AddCheckpoint(self._old_size, proof, signed.note))
            except SizeConflict as conflict:
                await self._check_length(conflict.size, checkpoint.size)
                self._old_size = conflict.size
                continue
            self._old_size = self._cosigned_size = checkpoint.size
            return lines
        raise WitnessUnavailable(f"the witness at {self._client.url} names another size each time")

    async def _check_length(self, held: int, size: int) -> None:
        """Check that the witness does not hold a longer log than this one.

        Raises:
            CheckpointRefused: it does.
            WitnessUnavailable: the log has grown meanwhile: the next checkpoint is long enough.
        """
        if held <= size:
            return
        length = await self._node.read(lambda log: log.head().sequence)
        if held > length:
            raise CheckpointRefused(
                f"it cosigned {held:,} events, and this log has {length:,}: the newest were cut off, or it was replaced"
                " by an older copy",
                is_contradiction=True,
            )
        raise WitnessUnavailable(f"the witness at {self._client.url} cosigned a newer checkpoint meanwhile")

    def _schedule(self, *, is_retry: bool) -> None:
        wait_s = min(self._delay_s, self._interval_s) if is_retry else self._interval_s
        self._delay_s = 2 * wait_s if is_retry else RETRY_S
        self.due = asyncio.get_running_loop().time() + wait_s

    def _report(self, problem: str, size: int, *, is_contradiction: bool) -> None:
        """Log a problem when it begins and a contradiction each time, and log when it is over."""
        if is_contradiction:
            text = "A WITNESS CONTRADICTS THIS LOG: it was rewritten, cut short or replaced"
            logger.error(text, witness=self._client.url, reason=problem, events=size)
        elif problem and problem != self._problem:
            logger.warning("a witness does not cosign; the node asks again", witness=self._client.url, reason=problem)
        elif self._problem and not problem:
            logger.warning("a witness cosigns again", witness=self._client.url, events=size)
        self._problem = problem


def _signed_checkpoint(log: LogFile, wallet: Wallet) -> _Signed:
    checkpoint = checkpoint_of(log, key_of(log))
    return _Signed(checkpoint, sign(checkpoint, wallet))
