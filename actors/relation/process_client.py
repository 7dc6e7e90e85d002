"""Calls the processes of Relation ONE through a node."""

import os
from collections.abc import Callable
from typing import Any, Protocol

from actors.ans104.item import ANCHOR_BYTES, NoSuchProcess, item_id
from actors.ans104.signer import Signer
from actors.processes.limits import ROWS_MAX
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Result


class Refused(Exception):
    """A process refused a message or a question, with its reason."""


class NodeClient(Protocol):
    """Access to the processes: a node, or a simulated connection to one."""

    async def send(self, raw: bytes) -> Result:
        """Send a signed item, as ``Node.send``."""

    async def dryrun(self, process: str, *, action: str, data: str = "", sender: str = "") -> Result:
        """Evaluate a message without appending it, as ``Node.dryrun``."""

    async def quiescent_sequence(self) -> int:
        """Wait until the effects of all messages are assigned, as ``Node.quiescent_sequence``."""


class ProcessClient:
    """Sends messages and questions to processes in the name of one key.

    A body may have fields of any name, also those of these methods' own parameters.

    Args:
        node: access to the processes.
        key: signs the messages.
        entropy: returns so many random bytes.
    """

    def __init__(self, node: NodeClient, key: Signer, *, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self.node, self.key, self._entropy = node, key, entropy

    async def ask(self, process: str, action: str, /, **body: Any) -> Any:
        """A process's answer to a question (a dryrun). Nothing is appended to the log.

        Raises:
            Refused: the process refuses the question.
        """
        return _answer(await self.node.dryrun(process, action=action, data=encode(body), sender=self.key.address))

    async def ask_list(self, process: str, action: str, /, **body: Any) -> list[Any]:
        """A list, in pages if it is longer than an answer.

        Raises:
            Refused: the process refuses the question.
        """
        try:
            return list(await self.ask(process, action, **body))
        except Refused:  # of the whole list, or of the question: then that of a page has the same reason
            rows: list[Any] = []
            while page := await self.ask(process, action, **body, offset=len(rows), limit=ROWS_MAX):
                rows += page
            return rows

    async def tell(self, process: str, action: str, /, **body: Any) -> Any:
        """Send a message; returns the process's answer once the message is durable.

        Raises:
            Refused: the process refuses the message.
            ItemRefused, Overloaded, EventStoreError, NodeClosed: as ``Node.send``.
        """
        return _answer(await self.send(process, action, **body))

    async def send(self, process: str, action: str, /, **body: Any) -> Result:
        """Send a message; returns its result, also if the process refuses it. Raises as ``Node.send`` does."""
        anchor = self._entropy(ANCHOR_BYTES)  # so that two equal messages have different ids
        return await self.node.send(self.key.sign(target=process, action=action, data=encode(body), anchor=anchor))

    async def wait_until_quiescent(self) -> None:
        """Wait until all effects of the messages that were sent are durable."""
        await self.node.quiescent_sequence()

    async def start_process(self, /, *modules: str, name: str = "", **body: Any) -> str:
        """The id of the key's process with one of these modules, and this name and data.

        A log continues with the module that it began with. If no such process exists, the last module starts one.
        """
        for module in modules:
            tags = [("Type", "Process"), ("Module", module), *([("Name", name)] if name else [])]
            item = self.key.sign(tags=tags, data=encode(body))  # without an anchor: a second call has the same id
            if len(modules) > 1 and await self._exists(item_id(item)):
                return item_id(item)
        result = await self.node.send(item)
        if result.error is not None:
            raise Refused(result.error)
        return result.message_id

    async def _exists(self, process: str) -> bool:
        try:
            await self.node.dryrun(process, action="")
        except NoSuchProcess:
            return False
        return True


def _answer(result: Result) -> Any:
    if result.error is not None:
        raise Refused(result.error)
    return result.answer
