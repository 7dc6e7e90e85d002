import pytest

from tests.actors.processes.stage import ALICE, BOB, EVE, Stage, refused

ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
PROCESS = "A" * 43


def test_register_spawns_a_handle_process_owned_by_the_sender(stage: Stage) -> None:
    reply = stage.send(ALICE, stage.registry, "Register", {"handle": "alice", "pubkey": "k"})
    pid = reply["pid"]
    assert reply == {"status": "success", "handle": "alice", "pid": pid, "owner": ALICE}
    assert stage.table.entries[pid].module == "mostao.handle@2"
    assert stage.table.entries[pid].owner == ALICE
    assert stage.query(stage.registry, "QueryHandle", {"handle": "alice"}) == {
        "status": "success",
        "handle": "alice",
        "registered": True,
        "pid": pid,
        "owner": ALICE,
    }


def test_a_name_that_nobody_has_is_not_registered(stage: Stage) -> None:
    reply = stage.query(stage.registry, "QueryHandle", {"handle": "nobody"})
    assert reply == {"status": "success", "handle": "nobody", "registered": False}


@pytest.mark.parametrize("taken", ["alice", " alice ", "ALICE", "Ａlice", "\u2002alice"])
def test_no_two_names_look_the_same(stage: Stage, taken: str) -> None:
    pid = stage.register(ALICE, "alice")
    assert refused(stage.send(EVE, stage.registry, "Register", {"handle": taken, "pubkey": "k"}), "is taken")
    assert stage.query(stage.registry, "QueryHandle", {"handle": taken})["pid"] == pid


@pytest.mark.parametrize("name", ["straße", "Ελλάδα", "李小龙", "🙂", "o'neill", 'say "hi"', "a%b_c", "Robert'); drop"])
def test_a_name_is_shown_as_registered(stage: Stage, name: str) -> None:
    stage.register(ALICE, name)
    assert stage.query(stage.registry, "GetHandles", {"owner": ALICE})[0]["handle"] == name
    assert stage.query(stage.registry, "QueryHandle", {"handle": name.upper()})["handle"] == name


@pytest.mark.parametrize(
    "name", ["x" * 65, "   ", "a\nb", "a\x00b", "a\u200bb", "a\u202eb", "\ue000", "\u2028x\u2028y"]
)
def test_what_is_no_name_is_refused(stage: Stage, name: str) -> None:
    assert refused(stage.send(ALICE, stage.registry, "Register", {"handle": name, "pubkey": "k"}), "a name has")
    stage.register(ALICE, "x" * 64)


def test_handles_of_an_owner_come_in_the_order_of_their_registration_and_in_any_case(stage: Stage) -> None:
    pids = [stage.register(ETHEREUM, name) for name in ("zoe", "anna", "mia")]
    expected = [{"handle": name, "pid": pid} for name, pid in zip(("zoe", "anna", "mia"), pids, strict=True)]
    assert stage.query(stage.registry, "GetHandles", {"owner": ETHEREUM}) == expected
    assert stage.query(stage.registry, "GetHandles", {"owner": ETHEREUM.lower()}) == expected
    assert stage.query(stage.registry, "GetHandles", {"owner": "nobody"}) == []


def test_an_existing_process_is_bound_and_bound_again_by_the_names_owner_alone(stage: Stage) -> None:
    pid = stage.register(ALICE, "alice")
    bound = stage.send(BOB, stage.registry, "Register", {"handle": "bob", "pid": pid})
    assert bound == {"status": "success", "handle": "bob", "pid": pid, "owner": BOB}
    assert refused(stage.send(EVE, stage.registry, "Register", {"handle": "bob", "pid": PROCESS}), "only the owner")
    assert stage.send(BOB, stage.registry, "Register", {"handle": "bob", "pid": PROCESS})["pid"] == PROCESS
    assert stage.query(stage.registry, "QueryHandle", {"handle": "bob"})["pid"] == PROCESS
    assert refused(stage.send(BOB, stage.registry, "Register", {"handle": "bob", "pid": "short"}), "'pid'")


def test_an_ethereum_owner_is_recognised_in_any_case_and_another_is_not(stage: Stage) -> None:
    stage.register(ETHEREUM, "alice")
    assert refused(stage.send(ETHEREUM[:-1] + "8", stage.registry, "Renounce", {"handle": "alice"}), "only the owner")
    assert stage.send(ETHEREUM.lower(), stage.registry, "Renounce", {"handle": "alice"})["status"] == "success"


def test_an_arweave_owner_is_compared_exactly(stage: Stage) -> None:
    stage.register("AbC" * 14 + "A", "alice")
    assert refused(stage.send("abc" * 14 + "a", stage.registry, "Renounce", {"handle": "alice"}), "only the owner")


def test_a_renounced_name_is_free_and_its_process_and_history_stay(stage: Stage) -> None:
    old = stage.register(ALICE, "alice")
    assert refused(stage.send(EVE, stage.registry, "Renounce", {"handle": "alice"}), "only the owner")
    reply = stage.send(ALICE, stage.registry, "Renounce", {"handle": "alice"})
    assert reply == {"status": "success", "handle": "alice"}
    assert stage.query(stage.registry, "GetHandles", {"owner": ALICE}) == []
    new = stage.register(BOB, "alice")
    assert new != old
    assert stage.send(ALICE, old, "ProfileUpdate", {"bio": "still mine"}) == {"status": "success"}


