"""Both hash chains of a log, checked by a process of their own while another one evaluates.

Hashing and evaluating each keep an interpreter busy. A child that only follows the chains takes a fifth of a long
replay off its parent; a short one is over before the child has started.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from eventstore.errors import EventStoreError, LogFault
from eventstore.sequencer import Sequencer
from eventstore.sqlite import SqliteLog


class _Verdict(msgspec.Struct):
    """What the child found: the chain where it ended, or the first fault."""

    chain: bytes
    fault: tuple[str, int, str, str, str] | None = None


class ChainCheck:
    """Checks the chains up to a sequence, from entering the block on."""

    def __init__(self, path: Path, *, until: int) -> None:
        self._command = [sys.executable, "-m", __name__, str(path), str(until)]

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._child = subprocess.Popen(self._command, stdout=subprocess.PIPE, env=environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
        with self._child:  # closes its pipe and waits for its end
            pass

    def chain(self) -> bytes:
        """Wait for the end of the check.

        Returns:
            The log chain there.

        Raises:
            LogFault: the first assignment that does not follow from those before.
        """
        answer, _ = self._child.communicate()
        if self._child.returncode:
            raise EventStoreError("the chains could not be checked: the process that checks them failed")
        verdict = msgspec.msgpack.decode(answer, type=_Verdict)
        if verdict.fault is not None:
            what, sequence, process, expected, found = verdict.fault
            raise LogFault(what, sequence=sequence, process=process, expected=expected, found=found)
        return verdict.chain


def _check(path: Path, until: int) -> _Verdict:
    sequencer = Sequencer()
    log = SqliteLog.open_to_read(path)
    try:
        for assignment in log.read(until=until):
            sequencer.accept(assignment)
    except LogFault as fault:
        where = (fault.what, fault.sequence, fault.process, str(fault.expected), str(fault.found))
        return _Verdict(sequencer.log_chain, where)
    finally:
        log.close()
    return _Verdict(sequencer.log_chain)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.msgpack.encode(_check(Path(sys.argv[1]), int(sys.argv[2]))))
