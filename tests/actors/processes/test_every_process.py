"""Properties of every process and every action."""

import builtins
import os
import random
import secrets
import socket
import time
import uuid
from random import Random
from typing import Any, NoReturn

import pytest

from actors.evaluation.process_table import Entry
from actors.evaluation.state_codec import canonical_state
from actors.processes import MODULES, Process
from actors.processes.base import action
from actors.processes.collections.append_only_list import History
from actors.processes.messaging import chat_list_v2
from actors.protocol.messages import REPLY, Context, Effects
from simulations.clients.relation_user import RelationUser, auth_sig, for_members
from tests.actors.processes.stage import ALICE, BOB, EVE, KEYS, NOW_MS, Stage, refused

ACTIONS = [(kind.module, name) for kind in MODULES.values() for name in kind.handlers if name != REPLY]
KEEPER = "0x" + "11" * 32
MALFORMED = [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"[" * 100, b'{"a":' * 100 + b"1" + b"}" * 100]


GENERATIONS = (
    ("mostao.registry@1", "mostao.handle@1", "mostao.session@1", None),
    ("mostao.registry@2", "mostao.handle@1", "mostao.session@2", "mostao.group@1"),
    ("mostao.registry@3", "mostao.handle@2", "mostao.session@3", "mostao.group@2"),
)
"""Each registry with the modules of what it spawns."""


def processes(stage: Stage) -> dict[str, str]:
    """Start a process of every module, with some history; returns their ids by module."""
    newest, found = stage.registry, dict[str, str]()
    for modules in GENERATIONS:
        stage.registry = newest if modules == GENERATIONS[-1] else stage.spawn(ALICE, modules[0])
        found |= dict(zip(modules, (stage.registry, *meet(stage, groups=modules[3] is not None)), strict=True))
    del found[None]  # type: ignore[arg-type]
    return {
        **found,
        **{module: process for version in (1, 2) for module, process in relation_one(stage, version).items()},
        "mostao.archive@1": stage.spawn(ALICE, "mostao.archive@1"),
    }


def relation_one(stage: Stage, version: int) -> dict[str, str]:
    """Start the processes of Relation ONE that have several versions; returns their ids by module."""
    relation = stage.spawn(ALICE, f"mostao.relation@{version}")
    keeper = stage.spawn(ALICE, f"mostao.keykeeper@{version}", {"relation": relation, "publicKey": KEEPER})
    proxy = stage.spawn(ALICE, f"mostao.proxy@{version}")
    processes = {"relation": relation, "keykeeper": keeper, "proxy": proxy}
    return {f"mostao.{name}@{version}": process for name, process in processes.items()}


def meet(stage: Stage, *, groups: bool) -> tuple[str, str, str]:
    """Two people at a registry, with a session and a group; returns the first handle, the session and the group."""
    a, _ = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    session = stage.establish(ALICE, "alice", "bob")
    stage.relay(ALICE, a, session, "RotateSessionKey", KEYS)
    stage.relay(ALICE, a, session, "SendMessage", {"content": "x"})
    if not groups:
        return a, session, ""
    group = stage.create_group(ALICE, "alice", free=True)
    stage.relay(ALICE, a, group, "RotateGroupKey", {"epoch": 1, "sealed": {a: "SK_EA"}})
    stage.relay(ALICE, a, group, "SendMessage", {"content": "x"})
    return a, session, group


def do_everything(stage: Stage) -> None:
    """Call every action of every module with success, at least once."""
    pids = processes(stage)
    for registry, handle, session, group in GENERATIONS:
        stage.registry = pids[registry]
        do_everything_of_a_person(
            stage, stage.query(stage.registry, "QueryHandle", {"handle": "alice"})["pid"], session
        )
        do_everything_in_a_session(stage, pids[session], session)
        if group is not None:
            do_everything_in_a_group(stage, pids[handle], pids[group])
    for version in (1, 2):
        do_everything_of_relation_one(stage, pids, version)


