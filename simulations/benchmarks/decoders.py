"""All decoders of untrusted bytes, with examples for the fuzzer and the errors that they may raise.

A decoder passes if it returns or raises one of its own errors. Another error, a hang or growing memory is a finding.
"""

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from io import BytesIO
from random import Random
from typing import Any, NamedTuple

import msgspec
from graphql import GraphQLError
from starlette.exceptions import HTTPException

from actors.ans104.bundle import Bundle, BundleUnusable, write_bundle
from actors.ans104.item import ItemRefused, message_of, parse
from actors.ans104.tags import TagsMalformed, decode_tags, encode_tags
from actors.ans104.wallet import Wallet
from actors.ao.manifest import Manifest, manifest_item, manifest_of
from actors.ao.pushed_messages import ADDED, IN_DATA, NotPushed, message_in
from actors.evaluation.process_table import ProcessTable, UnknownModule
from actors.evaluation.state_codec import StateUnreadable, canonical_state, restore_process
from actors.evidence.checkpoints import (
    WITNESS_KEY,
    Checkpoint,
    NoteInvalid,
    VerifierKey,
    parse_note,
    sign,
    verified,
)
from actors.evidence.cosignatures import cosign, cosignatures_of
from actors.evidence.proofs import Consistency, Inclusion, check, read_proof
from actors.http.ao.gateway import SCHEMA, Query
from actors.http.ao.graphql_limits import check_text, parse_query
from actors.http.common.responses import decode_body
from actors.http.witness.rules import Refused, check_growth, verify_request
from actors.http.witness.wire_format import AddCheckpoint
from actors.processes import MODULES, Registry
from actors.protocol.canonical_json import decode
from actors.protocol.derived_ids import sent_id
from actors.protocol.messages import Context, Refusal
from actors.relation.transactions import TransactionInvalid, pack, transaction_id, unpack
from eventstore import Assignment, Message, Sequencer, Unevaluable
from eventstore.merkle.rfc9162 import ProofInvalid, leaf_hash, root_of
from eventstore.records import canonical_bytes, malformed
from simulations.clients.relation_user import RelationUser

WALLET = Wallet(bytes(32))
_ID = sent_id("fuzz", 0)
_LOG_KEY = VerifierKey("mostao/x", WALLET.public_key)
_WITNESS_KEY = VerifierKey("witness.example", WALLET.public_key, WITNESS_KEY)


class Decoder(NamedTuple):
    """A function that decodes untrusted bytes."""

    read: Callable[[bytes], Any]
    examples: list[bytes]
    errors: tuple[type[Exception], ...]
    """The errors that it may raise."""

    def passes(self, raw: bytes) -> None:
        """Decode bytes; raises only errors that the decoder may not raise."""
        with suppress(*self.errors):
            self.read(raw)


def _item(raw: bytes) -> None:
    item = parse(raw)
    message_of(item)
    item.verify()


def _bundle(raw: bytes) -> None:
    for item in Bundle.of_bytes(raw, "bundle").items():
        parse(item)


def _exported(raw: bytes) -> None:
    item = parse(raw)
    if manifest_of(item) is None:
        message_in(item, parent=1)


def _transaction(raw: bytes) -> None:
    unpack(raw, transaction_id(raw))


def _graphql(raw: bytes) -> None:
    query = decode_body(raw, Query, "a GraphQL request")
    check_text(query.query, query.variables)
    parse_query(SCHEMA, query.query, lambda: None)


def _tags(raw: bytes) -> None:
    if raw:
        decode_tags(raw[1:], raw[0])


def _record(raw: bytes) -> None:
    record = msgspec.msgpack.decode(raw, type=tuple[int, int, int, bytes, bytes, Message])
    malformed(Assignment(*record[:3], record[5], *record[3:5]))


def _row(raw: bytes) -> None:
    """Evaluate a row with arbitrary text columns, as a replay does."""
    text = raw.decode(errors="replace")
    assignment = Assignment(1, 0, 0, Message(_ID, text, _ID, text, text, raw, text), b"", b"")
    ProcessTable(lambda *_: []).evaluate(assignment)


def _state(raw: bytes) -> None:
    for module in MODULES:
        try:
            process = restore_process(module, raw)
        except StateUnreadable:
            continue
        canonical_state(process.state if process else None)


def _proof(raw: bytes) -> None:
    proof = read_proof(raw)
    for key in (VerifierKey.parse(proof.key), _LOG_KEY):
        check(proof, key=key)


def _note(raw: bytes) -> None:
    note = raw.decode(errors="replace")
    parse_note(note)
    cosignatures_of(note, [_WITNESS_KEY])
    verified(note, _LOG_KEY)


def _add_checkpoint(raw: bytes) -> None:
    check_growth(verify_request(raw, {_LOG_KEY.name: [_LOG_KEY]}), None)


def _key(raw: bytes) -> None:
    VerifierKey.parse(raw.decode(errors="replace"))


@cache
def _processes() -> dict[str, Any]:
    """One process of each module in its initial state."""
    context = Context(_ID, WALLET.address, WALLET.address, False, _ID, 0, 1, lambda *_: [])
    return {name: (kind(_start_data(kind.start_body), context), context) for name, kind in MODULES.items()}


def _start_data(body: type) -> bytes:
    """The data of a start body: each required field holds the first example that is valid for its type."""
    required = [field for field in msgspec.structs.fields(body) if field.required]
    return msgspec.json.encode({field.encode_name: _valid_example(field.type) for field in required})


