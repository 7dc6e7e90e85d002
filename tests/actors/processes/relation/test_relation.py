import json
from random import Random
from typing import Any

import pytest

from actors.processes.relation.message import ANNOUNCEMENT, DAO, GROUP, HIDE, P2P
from simulations.clients.relation_user import DAY_MS, RelationUser, hex_signature
from tests.actors.processes.stage import NOW_MS, Stage, refused

SUCCESS = {"status": "success"}


class People:
    """The users Alice, Bob and Eve, who have names, and the registers."""

    def __init__(self) -> None:
        self.stage = Stage()
        random = Random("relation")
        self.alice, self.bob, self.eve, self.nameless = (RelationUser(random.randbytes, now=NOW_MS) for _ in range(4))
        self.pid = self.stage.spawn(self.alice.address, "mostao.relation@1")
        for user, name in ((self.alice, "alice.eth"), (self.bob, "bob.eth"), (self.eve, "eve.eth")):
            reply = self.call(user, "register", {"owner": user.address, "name": name, "reverseRecord": True})
            assert reply["status"] == "success", reply

    def call(self, user: RelationUser, action: str, body: Any) -> Any:
        return self.stage.send(user.address, self.pid, action, body)

    def ask(self, action: str, body: Any) -> Any:
        return self.stage.query(self.pid, action, body)

    def send(self, message: dict[str, Any]) -> Any:
        return self.stage.send("a proxy of anybody's", self.pid, "sendMessage", message)

    def dao(self, *members: RelationUser, owner: RelationUser | None = None) -> str:
        owner = owner or self.alice
        dao = self.call(owner, "deployDaoContract", {"owner": owner.address, "name": "friends"})["dao"]
        if members:
            body = {"dao": dao, "addr": [member.address for member in members]}
            assert self.call(owner, "addMember", body) == SUCCESS
        return str(dao)


@pytest.fixture
def people() -> People:
    return People()


def test_a_name_is_its_owners_and_can_be_looked_up_in_reverse(people: People) -> None:
    alice = people.alice.address
    assert people.ask("nameOf", {"addr": alice.lower()}) == {"name": "alice.eth"}
    assert people.ask("nameOf", {"addr": people.nameless.address}) == {"name": ""}
    second = {"owner": alice, "name": "second.eth", "reverseRecord": False}
    assert people.call(people.alice, "register", second)["status"] == "success"
    assert people.ask("nameOf", {"addr": alice}) == {"name": "alice.eth"}
    people.call(people.alice, "register", {"owner": alice, "name": "third.eth", "reverseRecord": True})
    assert people.ask("nameOf", {"addr": alice}) == {"name": "third.eth"}
    taken = {"owner": people.eve.address, "name": "ALICE.eth"}
    assert refused(people.call(people.eve, "register", taken), "is taken")
    theirs = {"owner": alice, "name": "fourth.eth"}
    assert refused(people.call(people.eve, "register", theirs), "only the owner itself")
    assert refused(people.stage.send("no-account", people.pid, "register", theirs), "only an Ethereum account")


def test_an_avatar_belongs_to_who_has_a_name(people: People) -> None:
    assert people.call(people.alice, "setProfileURI", {"profileURI": "ar://a"}) == SUCCESS
    assert people.ask("profileURI", {"addr": people.alice.address}) == {"profileURI": "ar://a"}
    assert people.ask("profileURI", {"addr": people.bob.address}) == {"profileURI": ""}
    assert refused(people.call(people.nameless, "setProfileURI", {"profileURI": "x"}), "has no name")


def test_people_follow_one_another(people: People) -> None:
    alice, bob, eve = (user.address for user in (people.alice, people.bob, people.eve))
    assert people.call(people.bob, "follow", {"addr": alice}) == {**SUCCESS, "tokenId": 1}
    assert people.call(people.eve, "follow", {"addr": alice}) == {**SUCCESS, "tokenId": 2}
    assert people.ask("followers", {"addr": alice}) == [bob, eve]
    assert people.ask("following", {"addr": bob}) == [alice]
    assert refused(people.call(people.bob, "follow", {"addr": alice}), "already")
    assert refused(people.call(people.bob, "follow", {"addr": bob}), "himself")
    assert refused(people.call(people.nameless, "follow", {"addr": alice}), "has no name")
    assert people.call(people.bob, "unfollow", {"addr": alice}) == SUCCESS
    assert refused(people.call(people.bob, "unfollow", {"addr": alice}), "does not follow")
    assert people.ask("followers", {"addr": alice}) == [eve]


