"""How the edges of Relation ONE speak to its processes."""

import os
from typing import Any

from actors.dataitem import ANCHOR_BYTES
from actors.jsontext import encode
from actors.messages import Result
from actors.node import Node
from actors.wallet import Wallet


class Refused(Exception):
    """A process will not do what it was asked, with its reason."""


class Calls:
    """Asks processes, and tells them something in the name of whoever serves here.

    Args:
        node: where they live.
        key: signs.
    """

    def __init__(self, node: Node, key: Wallet) -> None:
        self.node, self.key = node, key

    async def ask(self, process: str, action: str, **body: Any) -> Any:
        """What a process answers to a question. Nothing is appended.

        Raises:
            Refused: it does not answer that.
        """
        return _answer(await self.node.dryrun(process, action=action, data=encode(body), sender=self.key.address))

    async def tell(self, process: str, action: str, **body: Any) -> Any:
        """What a process answers to a message, once that is durable.

        Raises:
            Refused: it does not do that.
            ItemRefused, Overloaded, EventStoreError, NodeClosed: as ``Node.send``.
        """
        return _answer(await self.send(process, action, **body))

    async def send(self, process: str, action: str, **body: Any) -> Result:
        """The whole result of a message, a refusal too; raises as ``Node.send`` does."""
        anchor = os.urandom(ANCHOR_BYTES)  # the same said twice is two messages
        return await self.node.send(self.key.sign(target=process, action=action, data=encode(body), anchor=anchor))

    async def started(self, module: str, name: str = "", **body: Any) -> str:
        """The process of a module that the key started, with that name and data: it starts when it is first wanted."""
        tags = [("Type", "Process"), ("Module", module), *([("Name", name)] if name else [])]
        item = self.key.sign(tags=tags, data=encode(body))  # without an anchor: said again, it is the same message
        result = await self.node.send(item)
        if result.error is not None:
            raise Refused(result.error)
        return result.message_id


def _answer(result: Result) -> Any:
    if result.error is not None:
        raise Refused(result.error)
    return result.answer
