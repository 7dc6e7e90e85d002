import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.relation.payloads import BatchTransfer, Card, Image, PayloadMalformed, Text, parse_payload, payload_text

HASH = "0xd84ed2b4deacbad8a568747fea45f3fc7f2d204595101f99f43006712f3ff290"
SEED = {  # every example of the protocol's text, with its parsed form
    ("TEXT", "Hi"): Text("Hi"),
    ("ANNOUNCEMENT", "It's an announcement"): Text("It's an announcement"),
    (
        "CARD",
        (
            "type:href;action:shareFavorite;p1(Text):https%3A%2F%2Fspace.id%2Fvoyage,p2(Text):,p3(Text):SPACE ID,"
            "p4(Text):https%3A%2F%2Fspace.id%2Ffavicon.ico"
        ),
    ): Card("https://space.id/voyage", "SPACE ID", "https://space.id/favicon.ico"),
    (
        "NFT",
        "type:image;action:nftImage;p1(Text):https%3A%2F%2Fic1.io%2Fnft%2F25908.jpeg,p2(Text):polygon",
    ): Image("https://ic1.io/nft/25908.jpeg", "polygon"),
    (
        "IMAGE",
        "type:image;action:localImage;p1(Text):https%3A%2F%2Fic1.io%2Fim%2Fa.png,p2(Text):im/image/nymb5-kqaaa/a.png",
    ): Image("https://ic1.io/im/a.png", "im/image/nymb5-kqaaa/a.png"),
    (
        "EMOJI",
        "type:image;action:customEmoji;p1(Text):https%3A%2F%2Fic1.io%2Fim%2Fa.jpg,p2(Text):im/emoji/a.jpg",
    ): Image("https://ic1.io/im/a.jpg", "im/emoji/a.jpg"),
    (
        "BATCH_TRANSFER",
        f"{HASH}::USDT::20.0000::0x969f85053b44d7eCE8108094420Aba45149b7A3a::qzoo5-ryaaa-aaaaj-xs6ma-cai",
    ): BatchTransfer(
        HASH, "USDT", "20.0000", "0x969f85053b44d7eCE8108094420Aba45149b7A3a", ("qzoo5-ryaaa-aaaaj-xs6ma-cai",)
    ),
    (
        "BATCH_TRANSFER",
        f"{HASH}::USDT::5.0000::aukee-3yaaa-aaaah-qc3ya-cai::4xtgo-viaaa-aaaaj-aavyq-cai,ms5ob-iqaaa-aaaaj-aa2za-cai",
    ): BatchTransfer(
        HASH,
        "USDT",
        "5.0000",
        "aukee-3yaaa-aaaah-qc3ya-cai",
        ("4xtgo-viaaa-aaaaj-aavyq-cai", "ms5ob-iqaaa-aaaaj-aa2za-cai"),
    ),
}


@pytest.mark.parametrize(("of", "says"), SEED.items())
def test_every_example_of_the_protocol_is_read_and_written_again(of: tuple[str, str], says: Text) -> None:
    assert parse_payload(*of) == says
    assert payload_text(of[0], says) == of[1]


@pytest.mark.parametrize(
    ("type_", "payload", "reason"),
    [
        ("VIDEO", "x", "unknown type 'VIDEO'"),
        ("TEXT", "", "must not be empty"),
        ("CARD", "Hi", "must begin with type:href;action:shareFavorite;"),
        ("CARD", "type:href;action:shareFavorite;p1(Text):https://a,p2(Text):", "part 3 is missing"),
        (
            "CARD",
            "type:href;action:shareFavorite;p1(Text):javascript:x,p2(Text):,p3(Text):,p4(Text):",
            "not an http",
        ),
        ("NFT", "type:image;action:localImage;p1(Text):https://a,p2(Text):x", "nftImage"),
        ("NFT", "type:image;action:nftImage;p1(Text):https://a,p2(Text):", "must name the picture's origin"),
        ("NFT", "type:image;action:nftImage;p1(Text):https://a,p2(Text):x,p3(Text):y", "not have more than 2 parts"),
        ("BATCH_TRANSFER", "x", "transaction::token::amount::sender::receiver"),
        ("BATCH_TRANSFER", "0x12::USDT::1::a-b::c-d", "not a transaction hash"),
        ("BATCH_TRANSFER", f"{HASH}::USDT::-1::a-b::c-d", "not an amount"),
        ("BATCH_TRANSFER", f"{HASH}::USDT::1::nobody!::c-d", "not an account"),
        ("BATCH_TRANSFER", f"{HASH}::USDT::1::a-b::", "not an account"),
    ],
)
def test_what_is_not_of_its_types_form_is_refused_with_the_reason(type_: str, payload: str, reason: str) -> None:
    with pytest.raises(PayloadMalformed, match=reason.replace("(", r"\(")):
        parse_payload(type_, payload)


@given(st.sampled_from(["TEXT", "CARD", "NFT", "IMAGE", "EMOJI", "BATCH_TRANSFER", "X"]), st.text())
def test_whatever_is_read_is_read_the_same_when_it_is_written_again(type_: str, payload: str) -> None:
    try:
        says = parse_payload(type_, payload)
    except PayloadMalformed:
        return
    assert parse_payload(type_, payload_text(type_, says)) == says


@given(st.text(), st.text(), st.text())
def test_a_card_says_what_it_was_made_of_or_cannot_be_made(title: str, description: str, path: str) -> None:
    card = Card("https://a.b/c?d=" + path, title, "", description)
    try:
        text = payload_text("CARD", card)
    except PayloadMalformed:
        return
    assert parse_payload("CARD", text) == card


def test_a_payload_of_another_type_cannot_be_written() -> None:
    with pytest.raises(PayloadMalformed, match="not a payload of type"):
        payload_text("CARD", Text("x"))
