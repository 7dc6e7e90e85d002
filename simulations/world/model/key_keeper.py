"""The model of the key keeper: who gets which key."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import msgspec

from actors.crypto.secp256k1 import checksummed
from simulations.world.model.process import SUCCESS, Body, Expected, NotModelled, ProcessModel, Received, Refused, Sent
from simulations.world.model.relation import signer_of

GRANTS_SHOWN = 50
"""Newest grants that are compared when everything is compared."""
_STATEMENT = re.compile(r"Authorize (\S+) to receive keys, Creation timestamp: (\d+), Expiry timestamp: (\d+)")


class _Waiting(NamedTuple):
    request: str
    grant: Body


class KeyKeeperModel(ProcessModel):
    """Keeps saved keys and grants. It knows one condition per key: an address, or the membership in a group."""

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self._relation, self._public_key = start.body["relation"], start.body["publicKey"]
        self._saved: dict[str, bytes] = {}
        self._grants: dict[str, Body] = {}
        self._waiting: _Waiting | None = None

    def parts(self) -> Iterator[str]:
        """See ``ProcessModel.parts``."""
        yield from list(self._grants)[-GRANTS_SHOWN:]

    def shown_by(self, part: str) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        yield "getGrant", {"request": part}

    def _save(self, message: Received) -> Expected:
        body = message.body
        _prove(body["authSig"], message.timestamp)
        _condition(body)
        sealed, conditions = body["encryptedSymmetricKey"], _text(body)
        if self._saved.setdefault(sealed, conditions) != conditions:
            raise Refused("this key is saved under other conditions")
        return Expected({**SUCCESS, "encryptedSymmetricKey": sealed})

    def _get(self, message: Received) -> Expected:
        body = message.body
        address, public_key = _prove(body["authSig"], message.timestamp)
        condition = _condition(body)
        if self._saved.get(body["toDecrypt"]) != _text(body):
            raise Refused("no such key is saved under these conditions")
        grant = {"address": address, "public_key": public_key, "sealed": body["toDecrypt"], "given": False}
        if condition["method"] == "":
            grant["given"] = checksummed(condition["returnValueTest"]["value"]) == address
            self._decide(message.id, grant)
            return Expected({**SUCCESS, "address": address, "given": grant["given"]})
        self._waiting = _Waiting(message.id, grant)
        asked = {"dao": checksummed(condition["contractAddress"]), "addr": address}
        return Expected({**SUCCESS, "address": address, "asked": 1}, (Sent(self._relation, "balanceOf", asked),))

    def _reply(self, message: Received) -> Expected:
        waiting = self._waiting
        if waiting is not None and message.from_process and message.sender == self._relation:
            self._waiting = None
            self._decide(waiting.request, {**waiting.grant, "given": message.body.get("balance", 0) > 0})
        return Expected()

    def _decide(self, request: str, grant: Body) -> None:
        self._grants[request] = grant
        self.touch(request)

    def _get_grant(self, body: Body, _: int) -> Body:
        if body["request"] not in self._grants:
            raise Refused(f"there is no request {body['request'][:64]!r}, or it is not decided")
        return self._grants[body["request"]]

    def _get_public_key(self, _: Body, __: int) -> Body:
        return {"publicKey": self._public_key}

    changes: ClassVar[dict[str, Any]] = {"saveEncryptionKey": _save, "getEncryptionKey": _get, "Reply": _reply}
    queries: ClassVar[dict[str, Any]] = {"getGrant": _get_grant, "getPublicKey": _get_public_key}


def _prove(proof: Body, now_ms: int) -> tuple[str, str]:
    """The proven address and the public key of a proof; the account must have signed it, and it must be valid."""
    address, found = checksummed(proof["address"]), _STATEMENT.fullmatch(proof["signedMessage"])
    if found is None:
        raise NotModelled("a statement that is no statement")
    if signer_of(proof["signedMessage"], proof["sig"]) != address:
        raise Refused(f"the statement is not signed by {address}")
    if now_ms < int(found[2]) or now_ms >= int(found[3]):
        raise Refused("the statement is not good at this time: it has not begun, or has expired")
    return address, found[1]


def _condition(body: Body) -> Body:
    [*conditions] = body["accessControlConditions"]
    if len(conditions) != 1 or not isinstance(conditions[0], dict):
        raise NotModelled("several conditions")
    return dict(conditions[0])


def _text(body: Body) -> bytes:
    return msgspec.json.encode(body["accessControlConditions"], order="sorted")
