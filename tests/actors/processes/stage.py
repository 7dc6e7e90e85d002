"""Runs processes without a node: evaluates a message and all the messages that it causes, in order."""

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from actors.evaluation.process_table import ProcessTable
from actors.protocol.messages import message_tags
from eventstore import Assignment, Message, Sequencer
from eventstore.records import encode_id

NOW_MS = 1_700_000_000_000
ALICE, BOB, EVE = "alice-address", "bob-address", "eve-address"
KEYS = {"encrypted_sk_by_a": "SK_EA", "pubkey_a": "a-key", "encrypted_sk_by_b": "SK_EB", "pubkey_b": "b-key"}


class Stage:
    """A process table with a registry, and a clock that the test sets.

    Attributes:
        events: every evaluated assignment.
    """

    def __init__(self) -> None:
        self.table = ProcessTable(self._read_payloads)
        self.sequencer = Sequencer()
        self.now_ms = NOW_MS
        self.events: list[Assignment] = []
        self.registry = self._id()
        tags = '[["Type","Process"],["Module","mostao.registry@3"]]'
        self._run(Message(self.registry, "node-address", self.registry, "", tags, b"", envelope=b""))

    def send(self, sender: str, target: str, action: str, body: Any = "") -> Any:
        """Send a message from outside; returns its reply."""
        return self._reply(self._run(self._message(sender, target, action, body)))

    def query(self, target: str, action: str, body: Any = "", *, sender: str = "") -> Any:
        """Evaluate a message by dryrun; returns its reply, and asserts that no state changes."""
        before = self.table.state_root()
        message = self._message(sender, target, action, body)
        reply = self._reply(self.table.dryrun(message, timestamp=self.now_ms))
        assert self.table.state_root() == before
        return reply

    def relay(self, sender: str, handle: str, target: str, action: str, body: Any = "") -> Any:
        """Relay a message through a handle; returns the target's reply, or the handle's refusal."""
        data = body if isinstance(body, str) else json.dumps(body)
        reply = self.send(sender, handle, "RelayMessage", {"Target": target, "Data": data, "Tags": {"Action": action}})
        if reply["status"] == "error":
            return reply
        [relayed] = [event for event in self.events if event.message.id == reply["messageID"]]
        return json.loads(relayed.output or "null")

    def register(self, owner: str, handle: str, pubkey: str = "key") -> str:
        reply = self.send(owner, self.registry, "Register", {"handle": handle, "pubkey": pubkey})
        assert reply["status"] == "success", reply
        return reply["pid"]

    def spawn(self, sender: str, module: str, body: Any = "") -> str:
        """Start a process from a wallet; returns its id."""
        id_ = self._id()
        tags = json.dumps([["Type", "Process"], ["Module", module]])
        data = body if isinstance(body, str) else json.dumps(body)
        self._run(Message(id_, sender, id_, "", tags, data.encode(), envelope=b""))
        return id_

    def create_group(self, sender: str, handle: str, name: str = "friends", *, free: bool = False) -> str:
        body = {"handle": handle, "name": name, "free": free}
        reply = self.send(sender, self.registry, "CreateGroup", body)
        assert reply["status"] == "success", reply
        return reply["groupID"]

    def establish(self, sender: str, one: str, other: str) -> str:
        reply = self.send(sender, self.registry, "EstablishSession", {"handleA": one, "handleB": other})
        assert reply["status"] == "success", reply
        return reply["sessionID"]

    def _message(self, sender: str, target: str, action: str, body: Any) -> Message:
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        return Message(self._id(), sender, target, action, message_tags(action, ()), data, envelope=b"")

    def _run(self, message: Message) -> Assignment:
        queue = deque([self.sequencer.assign(message, self.now_ms)])
        first = queue[0]
        while queue:
            assignment = queue.popleft()
            evaluated = self.table.evaluate(assignment)
            assignment.output, assignment.error = evaluated.output, evaluated.error
            self.events.append(assignment)
            queue.extend(self.sequencer.assign(sent, self.now_ms) for sent in evaluated.outbox)
        return first

    @staticmethod
    def _reply(evaluated: Any) -> Any:
        assert evaluated.output is not None, evaluated.error
        reply = json.loads(evaluated.output)
        refused = isinstance(reply, dict) and reply.get("status") == "error"
        assert refused == (evaluated.error is not None)
        return reply

    def _read_payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        history = [event.message.data for event in self.events if event.process == process]
        return [history[slot] for slot in slots]

    def _id(self) -> str:
        self._ids = getattr(self, "_ids", 0) + 1
        return encode_id(self._ids.to_bytes(32, "big"))


def refused(reply: Any, because: str) -> bool:
    """Assert that a reply is a refusal with this reason; returns True."""
    assert reply == {"status": "error", "message": reply.get("message")}, reply
    assert because in reply["message"], reply
    return True
