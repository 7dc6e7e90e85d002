"""The key keeper: grants saved keys to users who meet their conditions (relation-one-im.md 6.3)."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from actors.crypto.secp256k1 import keccak
from actors.processes.base import Process, action, succeed
from actors.processes.collections.map import Map
from actors.processes.relation.access_conditions import CHAIN, Conditions, conditions_of, daos_of, digest, met
from actors.processes.relation.contracts import address_of
from actors.processes.relation.message import signer_of
from actors.processes.request_body import Body, EmptyBody, Fields, Text, parser
from actors.protocol.canonical_json import encode
from actors.protocol.messages import REPLY, Context, Effects, Outgoing, Refusal

KEY_BYTES = 32
SEALED_BYTES = 32 + 16 + KEY_BYTES + KEY_BYTES
"""Size of a sealed box that holds a key and the digest of its conditions."""

_PublicKey = Annotated[str, Meta(pattern=r"^0x[0-9a-f]{64}\Z", description="0x and 64 hex digits")]
_Sealed = Annotated[
    str, Meta(pattern=rf"^[0-9a-f]{{{2 * SEALED_BYTES}}}\Z", description=f"{2 * SEALED_BYTES} hex digits")
]
_STATEMENT = re.compile(
    r"Authorize (0x[0-9a-f]{64}) to receive keys, Creation timestamp: ([0-9]{1,16}), Expiry timestamp: ([0-9]{1,16})"
)


class Grant(msgspec.Struct, frozen=True, gc=False):
    """The decision about a request."""

    address: str
    """The proven address of the requester."""
    public_key: str
    """The public key to seal the key to."""
    sealed: str
    """The saved key, sealed to the key keeper."""
    given: bool


class PendingRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that waits for balances from the registers."""

    request: str
    """Id of the requesting message."""
    grant: Grant
    conditions: Conditions
    daos: tuple[str, ...]
    balances: tuple[int, ...] = ()


class KeyKeeperState(msgspec.Struct, frozen=True, gc=False):
    """State of a key keeper. Saved keys are sealed to the operator's secret, which is not in the log."""

    relation: str
    """Id of the process with the registers."""
    public_key: str
    saved: Map[str, str] = Map()
    """Digest of a sealed key to the digest of its conditions."""
    asked: PendingRequest | None = None
    grants: Map[str, Grant] = Map()
    """Id of the request to its decision."""


class Start(Body):
    """Start body: the process with the registers, and the public key of the operator."""

    relation: Text
    publicKey: _PublicKey


class AuthSig(Body):
    """A proof of an address: a statement that the address signed (EIP-191)."""

    address: Text
    signedMessage: Text
    sig: Text


class SaveEncryptionKey(Body):
    """A sealed key and its conditions."""

    accessControlConditions: list[Any]
    encryptedSymmetricKey: _Sealed
    authSig: AuthSig
    chain: Text = CHAIN


class GetEncryptionKey(Body):
    """A request for a saved key."""

    accessControlConditions: list[Any]
    toDecrypt: _Sealed
    authSig: AuthSig
    chain: Text = CHAIN


class GetGrant(Body):
    """Id of a request."""

    request: Text


_parse_start = parser(Start)


