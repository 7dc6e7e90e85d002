"""``python -m tests.actors.node.full_disk LOG BYTES``: a node whose files may not grow past a size. Says what it
acknowledged, and then what it answers to those who send further.
"""

import asyncio
import logging
import resource
import signal
import sys
from pathlib import Path

from actors import Node
from eventstore import EventStoreError
from tests.actors.people import ALICE, NODE, relay, still, talking


async def live(path: Path, limit: int) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, _, session = await talking(node)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        for number in range(10**6):
            try:
                result = await node.send(relay(ALICE, a, session, "SendMessage", {"content": f"{number}" * 100}))
            except EventStoreError as error:
                print(f"refused: {error}", flush=True)
                break
            print(result.message_id, flush=True)
        try:
            await node.dryrun(a, action="GetProfile")
        except EventStoreError as error:
            print(f"refused: {error}", flush=True)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2])))
