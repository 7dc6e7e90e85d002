"""How the edges of Relation ONE speak to its processes."""

import os
from collections.abc import Callable
from typing import Any, Protocol

from actors.ans104.item import ANCHOR_BYTES
from actors.ans104.signer import Signer
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Result


class Refused(Exception):
    """A process will not do what it was asked, with its reason."""


class NodeClient(Protocol):
    """The way to the processes: a node, or a simulation's way to one."""

    async def send(self, raw: bytes) -> Result:
        """See ``Node.send``."""

    async def dryrun(self, process: str, *, action: str, data: str = "", sender: str = "") -> Result:
        """See ``Node.dryrun``."""

    async def quiescent_sequence(self) -> int:
        """See ``Node.quiescent_sequence``."""


class ProcessClient:
    """Asks processes, and tells them something in the name of whoever serves here.

    Args:
        door: the way to them.
        key: signs.
        entropy: gives random bytes.
    """

    def __init__(self, door: NodeClient, key: Signer, *, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self.door, self.key, self._entropy = door, key, entropy

    async def ask(self, process: str, action: str, **body: Any) -> Any:
        """What a process answers to a question. Nothing is appended.

        Raises:
            Refused: it does not answer that.
        """
        return _answer(await self.door.dryrun(process, action=action, data=encode(body), sender=self.key.address))

    async def tell(self, process: str, action: str, **body: Any) -> Any:
        """What a process answers to a message, once that is durable.

        Raises:
            Refused: it does not do that.
            ItemRefused, Overloaded, EventStoreError, NodeClosed: as ``Node.send``.
        """
        return _answer(await self.send(process, action, **body))

    async def send(self, process: str, action: str, **body: Any) -> Result:
        """The whole result of a message, a refusal too; raises as ``Node.send`` does."""
        anchor = self._entropy(ANCHOR_BYTES)  # the same said twice is two messages
        return await self.door.send(self.key.sign(target=process, action=action, data=encode(body), anchor=anchor))

    async def settled(self) -> None:
        """Wait until everything is durable that was caused by what was sent."""
        await self.door.quiescent_sequence()

    async def started(self, module: str, name: str = "", **body: Any) -> str:
        """The process of a module that the key started, with that name and data: it starts when it is first wanted."""
        tags = [("Type", "Process"), ("Module", module), *([("Name", name)] if name else [])]
        item = self.key.sign(tags=tags, data=encode(body))  # without an anchor: said again, it is the same message
        result = await self.door.send(item)
        if result.error is not None:
            raise Refused(result.error)
        return result.message_id


def _answer(result: Result) -> Any:
    if result.error is not None:
        raise Refused(result.error)
    return result.answer