class KeyKeeper(Process):
    """Keeps keys under access-control conditions, in place of the Lit nodes and with their two methods
    (relation-one-im.md 6.3).
    """

    __slots__ = ()

    module = "mostao.keykeeper@1"
    start_body = Start
    state: KeyKeeperState

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from a ``Start`` body."""
        start = _parse_start(data)
        self.state = KeyKeeperState(start.relation, start.publicKey)

    @action("getPublicKey", reply="`publicKey`")
    def get_public_key(self, body: EmptyBody, context: Context) -> Effects:
        """Return the public key that clients seal keys to before they save them."""
        return Effects({"publicKey": self.state.public_key})

    @action(
        "saveEncryptionKey",
        body=SaveEncryptionKey,
        callers="anyone; `authSig` proves an address",
        reply="`status`, `encryptedSymmetricKey`",
    )
    def save_encryption_key(self, body: SaveEncryptionKey, context: Context) -> Effects:
        """Save a sealed key under its conditions. The conditions of a saved key cannot change."""
        _proven(body.authSig, now=context.timestamp)
        conditions_of(body.accessControlConditions)
        conditions = digest(body.accessControlConditions)
        name = _name(body.encryptedSymmetricKey)
        if self.state.saved.get(name, conditions) != conditions:
            raise Refusal("this key is saved under other conditions")
        self._replace(saved=self.state.saved.set(name, conditions))
        return Effects(succeed(encryptedSymmetricKey=body.encryptedSymmetricKey))

    @action(
        "getEncryptionKey",
        body=GetEncryptionKey,
        callers="anyone but a process; `authSig` proves an address",
        reply="`status`, `address`; `given`, or `asked` (number of balances requested) if the conditions name groups",
    )
    def get_encryption_key(self, body: GetEncryptionKey, context: Context) -> Effects:
        """Decide whether an address gets a key. The decision is the reply of getGrant.

        If the conditions name groups, the process first sends balanceOf to the registers for each group.
        """
        address, public_key = _proven(body.authSig, now=context.timestamp)
        conditions = conditions_of(body.accessControlConditions)
        if self.state.saved.get(_name(body.toDecrypt)) != digest(body.accessControlConditions):
            raise Refusal("no such key is saved under these conditions")
        if context.from_process:  # every message that this one causes is evaluated before the next message from outside
            raise Refusal("a process does not ask for keys")
        daos = tuple(daos_of(conditions))
        undecided = Grant(address, public_key, body.toDecrypt, given=False)
        pending = PendingRequest(context.message_id, undecided, conditions, daos)
        if not daos:
            self._decide(pending)
            return Effects(succeed(address=address, given=self.state.grants[pending.request].given))
        self._replace(asked=pending)
        queries = (Outgoing(self.state.relation, "balanceOf", encode({"dao": dao, "addr": address})) for dao in daos)
        return Effects(succeed(address=address, asked=len(daos)), messages=tuple(queries))

    @action("getGrant", body=GetGrant, reply="`address`, `public_key`, `sealed`, `given`")
    def get_grant(self, body: GetGrant, context: Context) -> Effects:
        """Return the decision about a request, by the id of its message."""
        grant = self.state.grants.get(body.request)
        if grant is None:
            raise Refusal(f"there is no request {body.request[:64]!r}, or it is not decided")
        return Effects(grant)

    @action(REPLY, body=Fields, callers="a process")
    def take_balance(self, body: Fields, context: Context) -> Effects:
        """Take a balance from the registers, and decide the pending request when it has all of them."""
        pending = self.state.asked
        if pending is None or not context.from_process or context.sender != self.state.relation:
            return Effects(None)
        balance = body.get("balance")  # a refusal has no balance: the group does not exist
        balances = (*pending.balances, balance if isinstance(balance, int) else 0)
        pending = msgspec.structs.replace(pending, balances=balances)
        if len(pending.balances) < len(pending.daos):
            self._replace(asked=pending)
        else:
            self._decide(pending)
            self._replace(asked=None)
        return Effects(None)

    def _decide(self, pending: PendingRequest) -> None:
        balances = dict(zip(pending.daos, pending.balances, strict=True))
        given = met(pending.conditions, pending.grant.address, balances)
        grant = msgspec.structs.replace(pending.grant, given=given)
        self._replace(grants=self.state.grants.set(pending.request, grant))


def statement(public_key: str, *, created: int, expires: int) -> str:
    """The statement that a wallet signs to receive keys, sealed to a public key (hex). Times are in ms."""
    return f"Authorize {public_key} to receive keys, Creation timestamp: {created}, Expiry timestamp: {expires}"


def _name(sealed: str) -> str:
    return keccak(bytes.fromhex(sealed)).hex()


def _proven(proof: AuthSig, *, now: int) -> tuple[str, str]:
    """Verify a proof; returns its address and the public key that it authorises.

    Raises:
        Refusal: the proof is not valid at this time.
    """
    address = address_of(proof.address)
    found = _STATEMENT.fullmatch(proof.signedMessage)
    if found is None:
        raise Refusal("the field 'signedMessage' has to authorise a public key to receive keys")
    if signer_of(proof.signedMessage, proof.sig, "sig") != address:
        raise Refusal(f"the statement is not signed by {address}")
    if not int(found[2]) <= now < int(found[3]):
        raise Refusal("the statement is not good at this time: it has not begun, or has expired")
    return address, found[1]
