import json
from base64 import b64decode, urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ans104.item import DATA_BYTES_MAX, ItemRefused, item_id, parse
from actors.ans104.tags import TagsMalformed, decode_tags, encode_tags
from actors.ans104.wallet import Wallet
from actors.crypto.schemes import address, ethereum_address
from eventstore.records import encode_id

VECTORS = json.loads((Path(__file__).parent / "vectors" / "dataitems.json").read_text())["items"]
GOOD = [vector for vector in VECTORS if vector["valid"]]
BAD = [vector for vector in VECTORS if not vector["valid"]]
WALLET = Wallet(bytes(range(32)))
PROCESS = encode_id(bytes(32))

names = st.text(min_size=1, max_size=20).filter(lambda text: len(text.encode(errors="replace")) <= 1024)
texts = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_an_item_made_by_aos_own_tools_is_read_as_they_read_it(vector: dict) -> None:
    item = parse(b64decode(vector["raw"]))
    item.verify()
    assert item.id == item_id(b64decode(vector["raw"])) == vector["id"]
    assert item.scheme.kind == vector["signatureType"]
    assert address(item.public_key) == vector["sha256OfOwner"]
    assert item.sender == (ethereum_address(item.public_key) if item.scheme.kind == 3 else vector["sha256OfOwner"])
    assert urlsafe_b64encode(item.public_key).rstrip(b"=").decode() == vector["owner"]
    assert item.target == vector["target"]
    assert urlsafe_b64encode(item.anchor).rstrip(b"=").decode() == vector["anchor"]
    assert [{"name": name, "value": value} for name, value in item.tags] == vector["tags"]
    assert item.data == b64decode(vector["data"])


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_a_bad_item_is_refused(vector: dict) -> None:
    with pytest.raises(ItemRefused) as refused:
        parse(b64decode(vector["raw"])).verify()
    assert any(word in str(refused.value) for word in vector["why"].split())


@given(
    tags=st.lists(st.tuples(texts, texts), max_size=8),
    data=st.binary(max_size=500),
    anchor=st.sampled_from([b"", bytes(range(32))]),
    target=st.sampled_from(["", PROCESS]),
)
def test_what_a_wallet_signs_is_read_back_and_genuine(
    tags: list[tuple[str, str]], data: bytes, anchor: bytes, target: str
) -> None:
    raw = WALLET.sign(target=target, data=data, tags=tags, anchor=anchor)
    item = parse(raw)
    item.verify()
    assert (item.sender, item.target, item.anchor, item.tags, item.data) == (
        WALLET.address,
        target,
        anchor,
        tags,
        data,
    )
    assert item.envelope + item.data == raw


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_an_item_can_be_changed(position: int, bit: int) -> None:
    raw = bytearray(WALLET.sign(target=PROCESS, action="Register", data=b'{"handle":"alice"}', anchor=bytes(32)))
    raw[position % len(raw)] ^= 1 << bit
    with pytest.raises(ItemRefused):
        parse(bytes(raw)).verify()


@given(length=st.integers(0, 179))
def test_an_item_cut_off_anywhere_is_refused(length: int) -> None:
    raw = WALLET.sign(target=PROCESS, action="Register", data=b"{}", anchor=bytes(32))
    assert len(raw) > 180
    with pytest.raises(ItemRefused):
        parse(raw[:length]).verify()


@given(raw=st.binary(max_size=400) | st.binary(max_size=400).map(lambda tail: b"\2\0" + bytes(96) + tail))
def test_any_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(ItemRefused):
        parse(raw).verify()


def test_data_over_the_limit_is_refused_with_the_limit() -> None:
    parse(WALLET.sign(target=PROCESS, data=bytes(DATA_BYTES_MAX))).verify()
    with pytest.raises(ItemRefused, match=r"102,401 bytes; at most 102,400"):
        parse(WALLET.sign(target=PROCESS, data=bytes(DATA_BYTES_MAX + 1)))
    with pytest.raises(ItemRefused, match="at most 10"):
        parse(WALLET.sign(target=PROCESS, data=bytes(11)), data_bytes_max=10)


@given(tags=st.lists(st.tuples(texts, texts), max_size=8))
def test_tags_come_back_from_their_block(tags: list[tuple[str, str]]) -> None:
    assert decode_tags(encode_tags(tags), len(tags)) == tags


def test_tags_in_several_avro_blocks_with_lengths_are_read() -> None:
    block = b"\x01\x06\x02a\x02b" + b"\x02\x02c\x02d" + b"\x00"  # -1, 3 bytes: (a, b); 1: (c, d); end
    assert decode_tags(block, 2) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("block", "count", "reason"),
    [
        (b"\x02\x02a\x02b\x00", 2, "tag count"),
        (b"\x02\x02a\x02b\x00", 0, "tag count"),
        (b"", 1, "tag count"),
        (b"\x02\x02a\x02b", 1, "truncated"),
        (b"\x02\x02a\x10b\x00", 1, "truncated"),
        (b"\x02\x02a\x02b\x00\x00", 1, "follow the last tag"),
        (b"\x02\x00\x02b\x00", 1, "name has to be"),
        (b"\x02\x02a\x00\x00", 1, "value of the tag"),
        (b"\x02\x02\xff\x02b\x00", 1, "not UTF-8"),
        (b"\xff" * 12, 1, "too long"),
        (b"\xfe\xff\xff\xff\x0f", 1, "more than 128"),
        (bytes(4097), 0, "at most 4,096"),
    ],
)
def test_a_malformed_tag_block_is_refused_with_its_reason(block: bytes, count: int, reason: str) -> None:
    with pytest.raises(TagsMalformed, match=reason):
        decode_tags(block, count)


def test_a_wallet_does_not_sign_more_tags_than_the_format_allows() -> None:
    with pytest.raises(TagsMalformed, match="129 tags"):
        encode_tags([("a", "b")] * 129)
    with pytest.raises(TagsMalformed, match="at most 4,096"):
        encode_tags([("a", "b" * 3000)] * 2)
    with pytest.raises(ValueError, match="32 bytes"):
        WALLET.sign(target=PROCESS, anchor=b"short")