def do_everything_of_a_person(stage: Stage, a: str, module: str) -> None:
    session = stage.query(stage.registry, "QuerySession", {"handleA": "alice", "handleB": "bob"})["sessionID"]
    for action_, body in (
        ("QueryHandle", {"handle": "alice"}),
        ("GetHandles", {"owner": ALICE}),
        ("Register", {"name": "alice.ao", "pid": a}),
        ("QueryDomain", {"name": "alice.ao"}),
        ("GetDomains", {"owner": ALICE}),
        ("QuerySession", {"handleA": "alice", "handleB": "bob"}),
        ("Renounce", {"name": "alice.ao"}),
    ):
        stage.send(ALICE, stage.registry, action_, body)
    for action_, body in (
        ("ProfileUpdate", {"bio": "x"}),
        ("GetProfile", ""),
        ("SetEnv", {"a": 1}),
        ("GetEnv", ""),
        ("GetChatList", ""),
        ("MarkAsViewed", {"sessionID": session}),
        ("GetUnread", ""),
        ("AddDelegate", {"address": BOB, "expires": 9_000_000_000}),
        ("GetDelegates", ""),
        ("RemoveDelegate", {"address": BOB}),
        ("AddContact", {"handle": "bob"}),
        ("GetContacts", ""),
        ("RemoveContact", {"handle": "bob"}),
    ):
        stage.send(ALICE, a, action_, body)
    if module == "mostao.session@3":
        stage.send(ALICE, a, "RemoveChat", {"sessionID": session})
        stage.register(EVE, "eve")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chat_list_v2, "STRANGERS_MAX", 0)
            stage.establish(EVE, "eve", "alice")


def do_everything_in_a_session(stage: Stage, session: str, module: str) -> None:
    for action_ in ("GetCurrentKeys", "GetCurrentKey", "QueryMessage"):
        stage.send(ALICE, session, action_)
    stage.send(ALICE, session, "GetKeyByGeneration", {"generation": 1})
    if module != "mostao.session@1":
        stage.send(ALICE, session, "GetSession")


def do_everything_in_a_group(stage: Stage, a: str, group: str) -> None:
    b = stage.query(stage.registry, "QueryHandle", {"handle": "bob"})["pid"]
    for action_, body in (
        ("GetGroup", ""),
        ("GetMembers", ""),
        ("GetCurrentKeys", {"member": a}),
        ("GetCurrentKey", {"member": a}),
        ("GetKeyByGeneration", {"generation": 1, "member": a}),
        ("QueryMessage", ""),
        ("GetUnread", {"member": a}),
    ):
        stage.send(ALICE, group, action_, body)
    stage.send(BOB, stage.registry, "JoinGroup", {"handle": "bob", "group": group})
    for action_, body in (
        ("Remove", {"members": [b]}),
        ("Invite", {"members": [b]}),
        ("AddMember", {"members": [b]}),
        ("SetRole", {"member": b, "role": "administrator"}),
        ("SetGroup", {"name": "old friends"}),
        ("RotateGroupKey", {"epoch": 4, "sealed": {a: "SK_EA"}}),
        ("AddGroupKeys", {"epoch": 4, "sealed": {b: "SK_EB"}}),
        ("MarkAsViewed", {}),
        ("Leave", {}),
    ):
        stage.relay(ALICE, a, group, action_, body)


