"""Limits of the newest modules: bytes of an answer and of a state, strangers in a chat list, names of an owner."""

import json
from typing import Any

import pytest

from actors.evaluation.state_codec import canonical_state
from actors.processes.limits import ANSWER_BYTES_MAX, STATE_BYTES_MAX
from actors.processes.messaging import chat_list_v2, registry_v3
from actors.processes.messaging.group import MEMBERS_MAX
from actors.processes.messaging.group_v2 import FIXED_BYTES, KEY_MESSAGES_MAX
from actors.protocol.messages import Context
from eventstore.records import encode_id
from tests.actors.processes.stage import ALICE, BOB, EVE, KEYS, Stage, refused

DATA = 100_000
"""Bytes of data, somewhat below the limit of one message."""


def answer_bytes(stage: Stage) -> int:
    """Bytes that the last event appended as its answer."""
    return len((stage.events[-1].output or "").encode())


def state_bytes(stage: Stage, process: str) -> int:
    entry = stage.table.entries[process]
    assert entry.process is not None
    return len(canonical_state(entry.process.state))


def pages(stage: Stage, process: str, action: str, body: dict[str, Any]) -> list[Any]:
    """All rows of a list, by its pages; asserts that each page fits into an answer."""
    rows: list[Any] = []
    while page := stage.send(ALICE, process, action, {**body, "offset": len(rows)}):
        assert answer_bytes(stage) <= ANSWER_BYTES_MAX
        rows += page
    return rows


def pid(number: int) -> str:
    return encode_id((2**200 + number).to_bytes(32, "big"))


def test_one_query_after_120_profile_updates_appends_at_most_256_kib(stage: Stage) -> None:
    a = stage.register(ALICE, "alice")
    replies = [stage.send(ALICE, a, "ProfileUpdate", {f"field {number}": "x" * DATA}) for number in range(120)]
    assert [reply["status"] for reply in replies].count("success") == 2
    assert refused(replies[-1], f"a handle's profile has at most {ANSWER_BYTES_MAX} bytes: remove something first")
    assert set(stage.send(EVE, a, "GetProfile")) == {"pubkey", "field 0", "field 1"}
    assert DATA < answer_bytes(stage) <= ANSWER_BYTES_MAX


def test_profile_environment_contacts_and_chats_of_a_handle_stay_below_1_mib(stage: Stage) -> None:
    a = stage.register(ALICE, "alice")
    for number in range(3):
        stage.send(ALICE, a, "ProfileUpdate", {f"{number}": "ä" * 40_000})
        stage.send(ALICE, a, "SetEnv", {f"{number}": ["é" * 40_000]})
    note = "n" * 4096
    replies = [stage.send(ALICE, a, "AddContact", {"handle": f"c{n}", "note": note}) for n in range(200)]
    assert refused(replies[-1], f"a process keeps at most {STATE_BYTES_MAX} bytes")
    assert STATE_BYTES_MAX * 0.9 < state_bytes(stage, a) <= STATE_BYTES_MAX
    kept = [reply["status"] for reply in replies].count("success")
    assert refused(stage.send(ALICE, a, "GetContacts"), f"at most {ANSWER_BYTES_MAX} bytes")
    assert "give 'limit' and 'offset'" in stage.send(ALICE, a, "GetContacts")["message"]
    assert len(pages(stage, a, "GetContacts", {"limit": 1000})) == kept
    for number in range(kept):
        stage.send(ALICE, a, "RemoveContact", {"handle": f"c{number}"})
    stage.send(ALICE, a, "SetEnv", dict.fromkeys("012"))
    assert stage.send(ALICE, a, "AddContact", {"handle": "again", "note": note})["status"] == "success"


def test_the_counted_bytes_of_a_handle_are_never_fewer_than_its_state_has(stage: Stage) -> None:
    a = stage.register(ALICE, "alice")
    stage.register(BOB, "böb 🐝")
    session = stage.establish(BOB, "böb 🐝", "alice")
    stage.relay(ALICE, a, session, "SendMessage", {"content": "x"})  # refused: no key yet
    stage.send(ALICE, a, "MarkAsViewed", {"sessionID": session})
    empty = state_bytes(stage, a)
    for action, body in (
        ("ProfileUpdate", {"bio": "a\n\u2028☀", "tags": [1, {"deep": None}]}),
        ("ProfileUpdate", {"bio": "", "n": 2**63 - 1}),
        ("SetEnv", {"theme": "dark", "size": 1.5}),
        ("SetEnv", {"theme": None}),
        ("AddContact", {"handle": "eve"}),
        ("AddContact", {"handle": "eve", "note": "a friend"}),
    ):
        assert stage.send(ALICE, a, action, body)["status"] == "success"
    state: Any = stage.table.entries[a].process.state  # type: ignore[union-attr]
    assert len(canonical_state(state)) > empty
    profile, env = canonical_state(dict(state.profile)), canonical_state(dict(state.env))
    assert state.profile_bytes - 2 <= len(profile) <= state.profile_bytes + 2
    assert state.env_bytes - 2 <= len(env) <= state.env_bytes + 2
    [(key, chat)] = state.chats.items()
    assert len(canonical_state({key: chat})) <= chat_list_v2.chat_bytes(chat)
    assert len(canonical_state(state)) <= state.state_bytes


