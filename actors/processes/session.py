"""A session: the conversation of two handles. Keeps the encrypted keys and the encrypted messages."""

from typing import Any

import msgspec

from actors.jsontext import encode
from actors.messages import REPLY, Context, Effects, IncomingMessage, Outgoing, Refusal
from actors.processes.base import Process, action, succeed
from actors.processes.body import SECONDS_MAX, Body
from actors.processes.history import History

GENERATIONS_MAX = 2**31
PAGE_DEFAULT = 100
PAGE_MAX = 1000
"""Messages that one QueryMessage answers with."""


class KeyBatch(msgspec.Struct, frozen=True, gc=False):
    """One generation: the session key, sealed to each side. Whoever rotated is in the ``a`` fields."""

    encrypted_sk_by_a: str
    pubkey_a: str
    encrypted_sk_by_b: str
    pubkey_b: str
    rotated_by: str
    """The handle process."""


class SentMessage(msgspec.Struct, frozen=True, gc=False):
    """One message of the conversation, as it came: encrypted."""

    sender: str
    """The handle process."""
    generation: int
    timestamp: int
    """In ms."""
    content: str


class SessionState(msgspec.Struct, frozen=True):
    """What a session knows."""

    a: str
    b: str
    batches: History[KeyBatch]
    messages: History[SentMessage]


class Session(Process):
    """Module ``mostao.session@1`` (mostao.md "Session"; mostao-dm.md). Only its two handle processes may change it."""

    module = "mostao.session@1"
    state: SessionState

    def __init__(self, data: bytes, context: Context) -> None:
        """Starts from ``{"a", "b"}``: the ids of two handle processes."""
        body = Body(data)
        self.state = SessionState(body.text("a"), body.text("b"), History(), History())

    @action("RotateSessionKey")
    def rotate_session_key(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"encrypted_sk_by_a", "pubkey_a", "encrypted_sk_by_b", "pubkey_b"}``: the next generation."""
        self._only_side(context)
        body = Body(message.data)
        batch = KeyBatch(
            body.text("encrypted_sk_by_a"),
            body.text("pubkey_a"),
            body.text("encrypted_sk_by_b"),
            body.text("pubkey_b"),
            context.sender,
        )
        self.state = msgspec.structs.replace(self.state, batches=self.state.batches.append(batch))
        return Effects(succeed(generation=len(self.state.batches)), quiet=True)

    @action("GetCurrentKeys", "GetCurrentKey")
    def get_current_keys(self, message: IncomingMessage, context: Context) -> Effects:
        """The newest key batch in a list; empty before the first."""
        return Effects(self._batch_row(len(self.state.batches)))

    @action("GetKeyByGeneration")
    def get_key_by_generation(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"generation"}``: that key batch in a list; empty if there is none."""
        return Effects(self._batch_row(Body(message.data).whole("generation", least=0, most=GENERATIONS_MAX)))

    @action("SendMessage")
    def send_message(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"content", "generation"}``: keeps the message and notifies the other side."""
        other = self._only_side(context)
        body = Body(message.data)
        content = body.text("content")
        current = len(self.state.batches)
        if not current:
            raise Refusal("the session has no key yet: rotate its key before the first message")
        generation = current
        if body.has("generation"):
            generation = body.whole("generation", least=1, most=GENERATIONS_MAX)
            if generation > current:
                raise Refusal(f"there is no generation {generation}: the newest is {current}")
        sent = SentMessage(context.sender, generation, context.timestamp, content)
        self.state = msgspec.structs.replace(self.state, messages=self.state.messages.append(sent))
        notify = Outgoing(other, "Notify", encode({"lastMessageTime": context.seconds}))
        return Effects(succeed(id=len(self.state.messages)), messages=(notify,), quiet=True)

    @action("QueryMessage")
    def query_message(self, message: IncomingMessage, context: Context) -> Effects:
        """``{"from", "until", "limit", "order"}``, each optional: the messages of a time span, its ends included."""
        body = Body(message.data) if message.data.strip() else Body(b"{}")
        from_ms = body.milliseconds("from") if body.has("from") else 0
        until_ms = body.milliseconds("until") if body.has("until") else SECONDS_MAX * 1000
        limit = body.whole("limit", least=0, most=PAGE_MAX) if body.has("limit") else PAGE_DEFAULT
        order = body.text_or("order", "DESC").upper()
        if order not in ("ASC", "DESC"):
            raise Refusal("the field 'order' has to be 'ASC' or 'DESC'")
        messages = self.state.messages
        start, stop = messages.at_or_after(from_ms), messages.at_or_after(until_ms + 1)
        if order == "ASC":
            stop = min(stop, start + limit)
            return Effects([self._message_row(place) for place in range(start, stop)])
        start = max(start, stop - limit)
        return Effects([self._message_row(place) for place in range(stop - 1, start - 1, -1)])

    @action(REPLY)
    def ignore_reply(self, message: IncomingMessage, context: Context) -> Effects:
        """A handle's refusal of a notification changes nothing here."""
        return Effects(None)

    def _only_side(self, context: Context) -> str:
        """The other side of the sender's, who has to be one of the two handle processes."""
        if context.from_process:
            if context.sender == self.state.a:
                return self.state.b
            if context.sender == self.state.b:
                return self.state.a
        raise Refusal("only the two handles of this session can do that")

    def _batch_row(self, generation: int) -> list[dict[str, Any]]:
        if not 1 <= generation <= len(self.state.batches):
            return []
        batch = self.state.batches[generation - 1]
        return [
            {
                "generation": generation,
                "encrypted_sk_by_a": batch.encrypted_sk_by_a,
                "pubkey_a": batch.pubkey_a,
                "encrypted_sk_by_b": batch.encrypted_sk_by_b,
                "pubkey_b": batch.pubkey_b,
            }
        ]

    def _message_row(self, place: int) -> dict[str, Any]:
        sent = self.state.messages[place]
        batch = self.state.batches[sent.generation - 1]
        return {
            "id": place + 1,
            "sender": sent.sender,
            "pubkey": batch.pubkey_a if batch.rotated_by == sent.sender else batch.pubkey_b,
            "generation": sent.generation,
            "timestamp": sent.timestamp / 1000,
            "content": sent.content,
        }
