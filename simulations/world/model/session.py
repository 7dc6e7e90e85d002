"""The model of a session: key generations and messages of two handles."""

from collections.abc import Iterator
from typing import Any, ClassVar

from simulations.world.model.conversation import Spoken, page_of, queries_of
from simulations.world.model.process import SUCCESS, Body, Expected, ProcessModel, Received, Refused, Sent

RARELY = 4
"""Messages between two queries of the metadata, which the messages themselves show, too."""
KEY_FIELDS = ("encrypted_sk_by_a", "pubkey_a", "encrypted_sk_by_b", "pubkey_b")


class SessionModel(ProcessModel):
    """Keeps whole key batches and messages.

    Attributes:
        sides: the two handle processes.
        batches: key batches; generation 1 is the first.
        messages: the messages in order.
    """

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self.sides: tuple[str, str] = (start.body["a"], start.body["b"])
        self.batches: list[Body] = []
        self.messages: list[Spoken] = []
        self.touch("session")

    def parts(self) -> Iterator[Any]:
        """See ``ProcessModel.parts``."""
        yield "session"
        for number in range(len(self.batches)):
            yield "key", number + 1
        for number in range(len(self.messages)):
            yield "message", number + 1

    def shown_by(self, part: Any) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        if part == "session":
            yield "GetSession", {}
            return
        kind, number = part
        if kind == "key":
            yield "GetKeyByGeneration", {"generation": number}
            if number == len(self.batches):
                yield "GetCurrentKeys", {}
        else:
            yield from queries_of(self.messages, number)

    def _rotate(self, message: Received) -> Expected:
        self._other_side(message)
        self.batches.append({**{name: message.body[name] for name in KEY_FIELDS}, "by": message.sender})
        self.touch("session", ("key", len(self.batches)))
        return Expected({**SUCCESS, "generation": len(self.batches)}, quiet=True)

    def _send(self, message: Received) -> Expected:
        other = self._other_side(message)
        newest = len(self.batches)
        if not newest:
            raise Refused("the session has no key yet: rotate its key before the first message")
        generation = message.body.get("generation") or newest
        if generation > newest:
            raise Refused(f"there is no generation {generation}: the newest is {newest}")
        number = len(self.messages) + 1
        content = message.body["content"]
        self.messages.append(Spoken(number, message.sender, generation, message.timestamp, content))
        self.touch(*(["session"] if number % RARELY == 0 else []), ("message", number))
        notify = Sent(other, "Notify", {"lastMessageTime": message.timestamp / 1000})
        return Expected({**SUCCESS, "id": number}, (notify,), quiet=True)

    def _reply(self, _: Received) -> Expected:
        return Expected()

    def _other_side(self, message: Received) -> str:
        if not message.from_process or message.sender not in self.sides:
            raise Refused("only the two handles of this session can do that")
        one, other = self.sides
        return other if message.sender == one else one

    def _get_session(self, _: Body, __: int) -> Body:
        row = {"participants": list(self.sides), "generation": len(self.batches), "messages": len(self.messages)}
        return {**row, "lastMessageTime": self.messages[-1].timestamp / 1000} if self.messages else row

    def _current_keys(self, _: Body, __: int) -> list[Body]:
        return self._keys(len(self.batches))

    def _key_by_generation(self, body: Body, _: int) -> list[Body]:
        return self._keys(body["generation"])

    def _keys(self, generation: int) -> list[Body]:
        if not 0 < generation <= len(self.batches):
            return []
        batch = self.batches[generation - 1]
        return [{"generation": generation, **{name: batch[name] for name in KEY_FIELDS}}]

    def _query_message(self, body: Body, _: int) -> list[Body]:
        return [
            {
                "id": message.id,
                "sender": message.sender,
                "pubkey": self._pubkey(message),
                "generation": message.generation,
                "timestamp": message.timestamp / 1000,
                "content": message.content,
            }
            for message in page_of(self.messages, body)
        ]

    def _pubkey(self, message: Spoken) -> str:
        batch = self.batches[message.generation - 1]
        return str(batch["pubkey_a" if batch["by"] == message.sender else "pubkey_b"])

    changes: ClassVar[dict[str, Any]] = {"RotateSessionKey": _rotate, "SendMessage": _send, "Reply": _reply}
    queries: ClassVar[dict[str, Any]] = {
        "GetSession": _get_session,
        "GetCurrentKeys": _current_keys,
        "GetCurrentKey": _current_keys,
        "GetKeyByGeneration": _key_by_generation,
        "QueryMessage": _query_message,
    }