def test_a_page_of_long_messages_ends_below_256_kib_and_goes_on_after_its_last(stage: Stage) -> None:
    a = stage.register(ALICE, "alice")
    stage.register(BOB, "bob")
    session, group = stage.establish(ALICE, "alice", "bob"), stage.create_group(ALICE, "alice")
    stage.relay(ALICE, a, session, "RotateSessionKey", {**KEYS, "pubkey_a": '"' * 4096})
    stage.relay(ALICE, a, group, "RotateGroupKey", {"epoch": 1, "sealed": {a: "x"}})
    for number in range(7):  # all of them at the same ms
        for conversation in (session, group):
            content = chr(ord("a") + number) * DATA
            assert stage.relay(ALICE, a, conversation, "SendMessage", {"content": content})["status"] == "success"
    for conversation in (session, group):
        for order, expected in (("ASC", [1, 2, 3, 4, 5, 6, 7]), ("DESC", [7, 6, 5, 4, 3, 2, 1])):
            ids: list[int] = []
            body: dict[str, Any] = {"order": order, "limit": 1000}
            while rows := stage.send(ALICE, conversation, "QueryMessage", body):
                assert answer_bytes(stage) <= ANSWER_BYTES_MAX
                assert all(row["content"] == chr(ord("a") + row["id"] - 1) * DATA for row in rows)
                ids += [row["id"] for row in rows]
                body["after"] = ids[-1]
            assert ids == expected


def test_a_message_that_no_page_holds_is_refused_with_the_limit(stage: Stage) -> None:
    a = stage.register(ALICE, "alice")
    stage.register(BOB, "bob")
    session, group = stage.establish(ALICE, "alice", "bob"), stage.create_group(ALICE, "alice")
    stage.relay(ALICE, a, session, "RotateSessionKey", KEYS)
    stage.relay(ALICE, a, group, "RotateGroupKey", {"epoch": 1, "sealed": {a: "x"}})
    for conversation in (session, group):
        reply = stage.relay(ALICE, a, conversation, "SendMessage", {"content": "x" * 200_000})
        assert "at most 196608 bytes" in reply["message"]
    assert stage.relay(ALICE, a, session, "SendMessage", {"content": "x" * 190_000})["status"] == "success"
    assert len(stage.query(session, "QueryMessage")) == 1


def test_rotated_keys_stay_in_the_log_and_not_in_the_state(stage: Stage) -> None:
    a, b = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    session = stage.establish(ALICE, "alice", "bob")
    for number in range(20):
        sender, handle = ((ALICE, a), (BOB, b))[number % 2]
        keys = {name: f"{name} {number} " + "x" * 4000 for name in KEYS}
        assert stage.relay(sender, handle, session, "RotateSessionKey", keys)["generation"] == number + 1
        stage.relay(sender, handle, session, "SendMessage", {"content": f"{number}"})
        assert stage.query(session, "GetKeyByGeneration", {"generation": number + 1}) == [
            {"generation": number + 1, **keys}
        ]
    assert state_bytes(stage, session) < 4000
    assert refused(stage.relay(ALICE, a, session, "RotateSessionKey", {**KEYS, "pubkey_a": "x" * 4097}), "4096")
    rows = stage.query(session, "QueryMessage", {"order": "ASC"})
    assert [row["pubkey"][:11] for row in rows] == [f"pubkey_a {number} "[:11] for number in range(20)]
    assert [row["sender"] for row in rows] == [a, b] * 10


