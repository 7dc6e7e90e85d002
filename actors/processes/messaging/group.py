"""A group: the conversation of many handles, with members, sealed keys and encrypted messages."""

from typing import Any

import msgspec

from actors.processes.base import Process, action, succeed
from actors.processes.collections.append_only_list import History
from actors.processes.collections.map import Map
from actors.processes.collections.packed_entries import AuthoredEntry, AuthoredLedger
from actors.processes.messaging.group_bodies import (
    GroupKeys,
    Join,
    KeyOf,
    MemberList,
    OneMember,
    Page,
    SetGroup,
    SetRole,
    Start,
)
from actors.processes.messaging.group_state import ADMINISTRATOR, MEMBER, Generation, GroupState, Member, Pending
from actors.processes.messaging.session_v1 import QueryMessage, SendMessage
from actors.processes.request_body import EmptyBody, parser
from actors.protocol.canonical_json import decode, encode
from actors.protocol.messages import Context, Effects, Outgoing, Refusal

MEMBERS_MAX = 10_000
ONE_MEMBER, ONE_ADMINISTRATOR = "a member's handle process", "an administrator's handle process"
KEY_ROWS = "list of at most one `generation`, `epoch`, `rotated_by`, `sealed`; empty if there is none"
SEALED = "`status`; `generation` if every member has the key, otherwise `missing` (number of members without it)"

_parse_start = parser(Start)
_parse_message = parser(SendMessage)


