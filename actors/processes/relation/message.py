"""Messages of Relation ONE IM: their ids, delegations and signatures (relation-one-im.md 7.1)."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from actors.crypto.secp256k1 import SIGNATURE_BYTES, checksummed, ethereum_address, keccak, signing_key
from actors.processes.request_body import Body, Text
from actors.protocol.messages import Refusal

P2P, GROUP, DAO, ANNOUNCEMENT, HIDE = range(5)
QUOTE, MENTION = "quoteId", "mentionedUsers"
TAGS_MAX = 64
TIME_MS_MAX = 2**53 - 1
"""The largest whole number that every client represents exactly."""
_DELEGATION = re.compile(
    r"Authorize +(0x[0-9a-fA-F]{40}) to delegate signature,"
    r" Creation timestamp: ([0-9]{1,16}), Expiry timestamp: ([0-9]{1,16})"
)
_HEX = re.compile("0x(?:[0-9a-fA-F]{2})+")
_ID = re.compile("0x[0-9a-f]{64}")

Type = Literal["TEXT", "CARD", "NFT", "IMAGE", "EMOJI", "BATCH_TRANSFER", "ANNOUNCEMENT"]
_Tag = tuple[Literal["quoteId", "mentionedUsers"], Text]
_TYPES = Meta(description="TEXT, CARD, NFT, IMAGE, EMOJI, BATCH_TRANSFER or ANNOUNCEMENT")
_TAGS = Meta(
    max_length=TAGS_MAX, description=f"a list of at most {TAGS_MAX} pairs: quoteId or mentionedUsers, and a text"
)
_Time = Annotated[int, Meta(ge=0, le=TIME_MS_MAX, description="a whole number of milliseconds")]
_Kind = Annotated[int, Meta(ge=P2P, le=HIDE, description=f"a whole number from {P2P} to {HIDE}")]


class RelationMessage(Body):
    """A message in the form that clients send. Its payload is encrypted before it is signed."""

    id: Text
    encryptedBy: Text
    sender: Text
    receiver: Text
    timestamp: _Time
    """The sender's time of creation, in ms."""
    kind: _Kind
    type: Annotated[Type, _TYPES]
    payload: Text
    delegationMessage: Text
    delegationSig: Text
    sig: Text
    encryptedSymmetricKey: str = ""
    tags: Annotated[tuple[_Tag, ...], _TAGS] = ()

    def tagged(self, name: str) -> list[str]:
        """Values of the tags with this name."""
        return [value for key, value in self.tags if key == name]


class Delegation(msgspec.Struct, frozen=True, gc=False):
    """A wallet's authorisation of a session key."""

    session_key: str
    """Address of the session key."""
    created: int
    """In ms."""
    expires: int
    """In ms."""


def message_id(message: RelationMessage) -> str:
    """Keccak-256 of the JSON array of section 7.1, in the form of ``JSON.stringify``, in hex."""
    signed = [
        message.encryptedBy,
        message.sender,
        message.receiver,
        message.timestamp,
        message.kind,
        message.tags,
        message.payload,
        message.delegationMessage,
        message.delegationSig,
    ]
    return "0x" + keccak(msgspec.json.encode(signed)).hex()


def delegation_text(session_key: str, *, created: int, expires: int) -> str:
    """The text that a wallet signs to let a session key (an address) sign for it. Times are in ms."""
    return f"Authorize {session_key} to delegate signature, Creation timestamp: {created}, Expiry timestamp: {expires}"


def delegation_of(text: str) -> Delegation:
    """Parse a delegation.

    Raises:
        Refusal: the text is not a delegation.
    """
    found = _DELEGATION.fullmatch(text)
    if found is None:
        raise Refusal("the field 'delegationMessage' has to authorise a session key from one time to another")
    created, expires = int(found[2]), int(found[3])
    if created >= expires:
        raise Refusal("the delegation expires before it begins")
    return Delegation(_address(found[1], "delegationMessage"), created, expires)


def check_message(message: RelationMessage, *, now: int) -> None:
    """Verify the id of a message, its delegation and its signature.

    Args:
        message: message from any source.
        now: time of the check, in ms. The delegation has to be valid then and at the message's time.

    Raises:
        Refusal: a check fails.
    """
    check_id(message)
    check_signed(message, now=now)


def check_id(message: RelationMessage) -> None:
    """Verify that the id of a message is the hash of its content.

    Raises:
        Refusal: the id, an address or a quoted id is wrong.
    """
    _address(message.sender, "sender")
    _address(message.receiver, "receiver")
    for mentioned in message.tagged(MENTION):
        _address(mentioned, "tags")
    for quoted in message.tagged(QUOTE):
        if not _ID.fullmatch(quoted):
            raise Refusal(f"the tag {QUOTE!r} has to be the id of a message")
    due = message_id(message)
    if message.id != due:
        raise Refusal(f"the id of this message is {due}")


def check_signed(message: RelationMessage, *, now: int) -> None:
    """Verify that the sender authorised the session key, that the key signed the id, and that the delegation is valid.

    Raises:
        Refusal: a check fails.
    """
    sender = _address(message.sender, "sender")
    delegation = delegation_of(message.delegationMessage)
    if signer_of(message.delegationMessage, message.delegationSig, "delegationSig") != sender:
        raise Refusal("the delegation is not signed by the sender")
    if signer_of(message.id, message.sig, "sig") != delegation.session_key:
        raise Refusal("the message is not signed by the session key that the sender authorised")
    for moment in (message.timestamp, now):
        if moment < delegation.created:
            raise Refusal("the delegation is not good yet")
        if moment >= delegation.expires:
            raise Refusal("the delegation has expired")


def _address(text: str, field: str) -> str:
    try:
        return checksummed(text)
    except ValueError as error:
        raise Refusal(f"the field {field!r}: {error}") from None


def signer_of(text: str, signature: str, field: str) -> str:
    """The address that signed a text.

    Raises:
        Refusal: the signature is not valid. The text names ``field``.
    """
    if not _HEX.fullmatch(signature) or len(signature) != 2 + 2 * SIGNATURE_BYTES:
        raise Refusal(f"the field {field!r} has to be a signature: 0x and {2 * SIGNATURE_BYTES} hex digits")
    try:
        return ethereum_address(signing_key(text.encode(), bytes.fromhex(signature[2:])))
    except ValueError as error:
        raise Refusal(f"the field {field!r}: {error}") from None
