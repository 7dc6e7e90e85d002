"""What ``eventstore/README.md`` states about a forger who holds the file and evaluates its history again."""

import asyncio
from pathlib import Path

from actors import Node
from actors.audit.audit import audit
from eventstore import read_log
from simulations import User
from tests.actors.audit.forger import forget_checkpoints, read, relinked, write


async def two_people(path: Path) -> None:
    async with Node.open(path) as node:
        for name in ("ada", "ben"):
            user = User.create(name)
            await user.register(node)
            await node.send(user.item(user.pid, "GetProfile", {}))


def test_a_history_evaluated_again_without_a_message_is_found_by_a_kept_checkpoint_alone(path: Path) -> None:
    asyncio.run(two_people(path))
    log = read_log(path)
    kept = log.checkpoints()
    log.close()
    rows = read(path)
    left_out = next(row for row in rows if row.message.action == "GetProfile")
    write(path, relinked([row for row in rows if row is not left_out]))
    forget_checkpoints(path)
    assert audit(path).faults == []
    [fault] = audit(path, checkpoints=kept).faults
    assert fault.what == "the log is not the one of a checkpoint"
