import pytest

from actors.processes.messaging.handle import CONTACTS_MAX, DELEGATES_MAX, FIELDS_MAX
from tests.actors.processes.stage import ALICE, BOB, EVE, KEYS, NOW_MS, Stage, refused

OWNERS_ACTIONS = [
    ("ProfileUpdate", {"bio": "hacked"}),
    ("SetEnv", {"a": 1}),
    ("AddDelegate", {"address": EVE, "expires": 9e9}),
    ("RemoveDelegate", {"address": EVE}),
    ("AddContact", {"handle": "eve"}),
    ("RemoveContact", {"handle": "eve"}),
    ("MarkAsViewed", {"sessionID": "x"}),
    ("RelayMessage", {"Target": "x", "Data": "", "Tags": {"Action": "SendMessage"}}),
]


@pytest.fixture
def talking(stage: Stage) -> tuple[str, str, str]:
    """Alice's handle, Bob's handle, and their session, which has a key."""
    a, b = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    session = stage.establish(ALICE, "alice", "bob")
    assert stage.relay(ALICE, a, session, "RotateSessionKey", KEYS)["generation"] == 1
    return a, b, session


@pytest.mark.parametrize(("action", "body"), OWNERS_ACTIONS)
def test_what_is_the_owners_is_refused_to_anyone_else(stage: Stage, action: str, body: dict) -> None:
    pid = stage.register(ALICE, "alice")
    before = stage.table.state_root()
    assert refused(stage.send(EVE, pid, action, body), "only the owner can do that")
    assert stage.table.state_root() == before


def test_a_profile_keeps_the_fields_given_and_the_key_of_register(stage: Stage) -> None:
    pid = stage.register(ALICE, "alice", "first key")
    assert stage.query(pid, "GetProfile") == {"pubkey": "first key"}
    stage.send(ALICE, pid, "ProfileUpdate", {"name": "Alice", "img": "ar://x", "theme": {"dark": True}})
    stage.send(ALICE, pid, "ProfileUpdate", {"name": "Alice B."})
    assert stage.query(pid, "GetProfile") == {
        "img": "ar://x",
        "name": "Alice B.",
        "pubkey": "first key",
        "theme": {"dark": True},
    }
    stage.send(ALICE, pid, "ProfileUpdate", {"pubkey": "second key", "bio": ""})
    profile = stage.send(BOB, pid, "GetProfile")
    assert (profile["pubkey"], profile["bio"]) == ("second key", "")


@pytest.mark.parametrize("body", [{"name": 5}, {"pubkey": ""}, {"bio": ["x"]}, {"big": 10**400}, [], "not json"])
def test_a_profile_that_cannot_be_kept_changes_nothing(stage: Stage, body: object) -> None:
    pid = stage.register(ALICE, "alice")
    before = stage.query(pid, "GetProfile")
    assert stage.send(ALICE, pid, "ProfileUpdate", body)["status"] == "error"
    assert stage.query(pid, "GetProfile") == before


def test_a_handle_keeps_environment_variables(stage: Stage) -> None:
    pid = stage.register(ALICE, "alice")
    assert stage.query(pid, "GetEnv") == {}
    stage.send(ALICE, pid, "SetEnv", {"theme": "dark", "volume": 7})
    stage.send(ALICE, pid, "SetEnv", {"theme": None, "nothing": None})
    assert stage.query(pid, "GetEnv") == {"volume": 7}
    many = {str(number): number for number in range(FIELDS_MAX + 1)}
    assert refused(stage.send(ALICE, pid, "SetEnv", many), f"at most {FIELDS_MAX}")


def test_a_relay_names_the_message_that_it_sent_on(stage: Stage, talking: tuple[str, str, str]) -> None:
    a, b, session = talking
    body = {"Target": session, "Data": '{"content":"x"}', "Tags": [{"name": "Action", "value": "SendMessage"}]}
    events = len(stage.events)
    reply = stage.send(ALICE, a, "RelayMessage", body)
    relay, message, notification = stage.events[events:]  # a successful send causes three events
    assert reply == {"status": "success", "messageID": message.message.id}
    assert (message.message.sender, message.process, message.message.action) == (a, session, "SendMessage")
    assert (notification.message.sender, notification.process, notification.message.action) == (session, b, "Notify")
    assert (relay.message.parent, message.message.parent) == (None, relay.sequence)