def test_a_groups_members_hold_its_token(people: People) -> None:
    dao = people.dao()
    alice, bob, eve = (user.address for user in (people.alice, people.bob, people.eve))
    assert people.ask("name", {"dao": dao.lower()}) == {"name": "friends"}
    assert people.ask("isFreeJoin", {"dao": dao}) == {"isFreeJoin": False}
    assert refused(people.call(people.bob, "join", {"dao": dao}), "not free to join")
    assert refused(people.call(people.bob, "addMember", {"dao": dao, "addr": [bob]}), "only the administrator")
    assert people.call(people.alice, "addMember", {"dao": dao, "addr": [bob]}) == SUCCESS
    assert refused(people.call(people.alice, "addMember", {"dao": dao, "addr": [bob]}), "a member already")
    assert people.call(people.alice, "setFreeJoin", {"dao": dao, "free": True}) == SUCCESS
    assert people.call(people.eve, "join", {"dao": dao}) == SUCCESS
    assert refused(people.call(people.nameless, "join", {"dao": dao}), "has no name")
    assert people.ask("members", {"dao": dao}) == [alice, bob, eve]
    assert refused(people.call(people.bob, "remove", {"dao": dao, "addr": eve}), "or the administrator")
    assert people.call(people.eve, "remove", {"dao": dao, "addr": eve}) == SUCCESS
    assert people.call(people.alice, "remove", {"dao": dao, "addr": bob}) == SUCCESS
    assert refused(people.call(people.alice, "remove", {"dao": dao, "addr": alice}), "the administrator stays")
    assert people.ask("members", {"dao": dao}) == [alice]
    assert people.call(people.alice, "setDaoURI", {"dao": dao, "uri": "ar://d"}) == SUCCESS
    assert people.ask("daoURI", {"dao": dao}) == {"daoURI": "ar://d"}
    assert refused(people.call(people.alice, "join", {"dao": alice}), "there is no group")


def test_a_message_is_in_the_boxes_of_both_newest_first(people: People) -> None:
    ids = []
    for number in range(5):
        people.stage.now_ms += 1
        message = people.alice.compose(people.bob.address, f"sealed {number} ünï", timestamp=people.stage.now_ms)
        assert people.send(message) == {**SUCCESS, "id": message["id"]}
        assert people.send(message) == {**SUCCESS, "id": message["id"]}  # again: the same one
        ids.append(message["id"])
    for user in (people.alice, people.bob):
        rows = people.ask("listMessages", {"addr": user.address})
        assert [row["message"]["id"] for row in rows] == ids[::-1]
        assert [row["place"] for row in rows] == [4, 3, 2, 1, 0]
        page = people.ask("listMessages", {"addr": user.address, "limit": 2, "offset": 1})
        assert [row["message"]["id"] for row in page] == ids[3:1:-1]
        news = people.ask("messagesAfter", {"addr": user.address, "after": 1, "limit": 2})
        assert [row["message"]["id"] for row in news] == ids[2:4]
    assert people.ask("listMessages", {"addr": people.eve.address}) == []
    assert people.ask("getMessage", {"id": ids[0]})[0]["message"]["payload"] == "sealed 0 ünï"
    assert [row["message"]["id"] for row in people.ask("messagesAfter", {"after": 2})] == ids[3:]
    waiting = people.ask("waitingAfter", {"after": 2})
    assert (waiting["messages"], waiting["first"]) == (2, NOW_MS + 4)
    assert waiting["bytes"] * 5 == people.ask("waitingAfter", {"after": -1})["bytes"] * 2
    assert people.ask("waitingAfter", {"after": 4}) == {"messages": 0, "bytes": 0, "first": None}
    assert people.ask("getMessage", {"id": "0x"}) == []


CHANGES = {
    "id": "0x" + "00" * 32,
    "encryptedBy": "Lit2",
    "receiver": "",
    "timestamp": NOW_MS + 1,
    "kind": DAO,
    "payload": "another",
    "tags": [["quoteId", "0x" + "00" * 32]],
}


@pytest.mark.parametrize("field", CHANGES)
def test_nothing_that_the_id_covers_can_be_changed(people: People, field: str) -> None:
    message = people.alice.compose(people.bob.address, "sealed", timestamp=NOW_MS)
    changed = CHANGES[field] or people.eve.address
    assert refused(people.send({**message, field: changed}), "the id of this message is")