def do_everything_of_relation_one(stage: Stage, pids: dict[str, str], version: int) -> None:
    relation, keeper, proxy = (pids[f"mostao.{name}@{version}"] for name in ("relation", "keykeeper", "proxy"))
    archive = pids["mostao.archive@1"]
    randbytes = Random("relation").randbytes
    alice, bob = (RelationUser(randbytes, now=NOW_MS) for _ in range(2))
    for user, name in ((alice, "alice.eth"), (bob, "bob.eth")):
        stage.send(user.address, relation, "register", {"owner": user.address, "name": name})
    message = alice.compose(bob.address, "sealed", timestamp=NOW_MS)
    dao = stage.send(alice.address, relation, "deployDaoContract", {"owner": alice.address, "name": "x"})["dao"]
    for user, action_, body in (
        (alice, "setProfileURI", {"profileURI": "ar://a"}),
        (alice, "nameOf", {"addr": bob.address}),
        (alice, "profileURI", {"addr": alice.address}),
        (alice, "follow", {"addr": bob.address}),
        (alice, "followers", {"addr": bob.address}),
        (alice, "following", {"addr": alice.address}),
        (alice, "unfollow", {"addr": bob.address}),
        (alice, "addMember", {"dao": dao, "addr": [bob.address]}),
        (bob, "remove", {"dao": dao, "addr": bob.address}),
        (alice, "setFreeJoin", {"dao": dao, "free": True}),
        (bob, "isFreeJoin", {"dao": dao}),
        (bob, "join", {"dao": dao}),
        (alice, "setDaoURI", {"dao": dao, "uri": "ar://d"}),
        (bob, "daoURI", {"dao": dao}),
        (bob, "name", {"dao": dao}),
        (bob, "members", {"dao": dao}),
        (bob, "balanceOf", {"dao": dao, "addr": bob.address}),
        (bob, "messagesAfter", {"after": -1}),
        (bob, "waitingAfter", {"after": -1}),
        (bob, "getChats", {"addr": bob.address}),
        (bob, "sendMessage", message),
        (bob, "listMessages", {"addr": bob.address}),
        (bob, "getMessage", {"id": message["id"]}),
    ):
        stage.send(user.address, relation, action_, body)
    proof = auth_sig(bob, now=NOW_MS)
    kept = {"accessControlConditions": for_members(dao), "authSig": proof}
    stage.send(ALICE, keeper, "saveEncryptionKey", {**kept, "encryptedSymmetricKey": "ab" * 112})
    stage.send(ALICE, keeper, "getEncryptionKey", {**kept, "toDecrypt": "ab" * 112})
    asked = [event for event in stage.events if event.message.action == "getEncryptionKey"][-1]
    for process, action_, body in (
        (keeper, "getPublicKey", ""),
        (keeper, "getGrant", {"request": asked.message.id}),
        (proxy, "markAsRead", {"addr": bob.address, "chat": alice.address, "place": 0}),
        (proxy, "setMuted", {"addr": bob.address, "chat": alice.address, "muted": True}),
        (proxy, "setSticky", {"addr": bob.address, "chat": alice.address, "sticky": True}),
        (proxy, "getFlags", {"addr": bob.address}),
        (archive, "beginPack", {"count": 1}),
        (archive, "stored", {"id": "x" * 43}),
        (archive, "getArchive", ""),
    ):
        stage.send(ALICE, process, action_, body)


