"""Version 2 of the group: its state and its pages have a limit in bytes."""

from typing import Annotated, Any

from msgspec import Meta

from actors.processes.base import action, succeed
from actors.processes.collections.append_only_list import History
from actors.processes.collections.map import Map
from actors.processes.collections.packed_entries import AuthoredEntry, AuthoredLedger
from actors.processes.limits import (
    ANSWER_BYTES_MAX,
    CONTENT_CHARACTERS_SAFE,
    ProcessId,
    check_content,
    check_state,
    parts,
)
from actors.processes.messaging.group import (
    MEMBERS_MAX,
    ONE_ADMINISTRATOR,
    ONE_MEMBER,
    Group,
)
from actors.processes.messaging.group_bodies import AT_ONCE_MAX, GroupKeys, Join, MemberList, SetRole, Start
from actors.processes.messaging.group_state import (
    ADMINISTRATOR,
    MEMBER,
    Generation,
    GroupState,
    Member,
    Pending,
)
from actors.processes.messaging.session_v1 import QueryMessage, SendMessage
from actors.processes.messaging.session_v3 import QueryMessageV3
from actors.processes.request_body import parser
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Context, Effects, Outgoing, Refusal

ADMINISTRATORS_MAX = 1000
KEY_MESSAGES_MAX = 256
"""Most messages in which a key comes."""
ROW_BYTES = 192
"""Most bytes of a row of QueryMessage besides the content."""
MEMBER_BYTES, INVITED_BYTES = 96, 64
"""Most bytes of a member (also of one to whom a pending key is sealed) and of an invitation in a state."""
FIXED_BYTES = 56 * 1024
"""Most bytes of a state besides its members and invitations."""

_parse_message = parser(SendMessage)


class MemberV2(Member, frozen=True, gc=False, array_like=True):
    """A member of the group, in a state as an array."""


class PendingV2(Pending, frozen=True, gc=False):
    """A key that is not yet sealed to every member."""

    sealed: Map[int, bool]  # type: ignore[assignment]  # indexes: a state needs fewer bytes for them than for ids
    """Authors' indexes of the members that it is sealed to."""


class GroupStateV2(GroupState, frozen=True):
    """State of a group. The log's history has no limit in bytes: authors, generations and messages."""

    members: Map[str, MemberV2]
    invited: Map[str, int]  # type: ignore[assignment]  # indexes, as above
    """Handle process to the author's index of the member that invited it."""
    pending: PendingV2 | None


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


_parse_start = parser(StartV2)


