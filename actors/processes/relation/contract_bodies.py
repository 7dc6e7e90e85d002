"""The request bodies of Relation ONE's contracts."""

from typing import Annotated

from msgspec import Meta

from actors.processes.request_body import Body, Text, Title

URI_CHARACTERS_MAX = 2048
ADDED_AT_ONCE_MAX = 500

_Uri = Annotated[
    str, Meta(max_length=URI_CHARACTERS_MAX, description=f"a text of at most {URI_CHARACTERS_MAX} characters")
]


class Register(Body):
    """A name, its owner, and whether it becomes the owner's reverse record."""

    owner: Text
    name: Text
    reverseRecord: bool = False


class Uri(Body):
    """URI of an avatar."""

    profileURI: _Uri


class Address(Body):
    """An address."""

    addr: Text


class DeployDao(Body):
    """Owner and name of a new group."""

    owner: Text
    name: Title


class OfDao(Body):
    """Address of a group."""

    dao: Text


class FreeJoin(OfDao):
    """Whether any named account may join a group."""

    free: bool


class DaoUri(OfDao):
    """URI of a group's avatar."""

    uri: _Uri


class AddMembers(OfDao):
    """New members of a group."""

    addr: Annotated[
        list[Text],
        Meta(min_length=1, max_length=ADDED_AT_ONCE_MAX, description=f"a list of 1 to {ADDED_AT_ONCE_MAX} addresses"),
    ]


class RemoveMember(OfDao):
    """A member of a group."""

    addr: Text


class BalanceOf(OfDao):
    """A group and an address."""

    addr: Text
