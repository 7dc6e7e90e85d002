"""A group of Relation ONE in a world: its members talk, some leave and others join."""

from collections.abc import Awaitable, Callable
from random import Random

from actors.processes.relation.message import GROUP
from simulations.scenario.scenario import Groups
from simulations.scenario.workload import DAY_S, HOUR_S, TALK_H
from simulations.world.invariants import Channel, Journal
from simulations.world.relation_person import RelationPerson


class RelationGroup:
    """One group's day. Its people act one after another, so that the members at each message are known.

    Args:
        number: number of the group.
        scenario: numbers of members, messages and changes.
        people: all people of Relation ONE.
        memberships: members of each group by its address; the group keeps its own entry up to date.
        journal: records what is sent.
        catch_up: lets the person with a number read everything.
        random: draws the day.

    Attributes:
        times: times of the messages, in seconds into the day.
    """

    def __init__(
        self,
        number: int,
        scenario: Groups,
        people: list[RelationPerson],
        memberships: dict[str, set[int]],
        journal: Journal,
        *,
        catch_up: Callable[[int], Awaitable[None]],
        random: Random,
    ) -> None:
        self._number, self._scenario, self._people, self._memberships = number, scenario, people, memberships
        self._journal, self._catch_up, self._random = journal, catch_up, random
        self._outside = random.sample(range(len(people)), len(people))
        self._members = [self._outside.pop() for _ in range(min(scenario.members, len(people)))]
        self._dao = ""
        self.times = sorted(random.randrange(int((TALK_H + 1) * HOUR_S), DAY_S) for _ in range(scenario.messages))

    async def create(self) -> None:
        """Create the group and add its first members."""
        founder = self._people[self._members[0]]
        reply = await founder.contract("deployDaoContract", owner=founder.address, name=f"group {self._number}")
        self._dao = str(reply["dao"])
        self._memberships[self._dao] = set(self._members)
        addresses = [self._people[member].address for member in self._members[1:]]
        await founder.contract("addMember", dao=self._dao, addr=addresses)

    async def send(self, index: int, now_ms: Callable[[], int]) -> None:
        """Let a member send a message. Before some messages, a member leaves and another person joins.

        Args:
            index: number of earlier messages.
            now_ms: gives the virtual time in ms.
        """
        interval = max(len(self.times) // (self._scenario.changes + 1), 1)
        if index and index % interval == 0 and self._outside and len(self._members) > 1:
            await self._replace_member()
        sender, text = self._random.choice(self._members), f"group {self._number}, message {index}"
        message = await self._people[sender].send_text(self._dao, text, kind=GROUP)
        for reader in self._members:
            if reader != sender:
                channel = group_channel(self._people[sender].address, self._dao, self._people[reader].address)
                self._journal.record_sent(channel, text, message, now_ms())

    async def _replace_member(self) -> None:
        """Let a member read everything and leave; then another person joins freely, or the founder adds them."""
        joins, members, random = self._outside.pop(), self._members, self._random
        leaves = members.pop(random.randrange(1, len(members)))
        founder, leaver, joiner = self._people[members[0]], self._people[leaves], self._people[joins]
        await self._catch_up(leaves)
        await random.choice([founder, leaver]).contract("remove", dao=self._dao, addr=leaver.address)
        if random.random() < 0.5:
            await founder.contract("setFreeJoin", dao=self._dao, free=True)
            await joiner.contract("join", dao=self._dao)
            await founder.contract("setFreeJoin", dao=self._dao, free=False)
        else:
            await founder.contract("addMember", dao=self._dao, addr=[joiner.address])
        members.append(joins)
        self._memberships[self._dao] = set(members)


def group_channel(sender: str, dao: str, reader: str) -> Channel:
    """The journal's channel for a sender's messages to a group, as one member reads them."""
    return f"{sender} to {dao}", reader