def _valid_example(annotation: Any) -> Any:
    examples: tuple[Any, ...] = ("a", "0x" + "00" * 32, "A" * 43, 1, True, [], {})
    for example in examples:
        with suppress(msgspec.ValidationError):
            return msgspec.convert(example, annotation)
    raise TypeError(f"no example is valid for {annotation}: add one")


def _body(raw: bytes) -> None:
    """Send the body to every action of every process."""
    for process, context in _processes().values():
        before = process.state
        for action in process.handlers:
            message = Message(_ID, WALLET.address, _ID, action, "[]", raw)
            _evaluate(process, message, context)
            process.state = before


def _evaluate(process: Any, message: Message, context: Context) -> None:
    with suppress(Refusal):
        process.receive(message, context)


def _examples_of_proofs() -> list[bytes]:
    assignment = Sequencer().assign(Message(_ID, "s", _ID, "A", "[]", b"{}", parent=1), 1)
    position = (1, 0, 1, assignment.process_chain, bytes(32), assignment.message)
    record = canonical_bytes(position)
    leaf = leaf_hash(sha256(record).digest())
    key = VerifierKey("mostao/x", WALLET.public_key)
    smaller, larger = (sign(Checkpoint(key.name, size, root_of([leaf] * size)), WALLET) for size in (1, 2))
    encode = msgspec.json.encode
    return [
        encode(Inclusion(str(key), smaller, b64encode(record).decode(), [])),
        encode(Consistency(str(key), smaller, larger, [b64encode(leaf).decode()])),
    ]


def _notes() -> list[bytes]:
    checkpoints = [Checkpoint("mostao/x", size, bytes(32)) for size in (0, 7)]
    return [
        (sign(checkpoint, WALLET) + cosign(checkpoint, _WITNESS_KEY, WALLET, timestamp=7)).encode()
        for checkpoint in checkpoints
    ]


def _requests() -> list[bytes]:
    note = sign(Checkpoint("mostao/x", 7, bytes(32)), WALLET)
    return [AddCheckpoint(0, [], note).encode()]


def _exported_items() -> list[bytes]:
    tags = [(name, "x") for name in ADDED]
    in_data = b'{"tags":[["Action","A"]],"data":"e30="}'
    return [
        WALLET.sign(target=_ID, tags=[("Action", "A"), *tags], data="{}"),
        WALLET.sign(target=_ID, tags=[("Content-Type", IN_DATA), *tags], data=in_data),
        manifest_item(Manifest(events=1, whole=True, state_root="00"), WALLET),
    ]


def _packed() -> bytes:
    sender = RelationUser(Random(0).randbytes, now=0)
    messages = [sender.compose(sender.address, "x", timestamp=time) for time in (0, 1)]
    return pack(messages, previous=_ID, first=7, key=WALLET)


def _bundles() -> list[bytes]:
    file = BytesIO()
    write_bundle(file, _items())
    return [file.getvalue(), bytes(32)]


def _items() -> list[bytes]:
    return [
        WALLET.sign(target=_ID, action="A", data="{}"),
        WALLET.sign(tags=[("Type", "Process"), ("Module", Registry.module)], anchor=bytes(32)),
    ]


_BODIES = [
    b'{"handle":"a","pubkey":"k"}',
    b'{"Target":"t","Data":"{}","Tags":{"Action":"SendMessage"}}',
    b'{"Target":"t","Tags":[{"name":"Action","value":"x"}]}',
    b'{"from":0,"until":9.5,"limit":3,"order":"ASC"}',
    b'{"content":"x","generation":1}',
    b'{"address":"a","expires":4000000000}',
    b'{"handleA":"a","handleB":"b"}',
    b"[[[[1e309]]]]",
]

_QUERIES = [
    b'{"query":"query($ids:[ID!]){transactions(ids:$ids){edges{node{id tags{name}}}}}","variables":{"ids":["a"]}}',
    b'{"query":"{a:transaction(id:\\"x\\"){...f} b:transaction(id:\\"y\\"){...f}} fragment f on Transaction{id}"}',
]

_RECORD = canonical_bytes((1, 0, 1, b"", b"", Message(_ID, "", _ID, "", "", b"")))

DECODERS: dict[str, Decoder] = {
    "data item": Decoder(_item, _items(), (ItemRefused,)),
    "tags of a data item": Decoder(_tags, [b"\2" + encode_tags([("a", "b"), ("c", "d")])], (TagsMalformed,)),
    "bundle": Decoder(_bundle, _bundles(), (BundleUnusable, ItemRefused)),
    "exported item": Decoder(_exported, _exported_items(), (ItemRefused, NotPushed)),
    "transaction of an archive": Decoder(_transaction, [_packed()], (TransactionInvalid, ItemRefused)),
    "GraphQL request": Decoder(_graphql, _QUERIES, (HTTPException, GraphQLError)),
    "record": Decoder(_record, [_RECORD], (msgspec.MsgspecError, ValueError)),
    "row": Decoder(_row, [b'[["Module","mostao.registry@1"]]'], (Unevaluable, UnknownModule)),
    "snapshot": Decoder(_state, [canonical_state(process.state) for process, _ in _processes().values()], ()),
    "proof": Decoder(_proof, _examples_of_proofs(), (ProofInvalid, NoteInvalid)),
    "checkpoint": Decoder(_note, _notes(), (NoteInvalid,)),
    "request to a witness": Decoder(_add_checkpoint, _requests(), (Refused,)),
    "verifier key": Decoder(_key, [str(VerifierKey("mostao/x", WALLET.public_key)).encode()], (NoteInvalid,)),
    "JSON": Decoder(decode, _BODIES, (ValueError,)),
    "body of a message": Decoder(_body, _BODIES, ()),
}
