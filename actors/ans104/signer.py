"""The base class of all wallets: signs data items."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from actors.ans104.item import unsigned
from actors.crypto.schemes import SCHEMES
from eventstore.records import decode_id


class Signer(ABC):
    """A key that signs data items.

    Attributes:
        kind: signature type (ANS-104).
        public_key: public key, encoded as its signature type requires.
        address: address of the key's owner.
    """

    kind: int

    def __init__(self, public_key: bytes) -> None:
        self.public_key = public_key
        self.address = SCHEMES[self.kind].address(public_key)

    @abstractmethod
    def signature(self, data: bytes) -> bytes:
        """Sign some data; returns the signature."""

    def sign(
        self,
        *,
        target: str = "",
        action: str = "",
        data: bytes | str = b"",
        tags: Sequence[tuple[str, str]] = (),
        anchor: bytes = b"",
    ) -> bytes:
        """Sign a data item (ANS-104); returns its bytes.

        Two items with the same content may have the same id, and a node takes the second for a repetition of the first.
        To send the same content twice, give each item its own anchor.

        Args:
            target: process id; empty for an item that starts a process.
            action: value of the first tag, ``Action``; empty for no such tag.
            data: bytes, or text to encode as UTF-8.
            tags: name and value of further tags.
            anchor: 32 bytes, or empty.

        Raises:
            ValueError: the target is not an id, or a field is longer than the format allows.
        """
        signed, rest = unsigned(
            kind=self.kind,
            public_key=self.public_key,
            target=decode_id(target) if target else b"",
            anchor=anchor,
            tags=[("Action", action), *tags] if action else list(tags),
            data=data.encode() if isinstance(data, str) else data,
        )
        return self.kind.to_bytes(2, "little") + self.signature(signed) + rest
