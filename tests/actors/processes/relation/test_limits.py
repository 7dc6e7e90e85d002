"""Limits of Relation ONE's newest modules: bytes of an answer, and what one account adds."""

from random import Random
from typing import Any

import pytest

from actors.processes.limits import ANSWER_BYTES_MAX
from actors.processes.relation import key_keeper_v2, proxy_state_v2, relation_v2
from actors.protocol.messages import Context
from simulations.clients.relation_user import RelationUser, auth_sig, for_address
from tests.actors.processes.stage import ALICE, NOW_MS, Stage, refused

KEEPER = "0x" + "11" * 32


class Town:
    """Accounts with names at a process of Relation ONE."""

    def __init__(self, stage: Stage, count: int) -> None:
        self.stage, self.pid = stage, stage.spawn(ALICE, "mostao.relation@2")
        self._random = Random("limits")
        self.people = [self.person(f"person {number}") for number in range(count)]

    def person(self, name: str) -> RelationUser:
        person = RelationUser(self._random.randbytes, now=NOW_MS)
        reply = self.tell(person, "register", {"owner": person.address, "name": name})
        assert reply["status"] == "success", reply
        return person

    def tell(self, who: RelationUser, action: str, body: Any) -> Any:
        return self.stage.send(who.address, self.pid, action, body)

    def write(self, who: RelationUser, to: RelationUser, payload: str = "sealed") -> Any:
        return self.tell(who, "sendMessage", who.compose(to.address, payload, timestamp=NOW_MS))

    def page(self, action: str, body: Any) -> list[Any]:
        rows: list[Any] = self.stage.send(ALICE, self.pid, action, body)
        assert len((self.stage.events[-1].output or "").encode()) <= ANSWER_BYTES_MAX
        return rows


def test_a_page_of_long_messages_ends_below_256_kib_and_the_next_one_goes_on(stage: Stage) -> None:
    town = Town(stage, 2)
    anne, ben = town.people
    for number in range(5):
        assert town.write(anne, ben, f"{number}" * 90_000)["status"] == "success"
    assert refused(town.write(anne, ben, "x" * 200_000), "a message has at most 196608 bytes as JSON")
    newest: list[str] = []
    while rows := town.page("listMessages", {"addr": ben.address, "limit": 500, "offset": len(newest)}):
        newest += [row["message"]["payload"][0] for row in rows]
    assert newest == ["4", "3", "2", "1", "0"]
    for addr in ({"addr": ben.address}, {}):
        places = [-1]
        while rows := town.page("messagesAfter", {**addr, "after": places[-1], "limit": 500}):
            places += [row["place"] for row in rows]
        assert places == [-1, 0, 1, 2, 3, 4]


def test_a_list_of_addresses_longer_than_an_answer_has_pages(stage: Stage) -> None:
    town = Town(stage, 1)
    [anne] = town.people
    process: Any = stage.table.entries[town.pid].process
    others = [f"0x{number:040x}" for number in range(7000)]
    state = process.state
    process.state = type(state)(
        *(getattr(state, field) for field in state.__struct_fields__[:3]),
        follows=state.follows.set(anne.address, type(state.follows)({a: n for n, a in enumerate(others)})),
    )
    reply = stage.send(ALICE, town.pid, "followers", {"addr": anne.address})
    assert refused(reply, f"at most {ANSWER_BYTES_MAX} bytes")
    assert "give 'limit' and 'offset'" in reply["message"]
    rows: list[str] = []
    while page := town.page("followers", {"addr": anne.address, "limit": 1000, "offset": len(rows)}):
        rows += page
    assert rows == others


