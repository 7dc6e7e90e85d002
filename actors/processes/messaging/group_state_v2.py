"""The state of version 2 of the group."""

import struct

from actors.processes.collections.append_only_list import History
from actors.processes.collections.map import Map
from actors.processes.messaging.group_state import Generation, GroupState, Member, Pending

SEAL = struct.Struct("<8sB")
"""A member's hash and the number of the key message that holds its key."""


class MemberV2(Member, frozen=True, gc=False, array_like=True):
    """A member of the group, in a state as an array. Its ``author`` is the number of its joining, from 0."""


class GenerationV2(Generation, frozen=True, gc=False, omit_defaults=True):
    """A group key, sealed to every member."""

    seals: bytes = b""
    """If several messages hold the key: a ``SEAL`` of each member, sorted. So a query reads one message."""


class PendingV2(Pending, frozen=True, gc=False):
    """A key that is not yet sealed to every member."""

    sealed: Map[int, int]  # type: ignore[assignment]  # numbers: a state needs fewer bytes for them than for ids
    """Number of a member's joining to the index of the newest slot whose message holds its key."""


class GroupStateV2(GroupState, frozen=True):
    """State of a group. The log's history has no limit in bytes: authors, generations and messages.

    An author is a handle that sent a message, so that members who come and go without a message leave nothing.
    """

    members: Map[str, MemberV2]
    invited: Map[str, int]  # type: ignore[assignment]  # indexes, as above
    """Handle process to the number of the joining of the member that invited it."""
    generations: History[GenerationV2]  # type: ignore[assignment]  # a history of a subclass
    pending: PendingV2 | None
    author_of: Map[str, int] = Map()
    """Handle process to its index in ``authors``."""
    joinings: int = 1
    """Number of joinings."""
