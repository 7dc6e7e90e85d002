"""What other people can do to a person's chat list, and what they cannot."""

import pytest

from actors.processes.messaging import chat_list_v2
from tests.actors.processes.stage import ALICE, BOB, EVE, KEYS, Stage, refused


def names(stage: Stage, handle: str) -> list[str]:
    """The titles of a chat list."""
    return [row["otherHandleName"] for row in stage.query(handle, "GetChatList")]


def test_a_stranger_who_wrote_while_a_chat_list_was_full_arrives_when_it_has_room(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_list_v2, "STRANGERS_MAX", 1)
    a, b = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    stage.register(EVE, "eve")
    spam = stage.establish(EVE, "eve", "alice")
    session = stage.establish(BOB, "bob", "alice")
    [row] = stage.query(b, "GetChatList")
    assert "at most 1 chats that others opened" in row["refusal"]["message"]
    assert names(stage, a) == ["eve"]
    stage.send(ALICE, a, "RemoveChat", {"sessionID": spam})
    assert stage.establish(BOB, "bob", "alice") == session
    stage.relay(BOB, b, session, "RotateSessionKey", KEYS)
    stage.relay(BOB, b, session, "SendMessage", {"content": "hello"})
    assert names(stage, a) == ["bob"]
    assert stage.query(a, "GetUnread") == {"total": 1, "sessions": {session: 1}}


def test_only_the_other_handle_of_a_chat_reports_that_it_was_not_added(stage: Stage) -> None:
    a = stage.register(ALICE, "alice")
    stage.register(BOB, "bob")
    session = stage.establish(ALICE, "alice", "bob")
    assert refused(stage.send(EVE, a, "ChatNotAdded", {"sessionID": session}), "only the other handle")
    assert "refusal" not in stage.query(a, "GetChatList")[0]


def test_a_removed_chat_stays_removed_until_its_owner_opens_it_again(stage: Stage) -> None:
    a, e = stage.register(ALICE, "alice"), stage.register(EVE, "eve")
    session, group = stage.establish(EVE, "eve", "alice"), stage.create_group(EVE, "eve", "spam")
    stage.relay(EVE, e, group, "AddMember", {"members": [a]})
    for chat in (session, group):
        stage.send(ALICE, a, "RemoveChat", {"sessionID": chat})
    assert stage.establish(EVE, "eve", "alice") == session
    stage.relay(EVE, e, group, "Remove", {"members": [a]})
    stage.relay(EVE, e, group, "AddMember", {"members": [a]})
    stage.send(EVE, stage.registry, "JoinGroup", {"handle": "alice", "group": group})
    assert names(stage, a) == []
    stage.establish(ALICE, "alice", "eve")
    stage.send(ALICE, stage.registry, "JoinGroup", {"handle": "alice", "group": group})
    assert names(stage, a) == ["spam", "eve"]


def test_a_handle_remembers_its_newest_removals(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_list_v2, "REMOVED_MAX", 2)
    a = stage.register(ALICE, "alice")
    for name in ("s0", "s1", "s2"):
        stage.register(name, name)
        stage.send(ALICE, a, "RemoveChat", {"sessionID": stage.establish(name, name, "alice")})
    for name in ("s0", "s1", "s2"):
        stage.establish(name, name, "alice")
    assert names(stage, a) == ["s0"]


def test_a_name_bound_to_another_persons_handle_does_not_act_for_it(stage: Stage) -> None:
    a, b = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    stage.register(EVE, "eve")
    assert stage.send(EVE, stage.registry, "Register", {"handle": "alias", "pid": a})["status"] == "success"
    group = stage.create_group(EVE, "eve", free=True)
    for action, body in (
        ("EstablishSession", {"handleA": "alias", "handleB": "bob"}),
        ("JoinGroup", {"handle": "alias", "group": group}),
        ("CreateGroup", {"handle": "alias", "name": "x"}),
    ):
        assert refused(stage.send(EVE, stage.registry, action, body), "only the owner of the process of 'alias'")
    assert names(stage, a) == names(stage, b) == []
    stage.send(ALICE, a, "RemoveChat", {"sessionID": stage.establish(EVE, "alias", "eve")})
    stage.establish(EVE, "alias", "eve")
    assert names(stage, a) == []


def test_a_second_name_for_ones_own_handle_acts_for_it(stage: Stage) -> None:
    a = stage.register(ALICE, "alice")
    stage.register(BOB, "bob")
    stage.send(ALICE, stage.registry, "Register", {"handle": "ally", "pid": a})
    stage.send(ALICE, stage.registry, "Renounce", {"handle": "alice"})
    assert stage.establish(ALICE, "ally", "bob")
    assert names(stage, a) == ["bob"]


def test_strangers_titles_never_refuse_a_chat_list(stage: Stage) -> None:
    a, e = stage.register(ALICE, "alice"), stage.register(EVE, "eve")
    for _ in range(500):
        group = stage.create_group(EVE, "eve", "\u0001" * 64)
        stage.relay(EVE, e, group, "AddMember", {"members": [a]})
    assert 0 < len(stage.query(a, "GetChatList")) < 500
    rows: list[str] = []
    while page := stage.query(a, "GetChatList", {"after": rows[-1] if rows else ""}):
        rows += [row["sessionID"] for row in page]
    assert len(set(rows)) == len(rows) == 500


def test_pages_after_a_chat_skip_none_that_gets_a_message_meanwhile(stage: Stage) -> None:
    a, sessions = stage.register(ALICE, "alice"), dict[int, tuple[str, str]]()
    for number in range(30):
        handle = stage.register(f"o{number}", f"h{number}")
        sessions[number] = handle, stage.establish(f"o{number}", f"h{number}", "alice")
        stage.relay(f"o{number}", *sessions[number], "RotateSessionKey", KEYS)
    rows: list[str] = []
    while page := stage.query(a, "GetChatList", {"after": rows[-1] if rows else "", "limit": 4}):
        rows += [row["sessionID"] for row in page]
        for number in range(len(rows), 30, 5):
            stage.relay(f"o{number}", *sessions[number], "SendMessage", {"content": "x"})
    assert sorted(rows) == sorted(session for _, session in sessions.values())
