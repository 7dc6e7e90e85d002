"""Bodies that carry more than their action needs: what one query reads and parses stays small."""

from collections.abc import Sequence
from typing import Any

from actors.processes.messaging.group_v2 import KEYS_BYTES_MAX
from actors.processes.messaging.session_v3 import KEYS_READ_MAX
from tests.actors.processes.messaging.test_limits import pid, state_bytes
from tests.actors.processes.stage import ALICE, BOB, KEYS, Stage, refused

JUNK = {"junk": [[0]] * 20_000}


class CountingStage(Stage):
    """Counts the messages and bytes that processes read from the log."""

    def __init__(self) -> None:
        super().__init__()
        self.read = self.read_bytes = 0

    def _read_payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        payloads = super()._read_payloads(process, slots)
        self.read += len(payloads)
        self.read_bytes += sum(map(len, payloads))
        return payloads


def group_of_two(stage: Stage) -> tuple[str, str, str]:
    a, b = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
    group = stage.create_group(ALICE, "alice")
    stage.relay(ALICE, a, group, "AddMember", {"members": [b]})
    return a, b, group


def test_a_query_of_a_group_key_reads_one_of_256_key_messages() -> None:
    stage = CountingStage()
    a, b, group = group_of_two(stage)
    for number in range(255):
        action = "AddGroupKeys" if number else "RotateGroupKey"
        reply = stage.relay(ALICE, a, group, action, {"epoch": 2, "sealed": {a: f"a{number}"}})
        assert reply["status"] == "success"
    stage.relay(ALICE, a, group, "AddGroupKeys", {"epoch": 2, "sealed": {b: "b"}})
    for member, sealed, read in ((a, ["a254"], 1), (b, ["b"], 1), ("nobody", [], 0)):
        stage.read = 0
        rows: list[dict[str, Any]] = stage.query(group, "GetCurrentKey", {"member": member})
        assert [row["sealed"] for row in rows] == sealed
        assert stage.read == read


def test_a_former_member_gets_its_key_of_several_key_messages(stage: Stage) -> None:
    a, b, group = group_of_two(stage)
    stage.relay(ALICE, a, group, "RotateGroupKey", {"epoch": 2, "sealed": {a: "a"}})
    stage.relay(ALICE, a, group, "AddGroupKeys", {"epoch": 2, "sealed": {b: "b"}})
    stage.relay(ALICE, a, group, "Remove", {"members": [b]})
    [row] = stage.query(group, "GetKeyByGeneration", {"generation": 1, "member": b})
    assert row["sealed"] == "b"


def test_undeclared_fields_count_towards_the_bytes_of_keys_and_messages(stage: Stage) -> None:
    a, _, group = group_of_two(stage)
    session = stage.establish(ALICE, "alice", "bob")
    at_most = "the data of this action has at most"
    assert refused(stage.relay(ALICE, a, session, "RotateSessionKey", {**KEYS, **JUNK}), f"{at_most} 32768 bytes")
    keys = {"epoch": 2, "sealed": {a: "x"}, "junk": "x" * KEYS_BYTES_MAX}
    assert refused(stage.relay(ALICE, a, group, "RotateGroupKey", keys), f"{at_most} 196608 bytes")
    stage.relay(ALICE, a, session, "RotateSessionKey", KEYS)
    for number in range(3):
        padded = {"content": f"{number}", "pad": "y" * 200_000}
        assert stage.relay(ALICE, a, session, "SendMessage", padded)["status"] == "success"
    hidden = {"content": "x", "pad": "y" * 300_000}
    assert refused(stage.relay(ALICE, a, session, "SendMessage", hidden), f"{at_most} 229376 bytes")
    ids: list[int] = []
    while rows := stage.query(session, "QueryMessage", {"order": "ASC", **({"after": ids[-1]} if ids else {})}):
        ids += [row["id"] for row in rows]
    assert ids == [1, 2, 3]


def test_a_page_of_messages_under_many_keys_reads_at_most_a_few_mib_of_keys() -> None:
    stage = CountingStage()
    a = stage.register(ALICE, "alice")
    stage.register(BOB, "bob")
    session = stage.establish(ALICE, "alice", "bob")
    for number in range(100):
        stage.relay(ALICE, a, session, "RotateSessionKey", {**KEYS, "junk": "x" * 30_000})
        stage.relay(ALICE, a, session, "SendMessage", {"content": f"{number}"})
    ids: list[int] = []
    while True:
        stage.read_bytes = 0
        after = {"after": ids[-1]} if ids else {}
        rows = stage.query(session, "QueryMessage", {"order": "ASC", "limit": 1000, **after})
        assert stage.read_bytes < 4 * KEYS_READ_MAX
        if not rows:
            break
        assert len(rows) * 30_000 <= KEYS_READ_MAX
        ids += [row["id"] for row in rows]
    assert ids == list(range(1, 101))


def test_members_who_come_and_go_without_a_message_leave_nothing_in_a_group(stage: Stage) -> None:
    a, b, group = group_of_two(stage)
    before = state_bytes(stage, group)
    for start in range(0, 5000, 500):
        members = [pid(number) for number in range(start, start + 500)]
        assert stage.relay(ALICE, a, group, "AddMember", {"members": members})["status"] == "success"
        stage.relay(ALICE, a, group, "Remove", {"members": members})
    assert state_bytes(stage, group) - before < 100
    epoch = stage.query(group, "GetGroup")["epoch"]
    stage.relay(ALICE, a, group, "RotateGroupKey", {"epoch": epoch, "sealed": {a: "a", b: "b"}})
    for sender, handle in ((BOB, b), (ALICE, a), (BOB, b)):
        stage.relay(sender, handle, group, "SendMessage", {"content": "x"})
    rows = stage.query(group, "QueryMessage", {"order": "ASC"})
    assert [row["sender"] for row in rows] == [b, a, b]
