import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.crypto.secp256k1 import checksummed
from actors.processes.relation.access_conditions import Combined, Holds, IsAddress, conditions_of, daos_of, digest, met
from actors.protocol.messages import Refusal
from simulations.clients.relation_user import DAY_MS, RelationUser, auth_sig, for_address, for_members
from tests.actors.processes.stage import ALICE, NOW_MS, Stage, refused

SEALED = "ab" * 112
A, B = (checksummed("0x" + digit * 40) for digit in "ab")
AND, OR = {"operator": "and"}, {"operator": "or"}


class KeyKeeperStage:
    """The users Alice, Bob and Eve, the registers, and a key keeper."""

    def __init__(self) -> None:
        self.stage = Stage()
        random = Random("keys")
        self.alice, self.bob, self.eve = (RelationUser(random.randbytes, now=NOW_MS) for _ in range(3))
        self.relation = self.stage.spawn(ALICE, "mostao.relation@1")
        start = {"relation": self.relation, "publicKey": "0x" + "22" * 32}
        self.keeper = self.stage.spawn(ALICE, "mostao.keykeeper@1", start)
        for user, name in ((self.alice, "alice.eth"), (self.bob, "bob.eth"), (self.eve, "eve.eth")):
            self.stage.send(user.address, self.relation, "register", {"owner": user.address, "name": name})

    def save(self, user: RelationUser, conditions: list[Any], sealed: str = SEALED) -> Any:
        body = {
            "accessControlConditions": conditions,
            "encryptedSymmetricKey": sealed,
            "authSig": auth_sig(user, now=self.stage.now_ms),
        }
        return self.stage.send(ALICE, self.keeper, "saveEncryptionKey", body)

    def request(self, user: RelationUser, conditions: list[Any], sealed: str = SEALED, **changes: Any) -> Any:
        proof = auth_sig(user, now=self.stage.now_ms)
        body = {"accessControlConditions": conditions, "toDecrypt": sealed, "authSig": proof, **changes}
        return self.stage.send(ALICE, self.keeper, "getEncryptionKey", body)

    def given(self, user: RelationUser, conditions: list[Any]) -> Any:
        reply = self.request(user, conditions)
        assert reply["status"] == "success", reply
        [*_, request] = [event for event in self.stage.events if event.message.action == "getEncryptionKey"]
        grant = self.stage.query(self.keeper, "getGrant", {"request": request.message.id})
        assert grant["address"] == user.address
        return grant["given"]


@pytest.fixture
def kept() -> KeyKeeperStage:
    return KeyKeeperStage()


def test_a_key_for_an_address_is_given_to_nobody_else(kept: KeyKeeperStage) -> None:
    conditions = for_address(kept.bob.address)
    assert kept.save(kept.alice, conditions)["encryptedSymmetricKey"] == SEALED
    assert [kept.given(user, conditions) for user in (kept.bob, kept.eve, kept.alice)] == [True, False, False]


def test_a_key_for_a_group_follows_its_membership(kept: KeyKeeperStage) -> None:
    body = {"owner": kept.alice.address, "name": "friends"}
    dao = kept.stage.send(kept.alice.address, kept.relation, "deployDaoContract", body)["dao"]
    conditions = for_members(dao)
    kept.save(kept.alice, conditions)
    assert [kept.given(user, conditions) for user in (kept.alice, kept.bob)] == [True, False]
    kept.stage.send(kept.alice.address, kept.relation, "addMember", {"dao": dao, "addr": [kept.bob.address]})
    assert kept.given(kept.bob, conditions)
    kept.stage.send(kept.alice.address, kept.relation, "remove", {"dao": dao, "addr": kept.bob.address})
    assert not kept.given(kept.bob, conditions)
    both = [conditions, AND, for_address(kept.bob.address)]
    kept.save(kept.alice, both, "cd" * 112)
    either = [*conditions, OR, *for_members(A), OR, *for_address(kept.bob.address)]
    kept.stage.now_ms += 1
    sealed = "ef" * 112
    kept.save(kept.alice, either, sealed)
    kept.request(kept.bob, either, sealed)
    # a group that does not exist gets a reply, too
    assert kept.stage.table.entries[kept.keeper].process.state.asked is None


