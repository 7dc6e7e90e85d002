"""Processes without a node: messages go in, and everything that they cause is evaluated in order."""

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
    """A world with a registry, at a time that the test sets.

    Attributes:
        events: every assignment, evaluated.
    """

    def __init__(self) -> None:
        self.world = ProcessTable(self._received)
        self.sequencer = Sequencer()
        self.now_ms = NOW_MS
        self.events: list[Assignment] = []
        self.registry = self._id()
        tags = '[["Type","Process"],["Module","mostao.registry@2"]]'
        self._run(Message(self.registry, "node-address", self.registry, "", tags, b"", envelope=b""))

    def send(self, sender: str, target: str, action: str, body: Any = "") -> Any:
        """Send a message from outside and give its answer."""
        return self._answer(self._run(self._message(sender, target, action, body)))

    def query(self, target: str, action: str, body: Any = "", *, sender: str = "") -> Any:
        """Ask by dryrun, and see that nothing changes."""
        before = self.world.state_root()
        message = self._message(sender, target, action, body)
        answer = self._answer(self.world.dryrun(message, timestamp=self.now_ms))
        assert self.world.state_root() == before
        return answer

    def relay(self, sender: str, handle: str, target: str, action: str, body: Any = "") -> Any:
        """Have a handle send a message; gives the answer of what it was sent to, or of the handle if it refused."""
        data = body if isinstance(body, str) else json.dumps(body)
        answer = self.send(sender, handle, "RelayMessage", {"Target": target, "Data": data, "Tags": {"Action": action}})
        if answer["status"] == "error":
            return answer
        [relayed] = [event for event in self.events if event.message.id == answer["messageID"]]
        return json.loads(relayed.output or "null")

    def register(self, owner: str, handle: str, pubkey: str = "key") -> str:
        answer = self.send(owner, self.registry, "Register", {"handle": handle, "pubkey": pubkey})
        assert answer["status"] == "success", answer
        return answer["pid"]

    def spawn(self, sender: str, module: str, body: Any = "") -> str:
        """A process that a wallet starts."""
        id_ = self._id()
        tags = json.dumps([["Type", "Process"], ["Module", module]])
        data = body if isinstance(body, str) else json.dumps(body)
        self._run(Message(id_, sender, id_, "", tags, data.encode(), envelope=b""))
        return id_

    def create_group(self, sender: str, handle: str, name: str = "friends", *, free: bool = False) -> str:
        body = {"handle": handle, "name": name, "free": free}
        answer = self.send(sender, self.registry, "CreateGroup", body)
        assert answer["status"] == "success", answer
        return answer["groupID"]

    def establish(self, sender: str, one: str, other: str) -> str:
        answer = self.send(sender, self.registry, "EstablishSession", {"handleA": one, "handleB": other})
        assert answer["status"] == "success", answer
        return answer["sessionID"]

    def _message(self, sender: str, target: str, action: str, body: Any) -> Message:
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        return Message(self._id(), sender, target, action, message_tags(action, ()), data, envelope=b"")

    def _run(self, message: Message) -> Assignment:
        queue = deque([self.sequencer.assign(message, self.now_ms)])
        first = queue[0]
        while queue:
            assignment = queue.popleft()
            evaluated = self.world.evaluate(assignment)
            assignment.output, assignment.error = evaluated.output, evaluated.error
            self.events.append(assignment)
            queue.extend(self.sequencer.assign(sent, self.now_ms) for sent in evaluated.outbox)
        return first

    @staticmethod
    def _answer(evaluated: Any) -> Any:
        assert evaluated.output is not None, evaluated.error
        answer = json.loads(evaluated.output)
        refused = isinstance(answer, dict) and answer.get("status") == "error"
        assert refused == (evaluated.error is not None)
        return answer

    def _received(self, process: str, slots: Sequence[int]) -> list[bytes]:
        history = [event.message.data for event in self.events if event.process == process]
        return [history[slot] for slot in slots]

    def _id(self) -> str:
        self._ids = getattr(self, "_ids", 0) + 1
        return encode_id(self._ids.to_bytes(32, "big"))


def refused(answer: Any, because: str) -> bool:
    """Whether an answer is a refusal for that reason."""
    assert answer == {"status": "error", "message": answer.get("message")}, answer
    assert because in answer["message"], answer
    return True