def test_strangers_fill_a_part_of_a_chat_list_and_its_owner_still_establishes_sessions(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_list_v2, "STRANGERS_MAX", 3)
    a = stage.register(ALICE, "alice")
    for number in range(6):
        stage.register(f"stranger {number}", f"s{number}")
        stage.establish(f"stranger {number}", f"s{number}", "alice")
    assert [row["otherHandleName"] for row in stage.query(a, "GetChatList")] == ["s2", "s1", "s0"]
    s5 = stage.query(stage.registry, "QueryHandle", {"handle": "s5"})["pid"]
    [row] = stage.query(s5, "GetChatList")
    assert "at most 3 chats that others opened and the owner never answered" in row["refusal"]["message"]
    fifth = stage.establish(ALICE, "alice", "s5")  # the session exists; the owner's request adds it to the chat list
    assert stage.query(a, "GetChatList")[0]["sessionID"] == fifth
    answered = stage.query(stage.registry, "QuerySession", {"handleA": "alice", "handleB": "s0"})["sessionID"]
    stage.relay(ALICE, a, answered, "RotateSessionKey", KEYS)
    stage.register("stranger 9", "s9")
    stage.establish("stranger 9", "s9", "alice")  # there is room again
    removed = stage.query(stage.registry, "QuerySession", {"handleA": "alice", "handleB": "s1"})["sessionID"]
    assert refused(stage.send(EVE, a, "RemoveChat", {"sessionID": removed}), "only the owner")
    stage.send(ALICE, a, "RemoveChat", {"sessionID": removed})
    stage.establish("stranger 0", "s0", "alice")
    assert {row["otherHandleName"] for row in stage.query(a, "GetChatList")} == {"s0", "s2", "s5", "s9"}


def test_a_name_for_another_persons_handle_makes_no_chat_her_own(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_list_v2, "STRANGERS_MAX", 0)
    a = stage.register(ALICE, "alice")
    stage.register(EVE, "eve")
    assert stage.send(EVE, stage.registry, "Register", {"handle": "alias", "pid": a})["status"] == "success"
    stage.establish(EVE, "alias", "eve")
    group = stage.create_group(EVE, "eve", free=True)
    stage.send(EVE, stage.registry, "JoinGroup", {"handle": "alias", "group": group})
    stage.send(EVE, stage.registry, "CreateGroup", {"handle": "alias", "name": "x"})
    assert stage.query(a, "GetChatList") == []


def test_a_chat_list_longer_than_an_answer_has_pages(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_list_v2, "STRANGERS_MAX", 2000)
    a, count = stage.register(ALICE, "alice"), 1300
    for number in range(count):
        body = {"sessionID": pid(number), "otherHandleName": "n" * 64, "otherHandleID": pid(number)}
        update_chat_list(stage, a, body, slot=number)
    first = stage.send(ALICE, a, "GetChatList")
    assert answer_bytes(stage) <= ANSWER_BYTES_MAX
    rows = pages(stage, a, "GetChatList", {"limit": 1000})
    assert [row["sessionID"] for row in rows] == [pid(number) for number in reversed(range(count))]
    assert 0 < len(first) < count
    assert first == rows[: len(first)]
    assert state_bytes(stage, a) <= STATE_BYTES_MAX


def update_chat_list(stage: Stage, process: str, body: dict[str, Any], *, slot: int) -> None:
    """Handle a message of the registry, without the registry."""
    entry = stage.table.entries[process]
    assert entry.process is not None
    context = Context(process, entry.owner, stage.registry, True, "m", stage.now_ms, slot, lambda *_: [])
    handler = type(entry.process).handlers["UpdateChatList"]
    handler.method(entry.process, handler.parse(json.dumps(body).encode()), context)


def test_an_owner_has_a_hundred_names_and_may_renounce_one(stage: Stage) -> None:
    for kind in ("handle", "name"):
        for number in range(registry_v3.NAMES_MAX):
            assert stage.send(ALICE, stage.registry, "Register", {kind: f"a{number}"})["status"] == "success"
        one_more = stage.send(ALICE.upper(), stage.registry, "Register", {kind: "one more"})
        assert refused(one_more, "an owner has at most 100 handles and 100 domains: renounce one first")
    assert stage.send(BOB, stage.registry, "Register", {"handle": "bob"})["status"] == "success"
    a0 = stage.query(stage.registry, "QueryHandle", {"handle": "a0"})["pid"]
    assert stage.send(ALICE, stage.registry, "Register", {"handle": "a1", "pid": a0})["status"] == "success"
    stage.send(ALICE, stage.registry, "Renounce", {"handle": "a7"})
    assert stage.send(ALICE, stage.registry, "Register", {"handle": "one more"})["status"] == "success"
    assert len(stage.send(ALICE, stage.registry, "GetHandles", {"owner": ALICE})) == registry_v3.NAMES_MAX
    assert answer_bytes(stage) < ANSWER_BYTES_MAX


