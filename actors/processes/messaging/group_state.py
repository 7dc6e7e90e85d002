"""The state of a group."""

from typing import Literal

import msgspec

from actors.processes.collections.append_only_list import History
from actors.processes.collections.map import Map
from actors.processes.collections.packed_entries import AuthoredLedger

Role = Literal["administrator", "member"]
ADMINISTRATOR: Role = "administrator"
MEMBER: Role = "member"


class Member(msgspec.Struct, frozen=True, gc=False):
    """A member of the group."""

    role: Role
    author: int
    """Index among all handles that were ever members."""
    joined: int
    """The first generation whose key the member gets."""
    viewed: int
    """Number of messages at the member's last MarkAsViewed or SendMessage."""


class Generation(msgspec.Struct, frozen=True, gc=False):
    """A group key, sealed to every member."""

    epoch: int
    rotated_by: str
    slots: tuple[int, ...]
    """Slots of the messages with the sealed keys. The log holds the keys once."""


class Pending(msgspec.Struct, frozen=True, gc=False):
    """A key that is not yet sealed to every member."""

    rotated_by: str
    slots: tuple[int, ...]
    sealed: Map[str, bool]
    """The members that it is sealed to."""


class GroupState(msgspec.Struct, frozen=True, gc=False):
    """State of a group."""

    registry: str
    name: str
    avatar: str
    announcement: str
    free: bool
    """Whether any handle may join without an invitation."""
    members: Map[str, Member]
    """Handle process to member."""
    invited: Map[str, str]
    """Handle process to the handle process that invited it."""
    authors: History[str]
    epoch: int
    """Number of membership changes. A key is valid in the epoch of its rotation, so a new member cannot read earlier
    messages, and a removed member cannot read later ones."""
    generations: History[Generation]
    pending: Pending | None
    messages: AuthoredLedger
