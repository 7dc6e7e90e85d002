"""A user of Relation ONE: an Ethereum account, and a session key that signs on its behalf."""

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.ans104.external_wallets import EthereumWallet
from actors.processes.relation.access_conditions import CHAIN, USER
from actors.processes.relation.key_keeper import statement
from actors.processes.relation.message import P2P, RelationMessage, delegation_text, message_id
from simulations.clients.encryption import Entropy

SECRET_BYTES = 32
NO_PUBLIC_KEY = "0x" + "00" * 32
"""A public key without a private key: for proofs of an address to which nothing is sealed."""
DAY_MS = 24 * 3600 * 1000


class RelationUser:
    """Composes signed messages (relation-one-im.md 7.1).

    Attributes:
        wallet: the account.
        session_key: signs messages while the delegation is valid.
        delegation: the text that authorises the session key.
        delegation_sig: the account's signature of this text (hex).
    """

    def __init__(self, entropy: Entropy, *, now: int, lasts: int = DAY_MS) -> None:
        """Create an account and delegate to a session key.

        Args:
            entropy: gives random bytes.
            now: current time in ms.
            lasts: validity of the session key in ms.
        """
        self.wallet = EthereumWallet(entropy(SECRET_BYTES))
        self._entropy = entropy
        self.delegate(now=now, lasts=lasts)

    @property
    def address(self) -> str:
        """Address of the account."""
        return self.wallet.address

    def delegate(self, *, now: int, lasts: int = DAY_MS) -> None:
        """Create and authorise a new session key; times in ms."""
        self.session_key = EthereumWallet(self._entropy(SECRET_BYTES))
        self.delegation = delegation_text(self.session_key.address, created=now, expires=now + lasts)
        self.delegation_sig = hex_signature(self.wallet, self.delegation)

    def compose(
        self,
        receiver: str,
        payload: str,
        *,
        timestamp: int,
        kind: int = P2P,
        type_: str = "TEXT",
        tags: Sequence[tuple[str, str]] = (),
        encrypted_by: str = "Lit",
        encrypted_symmetric_key: str = "",
    ) -> dict[str, Any]:
        """Build a signed message as JSON fields, from a payload that is already encrypted."""
        fields: dict[str, Any] = {
            "encryptedBy": encrypted_by,
            "sender": self.address,
            "receiver": receiver,
            "timestamp": timestamp,
            "kind": kind,
            "tags": [list(tag) for tag in tags],
            "type": type_,
            "payload": payload,
            "encryptedSymmetricKey": encrypted_symmetric_key,
            "delegationMessage": self.delegation,
            "delegationSig": self.delegation_sig,
        }
        return self.sign(fields)

    def sign(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Add the id that follows from these fields, and the session key's signature of it."""
        unsigned = msgspec.convert({**fields, "id": "x", "sig": "x"}, RelationMessage)
        id_ = message_id(unsigned)
        return {**fields, "id": id_, "sig": hex_signature(self.session_key, id_)}


def hex_signature(wallet: EthereumWallet, text: str) -> str:
    """Sign a text (EIP-191); returns the signature as 0x-prefixed hex."""
    return "0x" + wallet.signature(text.encode()).hex()


def auth_sig(user: RelationUser, *, now: int, public_key: str = NO_PUBLIC_KEY, lasts: int = DAY_MS) -> dict[str, str]:
    """Prove the user's address to a key keeper, which seals keys for it to the given public key (hex); times in ms."""
    signed = statement(public_key, created=now, expires=now + lasts)
    return {"address": user.address, "signedMessage": signed, "sig": hex_signature(user.wallet, signed)}


def for_address(address: str) -> list[Any]:
    """Access conditions of a key for one address (relation-one-im.md 6.1)."""
    return [_condition("", "", "", "=", address)]


def for_members(dao: str) -> list[Any]:
    """Access conditions of a key for the members of a group (relation-one-im.md 6.2)."""
    return [_condition(dao, "ERC721", "balanceOf", ">", "0")]


def _condition(contract: str, standard: str, method: str, comparator: str, value: str) -> dict[str, Any]:
    return {
        "contractAddress": contract,
        "standardContractType": standard,
        "chain": CHAIN,
        "method": method,
        "parameters": [USER],
        "returnValueTest": {"comparator": comparator, "value": value},
    }