def test_a_handle_relays_to_its_sessions_and_its_registry_and_nowhere_else(
    stage: Stage, talking: tuple[str, str, str]
) -> None:
    a, b, _ = talking
    stage.register(EVE, "eve")
    others = stage.establish(EVE, "eve", "bob")
    for target, action in (
        (others, "SendMessage"),
        (b, "Notify"),
        (a, "UpdateChatList"),
        (stage.registry, "Register"),
        (stage.registry, "Renounce"),
        ("nowhere", "SendMessage"),
    ):
        assert refused(stage.relay(ALICE, a, target, action, {}), "nowhere else")


@pytest.mark.parametrize(
    "body",
    [
        {"Data": "", "Tags": {"Action": "SendMessage"}},
        {"Target": 5, "Data": "", "Tags": {"Action": "SendMessage"}},
        {"Target": "x", "Data": {}, "Tags": {"Action": "SendMessage"}},
        {"Target": "x", "Data": ""},
        {"Target": "x", "Data": "", "Tags": {}},
        {"Target": "x", "Data": "", "Tags": "Action"},
        {"Target": "x", "Data": "", "Tags": {"Action": 1}},
        {"Target": "x", "Data": "", "Tags": [{"name": "Action"}]},
        {"Target": "x", "Data": "", "Tags": {"Action": "Reply"}},
        {"Target": "x", "Data": "", "Tags": {"Action": "SendMessage", **{str(n): "v" for n in range(128)}}},
    ],
)
def test_a_malformed_relay_is_refused(stage: Stage, body: dict) -> None:
    pid = stage.register(ALICE, "alice")
    assert stage.send(ALICE, pid, "RelayMessage", body)["status"] == "error"


def test_a_refusal_by_the_session_is_kept_where_the_owner_sees_it(stage: Stage) -> None:
    a, _ = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    session = stage.establish(ALICE, "alice", "bob")
    assert refused(stage.relay(ALICE, a, session, "SendMessage", {"content": "x"}), "rotate its key")
    [row] = stage.query(a, "GetChatList")
    assert "rotate its key" in row["refusal"]["message"]
    [refused_message] = [event for event in stage.events if event.message.id == row["refusal"]["messageID"]]
    assert (refused_message.process, refused_message.message.action) == (session, "SendMessage")


@pytest.mark.parametrize("sender", [ALICE, BOB, EVE])
def test_only_the_registry_changes_the_chat_list(stage: Stage, sender: str) -> None:
    pid = stage.register(ALICE, "alice")
    body = {"sessionID": "s", "otherHandleName": "eve", "otherHandleID": "e"}
    assert refused(stage.send(sender, pid, "UpdateChatList", body), "only the registry")


def test_a_known_session_keeps_its_times_when_it_is_told_again(stage: Stage, talking: tuple[str, str, str]) -> None:
    a, b, session = talking
    stage.relay(ALICE, a, session, "SendMessage", {"content": "x"})
    [before] = stage.query(b, "GetChatList")
    assert before["lastMessageTime"] == NOW_MS / 1000
    stage.establish(BOB, "bob", "alice")
    assert stage.query(b, "GetChatList") == [before]


@pytest.mark.parametrize("sender", [ALICE, BOB, EVE])
def test_nobody_notifies_from_outside(stage: Stage, talking: tuple[str, str, str], sender: str) -> None:
    assert refused(stage.send(sender, talking[0], "Notify", {"lastMessageTime": 9e9}), "only a session")


def test_messages_move_a_chat_to_the_top_and_count_as_unread(stage: Stage, talking: tuple[str, str, str]) -> None:
    a, b, session = talking
    stage.register(EVE, "eve")
    newer = stage.establish(EVE, "eve", "bob")
    assert [row["sessionID"] for row in stage.query(b, "GetChatList")] == [newer, session]
    stage.now_ms += 1500
    stage.relay(ALICE, a, session, "SendMessage", {"content": "x"})
    stage.relay(ALICE, a, session, "SendMessage", {"content": "y"})
    rows = stage.query(b, "GetChatList")
    assert [row["sessionID"] for row in rows] == [session, newer]
    assert (rows[0]["unread"], rows[0]["lastMessageTime"]) == (2, NOW_MS / 1000 + 1.5)
    assert "lastMessageTime" not in rows[1]
    assert stage.query(b, "GetUnread") == {"total": 2, "sessions": {session: 2}}
    assert stage.query(a, "GetChatList")[0]["lastMessageTime"] == NOW_MS / 1000 + 1.5  # a rise for the sender's own too
    assert stage.query(a, "GetUnread") == {"total": 0, "sessions": {}}


