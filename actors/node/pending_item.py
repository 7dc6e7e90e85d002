"""A signed item on its way through the pipeline."""

import asyncio

from actors.ans104.item import DataItem
from actors.protocol.messages import Result


class PendingItem:
    """An item, and the future through which its sender gets the result.

    Attributes:
        item: the signed item.
        result: resolves when the item's message is durable, or fails with the reason. A sender that goes away cancels
            it; the item continues.
        mailbox: the process that the item counts against in the backlog.
        is_assigned: whether the item's message has its place in the log.
        is_refused: whether a stage refused the item, so that it will never be in the log.
    """

    __slots__ = ("is_assigned", "is_refused", "item", "mailbox", "result")

    def __init__(self, item: DataItem, result: "asyncio.Future[Result]", mailbox: bytes) -> None:
        self.item = item
        self.result = result
        self.mailbox = mailbox
        self.is_assigned = self.is_refused = False

    def refuse(self, error: Exception) -> None:
        """Fail the sender's future."""
        self.is_refused = True
        if not self.result.done():
            self.result.set_exception(error)