def test_who_asked_stands_in_the_log(kept: KeyKeeperStage) -> None:
    conditions = for_address(kept.bob.address)
    kept.save(kept.alice, conditions)
    kept.given(kept.eve, conditions)
    [event] = [event for event in kept.stage.events if event.message.action == "getEncryptionKey"]
    assert kept.eve.address.encode() in event.message.data
    assert json.loads(event.output) == {"status": "success", "address": kept.eve.address, "given": False}


def test_a_key_is_kept_under_one_set_of_conditions(kept: KeyKeeperStage) -> None:
    conditions = for_address(kept.bob.address)
    kept.save(kept.alice, conditions)
    assert kept.save(kept.alice, conditions)["status"] == "success"
    assert refused(kept.save(kept.eve, for_address(kept.eve.address)), "under other conditions")
    assert refused(kept.request(kept.eve, for_address(kept.eve.address)), "no such key")
    assert refused(kept.request(kept.bob, conditions, "cd" * 112), "no such key")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sig": "0x12"}, "has to be a signature"),
        ({"signedMessage": "give me"}, "has to authorise a public key"),
        ({"address": A}, f"not signed by {A}"),
        ({"address": "bob.eth"}, "no Ethereum address"),
    ],
)
def test_a_proof_that_proves_nothing_is_refused(kept: KeyKeeperStage, change: dict[str, str], reason: str) -> None:
    conditions = for_address(kept.bob.address)
    kept.save(kept.alice, conditions)
    proof = {**auth_sig(kept.bob, now=NOW_MS), **change}
    assert refused(kept.request(kept.bob, conditions, authSig=proof), reason)


@pytest.mark.parametrize("later", [-1, DAY_MS])
def test_a_proof_is_good_from_its_beginning_to_its_end(kept: KeyKeeperStage, later: int) -> None:
    conditions = for_address(kept.bob.address)
    kept.save(kept.alice, conditions)
    proof = auth_sig(kept.bob, now=NOW_MS - later)
    assert refused(kept.request(kept.bob, conditions, authSig=proof), "not good at this time")


def test_nobody_answers_in_place_of_the_registers(kept: KeyKeeperStage) -> None:
    root = kept.stage.table.state_root()
    with pytest.raises(AssertionError):  # a reply has no output
        kept.stage.send(kept.relation, kept.keeper, "Reply", {"balance": 1})
    assert kept.stage.table.state_root() == root


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ([], "1 to 32 conditions"),
        ([*for_address(A), AND], "1 to 32 conditions"),
        ([*for_address(A), *for_address(A), *for_address(A)], "between two conditions"),
        ([*for_address(A), AND, *for_address(A), OR, *for_address(B)], "mix 'and' and 'or'"),
        (["x"], "a condition is an object"),
        ([{**for_address(A)[0], "chain": "solana"}], "chain is 'ethereum'"),
        ([{**for_address(A)[0], "parameters": ["x"]}], "parameters are"),
        ([{**for_address(A)[0], "returnValueTest": 1}], "has a returnValueTest"),
        ([{**for_address(A)[0], "method": "eth_getBalance"}], "a condition is to have an address"),
        ([{**for_address(A)[0], "returnValueTest": {"comparator": "=", "value": "me"}}], "a condition's value"),
        ([{**for_members(A)[0], "contractAddress": "me"}], "a condition's contractAddress"),
        ([{**for_members(A)[0], "returnValueTest": {"comparator": [], "value": {}}}], "a condition is to have"),
        ([[[[[[[[[for_address(A)]]]]]]]]], "deeper than"),
    ],
)
def test_conditions_that_make_no_sense_are_refused_with_the_reason(conditions: list[Any], reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        conditions_of(conditions)


def test_conditions_say_who() -> None:
    found = conditions_of([for_address(A), OR, [*for_members(B), AND, *for_members(A)]])
    assert found == Combined("or", (IsAddress(A), Combined("and", (Holds(B, ">", 0), Holds(A, ">", 0)))))
    assert daos_of(found) == [B, A]
    assert met(found, A, {})
    assert met(found, B, {A: 1, B: 1})
    assert not met(found, B, {A: 1})
    assert digest(for_address(A)) == digest([dict(reversed(for_address(A)[0].items()))])


WORDS = st.sampled_from(["method", "contractAddress", "parameters", "returnValueTest", "comparator", "value"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
)


@settings(max_examples=50)
@given(st.lists(JSON))
def test_whatever_is_given_as_conditions_is_read_or_refused(given: list[Any]) -> None:
    try:
        conditions_of(given)
    except Refusal:
        return
