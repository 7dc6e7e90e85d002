from hashlib import sha256

import pytest

from eventstore.records import canonical_bytes, decode_id, encode_id
from tests.eventstore.logs import message


def test_an_id_is_the_base64url_of_32_bytes() -> None:
    digest = sha256(b"x").digest()
    assert len(encode_id(digest)) == 43
    assert decode_id(encode_id(digest)) == digest


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "A" * 42 + "B", "é" * 43, "A" * 42 + "=", "A" * 42 + "!"])
def test_text_that_is_not_the_one_spelling_of_32_bytes_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        decode_id(text)


def test_the_canonical_bytes_change_with_every_field() -> None:
    original = message(1)
    variants = {canonical_bytes((1, 0, 5, b"c", b"l", original))}
    for other in ("id", "sender", "target", "action", "tags", "anchor"):
        fields = {name: getattr(original, name) for name in original.__struct_fields__}
        variants.add(canonical_bytes((1, 0, 5, b"c", b"l", type(original)(**{**fields, other: "changed"}))))
    for other, value in (("data", b"changed"), ("parent", 7), ("envelope", None)):
        fields = {name: getattr(original, name) for name in original.__struct_fields__}
        variants.add(canonical_bytes((1, 0, 5, b"c", b"l", type(original)(**{**fields, other: value}))))
    variants |= {
        canonical_bytes((2, 0, 5, b"c", b"l", original)),
        canonical_bytes((1, 1, 5, b"c", b"l", original)),
        canonical_bytes((1, 0, 6, b"c", b"l", original)),
        canonical_bytes((1, 0, 5, b"d", b"l", original)),
        canonical_bytes((1, 0, 5, b"c", b"m", original)),
    }
    assert len(variants) == 15
