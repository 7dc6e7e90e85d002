"""The request bodies of a group."""

from typing import Annotated

from msgspec import Meta

from actors.processes.messaging.group_state import ADMINISTRATOR, MEMBER, Role
from actors.processes.messaging.session_v1 import PAGE_DEFAULT, GetKeyByGeneration
from actors.processes.request_body import Body, Text, Title

AT_ONCE_MAX = 500
"""Maximum number of members that one message adds or removes."""
TEXT_CHARACTERS_MAX = 4096
PAGE_MAX = 1000
"""Maximum number of members in a reply of GetMembers."""

_ROLE = Meta(description=f"{ADMINISTRATOR!r} or {MEMBER!r}")
_Words = Annotated[
    str, Meta(max_length=TEXT_CHARACTERS_MAX, description=f"a text of at most {TEXT_CHARACTERS_MAX} characters")
]
_Handles = Annotated[
    list[Text],
    Meta(min_length=1, max_length=AT_ONCE_MAX, description=f"a list of 1 to {AT_ONCE_MAX} handle processes"),
]


class Start(Body):
    """Start body: name, creating handle process, and whether any handle may join."""

    name: Title
    creator: Text
    free: bool = False


class Join(Body):
    """The handle process that joins."""

    member: Text


class MemberList(Body):
    """Several handle processes."""

    members: _Handles


class SetRole(Body):
    """A member and its new role."""

    member: Text
    role: Annotated[Role, _ROLE]


class SetGroup(Body):
    """New values of the group's metadata."""

    name: Title | None = None
    avatar: _Words | None = None
    announcement: _Words | None = None
    free: bool | None = None


class GroupKeys(Body):
    """A group key, sealed to members, and the epoch that it is for."""

    epoch: int
    sealed: Annotated[
        dict[Text, Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX)]],
        Meta(min_length=1, description="an object of handle processes and texts that are not empty"),
    ]


class KeyOf(GetKeyByGeneration):
    """A generation, and the member that the key is sealed to."""

    member: Text = ""


class OneMember(Body):
    """A member."""

    member: Text


class Page(Body):
    """A page of a list."""

    offset: Annotated[int, Meta(ge=0, le=2**31, description="a whole number from 0")] = 0
    limit: Annotated[int, Meta(ge=0, le=PAGE_MAX, description=f"a whole number from 0 to {PAGE_MAX}")] = PAGE_DEFAULT
