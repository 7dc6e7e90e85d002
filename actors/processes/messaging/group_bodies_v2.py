"""The request bodies of version 2 of the group."""

from typing import Annotated

from msgspec import Meta

from actors.processes.limits import ProcessId
from actors.processes.messaging.group_bodies import AT_ONCE_MAX, Join, MemberList, Start

_Handles = Annotated[
    list[ProcessId],
    Meta(min_length=1, max_length=AT_ONCE_MAX, description=f"a list of 1 to {AT_ONCE_MAX} handle processes"),
]


class StartV2(Start):
    """Start body: name, creating handle process, and whether any handle may join."""

    creator: ProcessId


class JoinV2(Join):
    """The handle process that joins, and the sender of JoinGroup."""

    member: ProcessId
    by: str = ""


class MemberListV2(MemberList):
    """Several handle processes."""

    members: _Handles
