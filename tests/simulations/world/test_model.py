"""The model agrees with the processes, whatever people do."""

import json
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.processes import MODULES
from actors.protocol.messages import message_tags
from eventstore import Message
from simulations.world.model.model import MODELS, Model
from simulations.world.model.process import View
from tests.actors.processes.stage import KEYS, Stage

PEOPLE = ("ann", "bo", "cy")
person = st.integers(0, 2)
pick = st.integers(0, 20)


class PeopleOnAStage(RuleBasedStateMachine):
    """Three people with handles act at random; the model follows the events."""

    def __init__(self) -> None:
        super().__init__()
        self.stage, self.model, self.applied = Stage(), Model(), 0
        self.handles = [self.stage.register(f"{name}-address", name) for name in PEOPLE]
        self.conversations: list[str] = []
        self.groups: list[str] = []
        self.compared = 0

    @rule(one=person, other=person)
    def establish(self, one: int, other: int) -> None:
        body = {"handleA": PEOPLE[one], "handleB": PEOPLE[other]}
        reply = self.stage.send(f"{PEOPLE[one]}-address", self.stage.registry, "EstablishSession", body)
        if reply["status"] == "success" and reply["sessionID"] not in self.conversations:
            self.conversations.append(reply["sessionID"])

    @rule(one=person, free=st.booleans())
    def create_group(self, one: int, free: bool) -> None:
        group = self.stage.create_group(f"{PEOPLE[one]}-address", PEOPLE[one], free=free)
        self.conversations.append(group)
        self.groups.append(group)

    @rule(one=person, group=pick)
    def join_group(self, one: int, group: int) -> None:
        if self.groups:
            body = {"handle": PEOPLE[one], "group": self.groups[group % len(self.groups)]}
            self.stage.send(f"{PEOPLE[one]}-address", self.stage.registry, "JoinGroup", body)

    @rule(one=person, other=person, where=pick, action=st.sampled_from(["AddMember", "Remove", "Invite"]))
    def change_members(self, one: int, other: int, where: int, action: str) -> None:
        if self.conversation(where) in self.groups:
            self.relay(one, where, action, {"members": [self.handles[other]]})

    @rule(one=person, where=pick, action=st.sampled_from(["Leave", "MarkAsViewed", "GetGroup", "GetSession"]))
    def act_in_conversation(self, one: int, where: int, action: str) -> None:
        if (self.conversation(where) in self.groups) == (action != "GetSession"):
            self.relay(one, where, action, {})

    @rule(one=person, where=pick)
    def rotate(self, one: int, where: int) -> None:
        if self.conversation(where) not in self.groups:
            self.relay(one, where, "RotateSessionKey", KEYS)

    @rule(one=person, where=pick, members=st.sets(person, min_size=1), behind=st.integers(0, 1))
    def rotate_group(self, one: int, where: int, members: set[int], behind: int) -> None:
        group = self.conversation(where)
        if group in self.groups:
            epoch = self.stage.query(group, "GetGroup")["epoch"] - behind
            sealed = {self.handles[member]: f"key for {member}" for member in members}
            self.relay(one, where, "RotateGroupKey", {"epoch": epoch, "sealed": sealed})
            self.relay(one, where, "AddGroupKeys", {"epoch": epoch, "sealed": sealed})

    @rule(one=person, where=pick, generation=st.none() | st.integers(1, 3))
    def talk(self, one: int, where: int, generation: int | None) -> None:
        body = {"content": f"message {len(self.stage.events)}"}
        self.relay(one, where, "SendMessage", body if generation is None else {**body, "generation": generation})

    @rule(one=person, other=person, where=pick)
    def view(self, one: int, other: int, where: int) -> None:
        body = {"sessionID": self.conversation(where) or "none"}
        self.stage.send(f"{PEOPLE[one]}-address", self.handles[other], "MarkAsViewed", body)

    @rule(one=person, other=person, seconds=st.integers(-5, 20))
    def appoint(self, one: int, other: int, seconds: int) -> None:
        body = {"address": f"{PEOPLE[other]}-address", "expires": self.stage.now_ms / 1000 + seconds}
        self.stage.send(f"{PEOPLE[one]}-address", self.handles[one], "AddDelegate", body)

    @rule(one=person, other=person)
    def dismiss(self, one: int, other: int) -> None:
        body = {"address": f"{PEOPLE[other]}-address"}
        self.stage.send(f"{PEOPLE[one]}-address", self.handles[one], "RemoveDelegate", body)

    @rule(one=person, other=person, action=st.sampled_from(["AddContact", "RemoveContact"]))
    def change_contacts(self, one: int, other: int, action: str) -> None:
        self.stage.send(f"{PEOPLE[one]}-address", self.handles[one], action, {"handle": PEOPLE[other]})

    @rule(one=person, other=person, bio=st.none() | st.text(max_size=3))
    def update_profile(self, one: int, other: int, bio: str | None) -> None:
        self.stage.send(f"{PEOPLE[one]}-address", self.handles[other], "ProfileUpdate", {"bio": bio, "age": 7})

    @rule(one=person, other=person)
    def intrude(self, one: int, other: int) -> None:
        self.stage.send(f"{PEOPLE[one]}-address", self.handles[other], "Notify", {})
        self.stage.send(f"{PEOPLE[one]}-address", self.stage.registry, "Register", {"handle": PEOPLE[other].upper()})

    @rule(ms=st.integers(1, 9000))
    def wait(self, ms: int) -> None:
        self.stage.now_ms += ms

    @rule(
        where=pick,
        since=pick,
        until=pick,
        limit=st.none() | st.integers(0, 3),
        order=st.sampled_from(["ASC", "DESC"]),
        after=st.none() | st.integers(1, 4),
    )
    def query(self, where: int, since: int, until: int, limit: int | None, order: str, after: int | None) -> None:
        conversation = self.conversation(where)
        times = sorted({event.timestamp for event in self.stage.events})
        if conversation:
            body = {
                "from": times[since % len(times)] / 1000,
                "until": times[-1 - until % len(times)] / 1000,
                "limit": limit,
                "order": order,
                "after": after,
            }
            process = self.model.processes[conversation]
            assert process is not None
            expected = process.query("QueryMessage", body, self.stage.now_ms)
            self.compare(conversation, View("QueryMessage", body, expected))

    @invariant()
    def the_model_agrees(self) -> None:
        for event in self.stage.events[self.applied :]:
            self.model.apply(event, event.timestamp)
        self.applied = len(self.stage.events)
        assert not self.model.missing
        for process in self.model.touched():
            for view in process.views(self.stage.now_ms):
                self.compare(process.id, view)

    def teardown(self) -> None:
        for id_, process in self.model.processes.items():
            assert process is not None, f"{id_} is not modelled any more"
            for view in process.views(self.stage.now_ms, whole=True):
                self.compare(id_, view)

    def compare(self, process: str, view: View) -> None:
        data = msgspec.json.encode(view.body)
        message = Message("", "", process, view.action, message_tags(view.action, ()), data)
        evaluated = self.stage.table.dryrun(message, timestamp=self.stage.now_ms)
        assert json.loads(evaluated.output or "null") == view.reply, view
        self.compared += 1

    def conversation(self, number: int) -> str:
        return self.conversations[number % len(self.conversations)] if self.conversations else ""

    def relay(self, one: int, where: int, action: str, body: Any) -> None:
        relayed = {"Target": self.conversation(where) or "none", "Tags": {"Action": action}, "Data": json.dumps(body)}
        self.stage.send(f"{PEOPLE[one]}-address", self.handles[one], "RelayMessage", relayed)


PeopleOnAStage.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_the_model_agrees_with_the_processes = PeopleOnAStage.TestCase


def test_every_module_has_a_model() -> None:
    assert {module.partition("@")[0] for module in MODULES} == MODELS.keys()
