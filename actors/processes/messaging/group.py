"""A group: the conversation of many handles. Keeps who is in it, the sealed keys and the encrypted messages."""

from typing import Annotated, Any, Literal

import msgspec
from immutables import Map
from msgspec import Meta

from actors.processes.base import Process, action, succeed
from actors.processes.collections.append_only_list import History
from actors.processes.collections.packed_entries import AuthoredEntry, AuthoredLedger
from actors.processes.messaging.session_v1 import PAGE_DEFAULT, GetKeyByGeneration, QueryMessage, SendMessage
from actors.processes.request_body import Body, NoBody, Text, Title, parser
from actors.protocol.canonical_json import decode, encode
from actors.protocol.messages import Context, Effects, Outgoing, Refusal

MEMBERS_MAX = 10_000
AT_ONCE_MAX = 500
"""Members that one message adds or removes."""
TEXT_CHARACTERS_MAX = 4096
PAGE_MAX = 1000
"""Members that GetMembers answers with."""
Role = Literal["administrator", "member"]
ADMINISTRATOR: Role = "administrator"
MEMBER: Role = "member"

_ROLE = Meta(description=f"{ADMINISTRATOR!r} or {MEMBER!r}")
_Words = Annotated[
    str, Meta(max_length=TEXT_CHARACTERS_MAX, description=f"a text of at most {TEXT_CHARACTERS_MAX} characters")
]
_Handles = Annotated[
    list[Text],
    Meta(min_length=1, max_length=AT_ONCE_MAX, description=f"a list of 1 to {AT_ONCE_MAX} handle processes"),
]


class Member(msgspec.Struct, frozen=True, gc=False):
    """Somebody who is in the group."""

    role: Role
    author: int
    """Place among all who ever were."""
    joined: int
    """The first generation whose key they get."""
    viewed: int
    """How many messages there were when they last looked."""


class Generation(msgspec.Struct, frozen=True, gc=False):
    """A group key, sealed to every member."""

    epoch: int
    rotated_by: str
    slots: tuple[int, ...]
    """Where in the group's log the sealed keys are: it keeps them once."""


class Pending(msgspec.Struct, frozen=True, gc=False):
    """A key that is not sealed to everybody yet."""

    rotated_by: str
    slots: tuple[int, ...]
    sealed: Map[str, bool]
    """To whom it is."""


class GroupState(msgspec.Struct, frozen=True, gc=False):
    """What a group knows."""

    registry: str
    name: str
    avatar: str
    announcement: str
    free: bool
    """Whether anybody may join who wants to."""
    members: Map[str, Member]
    """By handle process."""
    invited: Map[str, str]
    """Handle process to who invited it."""
    authors: History[str]
    epoch: int
    """Counts how often somebody came or went. A key is good for the epoch that it was made in, so who came later cannot
    read what was said before, and who went not what is said after."""
    generations: History[Generation]
    pending: Pending | None
    messages: AuthoredLedger


class Start(Body):
    """What a group starts from."""

    name: Title
    creator: Text
    free: bool = False


class Join(Body):
    """Who wants to."""

    member: Text


class Several(Body):
    """Who is meant."""

    members: _Handles


class SetRole(Body):
    """Whose, and which."""

    member: Text
    role: Annotated[Role, _ROLE]


class SetGroup(Body):
    """What is to be changed."""

    name: Title | None = None
    avatar: _Words | None = None
    announcement: _Words | None = None
    free: bool | None = None


class GroupKeys(Body):
    """A key, sealed to members."""

    epoch: int
    sealed: Annotated[
        dict[Text, Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX)]],
        Meta(min_length=1, description="an object of handle processes and texts that are not empty"),
    ]


class KeyOf(GetKeyByGeneration):
    """Which generation, and whose."""

    member: Text = ""


class Of(Body):
    """Whose."""

    member: Text


class Page(Body):
    """Which part of a list."""

    offset: Annotated[int, Meta(ge=0, le=2**31, description="a whole number from 0")] = 0
    limit: Annotated[int, Meta(ge=0, le=PAGE_MAX, description=f"a whole number from 0 to {PAGE_MAX}")] = PAGE_DEFAULT


_start = parser(Start)
_said = parser(SendMessage)


