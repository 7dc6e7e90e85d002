"""For any messages in any order: live state = replayed state = state after closing and reopening."""

import asyncio
import json
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors import ItemRefused, Limits, Node, Result, replay
from actors.audit.audit import audit
from actors.protocol.spawn import module_of
from eventstore import read_log
from eventstore.sqlite.snapshots import snapshots_path
from tests.actors.people import KEYS, NODE, item, talking, wallet

WALLETS = [wallet(number) for number in range(1, 4)]
HANDLES = ["alice", "Bob", "çelik"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
handles = st.sampled_from(HANDLES)
numbers = st.integers(0, 3)
pairs = st.fixed_dictionaries({"handleA": handles, "handleB": handles})
inner = st.one_of(
    st.tuples(st.just("RotateSessionKey"), st.just(KEYS)),
    st.tuples(st.just("SendMessage"), st.fixed_dictionaries({"content": st.text(max_size=9)})),
    st.tuples(st.just("SendMessage"), st.fixed_dictionaries({"content": st.just("x"), "generation": numbers})),
    st.tuples(st.sampled_from(["EstablishSession", "Register", "QueryMessage", "Notify", "Reply", "?"]), json_values),
    st.tuples(st.just("EstablishSession"), st.fixed_dictionaries({"otherHandle": handles})),
)
to_registry = st.one_of(
    st.tuples(st.just("Register"), st.fixed_dictionaries({"handle": handles, "pubkey": st.text(max_size=5)})),
    st.tuples(st.just("Register"), st.fixed_dictionaries({"name": handles, "pid": st.just("A" * 43)})),
    st.tuples(st.just("Renounce"), st.fixed_dictionaries({"handle": handles})),
    st.tuples(st.just("EstablishSession"), pairs),
    st.tuples(st.sampled_from(["QueryHandle", "GetHandles", "QuerySession", "Nonsense", "", "Reply"]), json_values),
)
to_handle = st.one_of(
    st.tuples(st.just("ProfileUpdate"), st.dictionaries(st.text(max_size=8), json_values, max_size=3)),
    st.tuples(st.sampled_from(["SetEnv", "AddContact", "AddDelegate", "Notify", "UpdateChatList"]), json_values),
    st.tuples(st.just("GetChatList"), st.just({})),
)
commands = st.lists(
    st.tuples(
        st.integers(0, len(WALLETS) - 1),
        st.one_of(
            st.tuples(st.just("registry"), to_registry, st.just(0)),
            st.tuples(st.just("handle"), to_handle, st.integers(0, 9)),
            st.tuples(st.just("relay"), inner, st.integers(0, 9)),
            st.tuples(st.just("session"), inner, st.integers(0, 9)),
            st.tuples(st.just("again"), st.just(("", "")), st.integers(0, 9)),
            st.tuples(st.just("garbage"), st.just(("", "")), st.integers(0, 9)),
        ),
    ),
    max_size=25,
)


class Driver:
    """Turns drawn commands into signed items for what is there."""

    def __init__(self, node: Node, path: Path) -> None:
        self.node, self.path = node, path
        self.sent: list[bytes] = [item(WALLETS[0], node.registry, "GetHandles", {"owner": "x"})]

    def processes(self, module: str) -> list[str]:
        with closing(read_log(self.path)) as log:
            spawned = [log.find(process) for process in log.processes()]
        found = sorted(row.process for row in spawned if row is not None and module_of(row.message) == module)
        return found or [self.node.registry]

    def item(self, sender: int, kind: str, message: tuple[str, Any], place: int) -> bytes:
        action, body = message
        by = WALLETS[sender]
        handles, sessions = self.processes("mostao.handle@2"), self.processes("mostao.session@3")
        handle, session = handles[place % len(handles)], sessions[place % len(sessions)]
        if kind == "again":
            return self.sent[place % len(self.sent)]
        if kind == "garbage":
            return self.sent[-1][: place * 20] + bytes(place)
        if kind == "relay":
            target = session if place % 3 else self.node.registry
            body = {"Target": target, "Data": json.dumps(body), "Tags": {"Action": action}}
            return item(by, handle, "RelayMessage", body)
        return item(by, {"registry": self.node.registry, "handle": handle, "session": session}[kind], action, body)


async def drive(path: Path, drawn: list[Any], live_max: int) -> None:
    limits = Limits(live_max=live_max, snapshot_slots_min=1, snapshot_log_events_min=1)
    async with Node.open(path, wallet=NODE, limits=limits) as node:
        await talking(node)
        driver, sends = Driver(node, path), []
        for place, (sender, (kind, message, which)) in enumerate(drawn):
            raw = driver.item(sender, kind, message, which)
            driver.sent.append(raw)
            sends.append(asyncio.ensure_future(node.send(raw)))
            if place % 4 == 3:  # some wait for their answer, some come at once
                await asyncio.wait(sends)
        for outcome in await asyncio.gather(*sends, return_exceptions=True):
            assert isinstance(outcome, Result | ItemRefused), outcome
        await node.drain()
        live, head, events = node.state_root, node.log_head, node.sequence
        ids = {event.message.id for event in read_log(path).read()}
        assert len(ids) == events
    replayed = replay(path)
    assert (replayed.state_root, replayed.log_head, replayed.unsent) == (live, head, 0)
    for _ in range(2):
        async with Node.open(path, limits=limits) as node:
            assert (node.state_root, node.log_head, node.sequence) == (live, head, events)
        assert audit(path).faults == []
        snapshots_path(path).unlink(missing_ok=True)


@settings(max_examples=60)
@given(drawn=commands, live_max=st.sampled_from([1, 4, 1000]))
def test_live_state_is_replayed_state_is_the_state_after_reopening(drawn: list[Any], live_max: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(drive(Path(folder) / "world.db", drawn, live_max), debug=False)
