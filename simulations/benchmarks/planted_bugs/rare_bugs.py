"""Bugs in what few people do: rights in groups, removal, pages, counters, and signatures that children verify."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from actors.node.verifier_pool import VerifierPool
from actors.processes import Group
from actors.processes.base import succeed
from actors.protocol.messages import Effects, Refusal
from simulations.benchmarks.planted_bugs.bug import Plant, PlantedBug, Proceed

HANDLE, SESSION, GROUP = "mostao.handle", "mostao.session", "mostao.group"
SHORT_PAGE = 90


def _members_administer(plant: Plant) -> None:
    def only_member(self: Any, context: Any) -> None:
        self._only_member(context)

    plant.attribute(Group, "_only_administrator", only_member)


def _removed_delegate_stays(plant: Plant) -> None:
    def remove(proceed: Proceed, process: Any, *_: Any) -> Effects:
        before, effects = process.state, proceed()
        process.state = before
        return effects

    plant.handler(HANDLE, "RemoveDelegate", remove)


def _no_successor(plant: Plant) -> None:
    def remove(self: Any, pids: Sequence[str]) -> Effects:
        members = self.state.members
        for pid in pids:
            if pid not in members:
                raise Refusal(f"{pid!r} is no member")
            members = members.delete(pid)
        self.state = replace(self.state, members=members, epoch=self.state.epoch + 1, pending=None)
        return Effects(succeed(), quiet=True)

    plant.attribute(Group, "_remove", remove)


def _children_accept(plant: Plant) -> None:
    async def accept(_: VerifierPool, items: Sequence[Any]) -> list[bool]:
        return [True] * len(items)

    plant.attribute(VerifierPool, "_verify_in_children", accept)


def _later_offset(proceed: Proceed, _: Any, body: Any, __: Any) -> Effects:
    if getattr(body, "offset", 0):
        body.offset += 1
    return proceed()


def _list_offset(plant: Plant) -> None:
    plant.handler(HANDLE, "GetChatList", _later_offset)
    plant.handler(HANDLE, "GetContacts", _later_offset)


def _members_offset(plant: Plant) -> None:
    plant.handler(GROUP, "GetMembers", _later_offset)


def _short_page(plant: Plant) -> None:
    def query(proceed: Proceed, _: Any, body: Any, __: Any) -> Effects:
        if body.limit is None:
            body.limit = SHORT_PAGE
        return proceed()

    plant.handler(SESSION, "QueryMessage", query)


def _strangers_stay(plant: Plant) -> None:
    def relay(proceed: Proceed, process: Any, *_: Any) -> Effects:
        strangers, effects = getattr(process.state, "strangers", None), proceed()
        if strangers is not None:
            process.state = replace(process.state, strangers=strangers)
        return effects

    plant.handler(HANDLE, "RelayMessage", relay)


RARE_BUGS = (
    PlantedBug("members administer", "any member of a group may do what its administrators may", _members_administer),
    PlantedBug("removed delegate", "RemoveDelegate is acknowledged and not kept", _removed_delegate_stays),
    PlantedBug("no successor", "the last administrator leaves a group, and no member becomes one", _no_successor),
    PlantedBug("children accept all", "child processes accept every signature", _children_accept),
    PlantedBug("list offset", "pages of the chat list and of contacts begin one row late", _list_offset),
    PlantedBug("members offset", "pages of a group's members begin one row late", _members_offset),
    PlantedBug("short page", "a page without a limit has 90 messages instead of 100", _short_page),
    PlantedBug("strangers stay", "an answered stranger counts against the limit of strangers", _strangers_stay),
)
