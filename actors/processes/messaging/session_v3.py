"""Version 3 of the session: its keys stay in the log, and its pages have a limit in bytes."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from actors.processes.base import action, succeed
from actors.processes.collections.packed_entries import Entry, Ledger
from actors.processes.limits import (
    CONTENT_CHARACTERS_SAFE,
    MESSAGE_BYTES_MAX,
    KeyText,
    ProcessId,
    check_content,
    json_bytes,
    page,
    parts,
)
from actors.processes.messaging.session_v1 import (
    HANDLES,
    KEY_ROWS,
    PAGE_DEFAULT,
    GetKeyByGeneration,
    QueryMessage,
    RotateSessionKey,
    SendMessage,
)
from actors.processes.messaging.session_v2 import SessionV2
from actors.processes.request_body import Body, EmptyBody, milliseconds, parser
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Context, Effects, Outgoing, Refusal

KEYS_BYTES_MAX = 32 * 1024
"""Bytes of the data of RotateSessionKey, with fields that are not declared."""
KEYS_READ_MAX = 1024 * 1024
"""Bytes of RotateSessionKey after which a page ends."""
ROW_BYTES = 192
"""Most bytes of a row of QueryMessage besides the public key and the content."""


class SessionStateV3(msgspec.Struct, frozen=True, gc=False):
    """State of a session. The log holds the content of messages and keys once."""

    a: str
    b: str
    batches: Ledger
    """Slot and rotating side of each generation."""
    messages: Ledger


class StartV3(Body):
    """Start body: the ids of two handle processes."""

    a: ProcessId
    b: ProcessId


class RotateSessionKeyV3(RotateSessionKey):
    """A session key, sealed to each side."""

    encrypted_sk_by_a: KeyText
    pubkey_a: KeyText
    encrypted_sk_by_b: KeyText
    pubkey_b: KeyText


class QueryMessageV3(QueryMessage):
    """A time span with both ends, the number and order of messages, and the message after which they begin."""

    after: Annotated[int, Meta(ge=1, le=2**53, description="the number of a message, from 1")] | None = None

    def indexes(self, messages: Ledger) -> range:
        """Indexes of the requested messages, newest first by default."""
        limit = PAGE_DEFAULT if self.limit is None else self.limit
        start = 0 if self.from_ is None else messages.since(milliseconds(self.from_))
        stop = len(messages) if self.until is None else messages.since(milliseconds(self.until) + 1)
        if self.order is not None and self.order.upper() == "ASC":
            start = max(start, self.after or 0)
            return range(start, min(stop, start + limit))
        if self.after is not None:
            stop = min(stop, self.after - 1)
        return range(stop - 1, max(start, stop - limit) - 1, -1)


_parse_start = parser(StartV3)
_decode_keys = msgspec.json.Decoder(RotateSessionKeyV3).decode  # the data was checked when it was accepted
_decode_message = msgspec.json.Decoder(SendMessage).decode


class SessionV3(SessionV2):
    """An answer holds at most 256 KiB: a page of messages ends before, and ``after`` continues it."""

    __slots__ = ()

    module = "mostao.session@3"
    start_body: ClassVar[type] = StartV3
    is_limited = True
    state: SessionStateV3  # type: ignore[assignment]  # its batches are slots: the length is all that version 2 reads

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from a ``StartV3`` body."""
        start = _parse_start(data)
        self.state = SessionStateV3(start.a, start.b, Ledger(), Ledger())

    @action(
        "RotateSessionKey",
        body=RotateSessionKeyV3,
        data_max=KEYS_BYTES_MAX,
        callers=HANDLES,
        reply="`status`, `generation`",
    )
    def rotate_session_key(self, body: RotateSessionKey, context: Context) -> Effects:
        """Add a session key, sealed to each side, as the next generation. The ``a`` fields are those of the sender."""
        self._only_side(context)
        generation = len(self.state.batches) + 1
        by_b = int(context.sender == self.state.b)
        batches = self.state.batches.append(Entry(context.slot, context.timestamp, generation, by_b))
        self.state = msgspec.structs.replace(self.state, batches=batches)
        return Effects(succeed(generation=generation), quiet=True)

    @action("GetCurrentKeys", "GetCurrentKey", reply=KEY_ROWS)
    def get_current_keys(self, body: EmptyBody, context: Context) -> Effects:
        """Return the newest generation."""
        return Effects(self._key_rows(len(self.state.batches), context))

    @action("GetKeyByGeneration", body=GetKeyByGeneration, reply=KEY_ROWS)
    def get_key_by_generation(self, body: GetKeyByGeneration, context: Context) -> Effects:
        """Return one generation."""
        return Effects(self._key_rows(body.generation, context))

    @action(
        "SendMessage",
        body=SendMessage,
        data_max=MESSAGE_BYTES_MAX,
        callers=HANDLES,
        reply="`status`, `id` (number of the message, from 1)",
    )
    def send_message(self, body: SendMessage, context: Context) -> Effects:
        """Add a message, and send Notify to the other side."""
        state, other, current = self.state, self._only_side(context), len(self.state.batches)
        if len(body.content) > CONTENT_CHARACTERS_SAFE:
            check_content(body.content)
        if not current:
            raise Refusal("the session has no key yet: rotate its key before the first message")
        generation = body.generation or current
        if generation > current:
            raise Refusal(f"there is no generation {generation}: the newest is {current}")
        entry = (context.slot, context.timestamp, generation, int(context.sender == state.b))
        messages = state.messages.append(entry)
        self.state = SessionStateV3(state.a, state.b, state.batches, messages)
        notify = Outgoing(other, "Notify", encode({"lastMessageTime": context.timestamp / 1000}))
        return Effects({"status": "success", "id": len(messages)}, messages=(notify,), quiet=True)

    @action(
        "QueryMessage",
        body=QueryMessageV3,
        optional=True,
        reply="list of `id`, `sender`, `pubkey`, `generation`, `timestamp` (seconds), `content`",
    )
    def query_message(self, body: QueryMessage, context: Context) -> Effects:
        """List the messages of a time span (seconds, both ends included): by default the newest 100, newest first.

        A page may end before its limit. It continues with ``after``, the `id` of its last message; an empty page is the
        last.
        """
        return Effects(self._message_rows(body.indexes(self.state.messages), context))

    def _key_rows(self, generation: int, context: Context) -> list[dict[str, Any]]:
        if not 1 <= generation <= len(self.state.batches):
            return []
        [data] = context.payloads([self.state.batches[generation - 1].slot])
        return [{"generation": generation, **msgspec.structs.asdict(_decode_keys(data))}]

    def _message_rows(self, indexes: range, context: Context) -> list[dict[str, Any]]:
        return page(self._rows(indexes, context))

    def _rows(self, indexes: range, context: Context) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of messages, each after an upper bound of its bytes as JSON."""
        state, keys_read = self.state, 0
        pubkeys: dict[tuple[int, int], tuple[str, int]] = {}
        """Public key of each generation and side, with its bytes as JSON."""
        keys_bytes: dict[int, int] = {}
        """Bytes of the keys of generations that no row has yet."""
        for part in parts(indexes):
            entries: list[Entry] = [state.messages[index] for index in part]
            batches = [
                state.batches[generation - 1]
                for generation in dict.fromkeys(entry.generation for entry in entries)
                if (generation, 0) not in pubkeys
            ]
            payloads = context.payloads([entry.slot for entry in (*batches, *entries)])
            for batch, data in zip(batches, payloads, strict=False):
                keys, keys_bytes[batch.generation] = _decode_keys(data), len(data)
                for side, pubkey in ((batch.by_b, keys.pubkey_a), (1 - batch.by_b, keys.pubkey_b)):
                    pubkeys[batch.generation, side] = pubkey, json_bytes(pubkey)
            for index, entry, data in zip(part, entries, payloads[len(batches) :], strict=True):
                keys_read += keys_bytes.pop(entry.generation, 0)
                if keys_read > KEYS_READ_MAX:
                    return
                pubkey, pubkey_bytes = pubkeys[entry.generation, entry.by_b]
                yield (
                    ROW_BYTES + pubkey_bytes + len(data),
                    {
                        "id": index + 1,
                        "sender": state.b if entry.by_b else state.a,
                        "pubkey": pubkey,
                        "generation": entry.generation,
                        "timestamp": entry.timestamp / 1000,
                        "content": _decode_message(data).content,
                    },
                )
