"""The model of a group: members, sealed keys and messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from simulations.world.model.conversation import Spoken, page_of, queries_of
from simulations.world.model.process import SUCCESS, Body, Expected, ProcessModel, Received, Refused, Sent

ADMINISTRATOR, MEMBER = "administrator", "member"
MEMBERS_PAGE = 100


@dataclass
class Member:
    """One member."""

    role: str
    first_generation: int
    """The first generation that the member can read."""
    viewed: int
    """Number of messages at the time of the last view."""


class Generation(NamedTuple):
    """One group key, sealed to each member of its epoch."""

    epoch: int
    rotated_by: str
    sealed: dict[str, str]


class GroupModel(ProcessModel):
    """Keeps the members in the order of joining.

    Attributes:
        name: the name.
        members: present members by their handle process.
        former: handle processes of former members.
        generations: keys; generation 1 is the first.
        messages: the messages in order.
    """

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self._registry, self.name = start.sender, start.body["name"]
        self._free = start.body.get("free", False)
        self._avatar = self._announcement = ""
        self.members: dict[str, Member] = {start.body["creator"]: Member(ADMINISTRATOR, 1, 0)}
        self.former: dict[str, None] = {}
        self._invited: dict[str, None] = {}
        self._epoch = 1
        self.generations: list[Generation] = []
        self._pending: tuple[str, dict[str, str]] | None = None
        self.messages: list[Spoken] = []
        self.touch("group")

    def parts(self) -> Iterator[Any]:
        """See ``ProcessModel.parts``."""
        yield "group"
        for number in range(len(self.generations)):
            yield "key", number + 1
        for number in range(len(self.messages)):
            yield "message", number + 1

    def shown_by(self, part: Any) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        if part == "group":
            yield "GetGroup", {}
            yield "GetMembers", {}
            yield "GetMembers", {"offset": 1, "limit": 2}
            for member in self.members:
                yield "GetUnread", {"member": member}
            return
        kind, number = part
        if kind == "key":
            for member in (*self.members, *self.former):
                yield "GetKeyByGeneration", {"generation": number, "member": member}
                yield "GetCurrentKeys", {"member": member}
        else:
            yield from queries_of(self.messages, number)

    def _add_member(self, message: Received) -> Expected:
        self._only_administrator(message)
        return self._add(message.body["members"])

    def _join(self, message: Received) -> Expected:
        if message.sender != self._registry or not message.from_process:
            raise Refused("who wants to join asks the registry")
        member = message.body["member"]
        if member in self.members:
            return Expected(SUCCESS, (self._joined([member], message.body["by"]),), quiet=True)
        if not self._free and member not in self._invited:
            raise Refused("nobody invited this handle, and the group is not free to join")
        return self._add([member], by=message.body["by"])

    def _invite(self, message: Received) -> Expected:
        self._only_administrator(message)
        self._invited.update(dict.fromkeys(message.body["members"]))
        return Expected(SUCCESS, quiet=True)

    def _add(self, pids: list[str], *, by: str = "") -> Expected:
        for pid in pids:
            if pid in self.members:
                raise Refused(f"{pid!r} is a member already")
        for pid in pids:
            self.members[pid] = Member(MEMBER, len(self.generations) + 1, len(self.messages))
            self.former.pop(pid, None)
            self._invited.pop(pid, None)
        self._change_epoch()
        return Expected(SUCCESS, (self._joined(pids, by),), quiet=True)

    def _joined(self, pids: list[str], by: str) -> Sent:
        return Sent(self._registry, "GroupJoined", {"members": pids, "name": self.name, "by": by})

    def _remove(self, message: Received) -> Expected:
        self._only_administrator(message)
        pids = message.body["members"]
        if message.sender in pids:
            raise Refused("nobody removes himself: leave")
        return self._without(pids)

    def _leave(self, message: Received) -> Expected:
        self._only_member(message)
        return self._without([message.sender])

    def _set_role(self, message: Received) -> Expected:
        self._only_administrator(message)
        pid, role = message.body["member"], message.body["role"]
        if pid not in self.members:
            raise Refused(f"{pid!r} is no member")
        administrators = [id_ for id_, member in self.members.items() if member.role == ADMINISTRATOR]
        if role == MEMBER and administrators == [pid]:
            raise Refused("a group has an administrator: name another one first")
        self.members[pid].role = role
        self.touch("group")
        return Expected(SUCCESS, quiet=True)

    def _set_group(self, message: Received) -> Expected:
        self._only_administrator(message)
        body = message.body
        self.name, self._free = body.get("name", self.name), body.get("free", self._free)
        self._avatar = body.get("avatar", self._avatar)
        self._announcement = body.get("announcement", self._announcement)
        self.touch("group")
        return Expected(SUCCESS, quiet=True)

    def _without(self, pids: list[str]) -> Expected:
        for pid in pids:
            if pid not in self.members:
                raise Refused(f"{pid!r} is no member")
        for pid in pids:
            del self.members[pid]
            self.former[pid] = None
        if self.members and ADMINISTRATOR not in {member.role for member in self.members.values()}:
            next(iter(self.members.values())).role = ADMINISTRATOR
        self._change_epoch()
        return Expected(SUCCESS, quiet=True)

    def _change_epoch(self) -> None:
        self._epoch += 1
        self._pending = None
        self.touch("group", *([("key", len(self.generations))] if self.generations else []))

    def _rotate(self, message: Received) -> Expected:
        self._only_member(message)
        return self._seal(message, {})

    def _add_keys(self, message: Received) -> Expected:
        self._only_member(message)
        if self._pending is None or self._pending[0] != message.sender:
            raise Refused("there is no key of this handle's to add to: begin with RotateGroupKey")
        return self._seal(message, self._pending[1])

    def _seal(self, message: Received, before: dict[str, str]) -> Expected:
        epoch, sealed = message.body["epoch"], message.body["sealed"]
        if epoch != self._epoch:
            raise Refused(f"somebody came or went: the epoch is {self._epoch}, not {epoch}")
        for pid in sealed:
            if pid not in self.members:
                raise Refused(f"{pid!r} is no member")
        sealed = {**before, **sealed}
        missing = len(self.members.keys() - sealed.keys())
        if missing:
            self._pending = (message.sender, sealed)
            return Expected({**SUCCESS, "missing": missing}, quiet=True)
        self._pending = None
        self.generations.append(Generation(self._epoch, message.sender, sealed))
        self.touch("group", ("key", len(self.generations)))
        return Expected({**SUCCESS, "generation": len(self.generations)}, quiet=True)

    def _send(self, message: Received) -> Expected:
        member = self._only_member(message)
        if self._is_stale():
            raise Refused("somebody came or went since the key was made: rotate it before the next message")
        newest = len(self.generations)
        generation = message.body.get("generation")
        if generation not in (None, newest):
            raise Refused(f"the key of generation {generation} is not the newest, which is {newest}")
        number = len(self.messages) + 1
        self.messages.append(Spoken(number, message.sender, newest, message.timestamp, message.body["content"]))
        member.viewed = number
        self.touch("group", ("message", number))
        return Expected({**SUCCESS, "id": number}, quiet=True)

    def _mark_as_viewed(self, message: Received) -> Expected:
        self._only_member(message).viewed = len(self.messages)
        self.touch("group")
        return Expected(SUCCESS, quiet=True)

    def _reply(self, _: Received) -> Expected:
        return Expected()

    def _is_stale(self) -> bool:
        return not self.generations or self.generations[-1].epoch != self._epoch

    def _only_member(self, message: Received) -> Member:
        if not message.from_process or message.sender not in self.members:
            raise Refused("only a member of this group can do that")
        return self.members[message.sender]

    def _only_administrator(self, message: Received) -> None:
        if self._only_member(message).role != ADMINISTRATOR:
            raise Refused("only an administrator of this group can do that")

    def _get_group(self, _: Body, __: int) -> Body:
        return {
            "name": self.name,
            "avatar": self._avatar,
            "announcement": self._announcement,
            "free": self._free,
            "members": len(self.members),
            "administrators": sorted(pid for pid, member in self.members.items() if member.role == ADMINISTRATOR),
            "epoch": self._epoch,
            "generation": len(self.generations),
            "stale": self._is_stale(),
            "messages": len(self.messages),
        }

    def _get_members(self, body: Body, _: int) -> list[Body]:
        offset = body.get("offset", 0)
        shown = list(self.members.items())[offset : offset + body.get("limit", MEMBERS_PAGE)]
        return [{"member": pid, "role": member.role, "joined": member.first_generation} for pid, member in shown]

    def _current_keys(self, body: Body, _: int) -> list[Body]:
        return self._key(len(self.generations), body["member"])

    def _key_by_generation(self, body: Body, _: int) -> list[Body]:
        return self._key(body["generation"], body.get("member", ""))

    def _key(self, number: int, member: str) -> list[Body]:
        if not 0 < number <= len(self.generations):
            return []
        generation = self.generations[number - 1]
        if member not in generation.sealed:
            return []
        row = {"generation": number, "epoch": generation.epoch, "rotated_by": generation.rotated_by}
        return [{**row, "sealed": generation.sealed[member]}]

    def _query_message(self, body: Body, _: int) -> list[Body]:
        return [
            {
                "id": message.id,
                "sender": message.sender,
                "generation": message.generation,
                "timestamp": message.timestamp / 1000,
                "content": message.content,
            }
            for message in page_of(self.messages, body)
        ]

    def _unread(self, body: Body, _: int) -> Body:
        member = body["member"]
        if member not in self.members:
            raise Refused(f"{member!r} is no member")
        return {"total": len(self.messages) - self.members[member].viewed}

    changes: ClassVar[dict[str, Any]] = {
        "AddMember": _add_member,
        "Join": _join,
        "Invite": _invite,
        "Remove": _remove,
        "Leave": _leave,
        "SetRole": _set_role,
        "SetGroup": _set_group,
        "RotateGroupKey": _rotate,
        "AddGroupKeys": _add_keys,
        "SendMessage": _send,
        "MarkAsViewed": _mark_as_viewed,
        "Reply": _reply,
    }
    queries: ClassVar[dict[str, Any]] = {
        "GetGroup": _get_group,
        "GetMembers": _get_members,
        "GetCurrentKeys": _current_keys,
        "GetCurrentKey": _current_keys,
        "GetKeyByGeneration": _key_by_generation,
        "QueryMessage": _query_message,
        "GetUnread": _unread,
    }
