"""Modules that no log should ever need: each gives something else every time.

``python -m tests.actors.audit.planted LOG`` audits a log that was made with them, in a process of its own.
"""

import random
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from actors.audit.audit import audit
from actors.processes import MODULES, Process, Session
from actors.processes.base import action, succeed
from actors.processes.messaging.session_v1 import SendMessage
from actors.processes.request_body import EmptyBody
from actors.protocol.messages import Context, Effects


class CounterState(msgspec.Struct, frozen=True):
    asked: int = 0


class Planted(Process):
    """Counts how often it was asked, and answers."""

    state: CounterState

    def __init__(self, data: bytes, context: Context) -> None:
        self.state = CounterState()

    def answer(self) -> Any:
        raise NotImplementedError

    @action("Ask")
    def ask(self, body: EmptyBody, context: Context) -> Effects:
        self.state = CounterState(self.state.asked + 1)
        return Effects(succeed(asked=self.state.asked, answer=self.answer()))


class Honest(Planted):
    module = "planted.honest@1"

    def answer(self) -> Any:
        return sorted({"one", "two", "three", "four", "five", "six", "seven", "eight"})


class ReadsTheClock(Planted):
    module = "planted.clock@1"

    def answer(self) -> Any:
        return time.time_ns()


class DrawsARandomNumber(Planted):
    module = "planted.random@1"

    def answer(self) -> Any:
        return random.random()


class IteratesASet(Planted):
    module = "planted.set@1"

    def answer(self) -> Any:
        return list({"one", "two", "three", "four", "five", "six", "seven", "eight"})


class LouderSession(Session):
    """A version of the session that answers differently, built on the one before."""

    module = "mostao.session@4"

    @action("SendMessage", body=SendMessage)
    def send_message(self, body: SendMessage, context: Context) -> Effects:
        effects = super().send_message(body, context)
        return msgspec.structs.replace(effects, quiet=False)


PLANTED = {kind.module: kind for kind in (Honest, ReadsTheClock, DrawsARandomNumber, IteratesASet, LouderSession)}

if __name__ == "__main__":
    MODULES.update(PLANTED)
    for fault in audit(Path(sys.argv[1])).faults:
        print(fault.sequence, fault.what)
