"""Every action of the protocol through a real node, signed, sent and asked; and the log that it leaves replays."""

import json
from pathlib import Path

import pytest

from actors import Node, replay
from actors.processes import MODULES
from actors.processes.messaging import chat_list_v2
from actors.protocol.messages import REPLY
from actors.protocol.spawn import module_of
from eventstore import read_log
from tests.actors.people import ALICE, BOB, EVE, KEYS, NODE, item, relay, still, talking

SOON = 1_700_000_060
QUERIES = {
    "registry": [
        ("QueryHandle", {"handle": "alice"}),
        ("GetHandles", {"owner": ALICE.address}),
        ("QueryDomain", {"name": "alice.ao"}),
        ("GetDomains", {"owner": ALICE.address}),
        ("QuerySession", {"handleA": "bob", "handleB": "alice"}),
    ],
    "handle": [
        (name, "") for name in ("GetProfile", "GetEnv", "GetChatList", "GetUnread", "GetDelegates", "GetContacts")
    ],
    "session": [
        ("GetSession", ""),
        ("GetCurrentKeys", ""),
        ("GetCurrentKey", ""),
        ("GetKeyByGeneration", {"generation": 1}),
        ("QueryMessage", {"from": 0, "until": SOON, "limit": 10, "order": "ASC"}),
    ],
}
OWNERS = [
    ("ProfileUpdate", {"name": "Alice", "bio": "here"}),
    ("SetEnv", {"theme": "dark"}),
    ("AddDelegate", {"address": BOB.address, "expires": SOON}),
    ("AddContact", {"handle": "bob", "note": "a friend"}),
]


async def test_every_action_is_granted_to_whom_it_belongs_and_refused_to_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_list_v2, "STRANGERS_MAX", 1)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, b, session = await talking(node)
        places = {"registry": node.registry, "handle": a, "session": session}
        granted = [
            item(ALICE, node.registry, "Register", {"name": "alice.ao", "pid": a}),
            *(item(ALICE, a, action, body) for action, body in OWNERS),
            relay(ALICE, a, session, "SendMessage", {"content": "from alice"}),
            relay(BOB, b, session, "SendMessage", {"content": "from bob", "generation": 1}),
            relay(BOB, a, session, "SendMessage", {"content": "from alice's delegate"}),
            relay(BOB, b, session, "RotateSessionKey", KEYS),
            relay(BOB, b, node.registry, "EstablishSession", {"otherHandle": "alice"}),
            item(BOB, a, "MarkAsViewed", {"sessionID": session}),
        ]
        for raw in granted:
            result = await node.send(raw)
            assert result.error is None, result
            assert result.answer["status"] == "success"
        await node.drain()

        for kind, queries in QUERIES.items():
            for action, body in queries:
                asked = await node.dryrun(places[kind], action=action, data=_data(body), sender=EVE.address)
                sent = await node.send(item(EVE, places[kind], action, body))
                assert asked.error is None
                assert asked.answer == sent.answer
                assert sent.messages[0].data == sent.output

        refused = [
            item(EVE, node.registry, "Register", {"handle": "alice", "pubkey": "k"}),
            item(EVE, node.registry, "Register", {"handle": "alice", "pid": b}),
            item(EVE, node.registry, "Renounce", {"handle": "alice"}),
            item(EVE, node.registry, "Renounce", {"name": "alice.ao"}),
            item(EVE, node.registry, "EstablishSession", {"handleA": "alice", "handleB": "bob"}),
            item(EVE, node.registry, "EstablishSession", {"otherHandle": "bob"}),
            *(item(EVE, a, action, body) for action, body in OWNERS),
            *(item(BOB, a, action, body) for action, body in OWNERS),  # a delegate is no owner
            item(EVE, a, "RemoveDelegate", {"address": BOB.address}),
            item(EVE, a, "RemoveContact", {"handle": "bob"}),
            item(EVE, a, "RemoveChat", {"sessionID": session}),
            item(EVE, a, "MarkAsViewed", {"sessionID": session}),
            item(EVE, a, "UpdateChatList", {"sessionID": session, "otherHandleName": "x", "otherHandleID": "x"}),
            item(EVE, a, "Notify"),
            relay(EVE, a, session, "SendMessage", {"content": "x"}),
            *(item(sender, session, "SendMessage", {"content": "x"}) for sender in (ALICE, BOB, EVE)),
            *(item(sender, session, "RotateSessionKey", KEYS) for sender in (ALICE, BOB, EVE)),
        ]
        before = node.state_root
        for raw in refused:
            result = await node.send(raw)
            assert result.answer == {"status": "error", "message": result.error}
        await node.drain()
        assert node.state_root == before

        for raw in (
            item(ALICE, a, "RemoveDelegate", {"address": BOB.address}),
            item(ALICE, a, "RemoveContact", {"handle": "bob"}),
            item(ALICE, a, "RemoveChat", {"sessionID": session}),
            item(ALICE, node.registry, "Renounce", {"name": "alice.ao"}),
            item(EVE, node.registry, "Register", {"handle": "eve", "pubkey": "k"}),
            item(EVE, node.registry, "EstablishSession", {"handleA": "eve", "handleB": "bob"}),
            item(EVE, node.registry, "Register", {"handle": "eva", "pubkey": "k"}),
            item(EVE, node.registry, "EstablishSession", {"handleA": "eva", "handleB": "bob"}),  # one stranger too many
        ):
            assert (await node.send(raw)).error is None
        await node.drain()
        root = node.state_root

    spawns = [row for row in read_log(path).read() if row.slot == 0]
    modules = {row.process: module_of(row.message) for row in spawns}
    done = {
        (modules[event.process], event.message.action)
        for event in read_log(path).read()
        if event.slot and event.error is None
    }
    conversations = (MODULES[module] for module in ("mostao.registry@1", "mostao.handle@2", "mostao.session@3"))
    every = {action for kind in conversations for action in kind.handlers if action != REPLY}  # groups: test_group
    assert every - {action for _, action in done} == set()
    assert replay(path).state_root == root


def _data(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body)
