"""Version 2 of the group: its state and its pages have a limit in bytes."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import msgspec

from actors.processes.base import action, succeed
from actors.processes.collections.append_only_list import History
from actors.processes.collections.map import Map
from actors.processes.collections.packed_entries import AuthoredEntry, AuthoredLedger
from actors.processes.limits import (
    CONTENT_CHARACTERS_SAFE,
    MESSAGE_BYTES_MAX,
    check_content,
    check_state,
    page,
    parts,
)
from actors.processes.messaging.group import MEMBERS_MAX, ONE_ADMINISTRATOR, ONE_MEMBER, SEALED, Group
from actors.processes.messaging.group_bodies import GroupKeys, Join, MemberList, SetRole
from actors.processes.messaging.group_bodies_v2 import JoinV2, MemberListV2, StartV2
from actors.processes.messaging.group_state import ADMINISTRATOR, MEMBER, Pending
from actors.processes.messaging.group_state_v2 import SEAL, GenerationV2, GroupStateV2, MemberV2, PendingV2
from actors.processes.messaging.session_v1 import QueryMessage, SendMessage
from actors.processes.messaging.session_v3 import QueryMessageV3
from actors.processes.request_body import parser
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Context, Effects, Outgoing, Refusal

ADMINISTRATORS_MAX = 1000
KEY_MESSAGES_MAX = 256
"""Most messages in which a key comes."""
KEYS_BYTES_MAX = 192 * 1024
"""Bytes of the data of RotateGroupKey and AddGroupKeys, with fields that are not declared."""
ROW_BYTES = 192
"""Most bytes of a row of QueryMessage besides the content."""
MEMBER_BYTES, INVITED_BYTES = 96, 64
"""Most bytes of a member (also of one to whom a pending key is sealed) and of an invitation in a state."""
FIXED_BYTES = 56 * 1024
"""Most bytes of a state besides its members and invitations."""


class _SealedKeys(msgspec.Struct, gc=False):
    """The part of a key message that a query reads."""

    sealed: dict[str, str]


_parse_start = parser(StartV2)
_decode_keys = msgspec.json.Decoder(_SealedKeys).decode  # the data was checked when it was accepted
_decode_message = msgspec.json.Decoder(SendMessage).decode


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
            authors=History(),
            epoch=1,
            generations=History(),
            pending=None,
            messages=AuthoredLedger(),
        )

    @action("Join", body=JoinV2, callers="the registry that spawned the group", reply="`status`")
    def join(self, body: Join, context: Context) -> Effects:
        """Add a handle whose owner called JoinGroup, if the group is free to join or the handle is invited.

        If it is a member, the group only sends GroupJoined, which adds the group to its chat list again.
        """
        if context.sender != self.state.registry or not context.from_process:
            raise Refusal("who wants to join asks the registry")
        known = body.member in self.state.members or body.member in self.state.invited
        if not self.state.free and not known:
            raise Refusal("nobody invited this handle, and the group is not free to join")
        assert isinstance(body, JoinV2)
        if body.member in self.state.members:  # its chat list may lack the group: its owner can remove it
            return Effects(succeed(), messages=(self._joined([body.member], body.by),), quiet=True)
        return self._add([body.member], by=body.by)

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

    @action("RotateGroupKey", body=GroupKeys, data_max=KEYS_BYTES_MAX, callers=ONE_MEMBER, reply=SEALED)
    def rotate_group_key(self, body: GroupKeys, context: Context) -> Effects:
        """Start a new key: sealed to all members, or to the first part of them."""
        self._only_member(context)
        return self._seal(body, context, PendingV2(context.sender, (), Map()))

    @action(
        "AddGroupKeys",
        body=GroupKeys,
        data_max=KEYS_BYTES_MAX,
        callers="the handle process that called RotateGroupKey",
        reply=SEALED,
    )
    def add_group_keys(self, body: GroupKeys, context: Context) -> Effects:
        """Add the same key, sealed to further members. When every member has it, it is the next generation."""
        return super().add_group_keys(body, context)

    @action(
        "SendMessage",
        body=SendMessage,
        data_max=MESSAGE_BYTES_MAX,
        callers=ONE_MEMBER,
        reply="`status`, `id` (number of the message, from 1)",
    )
    def send_message(self, body: SendMessage, context: Context) -> Effects:
        """Add a message under the newest key, which has to be of the current epoch.

        No member is notified, so the cost of a message does not grow with the group. GetUnread returns the count.
        """
        if len(body.content) > CONTENT_CHARACTERS_SAFE:
            check_content(body.content)
        state, member = self.state, self._only_member(context)
        if not self._fresh:
            raise Refusal("somebody came or went since the key was made: rotate it before the next message")
        newest = len(state.generations)
        if body.generation not in (None, newest):
            raise Refusal(f"the key of generation {body.generation} is not the newest, which is {newest}")
        author = state.author_of.get(context.sender)
        if author is None:
            author = len(state.authors)
            author_of = state.author_of.set(context.sender, author)
            self._replace(authors=state.authors.append(context.sender), author_of=author_of)
        messages = state.messages.append(AuthoredEntry(context.slot, context.timestamp, newest, author))
        viewed = MemberV2(member.role, member.author, member.joined, len(messages))
        self._replace(messages=messages, members=state.members.set(context.sender, viewed))
        return Effects(succeed(id=len(messages)), quiet=True)

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
        members, invited, joinings = state.members, state.invited, state.joinings
        for pid in pids:
            if pid in members:
                raise Refusal(f"{pid!r} is a member already")
            members = members.set(pid, MemberV2(MEMBER, joinings, len(state.generations) + 1, len(state.messages)))
            joinings += 1
            if pid in invited:
                invited = invited.delete(pid)
        if len(members) > MEMBERS_MAX:
            raise Refusal(f"a group has at most {MEMBERS_MAX} members")
        self._replace(members=members, invited=invited, joinings=joinings, epoch=state.epoch + 1, pending=None)
        self._check_state()
        return Effects(succeed(), messages=(self._joined(pids, by),), quiet=True)

    def _joined(self, pids: list[str], by: str) -> Outgoing:
        joined = encode({"members": pids, "name": self.state.name, "by": by})
        return Outgoing(self.state.registry, "GroupJoined", joined)

    def _seal(self, body: GroupKeys, context: Context, pending: Pending) -> Effects:
        state = self.state
        if body.epoch != state.epoch:
            raise Refusal(f"somebody came or went: the epoch is {state.epoch}, not {body.epoch}")
        if len(pending.slots) == KEY_MESSAGES_MAX:
            raise Refusal(f"a key comes in at most {KEY_MESSAGES_MAX} messages: seal it to more members in each")
        index, holders = len(pending.slots), dict[int, int]()
        for pid in body.sealed:
            member = state.members.get(pid)
            if member is None:
                raise Refusal(f"{pid!r} is no member")
            holders[member.author] = index  # if a key was sealed to a member twice, the later one counts
        assert isinstance(pending, PendingV2)
        sealed = pending.sealed.update(holders)
        slots = (*pending.slots, context.slot)
        if len(sealed) < len(state.members):
            self._replace(pending=PendingV2(context.sender, slots, sealed))
            return Effects(succeed(missing=len(state.members) - len(sealed)), quiet=True)
        seals = b""
        if index:
            members = state.members.items()
            seals = b"".join(sorted(SEAL.pack(_hash(pid), sealed[member.author]) for pid, member in members))
        generations = state.generations.append(GenerationV2(state.epoch, context.sender, slots, seals))
        self._replace(generations=generations, pending=None)
        return Effects(succeed(generation=len(generations)), quiet=True)

    def _key_row(self, generation: int, member: str, context: Context) -> list[dict[str, Any]]:
        if not 1 <= generation <= len(self.state.generations):
            return []
        kept = self.state.generations[generation - 1]
        slots = list(kept.slots)
        if kept.seals:
            wanted = _hash(member)
            slots = [kept.slots[index] for hashed, index in SEAL.iter_unpack(kept.seals) if hashed == wanted]
        for slot in slots:
            [data] = context.payloads([slot])
            sealed = _decode_keys(data).sealed.get(member)
            if sealed is not None:
                row = {"generation": generation, "epoch": kept.epoch, "rotated_by": kept.rotated_by, "sealed": sealed}
                return [row]
        return []

    def _check_state(self) -> None:
        state = self.state
        check_state(FIXED_BYTES + MEMBER_BYTES * len(state.members) + INVITED_BYTES * len(state.invited))

    def _message_rows(self, indexes: range, context: Context) -> list[dict[str, Any]]:
        return page(self._rows(indexes, context))

    def _rows(self, indexes: range, context: Context) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of messages, each after an upper bound of its bytes as JSON."""
        state = self.state
        for part in parts(indexes):
            entries: list[AuthoredEntry] = [state.messages[index] for index in part]
            payloads = context.payloads([entry.slot for entry in entries])
            for index, entry, data in zip(part, entries, payloads, strict=True):
                yield (
                    ROW_BYTES + len(data),
                    {
                        "id": index + 1,
                        "sender": state.authors[entry.author],
                        "generation": entry.generation,
                        "timestamp": entry.timestamp / 1000,
                        "content": _decode_message(data).content,
                    },
                )


def _hash(pid: str) -> bytes:
    """A short hash of a handle process. Two members with the same hash cost a second read, nothing else."""
    return blake2b(pid.encode(), digest_size=8).digest()