def test_marking_as_viewed_clears_that_sessions_count(stage: Stage, talking: tuple[str, str, str]) -> None:
    a, b, session = talking
    stage.relay(ALICE, a, session, "SendMessage", {"content": "x"})
    stage.now_ms += 250
    assert stage.send(BOB, b, "MarkAsViewed", {"sessionID": session}) == {"status": "success"}
    [row] = stage.query(b, "GetChatList")
    assert (row["unread"], row["lastViewedTime"]) == (0, NOW_MS / 1000 + 0.25)
    assert refused(stage.send(BOB, b, "MarkAsViewed", {"sessionID": "x"}), "not in the chat list")


def test_a_delegate_speaks_for_the_owner_until_its_time_runs_out_and_does_nothing_else(
    stage: Stage, talking: tuple[str, str, str]
) -> None:
    a, _, session = talking
    until = NOW_MS / 1000 + 60
    assert stage.send(ALICE, a, "AddDelegate", {"address": EVE, "expires": until}) == {"status": "success"}
    assert stage.query(a, "GetDelegates") == [{"address": EVE, "expires": until}]
    assert stage.relay(EVE, a, session, "SendMessage", {"content": "x"})["status"] == "success"
    assert stage.send(EVE, a, "MarkAsViewed", {"sessionID": session}) == {"status": "success"}
    for action, body in OWNERS_ACTIONS[:6]:
        assert refused(stage.send(EVE, a, action, body), "only the owner")
    stage.now_ms += 60_000
    assert refused(stage.relay(EVE, a, session, "SendMessage", {"content": "x"}), "only the owner")
    assert stage.query(a, "GetDelegates") == []


def test_a_delegate_can_be_removed_and_there_is_a_limit(stage: Stage) -> None:
    pid = stage.register(ALICE, "alice")
    body = {"address": EVE, "expires": NOW_MS / 1000 + 60}
    assert refused(stage.send(ALICE, pid, "RemoveDelegate", {"address": EVE}), "no delegate")
    stage.send(ALICE, pid, "AddDelegate", body)
    stage.send(ALICE, pid, "RemoveDelegate", {"address": EVE})
    assert stage.query(pid, "GetDelegates") == []
    past = {"address": EVE, "expires": NOW_MS / 1000}
    assert refused(stage.send(ALICE, pid, "AddDelegate", past), "future")
    for number in range(DELEGATES_MAX):
        stage.send(ALICE, pid, "AddDelegate", {**body, "address": str(number)})
    assert refused(stage.send(ALICE, pid, "AddDelegate", body), f"at most {DELEGATES_MAX}")
    stage.now_ms += 60_000  # expired delegates do not count
    later = {"address": EVE, "expires": stage.now_ms / 1000 + 1}
    assert stage.send(ALICE, pid, "AddDelegate", later) == {"status": "success"}


def test_contacts_are_added_changed_and_removed(stage: Stage) -> None:
    pid = stage.register(ALICE, "alice")
    for body in ({"handle": "bob", "note": "work"}, {"handle": "ann"}, {"handle": "bob", "note": "friend"}):
        assert stage.send(ALICE, pid, "AddContact", body) == {"status": "success"}
    assert stage.query(pid, "GetContacts") == [{"handle": "ann", "note": ""}, {"handle": "bob", "note": "friend"}]
    assert stage.send(ALICE, pid, "RemoveContact", {"handle": "ann"}) == {"status": "success"}
    assert refused(stage.send(ALICE, pid, "RemoveContact", {"handle": "ann"}), "not among the contacts")
    assert CONTACTS_MAX >= 1000


def test_a_wallet_may_own_many_handles_each_its_own_process(stage: Stage) -> None:
    work, home = stage.register(ALICE, "alice-at-work"), stage.register(ALICE, "alice-at-home")
    stage.send(ALICE, work, "ProfileUpdate", {"bio": "busy"})
    assert "bio" not in stage.query(home, "GetProfile")
