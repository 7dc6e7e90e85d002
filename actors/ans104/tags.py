"""The tag block of a data item (ANS-104): an Avro array of records {name: bytes, value: bytes}."""

from functools import lru_cache

TAGS_MAX = 128
NAME_BYTES_MAX = 1024
VALUE_BYTES_MAX = 3072
BLOCK_BYTES_MAX = 4096
_VARINT_BYTES_MAX = 10


class TagsMalformed(ValueError):
    """A tag block violates ANS-104; the text gives the reason."""


def encode_tags(tags: list[tuple[str, str]]) -> bytes:
    """Encode tags as a tag block; empty for no tags.

    Raises:
        TagsMalformed: there are too many tags, or a name or value is empty or too long.
    """
    _check(tags)
    if not tags:
        return b""
    parts = [_zigzag(len(tags))]
    for pair in tags:
        for text in pair:
            raw = text.encode()
            parts += (_zigzag(len(raw)), raw)
    block = b"".join((*parts, b"\0"))
    if len(block) > BLOCK_BYTES_MAX:
        raise TagsMalformed(f"the tags take {len(block):,} bytes; at most {BLOCK_BYTES_MAX:,} are allowed")
    return block


def decode_tags(block: bytes, count: int) -> list[tuple[str, str]]:
    """Decode a tag block.

    Args:
        block: the encoded tags.
        count: expected number of tags.

    Raises:
        TagsMalformed: the block is truncated, too long or not UTF-8, or holds another number of tags.
    """
    if len(block) > BLOCK_BYTES_MAX:
        raise TagsMalformed(f"the tags take {len(block):,} bytes; at most {BLOCK_BYTES_MAX:,} are allowed")
    return list(_decode(block, count))


@lru_cache(maxsize=4096)  # senders repeat the same few blocks, and a block has at most 4 KiB
def _decode(block: bytes, count: int) -> tuple[tuple[str, str], ...]:
    tags: list[tuple[str, str]] = []
    position = 0
    if block:
        while True:
            items, position = _varint(block, position)
            if items == 0:
                break
            if items < 0:  # Avro: a negative count is followed by the block's length in bytes
                items = -items
                _, position = _varint(block, position)
            if len(tags) + items > TAGS_MAX:
                raise TagsMalformed(f"more than {TAGS_MAX} tags")
            for _ in range(items):
                name, position = _text(block, position)
                value, position = _text(block, position)
                tags.append((name, value))
        if position != len(block):
            raise TagsMalformed(f"{len(block) - position} bytes follow the last tag")
    if len(tags) != count:
        raise TagsMalformed(f"the item says that it has {count} tags (tag count), but holds {len(tags)}")
    _check(tags)
    return tuple(tags)


def _check(tags: list[tuple[str, str]]) -> None:
    if len(tags) > TAGS_MAX:
        raise TagsMalformed(f"{len(tags)} tags; at most {TAGS_MAX} are allowed")
    for name, value in tags:
        if not 1 <= len(name.encode()) <= NAME_BYTES_MAX:
            raise TagsMalformed(f"a tag's name has to be 1 to {NAME_BYTES_MAX:,} bytes")
        if not 1 <= len(value.encode()) <= VALUE_BYTES_MAX:
            raise TagsMalformed(f"the value of the tag {name[:64]!r} has to be 1 to {VALUE_BYTES_MAX:,} bytes")


def _text(block: bytes, position: int) -> tuple[str, int]:
    length, position = _varint(block, position)
    if length < 0 or position + length > len(block):
        raise TagsMalformed("the tags are truncated")
    try:
        return block[position : position + length].decode(), position + length
    except UnicodeDecodeError:
        raise TagsMalformed("a tag is not UTF-8") from None


def _varint(block: bytes, position: int) -> tuple[int, int]:
    number = 0
    for index in range(_VARINT_BYTES_MAX):
        if position >= len(block):
            raise TagsMalformed("the tags are truncated")
        byte = block[position]
        position += 1
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), position
    raise TagsMalformed("a number in the tags is too long")


def _zigzag(number: int) -> bytes:
    number <<= 1  # encodes counts and lengths only, never a negative number
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
