"""The message that a handle is asked to relay."""

from typing import Any

from actors.messages import REPLY, Outgoing, Refusal
from actors.processes.body import Body

TAGS_MAX = 128
TAG_CHARACTERS_MAX = 3072


def relayed_message(data: bytes) -> Outgoing:
    """Read ``{"Target", "Data", "Tags"}``: Data is text, Tags an object or a list of ``{"name", "value"}``.

    Raises:
        Refusal: a part is absent or of a wrong type, or there is no Action among the tags.

    """
    body = Body(data)
    target, text = body.text("Target"), body.text_or("Data", "")
    tags = _tags(body.fields.get("Tags"))
    action = next((value for name, value in tags if name == "Action"), "")
    if not action or action == REPLY:
        raise Refusal("the field 'Tags' has to hold an Action")
    return Outgoing(target, action, text, tuple(tag for tag in tags if tag[0] != "Action"))


def _tags(value: Any) -> list[tuple[str, str]]:
    pairs: list[tuple[Any, Any]]
    if type(value) is dict:
        pairs = list(value.items())
    elif type(value) is list and all(type(tag) is dict and {"name", "value"} <= tag.keys() for tag in value):
        pairs = [(tag["name"], tag["value"]) for tag in value]
    else:
        raise Refusal("the field 'Tags' has to be an object, or a list of objects with 'name' and 'value'")
    if len(pairs) > TAGS_MAX:
        raise Refusal(f"the field 'Tags' holds at most {TAGS_MAX} tags")
    for pair in pairs:
        for text in pair:
            if type(text) is not str or not 1 <= len(text) <= TAG_CHARACTERS_MAX:
                raise Refusal(f"names and values of tags are texts of 1 to {TAG_CHARACTERS_MAX} characters")
    return pairs