def test_no_handler_touches_a_clock_randomness_a_file_or_a_socket(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impure(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a process reached out of its box")

    do_everything(Stage())  # libraries load some modules on first use
    with monkeypatch.context() as patch:
        for place, names in (
            (time, ("time", "time_ns", "monotonic", "perf_counter", "sleep")),
            (random, ("random", "randint", "choice", "Random", "SystemRandom")),
            (os, ("urandom", "open", "getpid", "stat", "listdir", "getenv")),
            (secrets, ("token_bytes", "randbelow")),
            (uuid, ("uuid1", "uuid4")),
            (socket, ("socket", "create_connection")),
            (builtins, ("open", "input", "print", "id")),
        ):
            for attribute in names:
                patch.setattr(place, attribute, impure)
        do_everything(stage)
    done = {
        (stage.table.entries[event.process].module, event.message.action)
        for event in stage.events
        if event.slot and event.error is None and event.message.action != REPLY
    }
    assert done == set(ACTIONS)


@pytest.mark.parametrize(("module", "name"), ACTIONS)
def test_every_action_answers_a_malformed_body_once_in_json_and_goes_on(stage: Stage, module: str, name: str) -> None:
    process = processes(stage)[module]
    for data in MALFORMED:
        before = len(stage.events)
        stage.send(ALICE, process, name, data)  # the stage asserts that the reply is JSON
        assert len(stage.events) == before + 1, data
        assert " in the handler of " not in (stage.events[-1].error or ""), data
    assert stage.query(stage.registry, "QueryHandle", {"handle": "alice"})["registered"]


@pytest.mark.parametrize("module", MODULES)
def test_an_unknown_action_is_answered_with_those_that_are_known(stage: Stage, module: str) -> None:
    process = processes(stage)[module]
    assert refused(stage.send(ALICE, process, "Dance", ""), f"{module} knows no action 'Dance'; it knows ")
    assert refused(stage.send(ALICE, process, "", ""), "no Action tag")


@pytest.mark.parametrize("module", MODULES)
def test_a_reply_from_outside_is_never_answered(stage: Stage, module: str) -> None:
    process = processes(stage)[module]
    before, root = len(stage.events), stage.table.state_root()
    for body in ({"status": "error", "message": "x"}, "not json", ""):
        with pytest.raises(AssertionError):
            stage.send(ALICE, process, REPLY, body)  # a reply has no output
    assert len(stage.events) == before + 3
    assert stage.table.state_root() == root


class Clumsy(Process):
    module = "clumsy@1"

    def __init__(self, data: bytes, context: Context) -> None:
        self.state = processes_state(0)

    @action("Stumble")
    def stumble(self, message: Any, context: Context) -> Effects:
        self.state = processes_state(1)
        raise ZeroDivisionError

    @action("Mumble")
    def mumble(self, message: Any, context: Context) -> Effects:
        self.state = processes_state(1)
        return Effects({"not": object()})


def processes_state(number: int) -> Any:
    import msgspec

    return msgspec.defstruct("State", [("number", int)], frozen=True)(number)


@pytest.mark.parametrize("name", ["Stumble", "Mumble"])
def test_a_handler_that_raises_changes_nothing_and_its_error_is_the_result(stage: Stage, name: str) -> None:
    context = Context("p", ALICE, ALICE, False, "m", 0, 0, lambda process, slots: [])
    clumsy = Clumsy(b"", context)
    stage.table.entries[stage.registry] = Entry("clumsy@1", ALICE, clumsy)
    assert refused(stage.send(ALICE, stage.registry, name), f"in the handler of '{name}'")
    assert clumsy.state.number == 0


def test_an_older_version_of_a_history_never_changes() -> None:
    empty: History[int] = History()
    one = empty.append(1)
    two, other_two = one.append(2), one.append(3)
    assert (list(empty), list(one), list(two), list(other_two)) == ([], [1], [1, 2], [1, 3])
    assert list(two.append(4)) == [1, 2, 4]
    assert two[-1] == two[1] == 2
    with pytest.raises(IndexError):
        one[1]


def test_a_dryrun_changes_nothing_and_what_follows_is_as_if_it_had_not_been(stage: Stage) -> None:
    pids = processes(stage)
    session, a = pids["mostao.session@3"], pids["mostao.handle@2"]
    before = canonical_state(stage.table.entries[session].process.state)
    assert stage.query(session, "SendMessage", {"content": "never"}, sender=a) == {"status": "success", "id": 2}
    assert canonical_state(stage.table.entries[session].process.state) == before
    stage.relay(ALICE, a, session, "SendMessage", {"content": "second"})
    assert [row["content"] for row in stage.query(session, "QueryMessage")] == ["second", "x"]


@pytest.mark.parametrize("module", MODULES)
def test_a_process_takes_no_more_than_its_state(module: str) -> None:
    assert not hasattr(MODULES[module].__new__(MODULES[module]), "__dict__")
