import pytest

from actors.processes.messaging.group_bodies import AT_ONCE_MAX
from tests.actors.processes.stage import ALICE, BOB, EVE, Stage, refused

SUCCESS = {"status": "success"}


class Friends:
    """A group that Alice created, and the handles of Alice, Bob and Eve."""

    def __init__(self, stage: Stage, *, free: bool = False) -> None:
        self.stage = stage
        self.a, self.b, self.e = (
            stage.register(owner, name) for owner, name in ((ALICE, "alice"), (BOB, "bob"), (EVE, "eve"))
        )
        self.owners = {self.a: ALICE, self.b: BOB, self.e: EVE}
        self.names = {self.a: "alice", self.b: "bob", self.e: "eve"}
        self.group = stage.create_group(ALICE, "alice", free=free)

    def relay(self, handle: str, action: str, body: object = "") -> dict[str, object]:
        return self.stage.relay(self.owners[handle], handle, self.group, action, body)

    def join(self, handle: str) -> None:
        body = {"handle": self.names[handle], "group": self.group}
        assert self.stage.send(self.owners[handle], self.stage.registry, "JoinGroup", body) == SUCCESS

    def members(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while rows := self.stage.query(self.group, "GetMembers", {"offset": len(found), "limit": 1000}):
            found |= {row["member"]: row["role"] for row in rows}
        return found

    def rotate(self, by: str) -> dict[str, object]:
        known = self.stage.query(self.group, "GetGroup")
        sealed = {member: f"key {known['generation'] + 1} to {member}" for member in self.members()}
        return self.relay(by, "RotateGroupKey", {"epoch": known["epoch"], "sealed": sealed})


@pytest.fixture
def friends(stage: Stage) -> Friends:
    return Friends(stage)


def test_whoever_founds_a_group_is_its_administrator_and_finds_it_in_the_chat_list(friends: Friends) -> None:
    stage = friends.stage
    assert stage.query(friends.group, "GetGroup") == {
        "name": "friends",
        "avatar": "",
        "announcement": "",
        "free": False,
        "members": 1,
        "administrators": [friends.a],
        "epoch": 1,
        "generation": 0,
        "stale": True,
        "messages": 0,
    }
    [chat] = stage.query(friends.a, "GetChatList")
    assert (chat["sessionID"], chat["otherHandleName"], chat["otherHandleID"]) == (
        friends.group,
        "friends",
        friends.group,
    )


def test_only_the_owner_of_a_handle_founds_and_joins_for_it(friends: Friends) -> None:
    stage = friends.stage
    body = {"handle": "alice", "name": "mine"}
    assert refused(stage.send(EVE, stage.registry, "CreateGroup", body), "only the owner of 'alice'")
    join = {"handle": "bob", "group": friends.group}
    assert refused(stage.send(EVE, stage.registry, "JoinGroup", join), "only the owner of 'bob'")
    join = {"handle": "bob", "group": friends.a}
    assert refused(stage.send(BOB, stage.registry, "JoinGroup", join), "there is no group")


def test_a_free_group_lets_in_who_wants_and_tells_the_handle(stage: Stage) -> None:
    friends = Friends(stage, free=True)
    friends.join(friends.b)
    assert friends.members() == {friends.a: "administrator", friends.b: "member"}
    assert [chat["sessionID"] for chat in stage.query(friends.b, "GetChatList")] == [friends.group]


def test_another_group_lets_in_who_was_invited(friends: Friends) -> None:
    friends.join(friends.b)
    assert "nobody invited" in str(friends.stage.events[-2].error)
    assert friends.relay(friends.a, "Invite", {"members": [friends.b]}) == SUCCESS
    friends.join(friends.b)
    assert list(friends.members()) == [friends.a, friends.b]
    friends.relay(friends.b, "Leave")
    friends.join(friends.b)  # an invitation is valid once
    assert list(friends.members()) == [friends.a]


def test_nobody_joins_past_the_registry(friends: Friends) -> None:
    stage = friends.stage
    assert refused(stage.send(EVE, friends.group, "Join", {"member": friends.e}), "asks the registry")
    joined = {"members": [friends.e], "name": "x"}
    assert refused(stage.send(EVE, stage.registry, "GroupJoined", joined), "only a group of this registry")
    other = stage.spawn(EVE, "mostao.group@2", {"name": "x", "creator": friends.e})
    assert stage.query(other, "GetGroup")["members"] == 1  # a group of nobody's registry: no handle is told of it
    assert stage.query(friends.e, "GetChatList") == []


def test_what_only_an_administrator_does(friends: Friends) -> None:
    friends.relay(friends.a, "AddMember", {"members": [friends.b]})
    for action, body in (
        ("AddMember", {"members": [friends.e]}),
        ("Invite", {"members": [friends.e]}),
        ("Remove", {"members": [friends.a]}),
        ("SetRole", {"member": friends.b, "role": "administrator"}),
        ("SetGroup", {"name": "x"}),
    ):
        assert refused(friends.relay(friends.b, action, body), "only an administrator")
        assert refused(friends.stage.send(ALICE, friends.group, action, body), "only a member")
    assert friends.relay(friends.a, "SetRole", {"member": friends.b, "role": "administrator"}) == SUCCESS
    assert friends.relay(friends.b, "SetGroup", {"announcement": "hello", "avatar": "a.png"}) == SUCCESS
    known = friends.stage.query(friends.group, "GetGroup")
    assert (known["announcement"], known["avatar"], known["name"]) == ("hello", "a.png", "friends")


def test_a_group_is_never_without_an_administrator(friends: Friends) -> None:
    friends.relay(friends.a, "AddMember", {"members": [friends.b, friends.e]})
    demote = {"member": friends.a, "role": "member"}
    assert refused(friends.relay(friends.a, "SetRole", demote), "name another one first")
    assert refused(friends.relay(friends.a, "Remove", {"members": [friends.a]}), "leave")
    friends.relay(friends.a, "Leave")
    assert friends.members() == {friends.b: "administrator", friends.e: "member"}
    friends.relay(friends.b, "Leave")
    friends.relay(friends.e, "Leave")
    assert friends.members() == {}


def test_nothing_is_said_before_there_is_a_key_and_after_anybody_came_or_went(friends: Friends) -> None:
    hello = {"content": "c"}
    assert refused(friends.relay(friends.a, "SendMessage", hello), "rotate it before")
    assert friends.rotate(friends.a) == {**SUCCESS, "generation": 1}
    assert friends.relay(friends.a, "SendMessage", hello) == {**SUCCESS, "id": 1}
    friends.relay(friends.a, "AddMember", {"members": [friends.b]})
    assert refused(friends.relay(friends.a, "SendMessage", hello), "rotate it before")
    assert friends.rotate(friends.b) == {**SUCCESS, "generation": 2}
    assert friends.relay(friends.b, "SendMessage", {**hello, "generation": 2}) == {**SUCCESS, "id": 2}
    assert refused(friends.relay(friends.b, "SendMessage", {**hello, "generation": 1}), "not the newest")
    friends.relay(friends.a, "Remove", {"members": [friends.b]})
    assert refused(friends.relay(friends.a, "SendMessage", hello), "rotate it before")
    assert refused(friends.relay(friends.b, "SendMessage", hello), "only a member")


def test_a_key_is_the_next_generation_when_it_is_sealed_to_every_member(friends: Friends) -> None:
    friends.relay(friends.a, "AddMember", {"members": [friends.b, friends.e]})
    rotate, add = "RotateGroupKey", "AddGroupKeys"
    assert refused(friends.relay(friends.b, add, {"epoch": 2, "sealed": {friends.a: "x"}}), "begin with RotateGroupKey")
    assert friends.relay(friends.b, rotate, {"epoch": 2, "sealed": {friends.a: "1a"}}) == {**SUCCESS, "missing": 2}
    assert refused(friends.relay(friends.a, add, {"epoch": 2, "sealed": {friends.e: "x"}}), "begin with RotateGroupKey")
    assert refused(friends.relay(friends.b, add, {"epoch": 2, "sealed": {"x": "x"}}), "is no member")
    assert refused(friends.relay(friends.b, add, {"epoch": 1, "sealed": {friends.e: "x"}}), "the epoch is 2")
    sealed = {friends.b: "1b", friends.e: "1e"}
    assert friends.relay(friends.b, add, {"epoch": 2, "sealed": sealed}) == {**SUCCESS, "generation": 1}
    for member, text in ((friends.a, "1a"), (friends.b, "1b"), (friends.e, "1e")):
        row = {"generation": 1, "epoch": 2, "rotated_by": friends.b, "sealed": text}
        assert friends.stage.query(friends.group, "GetCurrentKeys", {"member": member}) == [row]
    # a membership change discards the pending key
    friends.relay(friends.b, rotate, {"epoch": 2, "sealed": {friends.a: "2a"}})
    friends.relay(friends.e, "Leave")
    assert refused(friends.relay(friends.b, add, {"epoch": 2, "sealed": sealed}), "begin with RotateGroupKey")


def test_a_newcomer_gets_no_earlier_key_and_a_leaver_no_later_one(friends: Friends) -> None:
    friends.rotate(friends.a)
    friends.relay(friends.a, "AddMember", {"members": [friends.b]})
    friends.rotate(friends.a)
    friends.relay(friends.a, "Remove", {"members": [friends.b]})
    friends.rotate(friends.a)
    found = {
        generation: friends.stage.query(
            friends.group, "GetKeyByGeneration", {"generation": generation, "member": friends.b}
        )
        for generation in range(5)
    }
    assert [generation for generation, rows in found.items() if rows] == [2]


def test_messages_are_read_in_order_by_time_and_counted_until_they_are_seen(friends: Friends) -> None:
    stage = friends.stage
    friends.relay(friends.a, "AddMember", {"members": [friends.b]})
    friends.rotate(friends.a)
    for number in range(4):
        stage.now_ms += 1000
        friends.relay(friends.a if number % 2 else friends.b, "SendMessage", {"content": f"m{number}"})
    rows = stage.query(friends.group, "QueryMessage", {"order": "ASC"})
    assert [(row["id"], row["content"], row["sender"]) for row in rows] == [
        (number + 1, f"m{number}", friends.a if number % 2 else friends.b) for number in range(4)
    ]
    assert [row["id"] for row in stage.query(friends.group, "QueryMessage", {"limit": 2})] == [4, 3]
    since = {"from": rows[1]["timestamp"], "until": rows[2]["timestamp"]}
    assert [row["id"] for row in stage.query(friends.group, "QueryMessage", since)] == [3, 2]
    assert stage.query(friends.group, "GetUnread", {"member": friends.b}) == {"total": 1}
    assert stage.query(friends.group, "GetUnread", {"member": friends.a}) == {"total": 0}
    friends.relay(friends.b, "MarkAsViewed")
    assert stage.query(friends.group, "GetUnread", {"member": friends.b}) == {"total": 0}


def test_what_a_message_costs_does_not_grow_with_the_members(stage: Stage) -> None:
    costs = []
    for count in (2, 1000):
        stage = Stage()
        friends = Friends(stage)
        others = [f"{number:043}" for number in range(count)]
        for start in range(0, count, AT_ONCE_MAX):
            friends.relay(friends.a, "AddMember", {"members": others[start : start + AT_ONCE_MAX]})
        friends.rotate(friends.a)
        before = len(stage.events)
        assert friends.relay(friends.a, "SendMessage", {"content": "x"}) == {**SUCCESS, "id": 1}
        costs.append([event.message.action for event in stage.events[before:]])
    assert costs[0] == costs[1] == ["RelayMessage", "SendMessage"]
