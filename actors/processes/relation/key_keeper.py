"""A key keeper: gives keys to those who meet the conditions under which they were saved (relation-one-im.md 6.3)."""

import re
from typing import Annotated, Any

import msgspec
from immutables import Map
from msgspec import Meta

from actors.crypto.secp256k1 import keccak
from actors.processes.base import Process, action, succeed
from actors.processes.relation.access_conditions import CHAIN, Conditions, conditions_of, daos_of, digest, met
from actors.processes.relation.contracts import address_of
from actors.processes.relation.message import signer_of
from actors.processes.request_body import Body, Fields, NoBody, Text, parser
from actors.protocol.canonical_json import encode
from actors.protocol.messages import REPLY, Context, Effects, Outgoing, Refusal

KEY_BYTES = 32
SEALED_BYTES = 32 + 16 + KEY_BYTES + KEY_BYTES
"""A sealed box around a key and the digest of its conditions."""

_PublicKey = Annotated[str, Meta(pattern=r"^0x[0-9a-f]{64}\Z", description="0x and 64 hex digits")]
_Sealed = Annotated[
    str, Meta(pattern=rf"^[0-9a-f]{{{2 * SEALED_BYTES}}}\Z", description=f"{2 * SEALED_BYTES} hex digits")
]
_STATEMENT = re.compile(
    r"Authorize (0x[0-9a-f]{64}) to receive keys, Creation timestamp: ([0-9]{1,16}), Expiry timestamp: ([0-9]{1,16})"
)


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What became of a request."""

    address: str
    """Who asked."""
    public_key: str
    """Whom the key is to be sealed to."""
    sealed: str
    """The key as it was saved."""
    given: bool


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A request that waits for what its registers say."""

    request: str
    """Id of the message."""
    grant: Grant
    conditions: Conditions
    daos: tuple[str, ...]
    balances: tuple[int, ...] = ()


class KeyKeeperState(msgspec.Struct, frozen=True, gc=False):
    """What a key keeper knows. Keys are sealed to the secret of whoever runs it, which is nowhere in the log."""

    relation: str
    """The process with the registers."""
    public_key: str
    saved: Map[str, str] = Map()
    """Digest of a sealed key to that of its conditions."""
    asked: Asked | None = None
    grants: Map[str, Grant] = Map()
    """By id of the request."""


class Start(Body):
    """What a key keeper starts from."""

    relation: Text
    publicKey: _PublicKey


class AuthSig(Body):
    """A proof of an address: a statement that it signed (EIP-191)."""

    address: Text
    signedMessage: Text
    sig: Text


class SaveEncryptionKey(Body):
    """A sealed key and who may have it."""

    accessControlConditions: list[Any]
    encryptedSymmetricKey: _Sealed
    authSig: AuthSig
    chain: Text = CHAIN


class GetEncryptionKey(Body):
    """A key that somebody wants."""

    accessControlConditions: list[Any]
    toDecrypt: _Sealed
    authSig: AuthSig
    chain: Text = CHAIN


class GetGrant(Body):
    """Which request's."""

    request: Text


_start = parser(Start)


class KeyKeeper(Process):
    """Module ``mostao.keykeeper@1``: in place of the Lit nodes, with their two methods."""

    __slots__ = ()

    module = "mostao.keykeeper@1"
    state: KeyKeeperState

    def __init__(self, data: bytes, context: Context) -> None:
        """See ``Start``."""
        start = _start(data)
        self.state = KeyKeeperState(start.relation, start.publicKey)

    @action("getPublicKey")
    def get_public_key(self, body: NoBody, context: Context) -> Effects:
        """What keys are sealed to before they are saved."""
        return Effects({"publicKey": self.state.public_key})

    @action("saveEncryptionKey", body=SaveEncryptionKey)
    def save_encryption_key(self, body: SaveEncryptionKey, context: Context) -> Effects:
        """Takes a sealed key, which from then on nobody can save under other conditions."""
        _proven(body.authSig, now=context.timestamp)
        conditions_of(body.accessControlConditions)
        conditions = digest(body.accessControlConditions)
        name = _name(body.encryptedSymmetricKey)
        if self.state.saved.get(name, conditions) != conditions:
            raise Refusal("this key is saved under other conditions")
        self._replace(saved=self.state.saved.set(name, conditions))
        return Effects(succeed(encryptedSymmetricKey=body.encryptedSymmetricKey))

    @action("getEncryptionKey", body=GetEncryptionKey)
    def get_encryption_key(self, body: GetEncryptionKey, context: Context) -> Effects:
        """Decides who gets a key; asks the registers first, where its conditions name a group. See ``getGrant``."""
        address, public_key = _proven(body.authSig, now=context.timestamp)
        conditions = conditions_of(body.accessControlConditions)
        if self.state.saved.get(_name(body.toDecrypt)) != digest(body.accessControlConditions):
            raise Refusal("no such key is saved under these conditions")
        if context.from_process:  # everything that a message from outside causes is done before the next
            raise Refusal("a process does not ask for keys")
        daos = tuple(daos_of(conditions))
        asked = Asked(context.message_id, Grant(address, public_key, body.toDecrypt, given=False), conditions, daos)
        if not daos:
            self._decide(asked)
            return Effects(succeed(address=address, given=self.state.grants[asked.request].given))
        self._replace(asked=asked)
        questions = (Outgoing(self.state.relation, "balanceOf", encode({"dao": dao, "addr": address})) for dao in daos)
        return Effects(succeed(address=address, asked=len(daos)), messages=tuple(questions))

    @action("getGrant", body=GetGrant)
    def get_grant(self, body: GetGrant, context: Context) -> Effects:
        """``{"request"}``: what became of a request, by the id of its message."""
        grant = self.state.grants.get(body.request)
        if grant is None:
            raise Refusal(f"there is no request {body.request[:64]!r}, or it is not decided")
        return Effects(grant)

    @action(REPLY, body=Fields)
    def hear(self, body: Fields, context: Context) -> Effects:
        """What the registers say of the request that waits."""
        asked = self.state.asked
        if asked is None or not context.from_process or context.sender != self.state.relation:
            return Effects(None)
        balance = body.get("balance")  # a refusal, where there is no such group, has none
        asked = msgspec.structs.replace(asked, balances=(*asked.balances, balance if isinstance(balance, int) else 0))
        if len(asked.balances) < len(asked.daos):
            self._replace(asked=asked)
        else:
            self._decide(asked)
            self._replace(asked=None)
        return Effects(None)

    def _decide(self, asked: Asked) -> None:
        balances = dict(zip(asked.daos, asked.balances, strict=True))
        given = met(asked.conditions, asked.grant.address, balances)
        grant = msgspec.structs.replace(asked.grant, given=given)
        self._replace(grants=self.state.grants.set(asked.request, grant))


def statement(public_key: str, *, created: int, expires: int) -> str:
    """What a wallet signs so that keys for its address are sealed to a public key (hex); times in ms."""
    return f"Authorize {public_key} to receive keys, Creation timestamp: {created}, Expiry timestamp: {expires}"


def _name(sealed: str) -> str:
    return keccak(bytes.fromhex(sealed)).hex()


def _proven(proof: AuthSig, *, now: int) -> tuple[str, str]:
    """The address that a proof is of, and the public key that it authorises.

    Raises:
        Refusal: it proves nothing.
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
