"""Access-control conditions of keys, in the format of Lit's clients (relation-one-im.md 6.3).

The format is a list of conditions with ``{"operator": "and"}`` or ``{"operator": "or"}`` between them. A nested list is
a bracket. There are two kinds of conditions: the user has a given address, or holds tokens of a group.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from actors.crypto.secp256k1 import checksummed, keccak
from actors.protocol.messages import Refusal

CONDITIONS_MAX = 32
DEPTH_MAX = 8
CHAIN = "ethereum"
USER = ":userAddress"
_NUMBER = re.compile("[0-9]{1,15}")
_COMPARATORS = {
    "=": lambda balance, value: balance == value,
    ">": lambda balance, value: balance > value,
    ">=": lambda balance, value: balance >= value,
}


class IsAddress(msgspec.Struct, frozen=True, tag=True):
    """The user has this address."""

    address: str


class Holds(msgspec.Struct, frozen=True, tag=True):
    """The number of tokens of a group that the user holds, compared with a value."""

    dao: str
    comparator: str
    value: int


class Combined(msgspec.Struct, frozen=True, tag=True):
    """All of several conditions (``and``), or any of them (``or``)."""

    operator: Literal["and", "or"]
    parts: "tuple[IsAddress | Holds | Combined, ...]"


Conditions = IsAddress | Holds | Combined


def conditions_of(given: list[Any]) -> Conditions:
    """Parse a list of conditions.

    Raises:
        Refusal: the list is malformed.
    """
    return _combined(given, DEPTH_MAX)


def digest(given: list[Any]) -> str:
    """Keccak-256 of a list of conditions as canonical JSON (RFC 8785), in hex."""
    return keccak(msgspec.json.encode(given, order="sorted")).hex()


def daos_of(conditions: Conditions) -> list[str]:
    """The groups whose tokens the conditions need, each once."""
    if isinstance(conditions, Combined):
        return list(dict.fromkeys(dao for part in conditions.parts for dao in daos_of(part)))
    return [conditions.dao] if isinstance(conditions, Holds) else []


def met(conditions: Conditions, address: str, balances: Mapping[str, int]) -> bool:
    """Whether an address meets the conditions.

    Args:
        conditions: parsed conditions.
        address: address with its EIP-55 checksum.
        balances: number of tokens that the address holds, by group.
    """
    if isinstance(conditions, Combined):
        every = all if conditions.operator == "and" else any
        return every(met(part, address, balances) for part in conditions.parts)
    if isinstance(conditions, IsAddress):
        return conditions.address == address
    return bool(_COMPARATORS[conditions.comparator](balances.get(conditions.dao, 0), conditions.value))


def _combined(given: list[Any], depth: int) -> Conditions:
    if not given or len(given) % 2 == 0 or len(given) > 2 * CONDITIONS_MAX - 1:
        raise Refusal(f"accessControlConditions are 1 to {CONDITIONS_MAX} conditions with an operator between two")
    if not depth:
        raise Refusal(f"accessControlConditions are nested deeper than {DEPTH_MAX}")
    operators = {_operator(item) for item in given[1::2]}
    if len(operators) > 1:
        raise Refusal("accessControlConditions mix 'and' and 'or': put those that belong together in a list")
    parts = tuple(_combined(item, depth - 1) if isinstance(item, list) else _condition(item) for item in given[::2])
    return Combined(operators.pop(), parts) if operators else parts[0]


def _operator(given: Any) -> Literal["and", "or"]:
    if given == {"operator": "and"}:
        return "and"
    if given == {"operator": "or"}:
        return "or"
    raise Refusal('between two conditions there is {"operator": "and"} or {"operator": "or"}')


def _condition(given: Any) -> IsAddress | Holds:
    if not isinstance(given, dict):
        raise Refusal("a condition is an object")
    if given.get("chain", CHAIN) != CHAIN:
        raise Refusal(f"a condition's chain is {CHAIN!r}")
    if given.get("parameters") != [USER]:
        raise Refusal(f"a condition's parameters are [{USER!r}]")
    test = given.get("returnValueTest")
    if not isinstance(test, dict):
        raise Refusal("a condition has a returnValueTest, with a comparator and a value")
    method, contract, comparator, value = (
        given.get("method", ""),
        given.get("contractAddress", ""),
        test.get("comparator"),
        test.get("value"),
    )
    try:
        if method == "" and contract == "" and comparator == "=" and isinstance(value, str):
            return IsAddress(checksummed(value))
        texts = [text for text in (contract, comparator, value) if isinstance(text, str)]
        if method == "balanceOf" and len(texts) == 3 and texts[1] in _COMPARATORS and _NUMBER.fullmatch(texts[2]):
            return Holds(checksummed(texts[0]), texts[1], int(texts[2]))
    except ValueError as error:
        raise Refusal(f"a condition's {'value' if method == '' else 'contractAddress'}: {error}") from None
    raise Refusal(
        "a condition is to have an address (no method, comparator '=', an address), or to hold a group's tokens"
        " (its address, method 'balanceOf', comparator '=', '>' or '>=', a number)"
    )
