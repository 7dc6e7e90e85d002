"""Whoever signs messages, with whatever kind of key."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from actors.ans104.item import unsigned
from actors.crypto.schemes import SCHEMES
from eventstore.records import decode_id


class Signer(ABC):
    """A key that signs data items.

    Attributes:
        kind: ANS-104's signature type.
        public_key: as its kind has it.
        address: who its owner is.
    """

    kind: int

    def __init__(self, public_key: bytes) -> None:
        self.public_key = public_key
        self.address = SCHEMES[self.kind].address(public_key)

    @abstractmethod
    def signature(self, text: bytes) -> bytes:
        """The signature of a text."""

    def sign(
        self,
        *,
        target: str = "",
        action: str = "",
        data: bytes | str = b"",
        tags: Sequence[tuple[str, str]] = (),
        anchor: bytes = b"",
    ) -> bytes:
        """A signed data item (ANS-104).

        Two items that say the same may have the same id, and the second is taken for the first sent again; give each
        its own anchor (32 bytes) where that is not meant.

        Args:
            target: process id, or empty for an item that is a process itself.
            action: becomes the first tag, ``Action``.
            data: bytes, or text that is sent as UTF-8.
            tags: further tags, name and value.
            anchor: 32 bytes, or none.

        Raises:
            ValueError: the target is no id, or a part is longer than the format allows.
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