def test_only_a_session_key_that_the_sender_authorised_signs(people: People) -> None:
    message = people.alice.compose(people.bob.address, "sealed", timestamp=NOW_MS)
    by_eve = {**message, "sig": hex_signature(people.eve.session_key, message["id"])}
    assert refused(people.send(by_eve), "not signed by the session key")
    by_wallet = {**message, "sig": hex_signature(people.alice.wallet, message["id"])}
    assert refused(people.send(by_wallet), "not signed by the session key")
    # Eve signs a delegation in Alice's name
    forged = people.eve.sign(
        {**message, "delegationMessage": people.eve.delegation, "delegationSig": people.eve.delegation_sig}
    )
    assert refused(people.send(forged), "the delegation is not signed by the sender")
    # Alice's delegation, but Eve's session key
    stolen = people.eve.sign({**message, "encryptedBy": "x"})
    assert refused(people.send(stolen), "not signed by the session key")


def test_a_delegation_is_good_from_its_beginning_to_its_end(people: People) -> None:
    alice, bob = people.alice, people.bob.address
    assert refused(people.send(alice.compose(bob, "x", timestamp=NOW_MS - 1)), "not good yet")
    assert refused(people.send(alice.compose(bob, "x", timestamp=NOW_MS + DAY_MS)), "has expired")
    kept = alice.compose(bob, "x", timestamp=NOW_MS)
    people.stage.now_ms = NOW_MS + DAY_MS - 1
    assert people.send(kept)["status"] == "success"
    late = alice.compose(bob, "y", timestamp=NOW_MS)
    people.stage.now_ms = NOW_MS + DAY_MS
    assert refused(people.send(late), "has expired")
    assert people.send(kept) == {**SUCCESS, "id": kept["id"]}  # what was taken stays taken, whoever asks again when
    assert len(people.ask("listMessages", {"addr": alice.address})) == 1
    alice.delegate(now=people.stage.now_ms)
    assert people.send(alice.compose(bob, "z", timestamp=people.stage.now_ms))["status"] == "success"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("delegationMessage", "Authorize me", "has to authorise a session key"),
        ("delegationSig", "0x12", "has to be a signature"),
        ("sig", "nonsense", "has to be a signature"),
        ("sig", "0x" + "ff" * 65, "low s"),
        ("sender", "alice.eth", "no Ethereum address"),
        ("receiver", "0x12", "no Ethereum address"),
        ("kind", 5, "a whole number from 0 to 4"),
        ("type", "VIDEO", "TEXT, CARD"),
        ("timestamp", "now", "a whole number of milliseconds"),
        ("tags", [["colour", "red"]], "pairs: quoteId or mentionedUsers"),
        ("tags", [["mentionedUsers", "bob"]], "no Ethereum address"),
        ("tags", [["quoteId", "1"]], "the id of a message"),
        ("payload", "", "a text that is not empty"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(people: People, field: str, value: Any, reason: str) -> None:
    message = {**people.alice.compose(people.bob.address, "sealed", timestamp=NOW_MS), field: value}
    if field.startswith("delegation"):  # the id covers it, so that it is looked at first
        message = people.alice.sign(message)
    assert refused(people.send(message), reason)


def test_a_delegation_that_ends_before_it_begins_is_none(people: People) -> None:
    people.alice.delegate(now=NOW_MS, lasts=0)
    message = people.alice.compose(people.bob.address, "x", timestamp=NOW_MS)
    assert refused(people.send(message), "expires before it begins")


def test_who_has_no_name_neither_sends_nor_receives(people: People) -> None:
    sent = people.nameless.compose(people.bob.address, "x", timestamp=NOW_MS)
    assert refused(people.send(sent), f"{people.nameless.address} has no name")
    received = people.alice.compose(people.nameless.address, "x", timestamp=NOW_MS)
    assert refused(people.send(received), f"{people.nameless.address} has no name")


def test_only_members_write_to_a_group_and_only_its_administrator_announces(people: People) -> None:
    dao = people.dao(people.bob)
    for kind in (GROUP, DAO):
        assert people.send(people.bob.compose(dao, f"to {kind}", timestamp=NOW_MS, kind=kind))["status"] == "success"
    assert refused(people.send(people.eve.compose(dao, "x", timestamp=NOW_MS, kind=GROUP)), "only a member writes")
    announced = people.bob.compose(dao, "x", timestamp=NOW_MS, kind=ANNOUNCEMENT, type_="ANNOUNCEMENT")
    assert refused(people.send(announced), "only the administrator announces")
    announced = people.alice.compose(dao, "hear, hear", timestamp=NOW_MS, kind=ANNOUNCEMENT, type_="ANNOUNCEMENT")
    assert people.send(announced)["status"] == "success"
    assert refused(people.send(people.alice.compose(dao, "x", timestamp=NOW_MS, kind=P2P)), "another kind")
    nowhere = people.alice.compose(people.bob.address, "x", timestamp=NOW_MS, kind=GROUP)
    assert refused(people.send(nowhere), "there is no group")
    for box in (dao, people.alice.address, people.bob.address):
        rows = people.ask("listMessages", {"addr": box})
        assert [row["message"]["payload"] for row in rows] == ["hear, hear", "to 2", "to 1"]
    assert people.ask("listMessages", {"addr": people.eve.address}) == []


def test_messages_are_quoted_and_hidden(people: People) -> None:
    first = people.alice.compose(people.bob.address, "x", timestamp=NOW_MS)
    quote = [("quoteId", first["id"]), ("mentionedUsers", people.alice.address)]
    early = people.bob.compose(people.alice.address, "y", timestamp=NOW_MS, tags=quote)
    assert refused(people.send(early), "to quote")
    people.send(first)
    people.stage.now_ms += 1
    assert people.send(early)["status"] == "success"
    hide = people.bob.compose(people.alice.address, "hide", timestamp=NOW_MS, kind=HIDE, tags=quote[:1])
    assert refused(people.send(hide), "only its sender hides")
    hide = people.alice.compose(people.bob.address, "hide", timestamp=NOW_MS, kind=HIDE)
    assert refused(people.send(hide), "names it in a tag")
    hide = people.alice.compose(people.bob.address, "hide", timestamp=NOW_MS, kind=HIDE, tags=quote[:1])
    assert people.send(hide)["status"] == "success"
    hidden = {row["message"]["id"]: row["hidden"] for row in people.ask("listMessages", {"addr": people.bob.address})}
    assert hidden == {first["id"]: True, early["id"]: False, hide["id"]: False}


def test_a_chat_counts_what_others_wrote_since_it_was_read(people: People) -> None:
    alice, bob, eve = people.alice, people.bob, people.eve
    dao = people.dao(bob)

    def say(user: RelationUser, receiver: str, kind: int = P2P) -> None:
        people.stage.now_ms += 1
        message = user.compose(receiver, f"{people.stage.now_ms}", timestamp=people.stage.now_ms, kind=kind)
        assert people.send(message)["status"] == "success"

    def unread(user: RelationUser, **read: int) -> dict[str, int]:
        rows = people.ask("getChats", {"addr": user.address, "read": read})
        return {row["id"]: row["unreadMessageCount"] for row in rows}

    say(alice, bob.address)
    say(bob, alice.address)
    say(alice, bob.address)
    say(bob, dao, GROUP)
    say(eve, alice.address)
    assert unread(alice) == {eve.address: 1, dao: 1, bob.address: 1}  # newest first
    assert unread(bob) == {dao: 0, alice.address: 2}
    assert unread(bob, **{alice.address: 0}) == {dao: 0, alice.address: 1}
    people.call(alice, "addMember", {"dao": dao, "addr": [eve.address]})
    assert unread(eve) == {alice.address: 0, dao: 0}  # a new member does not read earlier messages
    assert people.ask("listMessages", {"addr": eve.address, "limit": 5})[0]["message"]["receiver"] == alice.address
    say(alice, dao, GROUP)
    assert unread(eve) == {dao: 1, alice.address: 0}
    people.call(eve, "remove", {"dao": dao, "addr": eve.address})
    assert unread(eve) == {alice.address: 0}
    shown = [(row["name"], row["channelType"]) for row in people.ask("getChats", {"addr": alice.address})]
    assert shown == [("friends", "GROUP"), ("eve.eth", "P2P"), ("bob.eth", "P2P")]


def test_the_id_is_keccak_over_the_array_as_javascript_writes_it() -> None:
    # computed in JavaScript: keccak256 of JSON.stringify of the array of section 7.1
    from eth_hash.auto import keccak

    user = RelationUser(Random(1).randbytes, now=NOW_MS)
    tags = [("mentionedUsers", user.address)]
    message = user.compose(user.address, 'ünï "quoted"\n€🙂/', timestamp=NOW_MS, kind=GROUP, tags=tags)
    names = (
        "encryptedBy",
        "sender",
        "receiver",
        "timestamp",
        "kind",
        "tags",
        "payload",
        "delegationMessage",
        "delegationSig",
    )
    text = json.dumps([message[name] for name in names], ensure_ascii=False, separators=(",", ":"))
    assert message["id"] == "0x" + keccak(text.encode()).hex()
