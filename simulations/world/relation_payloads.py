"""Draws the payloads of Relation ONE's messages."""

from random import Random

from actors.relation.payloads import BatchTransfer, Card, Image, Payload, Text, payload_text


def draw_payload(text: str, random: Random) -> tuple[str, str]:
    """Draw a message's type and payload: the text itself in most cases, else another type made from the text."""
    others: dict[str, Payload] = {
        "CARD": Card(f"https://example.org/{len(text)}", text, "https://example.org/icon.png"),
        "NFT": Image(f"https://example.org/nft/{len(text)}.png", "polygon"),
        "IMAGE": Image(f"https://example.org/{len(text)}.png", f"im/image/{len(text)}.png"),
        "EMOJI": Image(f"https://example.org/{len(text)}.jpg", f"im/emoji/{len(text)}.jpg"),
        "BATCH_TRANSFER": BatchTransfer("0x" + random.randbytes(32).hex(), "USDT", "20.0000", "a-b", ("c-d", "e-f")),
    }
    type_ = random.choice(list(others)) if random.random() < 0.2 else "TEXT"
    return type_, payload_text(type_, others.get(type_, Text(text or "…")))