def test_an_owner_opens_a_limited_number_of_sessions_and_groups(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_v3, "OPENED_MAX", 2)
    for owner, name in ((ALICE, "alice"), (BOB, "bob"), (EVE, "eve")):
        stage.register(owner, name)
    stage.create_group(ALICE, "alice")
    stage.establish(ALICE, "alice", "bob")
    both = {"handleA": "alice", "handleB": "eve"}
    assert refused(stage.send(ALICE, stage.registry, "EstablishSession", both), "opens at most 2 sessions and groups")
    group = {"handle": "alice", "name": "x"}
    assert refused(stage.send(ALICE, stage.registry, "CreateGroup", group), "opens at most 2 sessions and groups")
    assert stage.establish(ALICE, "alice", "bob") == stage.establish(BOB, "bob", "alice")
    assert stage.establish(EVE, "alice", "eve")  # counted as hers


def test_a_full_group_and_its_invitations_stay_below_1_mib(stage: Stage) -> None:
    a = stage.register(ALICE, "alice")
    group = stage.create_group(ALICE, "alice")
    words = {"avatar": "\u0001" * 4096, "announcement": "\u0001" * 4096, "name": "\u0001" * 64}
    assert stage.relay(ALICE, a, group, "SetGroup", words) is not None
    for start in range(1, MEMBERS_MAX, 500):
        members = [pid(number) for number in range(start, min(start + 500, MEMBERS_MAX))]
        assert stage.relay(ALICE, a, group, "AddMember", {"members": members})["status"] == "success"
    epoch = stage.query(group, "GetGroup")["epoch"]
    for start in range(1, MEMBERS_MAX - 1, 500):
        sealed = {pid(number): "x" for number in range(start, min(start + 500, MEMBERS_MAX - 1))}
        action = "RotateGroupKey" if start == 1 else "AddGroupKeys"
        assert stage.relay(ALICE, a, group, action, {"epoch": epoch, "sealed": sealed})["status"] == "success"
    invited = [
        stage.relay(ALICE, a, group, "Invite", {"members": [pid(50_000 + start + n) for n in range(100)]})
        for start in range(0, 1000, 100)
    ]
    assert refused({name: invited[-1][name] for name in ("status", "message")}, f"at most {STATE_BYTES_MAX} bytes")
    entry: Any = stage.table.entries[group].process
    history = len(canonical_state(list(entry.state.authors)))
    assert STATE_BYTES_MAX * 0.75 < state_bytes(stage, group) - history <= STATE_BYTES_MAX
    assert FIXED_BYTES < STATE_BYTES_MAX
    assert stage.query(group, "GetGroup")["members"] == MEMBERS_MAX
    assert len(pages(stage, group, "GetMembers", {"limit": 1000})) == MEMBERS_MAX


def test_a_group_has_a_limited_number_of_administrators_and_messages_of_a_key(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.processes.messaging.group_v2.ADMINISTRATORS_MAX", 2)
    a = stage.register(ALICE, "alice")
    group = stage.create_group(ALICE, "alice")
    stage.relay(ALICE, a, group, "AddMember", {"members": [pid(1), pid(2)]})
    roles = [
        stage.relay(ALICE, a, group, "SetRole", {"member": pid(number), "role": "administrator"}) for number in (1, 2)
    ]
    assert "at most 2 administrators" in roles[-1]["message"]
    assert len(stage.query(group, "GetGroup")["administrators"]) == 2
    key = {"epoch": 2, "sealed": {a: "x"}}
    stage.relay(ALICE, a, group, "RotateGroupKey", key)
    replies = [stage.relay(ALICE, a, group, "AddGroupKeys", key) for _ in range(KEY_MESSAGES_MAX)]
    assert [reply["status"] for reply in replies].count("error") == 1
    assert f"a key comes in at most {KEY_MESSAGES_MAX} messages" in replies[-1]["message"]
    assert stage.relay(ALICE, a, group, "RotateGroupKey", key)["missing"] == 2


def test_a_refusal_quotes_a_part_of_a_long_message_only(stage: Stage) -> None:
    stage.register(ALICE, "alice")
    reply = stage.send(ALICE, stage.registry, "JoinGroup", {"handle": "alice", "group": "g" * DATA})
    assert reply["message"].startswith("there is no group 'ggg")
    assert len(reply["message"]) == 4096


@pytest.mark.parametrize("data", ["", "1984", "null", "[]", "{", "text"])
def test_a_list_takes_any_data_that_is_no_object_as_before(stage: Stage, data: str) -> None:
    a = stage.register(ALICE, "alice")
    for action in ("GetChatList", "GetContacts"):
        reply = stage.send(ALICE, a, action, data)
        assert reply == [] or (data == "{" and refused(reply, "not valid JSON"))