class Group(Process):
    """The conversation of many handles (mostao-mip-draft.md "MIP-03"; relation-one-im.md 6.2). A registry spawns it.

    After each change of membership a member has to rotate the key before the next message: a new member reads from then
    on, a removed member reads no further. The group sends no Notify, so a message costs two events for any number of
    members. ``simulations/clients/group.py`` is a member's client.
    """

    __slots__ = ()

    module = "mostao.group@1"
    start_body = Start
    state: GroupState

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from a ``Start`` body. The creator is the first administrator."""
        start = _parse_start(data)
        self.state = GroupState(
            context.sender,
            start.name,
            avatar="",
            announcement="",
            free=start.free,
            members=Map({start.creator: Member(ADMINISTRATOR, 0, 1, 0)}),
            invited=Map(),
            authors=History([start.creator], 1),
            epoch=1,
            generations=History(),
            pending=None,
            messages=AuthoredLedger(),
        )

    @action(
        "GetGroup",
        reply="`name`, `avatar`, `announcement`, `free`, `members` (their number), `administrators` (list), `epoch`,"
        " `generation`, `stale`, `messages` (their number)",
    )
    def get_group(self, body: EmptyBody, context: Context) -> Effects:
        """Return the group's metadata. ``stale`` means that the key has to be rotated before the next message."""
        state = self.state
        return Effects(
            {
                "name": state.name,
                "avatar": state.avatar,
                "announcement": state.announcement,
                "free": state.free,
                "members": len(state.members),
                "administrators": sorted(self._administrators()),
                "epoch": state.epoch,
                "generation": len(state.generations),
                "stale": not self._fresh,
                "messages": len(state.messages),
            }
        )

    @action(
        "GetMembers", body=Page, optional=True, reply="list of `member`, `role`, `joined` (first readable generation)"
    )
    def get_members(self, body: Page, context: Context) -> Effects:
        """List the members in the order of joining."""
        ordered = sorted(self.state.members.items(), key=lambda member: member[1].author)
        rows = ordered[body.offset : body.offset + body.limit]
        return Effects([{"member": pid, "role": member.role, "joined": member.joined} for pid, member in rows])

    @action("Join", body=Join, callers="the registry that spawned the group", reply="`status`")
    def join(self, body: Join, context: Context) -> Effects:
        """Add a handle whose owner called JoinGroup, if the group is free to join or the handle is invited."""
        if context.sender != self.state.registry or not context.from_process:
            raise Refusal("who wants to join asks the registry")
        if not self.state.free and body.member not in self.state.invited:
            raise Refusal("nobody invited this handle, and the group is not free to join")
        return self._add([body.member])

    @action("Invite", body=MemberList, callers=ONE_ADMINISTRATOR, reply="`status`")
    def invite(self, body: MemberList, context: Context) -> Effects:
        """Let handles join a group that is not free to join."""
        self._only_administrator(context)
        invited = dict.fromkeys(body.members, context.sender)
        if len(self.state.invited) + len(invited) > MEMBERS_MAX:
            raise Refusal(f"at most {MEMBERS_MAX} are invited at one time")
        self._replace(invited=self.state.invited.update(invited))
        return Effects(succeed(), quiet=True)

    @action("AddMember", body=MemberList, callers=ONE_ADMINISTRATOR, reply="`status`")
    def add_member(self, body: MemberList, context: Context) -> Effects:
        """Add members, and send GroupJoined to the registry. The epoch changes."""
        self._only_administrator(context)
        return self._add(body.members)

    @action("Remove", body=MemberList, callers=ONE_ADMINISTRATOR, reply="`status`")
    def remove(self, body: MemberList, context: Context) -> Effects:
        """Remove other members. The epoch changes."""
        self._only_administrator(context)
        if context.sender in body.members:
            raise Refusal("nobody removes himself: leave")
        return self._remove(body.members)

    @action("Leave", callers=ONE_MEMBER, reply="`status`")
    def leave(self, body: EmptyBody, context: Context) -> Effects:
        """Leave the group. After the last administrator, the member who joined first becomes administrator."""
        self._only_member(context)
        return self._remove([context.sender])

    @action("SetRole", body=SetRole, callers=ONE_ADMINISTRATOR, reply="`status`")
    def set_role(self, body: SetRole, context: Context) -> Effects:
        """Change the role of a member. The group keeps at least one administrator."""
        self._only_administrator(context)
        member = self._member(body.member)
        if body.role == MEMBER and self._administrators() == [body.member]:
            raise Refusal("a group has an administrator: name another one first")
        changed = msgspec.structs.replace(member, role=body.role)
        self._replace(members=self.state.members.set(body.member, changed))
        return Effects(succeed(), quiet=True)

    @action("SetGroup", body=SetGroup, callers=ONE_ADMINISTRATOR, reply="`status`")
    def set_group(self, body: SetGroup, context: Context) -> Effects:
        """Change any of the group's metadata."""
        self._only_administrator(context)
        given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
        self._replace(**given)
        return Effects(succeed(), quiet=True)

    @action("RotateGroupKey", body=GroupKeys, callers=ONE_MEMBER, reply=SEALED)
    def rotate_group_key(self, body: GroupKeys, context: Context) -> Effects:
        """Start a new key: sealed to all members, or to the first part of them."""
        self._only_member(context)
        return self._seal(body, context, Pending(context.sender, (), Map()))

    @action("AddGroupKeys", body=GroupKeys, callers="the handle process that called RotateGroupKey", reply=SEALED)
    def add_group_keys(self, body: GroupKeys, context: Context) -> Effects:
        """Add the same key, sealed to further members. When every member has it, it is the next generation."""
        self._only_member(context)
        pending = self.state.pending
        if pending is None or pending.rotated_by != context.sender:
            raise Refusal("there is no key of this handle's to add to: begin with RotateGroupKey")
        return self._seal(body, context, pending)

    @action("GetCurrentKeys", "GetCurrentKey", body=OneMember, reply=KEY_ROWS)
    def get_current_keys(self, body: OneMember, context: Context) -> Effects:
        """Return the newest key, sealed to a member."""
        return Effects(self._key_row(len(self.state.generations), body.member, context))

    @action("GetKeyByGeneration", body=KeyOf, reply=KEY_ROWS)
    def get_key_by_generation(self, body: KeyOf, context: Context) -> Effects:
        """Return the key of a generation, sealed to a member."""
        return Effects(self._key_row(body.generation, body.member, context))

    @action("SendMessage", body=SendMessage, callers=ONE_MEMBER, reply="`status`, `id` (number of the message, from 1)")
    def send_message(self, body: SendMessage, context: Context) -> Effects:
        """Add a message under the newest key, which has to be of the current epoch.

        No member is notified, so the cost of a message does not grow with the group. GetUnread returns the count.
        """
        member = self._only_member(context)
        if not self._fresh:
            raise Refusal("somebody came or went since the key was made: rotate it before the next message")
        newest = len(self.state.generations)
        if body.generation not in (None, newest):
            raise Refusal(f"the key of generation {body.generation} is not the newest, which is {newest}")
        messages = self.state.messages.append(AuthoredEntry(context.slot, context.timestamp, newest, member.author))
        viewed = msgspec.structs.replace(member, viewed=len(messages))
        self._replace(messages=messages, members=self.state.members.set(context.sender, viewed))
        return Effects(succeed(id=len(messages)), quiet=True)

    @action(
        "QueryMessage",
        body=QueryMessage,
        optional=True,
        reply="list of `id`, `sender`, `generation`, `timestamp` (seconds), `content`",
    )
    def query_message(self, body: QueryMessage, context: Context) -> Effects:
        """List the messages of a time span (seconds, both ends included): by default the newest 100, newest first."""
        return Effects(self._message_rows(body.indexes(self.state.messages), context))

    @action("MarkAsViewed", callers=ONE_MEMBER, reply="`status`")
    def mark_as_viewed(self, body: EmptyBody, context: Context) -> Effects:
        """Mark all messages as viewed by the sender."""
        viewed = msgspec.structs.replace(self._only_member(context), viewed=len(self.state.messages))
        self._replace(members=self.state.members.set(context.sender, viewed))
        return Effects(succeed(), quiet=True)

    @action("GetUnread", body=OneMember, reply="`total`")
    def get_unread(self, body: OneMember, context: Context) -> Effects:
        """Return the number of messages that a member has not viewed."""
        return Effects({"total": len(self.state.messages) - self._member(body.member).viewed})

    @property
    def _fresh(self) -> bool:
        """Whether the newest key belongs to the current epoch."""
        generations = self.state.generations
        return len(generations) > 0 and generations[-1].epoch == self.state.epoch

    def _administrators(self) -> list[str]:
        return [pid for pid, member in self.state.members.items() if member.role == ADMINISTRATOR]

    def _member(self, pid: str) -> Member:
        member = self.state.members.get(pid)
        if member is None:
            raise Refusal(f"{pid!r} is no member")
        return member

    def _only_member(self, context: Context) -> Member:
        member = self.state.members.get(context.sender) if context.from_process else None
        if member is None:
            raise Refusal("only a member of this group can do that")
        return member

    def _only_administrator(self, context: Context) -> None:
        if self._only_member(context).role != ADMINISTRATOR:
            raise Refusal("only an administrator of this group can do that")

    def _add(self, pids: list[str]) -> Effects:
        state = self.state
        members, invited, authors = state.members, state.invited, state.authors
        for pid in pids:
            if pid in members:
                raise Refusal(f"{pid!r} is a member already")
            members = members.set(pid, Member(MEMBER, len(authors), len(state.generations) + 1, len(state.messages)))
            authors = authors.append(pid)
            if pid in invited:
                invited = invited.delete(pid)
        if len(members) > MEMBERS_MAX:
            raise Refusal(f"a group has at most {MEMBERS_MAX} members")
        self._replace(members=members, invited=invited, authors=authors, epoch=state.epoch + 1, pending=None)
        joined = encode({"members": pids, "name": state.name})
        return Effects(succeed(), messages=(Outgoing(state.registry, "GroupJoined", joined),), quiet=True)

    def _remove(self, pids: list[str]) -> Effects:
        members = self.state.members
        for pid in pids:
            if pid not in members:
                raise Refusal(f"{pid!r} is no member")
            members = members.delete(pid)
        self._replace(members=members, epoch=self.state.epoch + 1, pending=None)
        if members and not self._administrators():
            oldest = min(members, key=lambda pid: members[pid].author)
            promoted = msgspec.structs.replace(members[oldest], role=ADMINISTRATOR)
            self._replace(members=members.set(oldest, promoted))
        return Effects(succeed(), quiet=True)

    def _seal(self, body: GroupKeys, context: Context, pending: Pending) -> Effects:
        state = self.state
        if body.epoch != state.epoch:
            raise Refusal(f"somebody came or went: the epoch is {state.epoch}, not {body.epoch}")
        for pid in body.sealed:
            if pid not in state.members:
                raise Refusal(f"{pid!r} is no member")
        sealed = pending.sealed.update(dict.fromkeys(body.sealed, True))
        slots = (*pending.slots, context.slot)
        if len(sealed) < len(state.members):
            self._replace(pending=Pending(context.sender, slots, sealed))
            return Effects(succeed(missing=len(state.members) - len(sealed)), quiet=True)
        generations = state.generations.append(Generation(state.epoch, context.sender, slots))
        self._replace(generations=generations, pending=None)
        return Effects(succeed(generation=len(generations)), quiet=True)

    def _key_row(self, generation: int, member: str, context: Context) -> list[dict[str, Any]]:
        if not 1 <= generation <= len(self.state.generations):
            return []
        kept = self.state.generations[generation - 1]
        for data in reversed(
            context.payloads(kept.slots)
        ):  # if a key was sealed to a member twice, the later one counts
            sealed = decode(data)["sealed"].get(member)
            if sealed is not None:
                row = {"generation": generation, "epoch": kept.epoch, "rotated_by": kept.rotated_by, "sealed": sealed}
                return [row]
        return []

    def _message_rows(self, indexes: range, context: Context) -> list[dict[str, Any]]:
        entries: list[AuthoredEntry] = [self.state.messages[index] for index in indexes]
        payloads = context.payloads([entry.slot for entry in entries])
        return [
            {
                "id": index + 1,
                "sender": self.state.authors[entry.author],
                "generation": entry.generation,
                "timestamp": entry.timestamp / 1000,
                "content": _parse_message(data).content,
            }
            for index, entry, data in zip(indexes, entries, payloads, strict=True)
        ]
