import pytest

from actors.processes.messaging.session_v1 import PAGE_DEFAULT, PAGE_MAX
from tests.actors.processes.stage import ALICE, BOB, EVE, KEYS, NOW_MS, Stage, refused


class Talk:
    """A session of Alice and Bob, who send through their handles."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.a, self.b = stage.register(ALICE, "alice"), stage.register(BOB, "bob")
        self.session = stage.establish(ALICE, "alice", "bob")

    def alice(self, action: str, body: object) -> dict:
        return self.stage.relay(ALICE, self.a, self.session, action, body)

    def bob(self, action: str, body: object) -> dict:
        return self.stage.relay(BOB, self.b, self.session, action, body)

    def query(self, action: str, body: object = "") -> list:
        return self.stage.query(self.session, action, body)

    def contents(self, **query: object) -> list[str]:
        return [row["content"] for row in self.query("QueryMessage", query)]


@pytest.fixture
def talk(stage: Stage) -> Talk:
    return Talk(stage)


@pytest.mark.parametrize("action", ["RotateSessionKey", "SendMessage"])
@pytest.mark.parametrize("sender", [ALICE, BOB, EVE])
def test_only_the_two_handle_processes_change_a_session_not_even_their_owners(
    talk: Talk, sender: str, action: str
) -> None:
    talk.alice("RotateSessionKey", KEYS)
    reply = talk.stage.send(sender, talk.session, action, {**KEYS, "content": "x"})
    assert refused(reply, "only the two handles")


def test_each_rotation_is_a_generation(talk: Talk) -> None:
    assert talk.query("GetCurrentKeys") == []
    assert talk.alice("RotateSessionKey", KEYS) == {"status": "success", "generation": 1}
    bobs = {name: f"{value}'" for name, value in KEYS.items()}
    assert talk.bob("RotateSessionKey", bobs) == {"status": "success", "generation": 2}
    assert talk.query("GetCurrentKeys") == talk.query("GetCurrentKey") == [{"generation": 2, **bobs}]
    assert talk.query("GetKeyByGeneration", {"generation": 1}) == [{"generation": 1, **KEYS}]
    for missing in (0, 3, 2**31):
        assert talk.query("GetKeyByGeneration", {"generation": missing}) == []


@pytest.mark.parametrize("field", list(KEYS))
def test_a_batch_with_a_key_missing_never_becomes_current(talk: Talk, field: str) -> None:
    talk.alice("RotateSessionKey", KEYS)
    for broken in ({**KEYS, field: ""}, {**KEYS, field: None}, {**KEYS, field: 5}):
        assert refused(talk.alice("RotateSessionKey", broken), repr(field))
    assert talk.query("GetCurrentKeys")[0]["generation"] == 1


def test_a_message_keeps_its_sender_key_generation_time_and_content(talk: Talk) -> None:
    talk.alice("RotateSessionKey", KEYS)
    talk.stage.now_ms += 123
    assert talk.alice("SendMessage", {"content": "from alice"}) == {"status": "success", "id": 1}
    talk.bob("SendMessage", {"content": "from bob", "generation": 1})
    assert talk.query("QueryMessage", {"order": "asc"}) == [
        {
            "id": 1,
            "sender": talk.a,
            "pubkey": "a-key",
            "generation": 1,
            "timestamp": (NOW_MS + 123) / 1000,
            "content": "from alice",
        },
        {
            "id": 2,
            "sender": talk.b,
            "pubkey": "b-key",
            "generation": 1,
            "timestamp": (NOW_MS + 123) / 1000,
            "content": "from bob",
        },
    ]


def test_a_senders_key_is_the_one_of_the_messages_generation(talk: Talk) -> None:
    talk.alice("RotateSessionKey", KEYS)
    talk.bob("RotateSessionKey", {**KEYS, "pubkey_a": "bobs-key", "pubkey_b": "alices-key"})
    talk.alice("SendMessage", {"content": "x", "generation": 1})
    talk.alice("SendMessage", {"content": "y"})
    rows = talk.query("QueryMessage", {"order": "ASC"})
    assert [(row["generation"], row["pubkey"]) for row in rows] == [(1, "a-key"), (2, "alices-key")]


def test_generations_are_checked(talk: Talk) -> None:
    assert refused(talk.alice("SendMessage", {"content": "x"}), "rotate its key")
    assert refused(talk.alice("SendMessage", {"content": "x", "generation": 1}), "rotate its key")
    talk.alice("RotateSessionKey", KEYS)
    assert refused(talk.alice("SendMessage", {"content": "x", "generation": 2}), "no generation 2")
    for wrong in (0, -1, "1", 1.5, True):
        assert refused(talk.alice("SendMessage", {"content": "x", "generation": wrong}), "'generation'")
    for wrong_content in ({}, {"content": ""}, {"content": 5}, {"content": {"a": 1}}):
        assert refused(talk.alice("SendMessage", wrong_content), "'content'")
    assert talk.contents() == []


def test_messages_of_one_ms_keep_their_order_both_ways(talk: Talk) -> None:
    talk.alice("RotateSessionKey", KEYS)
    for number in range(6):
        (talk.alice if number % 2 else talk.bob)("SendMessage", {"content": str(number)})
    assert talk.contents(order="ASC") == ["0", "1", "2", "3", "4", "5"]
    assert talk.contents() == talk.contents(order="desc") == ["5", "4", "3", "2", "1", "0"]
    assert talk.contents(limit=2) == ["5", "4"]
    assert talk.contents(limit=2, order="ASC") == ["0", "1"]
    assert talk.contents(limit=0) == []


def test_a_span_includes_its_ends(talk: Talk) -> None:
    talk.alice("RotateSessionKey", KEYS)
    for number in range(5):
        talk.stage.now_ms = NOW_MS + 1000 * number
        talk.alice("SendMessage", {"content": str(number)})
    start = NOW_MS / 1000
    assert talk.contents(**{"from": start + 1, "until": start + 3, "order": "ASC"}) == ["1", "2", "3"]
    assert talk.contents(**{"from": start + 1.001, "until": start + 2.999}) == ["2"]
    assert talk.contents(**{"from": start + 4}) == ["4"]
    assert talk.contents(until=start) == ["0"]
    assert talk.contents(**{"from": 0, "until": start + 100, "limit": 100, "order": "DESC"}) == list("43210")
    assert talk.contents(**{"from": start + 9}) == talk.contents(**{"from": start + 3, "until": start + 1}) == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": -1},
        {"limit": PAGE_MAX + 1},
        {"limit": "5"},
        {"order": "UP"},
        {"order": 1},
        {"from": "x"},
        {"until": -1},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(talk: Talk, query: object) -> None:
    assert talk.stage.query(talk.session, "QueryMessage", query)["status"] == "error"


def test_a_page_is_limited(talk: Talk) -> None:
    talk.alice("RotateSessionKey", KEYS)
    for number in range(PAGE_DEFAULT + 5):
        talk.alice("SendMessage", {"content": str(number)})
    assert len(talk.contents()) == PAGE_DEFAULT
    assert len(talk.contents(limit=PAGE_MAX)) == PAGE_DEFAULT + 5


def test_the_counterpart_is_notified_and_the_sender_hears_only_of_refusals(talk: Talk) -> None:
    talk.alice("RotateSessionKey", KEYS)
    before = len(talk.stage.events)
    talk.bob("SendMessage", {"content": "x"})
    assert [event.process for event in talk.stage.events[before:]] == [talk.b, talk.session, talk.a]
    before = len(talk.stage.events)
    talk.bob("SendMessage", {"content": ""})
    assert [event.message.action for event in talk.stage.events[before:]] == ["RelayMessage", "SendMessage", "Reply"]


def test_queries_are_answered_by_message_as_by_dryrun_and_to_anyone(talk: Talk) -> None:
    talk.alice("RotateSessionKey", KEYS)
    talk.alice("SendMessage", {"content": "x"})
    for action, body in (("GetCurrentKeys", ""), ("GetKeyByGeneration", {"generation": 1}), ("QueryMessage", "")):
        assert talk.stage.send(EVE, talk.session, action, body) == talk.query(action, body) != []


def test_a_session_says_who_takes_part_and_what_is_in_it(talk: Talk) -> None:
    nothing = {"participants": [talk.a, talk.b], "generation": 0, "messages": 0}
    assert talk.query("GetSession") == nothing
    talk.alice("RotateSessionKey", KEYS)
    talk.stage.now_ms += 5
    talk.alice("SendMessage", {"content": "x"})
    said = {"generation": 1, "messages": 1, "lastMessageTime": (NOW_MS + 5) / 1000}
    assert talk.query("GetSession") == {**nothing, **said}
