"""Measurements of a node's memory and processor time."""

import subprocess
import sys

from simulations.load.usage import Usage

CHILD = """
import sys
held = bytearray(b"x") * 200_000_000
for line in sys.stdin:
    sum(range(10**7))
    print("done", flush=True)
"""
NODE = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


async def test_child_processes_count() -> None:
    with subprocess.Popen([sys.executable, "-c", NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        node.stdin.write(b"work\n")
        node.stdin.flush()
        node.stdout.readline()
        usage = Usage(node.pid)
        at_rest = await usage.sample()
        node.stdin.write(b"work\n")
        node.stdin.flush()
        node.stdout.readline()
        busy = await usage.sample()
    assert at_rest.rss_mb > 200
    assert busy.cpu_percent > at_rest.cpu_percent
