"""The answers of messages that were assigned, for those that are sent again."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from actors.protocol.messages import Result

ANSWERS_MAX = 4_096
"""Answers kept in memory, beside those that are not given yet."""
KNOWN_MAX = 65_536
"""Ids of messages that were answered. More than can wait and be on their way to the disk: whoever looked into the log
for a message before it was there finds it here."""


class Answers:
    """Remembers who waits for which message's answer.

    Args:
        recall: waits until a message is durable and gives its result from the log.
    """

    def __init__(self, recall: Callable[[str], Coroutine[Any, Any, Result]]) -> None:
        self._recall = recall
        self._recent: OrderedDict[str, asyncio.Future[Result]] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._recalling: set[asyncio.Task[None]] = set()

    def remember(self, message_id: str, waiter: asyncio.Future[Result]) -> None:
        """Take note of a message that is being assigned, and of whoever sent it first."""
        self._recent[message_id] = waiter
        for _ in range(2):  # of what is added one at a time, what is over is worn off
            if len(self._recent) > ANSWERS_MAX and next(iter(self._recent.values())).done():
                answered, _ = self._recent.popitem(last=False)
                self._known[answered] = None
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)

    def give_again(self, message_id: str, waiter: asyncio.Future[Result]) -> bool:
        """See that the waiter gets the answer that the first sender got or will get.

        Returns:
            Whether the message is known here.
        """
        first = self._recent.get(message_id)
        if first is None:
            if message_id in self._known:
                self._recall_for(message_id, waiter)
            return message_id in self._known
        first.add_done_callback(lambda done: self._pass_on(message_id, done, waiter))
        return True

    def forget(self, message_id: str) -> None:
        """Take note that a message was not assigned after all, or leave it to the log to remember."""
        self._recent.pop(message_id, None)
        self._known.pop(message_id, None)

    def _pass_on(self, message_id: str, first: asyncio.Future[Result], waiter: asyncio.Future[Result]) -> None:
        if waiter.done():
            return
        if first.cancelled():  # the first sender went away; the message itself is on its way all the same
            self._recall_for(message_id, waiter)
        elif (error := first.exception()) is not None:
            waiter.set_exception(error)
        else:
            waiter.set_result(first.result())

    def _recall_for(self, message_id: str, waiter: asyncio.Future[Result]) -> None:
        task = asyncio.get_running_loop().create_task(self._give_recalled(message_id, waiter))
        self._recalling.add(task)
        task.add_done_callback(self._recalling.discard)

    async def _give_recalled(self, message_id: str, waiter: asyncio.Future[Result]) -> None:
        try:
            result = await self._recall(message_id)
        except Exception as error:  # whatever keeps the log from answering, whoever waits has to hear it
            if not waiter.done():
                waiter.set_exception(error)
        else:
            if not waiter.done():
                waiter.set_result(result)
