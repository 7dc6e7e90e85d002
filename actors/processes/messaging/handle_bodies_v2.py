"""The request bodies of version 2 of the handle."""

from typing import Annotated

from msgspec import Meta

from actors.processes.limits import KEY_CHARACTERS_MAX
from actors.processes.messaging.handle import AddContact, AddDelegate, Start, UpdateChatList
from actors.processes.messaging.name_directory import NAME_CHARACTERS_MAX
from actors.processes.request_body import Body, Text

ADDRESS_CHARACTERS_MAX = 128
NOTE_CHARACTERS_MAX = 4096

_Name = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, description=f"a text of 1 to {NAME_CHARACTERS_MAX} characters"),
]
_Address = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=ADDRESS_CHARACTERS_MAX,
        description=f"a text of 1 to {ADDRESS_CHARACTERS_MAX} characters",
    ),
]


class StartV2(Start):
    """Start body: name and public key."""

    name: _Name
    pubkey: Annotated[str, Meta(max_length=KEY_CHARACTERS_MAX)] | None = None


class AddDelegateV2(AddDelegate):
    """An address, and the end of its delegation."""

    address: _Address


class AddContactV2(AddContact):
    """A contact and a note."""

    handle: _Name
    note: Annotated[str, Meta(max_length=NOTE_CHARACTERS_MAX)] | None = None


class UpdateChatListV2(UpdateChatList):
    """A session or group of the chat list, and the sender who opened it."""

    by: str = ""


class ChatNotAdded(Body):
    """A session that the other handle's chat list lacks."""

    sessionID: Text


class RemoveChat(Body):
    """A session or group of the chat list."""

    sessionID: Text
