"""A session: the conversation of two handles. Keeps the encrypted keys and the encrypted messages."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from actors.processes.base import Process, action, succeed
from actors.processes.collections.append_only_list import History
from actors.processes.collections.packed_entries import Entry, Ledger
from actors.processes.request_body import Body, NoBody, Seconds, Text, milliseconds, parser
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Context, Effects, Outgoing, Refusal

GENERATION_MAX = 2**31
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


class SessionState(msgspec.Struct, frozen=True, gc=False):
    """What a session knows."""

    a: str
    b: str
    batches: History[KeyBatch]
    messages: Ledger
    """What they say is in the session's log, which keeps it once."""


class Start(Body):
    """What a session starts from: the ids of two handle processes."""

    a: Text
    b: Text


class RotateSessionKey(Body):
    """A session key, sealed to each side."""

    encrypted_sk_by_a: Text
    pubkey_a: Text
    encrypted_sk_by_b: Text
    pubkey_b: Text


class GetKeyByGeneration(Body):
    """Which generation."""

    generation: Annotated[int, Meta(ge=0, le=GENERATION_MAX, description=f"a whole number from 0 to {GENERATION_MAX}")]


class SendMessage(Body):
    """An encrypted message; without a generation it is of the newest."""

    content: Text
    generation: (
        Annotated[int, Meta(ge=1, le=GENERATION_MAX, description=f"a whole number from 1 to {GENERATION_MAX}")] | None
    ) = None


class QueryMessage(Body):
    """A time span, its ends included, and how much of it to give."""

    from_: Seconds | None = msgspec.field(default=None, name="from")
    until: Seconds | None = None
    limit: Annotated[int, Meta(ge=0, le=PAGE_MAX, description=f"a whole number from 0 to {PAGE_MAX}")] | None = None
    order: Annotated[str, Meta(pattern="^(?i:asc|desc)$", description="'ASC' or 'DESC'")] | None = None

    def places(self, messages: Ledger) -> range:
        """Of the messages that are asked for, newest first unless asked otherwise."""
        limit = PAGE_DEFAULT if self.limit is None else self.limit
        start = 0 if self.from_ is None else messages.since(milliseconds(self.from_))
        stop = len(messages) if self.until is None else messages.since(milliseconds(self.until) + 1)
        if self.order is not None and self.order.upper() == "ASC":
            return range(start, min(stop, start + limit))
        return range(stop - 1, max(start, stop - limit) - 1, -1)


_start = parser(Start)
_said = parser(SendMessage)


class Session(Process):
    """Module ``mostao.session@1`` (mostao.md "Session"; mostao-dm.md). Only its two handle processes may change it."""

    __slots__ = ()

    module = "mostao.session@1"
    state: SessionState

    def __init__(self, data: bytes, context: Context) -> None:
        """See ``Start``."""
        start = _start(data)
        self.state = SessionState(start.a, start.b, History(), Ledger())

    @action("RotateSessionKey", body=RotateSessionKey)
    def rotate_session_key(self, body: RotateSessionKey, context: Context) -> Effects:
        """The next generation."""
        self._only_side(context)
        batch = KeyBatch(body.encrypted_sk_by_a, body.pubkey_a, body.encrypted_sk_by_b, body.pubkey_b, context.sender)
        self.state = msgspec.structs.replace(self.state, batches=self.state.batches.append(batch))
        return Effects(succeed(generation=len(self.state.batches)), quiet=True)

    @action("GetCurrentKeys", "GetCurrentKey")
    def get_current_keys(self, body: NoBody, context: Context) -> Effects:
        """The newest key batch in a list; empty before the first."""
        return Effects(self._batch_row(len(self.state.batches)))

    @action("GetKeyByGeneration", body=GetKeyByGeneration)
    def get_key_by_generation(self, body: GetKeyByGeneration, context: Context) -> Effects:
        """That key batch in a list; empty if there is none."""
        return Effects(self._batch_row(body.generation))

    @action("SendMessage", body=SendMessage)
    def send_message(self, body: SendMessage, context: Context) -> Effects:
        """Keeps the message and notifies the other side."""
        other = self._only_side(context)
        current = len(self.state.batches)
        if not current:
            raise Refusal("the session has no key yet: rotate its key before the first message")
        generation = body.generation or current
        if generation > current:
            raise Refusal(f"there is no generation {generation}: the newest is {current}")
        by_b = int(context.sender == self.state.b)
        messages = self.state.messages.append(Entry(context.slot, context.timestamp, generation, by_b))
        self.state = msgspec.structs.replace(self.state, messages=messages)
        notify = Outgoing(other, "Notify", encode({"lastMessageTime": context.timestamp / 1000}))
        return Effects(succeed(id=len(messages)), messages=(notify,), quiet=True)

    @action("QueryMessage", body=QueryMessage, optional=True)
    def query_message(self, body: QueryMessage, context: Context) -> Effects:
        """The messages of a time span, newest first unless asked otherwise."""
        return Effects(self._message_rows(body.places(self.state.messages), context))

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

    def _message_rows(self, places: range, context: Context) -> list[dict[str, Any]]:
        entries = [self.state.messages[place] for place in places]
        payloads = context.payloads([entry.slot for entry in entries])
        return [self._message_row(*row) for row in zip(places, entries, payloads, strict=True)]

    def _message_row(self, place: int, entry: Entry, data: bytes) -> dict[str, Any]:
        sender = self.state.b if entry.by_b else self.state.a
        batch = self.state.batches[entry.generation - 1]
        return {
            "id": place + 1,
            "sender": sender,
            "pubkey": batch.pubkey_a if batch.rotated_by == sender else batch.pubkey_b,
            "generation": entry.generation,
            "timestamp": entry.timestamp / 1000,
            "content": _said(data).content,
        }
