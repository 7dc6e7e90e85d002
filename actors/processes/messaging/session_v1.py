"""Version 1 of the session: the conversation of two handles, with encrypted keys and messages."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from actors.processes.base import Process, action, succeed
from actors.processes.collections.append_only_list import History
from actors.processes.collections.packed_entries import Entry, Ledger
from actors.processes.request_body import Body, EmptyBody, Seconds, Text, milliseconds, parser
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Context, Effects, Outgoing, Refusal

GENERATION_MAX = 2**31
PAGE_DEFAULT = 100
PAGE_MAX = 1000
"""Maximum number of messages in a reply of QueryMessage."""
HANDLES = "the two handle processes of the session"
KEY_ROWS = (
    "list of at most one `generation`, `encrypted_sk_by_a`, `pubkey_a`, `encrypted_sk_by_b`, `pubkey_b`;"
    " empty if there is none"
)


class KeyBatch(msgspec.Struct, frozen=True, gc=False):
    """One generation: the session key, sealed to each side. The ``a`` fields are those of the rotating side."""

    encrypted_sk_by_a: str
    pubkey_a: str
    encrypted_sk_by_b: str
    pubkey_b: str
    rotated_by: str
    """The rotating handle process."""


class SessionState(msgspec.Struct, frozen=True, gc=False):
    """State of a session."""

    a: str
    b: str
    batches: History[KeyBatch]
    messages: Ledger
    """Slots and metadata. The content stays in the log, which holds it once."""


class Start(Body):
    """Start body: the ids of two handle processes."""

    a: Text
    b: Text


class RotateSessionKey(Body):
    """A session key, sealed to each side."""

    encrypted_sk_by_a: Text
    pubkey_a: Text
    encrypted_sk_by_b: Text
    pubkey_b: Text


class GetKeyByGeneration(Body):
    """A generation of the key."""

    generation: Annotated[int, Meta(ge=0, le=GENERATION_MAX, description=f"a whole number from 0 to {GENERATION_MAX}")]


class SendMessage(Body):
    """An encrypted message. The default generation is the newest."""

    content: Text
    generation: (
        Annotated[int, Meta(ge=1, le=GENERATION_MAX, description=f"a whole number from 1 to {GENERATION_MAX}")] | None
    ) = None


class QueryMessage(Body):
    """A time span with both ends, and the number and order of messages to return."""

    from_: Seconds | None = msgspec.field(default=None, name="from")
    until: Seconds | None = None
    limit: Annotated[int, Meta(ge=0, le=PAGE_MAX, description=f"a whole number from 0 to {PAGE_MAX}")] | None = None
    order: Annotated[str, Meta(pattern="^(?i:asc|desc)$", description="'ASC' or 'DESC'")] | None = None

    def indexes(self, messages: Ledger) -> range:
        """Indexes of the requested messages, newest first by default."""
        limit = PAGE_DEFAULT if self.limit is None else self.limit
        start = 0 if self.from_ is None else messages.since(milliseconds(self.from_))
        stop = len(messages) if self.until is None else messages.since(milliseconds(self.until) + 1)
        if self.order is not None and self.order.upper() == "ASC":
            return range(start, min(stop, start + limit))
        return range(stop - 1, max(start, stop - limit) - 1, -1)


_parse_start = parser(Start)
_parse_message = parser(SendMessage)


class Session(Process):
    """The conversation of two handles (mostao.md "Session"; mostao-dm.md). Only its two handle processes change it."""

    __slots__ = ()

    module = "mostao.session@1"
    start_body: ClassVar[type] = Start
    state: SessionState

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from a ``Start`` body."""
        start = _parse_start(data)
        self.state = SessionState(start.a, start.b, History(), Ledger())

    @action("RotateSessionKey", body=RotateSessionKey, callers=HANDLES, reply="`status`, `generation`")
    def rotate_session_key(self, body: RotateSessionKey, context: Context) -> Effects:
        """Add a session key, sealed to each side, as the next generation. The ``a`` fields are those of the sender."""
        self._only_side(context)
        batch = KeyBatch(body.encrypted_sk_by_a, body.pubkey_a, body.encrypted_sk_by_b, body.pubkey_b, context.sender)
        self.state = msgspec.structs.replace(self.state, batches=self.state.batches.append(batch))
        return Effects(succeed(generation=len(self.state.batches)), quiet=True)

    @action("GetCurrentKeys", "GetCurrentKey", reply=KEY_ROWS)
    def get_current_keys(self, body: EmptyBody, context: Context) -> Effects:
        """Return the newest generation."""
        return Effects(self._batch_row(len(self.state.batches)))

    @action("GetKeyByGeneration", body=GetKeyByGeneration, reply=KEY_ROWS)
    def get_key_by_generation(self, body: GetKeyByGeneration, context: Context) -> Effects:
        """Return one generation."""
        return Effects(self._batch_row(body.generation))

    @action("SendMessage", body=SendMessage, callers=HANDLES, reply="`status`, `id` (number of the message, from 1)")
    def send_message(self, body: SendMessage, context: Context) -> Effects:
        """Add a message, and send Notify to the other side."""
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

    @action(
        "QueryMessage",
        body=QueryMessage,
        optional=True,
        reply="list of `id`, `sender`, `pubkey`, `generation`, `timestamp` (seconds), `content`",
    )
    def query_message(self, body: QueryMessage, context: Context) -> Effects:
        """List the messages of a time span (seconds, both ends included): by default the newest 100, newest first."""
        return Effects(self._message_rows(body.indexes(self.state.messages), context))

    def _only_side(self, context: Context) -> str:
        """The other side. The sender has to be one of the two handle processes."""
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

    def _message_rows(self, indexes: range, context: Context) -> list[dict[str, Any]]:
        entries = [self.state.messages[index] for index in indexes]
        payloads = context.payloads([entry.slot for entry in entries])
        return [self._message_row(*row) for row in zip(indexes, entries, payloads, strict=True)]

    def _message_row(self, index: int, entry: Entry, data: bytes) -> dict[str, Any]:
        sender = self.state.b if entry.by_b else self.state.a
        batch = self.state.batches[entry.generation - 1]
        return {
            "id": index + 1,
            "sender": sender,
            "pubkey": batch.pubkey_a if batch.rotated_by == sender else batch.pubkey_b,
            "generation": entry.generation,
            "timestamp": entry.timestamp / 1000,
            "content": _parse_message(data).content,
        }
