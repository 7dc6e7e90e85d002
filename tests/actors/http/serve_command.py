"""Runs ``mostao serve`` in a child process."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = (sys.executable, "-c", "from simulations.cli.main import main; main()")
STOP_S = 60


@contextmanager
def mostao_serve(path: Path, *options: str) -> Iterator[str]:
    """Serve a log until the block ends, and check that the command stops cleanly. Yields the URL."""
    command = [*COMMAND, "serve", str(path), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", first)
            assert found, first + process.communicate()[1]
            yield found[1]
        except BaseException:
            process.kill()
            raise
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=STOP_S)
        assert (process.returncode, errors) == (0, ""), errors
        assert re.search(r"^stopped: [\d,]+ events in ", out, re.MULTILINE), out