def test_an_account_has_limits_of_names_follows_and_groups(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("NAMES_MAX", "FOLLOWS_MAX", "DEPLOYED_MAX", "GROUPS_MAX"):
        monkeypatch.setattr(relation_v2, limit, 2)
    town = Town(stage, 4)
    anne, *others = town.people

    def replies(action: str, bodies: list[Any]) -> list[Any]:
        return [town.tell(anne, action, body) for body in bodies]

    names = replies("register", [{"owner": anne.address, "name": f"anne {number}"} for number in range(2)])
    assert [reply["status"] for reply in names] == ["success", "error"]
    follows = replies("follow", [{"addr": other.address} for other in others])
    assert refused(follows[2], "an account follows at most 2 others: unfollow one first")
    groups = replies("deployDaoContract", [{"owner": anne.address, "name": "x"}] * 3)
    assert refused(groups[2], "an account creates at most 2 groups")
    ben = others[0]
    for group in groups[:2]:
        town.tell(anne, "addMember", {"dao": group["dao"], "addr": [ben.address]})
    third = town.tell(others[1], "deployDaoContract", {"owner": others[1].address, "name": "x"})["dao"]
    added = town.tell(others[1], "addMember", {"dao": third, "addr": [ben.address]})
    assert refused(added, f"{ben.address} is in 2 groups, which is the most: leave one first")
    town.tell(ben, "remove", {"dao": groups[0]["dao"], "addr": ben.address})
    assert town.tell(others[1], "addMember", {"dao": third, "addr": [ben.address]})["status"] == "success"


def test_strangers_begin_a_limited_number_of_conversations_until_they_are_answered(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relation_v2, "STRANGERS_MAX", 2)
    town = Town(stage, 5)
    anne, *strangers = town.people
    replies = [town.write(stranger, anne) for stranger in strangers[:3]]
    assert refused(replies[2], f"{anne.address} has messages of 2 accounts that it never answered")
    assert town.write(strangers[0], anne, "again")["status"] == "success"
    assert town.write(anne, strangers[3])["status"] == "success"
    assert town.write(strangers[3], anne)["status"] == "success"  # she wrote first
    assert town.write(anne, strangers[0])["status"] == "success"
    assert town.write(strangers[2], anne)["status"] == "success"
    assert len(town.page("getChats", {"addr": anne.address})) == 4


def test_an_address_saves_a_limited_number_of_keys_and_old_decisions_are_dropped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_keeper_v2, "KEYS_MAX", 2)
    monkeypatch.setattr(key_keeper_v2, "GRANTS_MAX", 3)
    town = Town(stage, 2)
    anne, ben = town.people
    keeper = stage.spawn(ALICE, "mostao.keykeeper@2", {"relation": town.pid, "publicKey": KEEPER})

    def save(who: RelationUser, number: int) -> Any:
        body = {"accessControlConditions": for_address(anne.address), "authSig": auth_sig(who, now=NOW_MS)}
        return stage.send(ALICE, keeper, "saveEncryptionKey", {**body, "encryptedSymmetricKey": f"{number:0224x}"})

    assert [save(anne, number)["status"] for number in (0, 0, 1)] == ["success"] * 3
    assert refused(save(anne, 2), "an address saves at most 2 keys")
    assert save(ben, 2)["status"] == "success"
    proof = {"accessControlConditions": for_address(anne.address), "authSig": auth_sig(anne, now=NOW_MS)}
    requests = []
    for _ in range(5):
        assert stage.send(ALICE, keeper, "getEncryptionKey", {**proof, "toDecrypt": f"{1:0224x}"})["given"]
        requests.append(stage.events[-1].message.id)
    grants = [stage.query(keeper, "getGrant", {"request": request}) for request in requests]
    assert [grant.get("given") for grant in grants] == [None, None, True, True, True]


def test_an_account_has_settings_of_a_limited_number_of_chats_that_fit_into_an_answer(stage: Stage) -> None:
    proxy, addr = stage.spawn(ALICE, "mostao.proxy@2"), f"0x{1:040x}"
    process: Any = stage.table.entries[proxy].process
    context = owner_context(stage, proxy)
    for number in range(proxy_state_v2.CHATS_MAX):
        process._set(proxy_state_v2.OfChat(addr, f"0x{number:040x}"), context, read=2**53, muted=True)
    one_more = stage.send(ALICE, proxy, "setMuted", {"addr": addr, "chat": "0x" + "ff" * 20, "muted": True})
    assert refused(one_more, "an account has settings of at most 2500 chats")
    assert stage.send(ALICE, proxy, "setMuted", {"addr": addr, "chat": f"0x{1:040x}", "muted": False})["status"]
    assert len(stage.send(ALICE, proxy, "getFlags", {"addr": addr})) == proxy_state_v2.CHATS_MAX
    assert len((stage.events[-1].output or "").encode()) <= ANSWER_BYTES_MAX


def owner_context(stage: Stage, process: str) -> Any:
    return Context(process, ALICE, ALICE, False, "m", stage.now_ms, 1, lambda *_: [])