class Group(Process):
    """Module ``mostao.group@1`` (mostao-mip-draft.md "MIP-03"; relation-one-im.md 6.2)."""

    __slots__ = ()

    module = "mostao.group@1"
    state: GroupState

    def __init__(self, data: bytes, context: Context) -> None:
        """See ``Start``. Whoever founds it is its first administrator."""
        start = _start(data)
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

    @action("GetGroup")
    def get_group(self, body: NoBody, context: Context) -> Effects:
        """What there is to know of it; ``stale`` means that its key has to be rotated before the next message."""
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

    @action("GetMembers", body=Page, optional=True)
    def get_members(self, body: Page, context: Context) -> Effects:
        """``{"offset", "limit"}``: the members, in the order in which they came."""
        ordered = sorted(self.state.members.items(), key=lambda member: member[1].author)
        rows = ordered[body.offset : body.offset + body.limit]
        return Effects([{"member": pid, "role": member.role, "joined": member.joined} for pid, member in rows])

    @action("Join", body=Join)
    def join(self, body: Join, context: Context) -> Effects:
        """``{"member"}`` from the registry, which knows that its owner wants to: into a free group, or when invited."""
        if context.sender != self.state.registry or not context.from_process:
            raise Refusal("who wants to join asks the registry")
        if not self.state.free and body.member not in self.state.invited:
            raise Refusal("nobody invited this handle, and the group is not free to join")
        return self._add([body.member])

    @action("Invite", body=Several)
    def invite(self, body: Several, context: Context) -> Effects:
        """``{"members"}`` from an administrator: they may join."""
        self._only_administrator(context)
        invited = dict.fromkeys(body.members, context.sender)
        if len(self.state.invited) + len(invited) > MEMBERS_MAX:
            raise Refusal(f"at most {MEMBERS_MAX} are invited at one time")
        self._replace(invited=self.state.invited.update(invited))
        return Effects(succeed(), quiet=True)

    @action("AddMember", body=Several)
    def add_member(self, body: Several, context: Context) -> Effects:
        """``{"members"}`` from an administrator."""
        self._only_administrator(context)
        return self._add(body.members)

    @action("Remove", body=Several)
    def remove(self, body: Several, context: Context) -> Effects:
        """``{"members"}`` from an administrator."""
        self._only_administrator(context)
        if context.sender in body.members:
            raise Refusal("nobody removes himself: leave")
        return self._take_out(body.members)

    @action("Leave")
    def leave(self, body: NoBody, context: Context) -> Effects:
        """From a member. When the last administrator goes, who was there first of the others becomes one."""
        self._only_member(context)
        return self._take_out([context.sender])

    @action("SetRole", body=SetRole)
    def set_role(self, body: SetRole, context: Context) -> Effects:
        """``{"member", "role"}`` from an administrator."""
        self._only_administrator(context)
        member = self._member(body.member)
        if body.role == MEMBER and self._administrators() == [body.member]:
            raise Refusal("a group has an administrator: name another one first")
        changed = msgspec.structs.replace(member, role=body.role)
        self._replace(members=self.state.members.set(body.member, changed))
        return Effects(succeed(), quiet=True)

    @action("SetGroup", body=SetGroup)
    def set_group(self, body: SetGroup, context: Context) -> Effects:
        """``{"name", "avatar", "announcement", "free"}``, any of them, from an administrator."""
        self._only_administrator(context)
        given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
        self._replace(**given)
        return Effects(succeed(), quiet=True)

    @action("RotateGroupKey", body=GroupKeys)
    def rotate_group_key(self, body: GroupKeys, context: Context) -> Effects:
        """``{"epoch", "sealed"}`` from a member: a new key, sealed to the members, or to the first of them."""
        self._only_member(context)
        return self._seal(body, context, Pending(context.sender, (), Map()))

    @action("AddGroupKeys", body=GroupKeys)
    def add_group_keys(self, body: GroupKeys, context: Context) -> Effects:
        """The same key, sealed to further members. When everybody has it, it is the next generation."""
        self._only_member(context)
        pending = self.state.pending
        if pending is None or pending.rotated_by != context.sender:
            raise Refusal("there is no key of this handle's to add to: begin with RotateGroupKey")
        return self._seal(body, context, pending)

    @action("GetCurrentKeys", "GetCurrentKey", body=Of)
    def get_current_keys(self, body: Of, context: Context) -> Effects:
        """``{"member"}``: the newest key, sealed to that member, in a list; empty where there is none."""
        return Effects(self._key_row(len(self.state.generations), body.member, context))

    @action("GetKeyByGeneration", body=KeyOf)
    def get_key_by_generation(self, body: KeyOf, context: Context) -> Effects:
        """``{"generation", "member"}``: likewise."""
        return Effects(self._key_row(body.generation, body.member, context))

    @action("SendMessage", body=SendMessage)
    def send_message(self, body: SendMessage, context: Context) -> Effects:
        """``{"content", "generation"}`` from a member, under the newest key, which has to be of this epoch.

        Nobody is notified: what a message costs does not grow with the members. Who looks is told what is unread.
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

    @action("QueryMessage", body=QueryMessage, optional=True)
    def query_message(self, body: QueryMessage, context: Context) -> Effects:
        """The messages of a time span, newest first unless asked otherwise."""
        return Effects(self._message_rows(body.places(self.state.messages), context))

    @action("MarkAsViewed")
    def mark_as_viewed(self, body: NoBody, context: Context) -> Effects:
        """From a member, who has seen everything so far."""
        viewed = msgspec.structs.replace(self._only_member(context), viewed=len(self.state.messages))
        self._replace(members=self.state.members.set(context.sender, viewed))
        return Effects(succeed(), quiet=True)

    @action("GetUnread", body=Of)
    def get_unread(self, body: Of, context: Context) -> Effects:
        """``{"member"}``: how many messages that member has not seen."""
        return Effects({"total": len(self.state.messages) - self._member(body.member).viewed})

    @property
    def _fresh(self) -> bool:
        """Whether the newest key was made for the members that there are."""
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

    def _take_out(self, pids: list[str]) -> Effects:
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
        for data in reversed(context.payloads(kept.slots)):  # who was sealed to twice has the later one
            sealed = decode(data)["sealed"].get(member)
            if sealed is not None:
                row = {"generation": generation, "epoch": kept.epoch, "rotated_by": kept.rotated_by, "sealed": sealed}
                return [row]
        return []

    def _message_rows(self, places: range, context: Context) -> list[dict[str, Any]]:
        entries: list[AuthoredEntry] = [self.state.messages[place] for place in places]
        payloads = context.payloads([entry.slot for entry in entries])
        return [
            {
                "id": place + 1,
                "sender": self.state.authors[entry.author],
                "generation": entry.generation,
                "timestamp": entry.timestamp / 1000,
                "content": _said(data).content,
            }
            for place, entry, data in zip(places, entries, payloads, strict=True)
        ]
