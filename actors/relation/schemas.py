"""The JSON bodies of a proxy's routes, as its OpenAPI document describes them (relation-one-im.md 4.4, 7.1, 7.4).

These models check only the form. The processes check the content.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from actors.processes.relation.message import TIME_MS_MAX

_EXAMPLE_ADDRESS = "0x50e2dac5e78B5905CB09495547452cEE64426db2"
AddressText = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$", examples=[_EXAMPLE_ADDRESS])]
Hex = Annotated[str, Field(pattern="^0x[0-9a-fA-F]*$")]
Limit = Annotated[int, Field(ge=0, le=500, description="number of rows, at most")]
Offset = Annotated[int, Field(ge=0, le=TIME_MS_MAX, description="number of the first rows to skip")]
MessageType = Literal["TEXT", "CARD", "NFT", "IMAGE", "EMOJI", "BATCH_TRANSFER", "ANNOUNCEMENT"]


class Message(BaseModel):
    """A message; its payload is encrypted."""

    id: str = Field(description="Keccak-256 of the JSON array of section 7.1, in hex")
    encryptedBy: str = Field(min_length=1)
    sender: AddressText
    receiver: AddressText
    timestamp: int = Field(ge=0, le=TIME_MS_MAX, description="ms")
    kind: int = Field(ge=0, le=4, description="0 p2p, 1 group, 2 dao, 3 announcement, 4 hide message")
    tags: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = []
    type: MessageType
    payload: str = Field(min_length=1)
    encryptedSymmetricKey: str = ""
    delegationMessage: str = Field(min_length=1)
    delegationSig: Hex
    sig: Hex


class Chat(BaseModel):
    """A conversation, with its newest message."""

    id: AddressText
    name: str
    avatar: str
    channelType: Literal["P2P", "GROUP"]
    unreadMessageCount: int = Field(ge=0)
    type: MessageType | Literal[""] = Field(description="of the newest message; empty before the first")
    payload: str
    lastPostAt: str = Field(description="ms; empty before the first message")
    muted: bool
    sticky: bool


class Sent(BaseModel):
    """A message that was accepted."""

    id: str


class ChallengeRequest(BaseModel):
    """The account to log in."""

    address: AddressText


class Challenge(BaseModel):
    """The text to sign (EIP-4361)."""

    challenge: str


class LoginRequest(BaseModel):
    """The signed challenge."""

    challenge: str
    signature: Hex


class LoggedIn(BaseModel):
    """The token for the header ``Authorization: Bearer …``."""

    token: str
    address: AddressText
    expires: int = Field(description="seconds since 1970")


class AuthSig(BaseModel):
    """A proof of an address: "Authorize 0x… to receive keys, Creation timestamp: …, Expiry timestamp: …", signed."""

    model_config = ConfigDict(extra="allow")

    address: AddressText
    signedMessage: str = Field(min_length=1)
    sig: Hex


class SaveKey(BaseModel):
    """A key, encrypted to the key keeper together with the digest of its conditions, and the conditions."""

    accessControlConditions: list[Any]
    encryptedSymmetricKey: str
    chain: str = "ethereum"
    authSig: AuthSig


class SavedKey(BaseModel):
    """The reference to a kept key, which the message carries."""

    encryptedSymmetricKey: str


class GetKey(BaseModel):
    """A request for a kept key."""

    accessControlConditions: list[Any]
    toDecrypt: str
    chain: str = "ethereum"
    authSig: AuthSig


class GivenKey(BaseModel):
    """The key, encrypted to the public key that the proof authorises, in hex."""

    symmetricKey: str


class Question(BaseModel):
    """A call of a contract's method that changes nothing."""

    method: str = Field(examples=["nameOf"])
    arguments: dict[str, Any] = Field(default={}, examples=[{"addr": _EXAMPLE_ADDRESS}])


class Info(BaseModel):
    """The proxy and its processes."""

    proxy: str
    relation: str = Field(description="process id of the contracts and messages")
    keyKeeper: str = Field(description="process id")
    keyKeeperPublicKey: str = Field(description="X25519, hex")
    archive: str = Field(description="id of the newest transaction in the archive; empty before the first")
    version: str


class Error(BaseModel):
    """An error and its reason."""

    error: str
