"""Parses and writes decrypted payloads, by the type of their message (relation-one-im.md 7.3).

Nodes see only encrypted payloads; clients use this module.
"""

import re
from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit

import msgspec

from actors.crypto.secp256k1 import checksummed

_PARTS = re.compile(r"type:(?P<type>\w+);action:(?P<action>\w+);(?P<parts>.*)", re.DOTALL)
_PART = re.compile(r"p([1-9])\(Text\):")
_HASH = re.compile("0x[0-9a-fA-F]{64}")
_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_PRINCIPAL = re.compile("[a-z0-9]{1,5}(?:-[a-z0-9]{1,5})+")


class PayloadMalformed(ValueError):
    """A payload is malformed for its type, with the reason."""


class Text(msgspec.Struct, frozen=True):
    """The payload of TEXT and ANNOUNCEMENT."""

    text: str


class Card(msgspec.Struct, frozen=True):
    """The payload of CARD: a link."""

    url: str
    title: str
    icon: str
    description: str = ""


class Image(msgspec.Struct, frozen=True):
    """The payload of NFT, IMAGE and EMOJI: a picture and its origin, which is a chain's name or an object key."""

    url: str
    origin: str


class BatchTransfer(msgspec.Struct, frozen=True):
    """The payload of BATCH_TRANSFER: a transfer of tokens to several accounts."""

    transaction: str
    token: str
    amount: str
    sender: str
    receivers: tuple[str, ...]


Payload = Text | Card | Image | BatchTransfer
_ACTIONS = {"NFT": "nftImage", "IMAGE": "localImage", "EMOJI": "customEmoji"}


def parse_payload(type_: str, payload: str) -> Payload:
    """Parse a payload.

    Raises:
        PayloadMalformed: the payload is malformed for its type, or the type is unknown.
    """
    parse = _PARSERS.get(type_)
    if parse is None:
        raise PayloadMalformed(f"unknown type {type_!r}; known: {', '.join(_PARSERS)}")
    return parse(type_, payload)


def payload_text(type_: str, payload: Payload) -> str:
    """The text of a payload; the inverse of ``parse_payload``.

    Raises:
        PayloadMalformed: the payload does not belong to the type, or a field cannot be expressed in its format.
    """
    if isinstance(payload, Text) and type_ in ("TEXT", "ANNOUNCEMENT"):
        text = payload.text
    elif isinstance(payload, Card) and type_ == "CARD":
        parts = (quote(payload.url, safe=""), payload.description, payload.title, quote(payload.icon, safe=""))
        text = _parts_text("href", "shareFavorite", parts)
    elif isinstance(payload, Image) and type_ in _ACTIONS:
        text = _parts_text("image", _ACTIONS[type_], (quote(payload.url, safe=""), payload.origin))
    elif isinstance(payload, BatchTransfer) and type_ == "BATCH_TRANSFER":
        fields = (payload.transaction, payload.token, payload.amount, payload.sender, ",".join(payload.receivers))
        text = "::".join(fields)
    else:
        raise PayloadMalformed(f"a {type(payload).__name__} is not a payload of type {type_!r}")
    if parse_payload(type_, text) != payload:
        raise PayloadMalformed(f"this {type(payload).__name__} cannot be written as a payload of type {type_!r}")
    return text


def _parts_text(kind: str, action: str, parts: tuple[str, ...]) -> str:
    numbered = ",".join(f"p{number}(Text):{part}" for number, part in enumerate(parts, start=1))
    return f"type:{kind};action:{action};{numbered}"


def _text(type_: str, payload: str) -> Payload:
    if not payload:
        raise PayloadMalformed(f"a payload of type {type_} must not be empty")
    return Text(payload)


def _card(type_: str, payload: str) -> Payload:
    url, description, title, icon = _parts(type_, payload, "href", "shareFavorite", 4)
    return Card(_url(type_, url), title, _url(type_, icon) if icon else "", description)


def _image(type_: str, payload: str) -> Payload:
    url, origin = _parts(type_, payload, "image", _ACTIONS[type_], 2)
    if not origin:
        raise PayloadMalformed(f"p2 of a payload of type {type_} must name the picture's origin")
    return Image(_url(type_, url), origin)


def _batch_transfer(type_: str, payload: str) -> Payload:
    fields = payload.split("::")
    if len(fields) != 5:
        raise PayloadMalformed(f"a payload of type {type_} has the form transaction::token::amount::sender::receiver,…")
    transaction, token, amount, sender, receivers = fields
    if not _HASH.fullmatch(transaction):
        raise PayloadMalformed(f"{transaction[:80]!r} is not a transaction hash")
    if not token or not _AMOUNT.fullmatch(amount):
        raise PayloadMalformed(f"{amount[:80]!r} of {token[:80]!r} is not an amount of a token")
    receiver_accounts = tuple(receivers.split(","))
    for account in (sender, *receiver_accounts):
        if not _PRINCIPAL.fullmatch(account):
            try:
                checksummed(account)
            except ValueError:
                raise PayloadMalformed(f"{account[:80]!r} is not an account") from None
    return BatchTransfer(transaction, token, amount, sender, receiver_accounts)


def _parts(type_: str, payload: str, kind: str, action: str, count: int) -> list[str]:
    """The numbered parts of ``type:…;action:…;p1(Text):…,p2(Text):…``. A part may contain commas and colons."""
    found = _PARTS.fullmatch(payload)
    if found is None or (found["type"], found["action"]) != (kind, action):
        raise PayloadMalformed(f"a payload of type {type_} must begin with type:{kind};action:{action};")
    parts, rest = [], found["parts"]
    for number in range(1, count + 1):
        head = f"p{number}(Text):"
        if not rest.startswith(head):
            raise PayloadMalformed(f"a payload of type {type_} has {count} parts; part {number} must begin with {head}")
        rest = rest[len(head) :]
        if number == count:
            parts.append(rest)
            break
        part, comma, rest = rest.partition(f",p{number + 1}(Text):")
        if not comma:
            raise PayloadMalformed(f"a payload of type {type_} has {count} parts; part {number + 1} is missing")
        parts.append(part)
        rest = f"p{number + 1}(Text):{rest}"
    if _PART.search(parts[-1]):
        raise PayloadMalformed(f"a payload of type {type_} must not have more than {count} parts")
    return parts


def _url(type_: str, text: str) -> str:
    url = unquote(text)
    try:
        split = urlsplit(url)
    except ValueError:
        split = None
    if split is None or split.scheme not in ("http", "https") or not split.netloc:
        raise PayloadMalformed(f"{text[:80]!r} in a payload of type {type_} is not an http or https URL")
    return url


_PARSERS: dict[str, Callable[[str, str], Payload]] = {
    "TEXT": _text,
    "ANNOUNCEMENT": _text,
    "CARD": _card,
    "NFT": _image,
    "IMAGE": _image,
    "EMOJI": _image,
    "BATCH_TRANSFER": _batch_transfer,
}