class GroupV2(Group):
    """Keeps at most 1 MiB besides its history, and answers with at most 256 KiB. A registry spawns it."""

    __slots__ = ()

    module = "mostao.group@2"
    start_body = StartV2
    is_limited = True
    state: GroupStateV2

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from a ``StartV2`` body. The creator is the first administrator."""
        start = _parse_start(data)
        self.state = GroupStateV2(
            context.sender,
            start.name,
            avatar="",
            announcement="",
            free=start.free,
            members=Map({start.creator: MemberV2(ADMINISTRATOR, 0, 1, 0)}),
            invited=Map(),
            authors=History([start.creator], 1),
            epoch=1,
            generations=History(),
            pending=None,
            messages=AuthoredLedger(),
        )

    @action("Join", body=JoinV2, callers="the registry that spawned the group", reply="`status`")
    def join(self, body: Join, context: Context) -> Effects:
        """Add a handle whose owner called JoinGroup, if the group is free to join or the handle is invited."""
        if context.sender != self.state.registry or not context.from_process:
            raise Refusal("who wants to join asks the registry")
        if not self.state.free and body.member not in self.state.invited:
            raise Refusal("nobody invited this handle, and the group is not free to join")
        return self._add([body.member], by=body.by if isinstance(body, JoinV2) else "")

    @action("Invite", body=MemberListV2, callers=ONE_ADMINISTRATOR, reply="`status`")
    def invite(self, body: MemberList, context: Context) -> Effects:
        """Let handles join a group that is not free to join."""
        self._only_administrator(context)
        inviter = self.state.members[context.sender].author
        self._replace(invited=self.state.invited.update(dict.fromkeys(body.members, inviter)))
        self._check_state()
        return Effects(succeed(), quiet=True)

    @action("AddMember", body=MemberListV2, callers=ONE_ADMINISTRATOR, reply="`status`")
    def add_member(self, body: MemberList, context: Context) -> Effects:
        """Add members, and send GroupJoined to the registry. The epoch changes."""
        self._only_administrator(context)
        return self._add(body.members)

    @action("SetRole", body=SetRole, callers=ONE_ADMINISTRATOR, reply="`status`")
    def set_role(self, body: SetRole, context: Context) -> Effects:
        """Change the role of a member. The group keeps at least one administrator."""
        effects = super().set_role(body, context)
        if body.role == ADMINISTRATOR and len(self._administrators()) > ADMINISTRATORS_MAX:
            raise Refusal(f"a group has at most {ADMINISTRATORS_MAX} administrators")
        return effects

    @action("SendMessage", body=SendMessage, callers=ONE_MEMBER, reply="`status`, `id` (number of the message, from 1)")
    def send_message(self, body: SendMessage, context: Context) -> Effects:
        """Add a message under the newest key, which has to be of the current epoch.

        No member is notified, so the cost of a message does not grow with the group. GetUnread returns the count.
        """
        if len(body.content) > CONTENT_CHARACTERS_SAFE:
            check_content(body.content)
        return super().send_message(body, context)

    @action(
        "QueryMessage",
        body=QueryMessageV3,
        optional=True,
        reply="list of `id`, `sender`, `generation`, `timestamp` (seconds), `content`",
    )
    def query_message(self, body: QueryMessage, context: Context) -> Effects:
        """List the messages of a time span (seconds, both ends included): by default the newest 100, newest first.

        A page may end before its limit. It continues with ``after``, the `id` of its last message; an empty page is the
        last.
        """
        return Effects(self._message_rows(body.indexes(self.state.messages), context))

    def _add(self, pids: list[str], by: str = "") -> Effects:
        state = self.state
        members, invited, authors = state.members, state.invited, state.authors
        for pid in pids:
            if pid in members:
                raise Refusal(f"{pid!r} is a member already")
            members = members.set(pid, MemberV2(MEMBER, len(authors), len(state.generations) + 1, len(state.messages)))
            authors = authors.append(pid)
            if pid in invited:
                invited = invited.delete(pid)
        if len(members) > MEMBERS_MAX:
            raise Refusal(f"a group has at most {MEMBERS_MAX} members")
        self._replace(members=members, invited=invited, authors=authors, epoch=state.epoch + 1, pending=None)
        self._check_state()
        joined = encode({"members": pids, "name": state.name, "by": by})
        return Effects(succeed(), messages=(Outgoing(state.registry, "GroupJoined", joined),), quiet=True)

    def _seal(self, body: GroupKeys, context: Context, pending: Pending) -> Effects:
        state = self.state
        if body.epoch != state.epoch:
            raise Refusal(f"somebody came or went: the epoch is {state.epoch}, not {body.epoch}")
        if len(pending.slots) == KEY_MESSAGES_MAX:
            raise Refusal(f"a key comes in at most {KEY_MESSAGES_MAX} messages: seal it to more members in each")
        authors: dict[int, bool] = {}
        for pid in body.sealed:
            member = state.members.get(pid)
            if member is None:
                raise Refusal(f"{pid!r} is no member")
            authors[member.author] = True
        before = pending.sealed if isinstance(pending, PendingV2) else Map[int, bool]()
        sealed = before.update(authors)
        slots = (*pending.slots, context.slot)
        if len(sealed) < len(state.members):
            self._replace(pending=PendingV2(context.sender, slots, sealed))
            return Effects(succeed(missing=len(state.members) - len(sealed)), quiet=True)
        generations = state.generations.append(Generation(state.epoch, context.sender, slots))
        self._replace(generations=generations, pending=None)
        return Effects(succeed(generation=len(generations)), quiet=True)

    def _check_state(self) -> None:
        state = self.state
        check_state(FIXED_BYTES + MEMBER_BYTES * len(state.members) + INVITED_BYTES * len(state.invited))

    def _message_rows(self, indexes: range, context: Context) -> list[dict[str, Any]]:
        state, rows, room = self.state, list[dict[str, Any]](), ANSWER_BYTES_MAX
        for part in parts(indexes):
            entries: list[AuthoredEntry] = [state.messages[index] for index in part]
            payloads = context.payloads([entry.slot for entry in entries])
            for index, entry, data in zip(part, entries, payloads, strict=True):
                room -= ROW_BYTES + len(data)
                if room < 0:
                    return rows
                rows.append(
                    {
                        "id": index + 1,
                        "sender": state.authors[entry.author],
                        "generation": entry.generation,
                        "timestamp": entry.timestamp / 1000,
                        "content": _parse_message(data).content,
                    }
                )
        return rows
