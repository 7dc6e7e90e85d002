"""A signed item on its way through the pipeline."""

import asyncio

from actors.ans104.item import DataItem
from actors.node.append_limits import UNCHARGED, Charged
from actors.protocol.messages import Result


class PendingItem:
    """An item, and the future through which its sender gets the result.

    Attributes:
        item: the signed item.
        result: resolves when the item's message is durable, or fails with the reason. A sender that goes away cancels
            it: the item is dropped if that happens before deduplication, and continues otherwise.
        mailbox: the process that the item counts against in the backlog.
        charge: who is charged for what the item appends.
        is_assigned: whether the item's message has its place in the log.
        refusal: why a stage refused the item, so that it will never be in the log. None if no stage did.
    """

    __slots__ = ("charge", "is_assigned", "item", "mailbox", "refusal", "result")

    def __init__(
        self, item: DataItem, result: "asyncio.Future[Result]", mailbox: bytes, charge: Charged = UNCHARGED
    ) -> None:
        self.item = item
        self.result = result
        self.mailbox = mailbox
        self.charge = charge
        self.is_assigned = False
        self.refusal: Exception | None = None

    def refuse(self, error: Exception) -> None:
        """Fail the sender's future."""
        self.refusal = error
        if not self.result.done():
            self.result.set_exception(error)