def test_renouncing_what_is_not_registered_is_refused(stage: Stage) -> None:
    assert refused(stage.send(ALICE, stage.registry, "Renounce", {"handle": "alice"}), "not registered")
    assert refused(stage.send(ALICE, stage.registry, "Renounce", {}), "'handle' or 'name' is missing")
    assert refused(stage.send(ALICE, stage.registry, "Renounce", {"handle": "a", "name": "b"}), "not both")


@pytest.mark.parametrize("sender", [ALICE, BOB])
def test_either_owner_establishes_the_session_and_both_handles_learn_of_it(stage: Stage, sender: str) -> None:
    a, b = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    session = stage.establish(sender, "alice", "bob")
    assert stage.table.entries[session].module == "mostao.session@3"
    for pid, name, other in ((a, "bob", b), (b, "alice", a)):
        [row] = stage.query(pid, "GetChatList")
        assert (row["sessionID"], row["otherHandleName"], row["otherHandleID"]) == (session, name, other)


def test_a_session_is_found_in_either_order(stage: Stage) -> None:
    stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    nil = {"status": "error", "message": "No session found"}
    assert stage.query(stage.registry, "QuerySession", {"handleA": "alice", "handleB": "bob"}) == nil
    session = stage.establish(ALICE, "alice", "bob")
    for one, other in (("alice", "bob"), ("BOB", "Alice")):
        reply = stage.query(stage.registry, "QuerySession", {"handleA": one, "handleB": other})
        assert reply == {"status": "success", "sessionID": session}
    assert stage.query(stage.registry, "QuerySession", {"handleA": "alice", "handleB": "nobody"}) == nil


def test_a_second_call_returns_the_same_session_and_spawns_nothing(stage: Stage) -> None:
    stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    session = stage.establish(ALICE, "alice", "bob")
    processes = len(stage.table.entries)
    assert stage.establish(BOB, "bob", "alice") == session
    assert len(stage.table.entries) == processes


def test_a_session_of_others_is_not_established(stage: Stage) -> None:
    stage.register(ALICE, "alice"), stage.register(BOB, "bob"), stage.register(EVE, "eve")
    body = {"handleA": "alice", "handleB": "bob"}
    assert refused(stage.send(EVE, stage.registry, "EstablishSession", body), "only the owner of")
    assert refused(stage.send(EVE, stage.registry, "EstablishSession", {"handleA": "eve"}), "'handleB' is missing")
    missing = {"handleA": "eve", "handleB": "nobody"}
    assert refused(stage.send(EVE, stage.registry, "EstablishSession", missing), "'nobody' is not registered")


def test_a_handle_has_no_session_with_itself(stage: Stage) -> None:
    pid = stage.register(ALICE, "alice")
    body = {"handleA": "alice", "handleB": "ALICE"}
    assert refused(stage.send(ALICE, stage.registry, "EstablishSession", body), "with itself")
    stage.send(ALICE, stage.registry, "Register", {"handle": "also-alice", "pid": pid})
    body = {"handleA": "alice", "handleB": "also-alice"}
    assert refused(stage.send(ALICE, stage.registry, "EstablishSession", body), "with itself")


def test_a_handle_process_establishes_a_session_itself(stage: Stage) -> None:
    a, _ = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    reply = stage.relay(ALICE, a, stage.registry, "EstablishSession", {"otherHandle": "bob"})
    assert reply["status"] == "success"
    assert stage.query(a, "GetChatList")[0]["sessionID"] == reply["sessionID"]
    assert stage.establish(BOB, "alice", "bob") == reply["sessionID"]
    body = {"otherHandle": "bob"}
    assert refused(stage.send(ALICE, stage.registry, "EstablishSession", body), "only a handle process")


def test_after_a_name_changed_hands_its_new_owner_gets_a_new_session(stage: Stage) -> None:
    a, b = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    old = stage.establish(ALICE, "alice", "bob")
    stage.send(ALICE, stage.registry, "Renounce", {"handle": "alice"})
    stage.register(EVE, "alice")
    nil = {"status": "error", "message": "No session found"}
    assert stage.query(stage.registry, "QuerySession", {"handleA": "alice", "handleB": "bob"}) == nil
    assert stage.establish(EVE, "alice", "bob") != old
    assert stage.query(a, "GetChatList")[0]["sessionID"] == old
    assert len(stage.query(b, "GetChatList")) == 2


def test_domains_are_names_of_their_own(stage: Stage) -> None:
    pid = stage.register(ALICE, "alice")
    reply = stage.send(ALICE, stage.registry, "Register", {"name": "alice.ao", "pid": pid})
    assert reply == {"status": "success", "name": "alice.ao", "pid": pid, "owner": ALICE}
    assert stage.query(stage.registry, "QueryDomain", {"name": "ALICE.ao"})["pid"] == pid
    assert stage.query(stage.registry, "GetDomains", {"owner": ALICE}) == [{"name": "alice.ao", "pid": pid}]
    assert stage.query(stage.registry, "QueryHandle", {"handle": "alice.ao"})["registered"] is False
    assert refused(stage.send(BOB, stage.registry, "Register", {"name": "alice.ao", "pid": pid}), "only the owner")
    assert refused(stage.send(BOB, stage.registry, "Renounce", {"name": "alice.ao"}), "only the owner")
    reply = stage.send(ALICE, stage.registry, "Renounce", {"name": "alice.ao"})
    assert reply == {"status": "success", "name": "alice.ao"}
    spawned = stage.send(BOB, stage.registry, "Register", {"name": "bob.ao", "pubkey": "k"})["pid"]
    assert stage.table.entries[spawned].owner == BOB
