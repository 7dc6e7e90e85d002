import json
from pathlib import Path
from typing import Any

import pytest
from graphql import get_introspection_query

from actors.http.ao import graphql_limits
from eventstore.sqlite.log import SqliteLog
from tests.actors.http.served_node import ServedNode, served
from tests.actors.people import ALICE, NODE, item, register

QUERY = """
    query GetTransactions($transactionIds: [ID!]!) {
        transactions(ids: $transactionIds) {
            edges { node { id owner { address } tags { name value } block { id height timestamp } } }
        }
    }
"""


async def ask(server: ServedNode, query: str, **variables: Any) -> Any:
    response = await server.client.post("/graphql", json={"query": query, "variables": variables})
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_module_has_the_tags_that_a_client_looks_for(path: Path) -> None:
    async with served(path) as server:
        found = await ask(server, QUERY, transactionIds=["mostao.session@1", "nothing"])
        [edge] = found["data"]["transactions"]["edges"]
        tags = {tag["name"]: tag["value"] for tag in edge["node"]["tags"]}
        assert (tags["Data-Protocol"], tags["Type"]) == ("ao", "Module")
        assert {"Module-Format", "Input-Encoding", "Output-Encoding"} <= set(tags)


async def test_processes_and_messages_are_found_by_their_ids(path: Path) -> None:
    async with served(path) as server:
        alice = await register(server.node, ALICE, "alice")
        raw = item(ALICE, alice, "GetProfile")
        message = await server.post(raw)
        nodes = [
            edge["node"]
            for edge in (await ask(server, QUERY, transactionIds=[alice, message]))["data"]["transactions"]["edges"]
        ]
        assert [node["id"] for node in nodes] == [alice, message]
        assert [node["owner"]["address"] for node in nodes] == [NODE.address, ALICE.address]
        one = await ask(
            server, f'{{ transaction(id: "{message}") {{ recipient data {{ size }} block {{ height }} }} }}'
        )
        assert one["data"]["transaction"] == {"recipient": alice, "data": {"size": "0"}, "block": {"height": 4}}


async def test_the_scheduler_of_the_nodes_processes_is_here(path: Path) -> None:
    async with served(path) as server:
        query = """
            query GetSchedulerLocation ($owner: String!) {
                transactions (
                    owners: [$owner], sort: HEIGHT_DESC, first: 1
                    tags: [{ name: "Data-Protocol", values: ["ao"] }, { name: "Type", values: ["Scheduler-Location"] }]
                ) { edges { node { tags { name value } } } }
            }
        """
        [edge] = (await ask(server, query, owner=NODE.address))["data"]["transactions"]["edges"]
        assert {"name": "Url", "value": str(server.client.base_url)} in edge["node"]["tags"]
        assert (await ask(server, query, owner=ALICE.address))["data"]["transactions"]["edges"] == []


async def test_what_is_no_query(path: Path) -> None:
    async with served(path) as server:
        assert "not a GraphQL request" in await server.refusal(400, "POST", "/graphql", content=b"[]")
        assert (await ask(server, "{ nothing }"))["errors"][0]["message"].startswith("Cannot query field 'nothing'")
        assert "by ids" in (await ask(server, "{ transactions { count } }"))["errors"][0]["message"]
        many = await ask(server, QUERY, transactionIds=["x"] * 101)
        assert "at most 100 ids, not 101; the ids of all its fields count" in many["errors"][0]["message"]


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


ALIASES = " ".join(f'a{number}: transaction(id: "x") {{ id }}' for number in range(101))
FIELDS = " ".join(f"... {{ {'id ' * 60} }}" for _ in range(6))
FRAGMENTS = " ".join(f"fragment f{n} on Transaction {{ id ...f{n + 1} ...f{n + 1} }}" for n in range(30))
NESTED = "{ a " * 20 + "{ b }" + " }" * 20
TAGS = ", ".join('{name: "a", values: ["b"]}' for _ in range(101))
SCHEMA_CYCLE = "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}"
NESTED_VARIABLES = f'{{"query": "{{ a }}", "variables": {{"x": {deep(20_000)}}}}}'


@pytest.mark.parametrize(
    ("query", "variables", "limit"),
    [
        (f"{{ {ALIASES} }}", {}, "100 fields on one level"),
        (f'{{ transaction(id: "x") {{ {FIELDS} }} }}', {}, "300 fields"),
        (f'{{ transaction(id: "x") {{ ...f0 }} }} {FRAGMENTS}', {}, "300 fields"),
        (f"{{ transactions(ids: [{'1 ' * 2_000}]) {{ count }} }}", {}, "2000 tokens"),
        (f'{{ transaction(id: "{"x" * 8_192}") {{ id }} }}', {}, "at most 8,192 are permitted"),
        (f"{{ transaction(id: 1) {NESTED} }}", {}, "20 levels"),
        (QUERY, {"transactionIds": json.loads(deep(9))}, "8 levels"),
        (f"{{ transactions(ids: [], tags: [{TAGS}]) {{ count }} }}", {}, "100 tag values"),
        (SCHEMA_CYCLE, {}, "introspection depth"),
    ],
)
async def test_a_query_above_a_limit_gets_an_error_that_names_it(
    path: Path, query: str, variables: dict[str, Any], limit: str
) -> None:
    async with served(path) as server:
        assert limit in (await ask(server, query, **variables))["errors"][0]["message"]


async def test_one_request_looks_up_a_hundred_ids_however_many_aliases_it_has(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    find = SqliteLog.find

    def counted(log: SqliteLog, message_id: str) -> Any:
        looked_up.append(message_id)
        return find(log, message_id)

    monkeypatch.setattr(SqliteLog, "find", counted)
    fields = " ".join(f"a{number}: transactions(ids: $ids) {{ count }}" for number in range(99))
    async with served(path) as server:
        answer = await ask(server, f"query($ids: [ID!]!) {{ {fields} }}", ids=[f"id{number}" for number in range(60)])
    assert len(looked_up) == 60
    assert "at most 100 ids, not 120" in answer["errors"][0]["message"]


async def test_a_response_of_too_many_texts_is_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphql_limits, "TEXT_MAX", 100)
    async with served(path) as server:
        answer = await ask(server, QUERY, transactionIds=["mostao.session@1"])
        assert "more than 100 characters" in answer["errors"][0]["message"]
        monkeypatch.setattr(graphql_limits, "RESOLVED_MAX", 3)
        answer = await ask(server, QUERY, transactionIds=["mostao.session@1"])
        assert "more than 3 fields" in answer["errors"][0]["message"]


async def test_tools_may_ask_for_the_schema(path: Path) -> None:
    async with served(path) as server:
        answer = await ask(server, get_introspection_query())
        assert "errors" not in answer
        assert any(kind["name"] == "Transactions" for kind in answer["data"]["__schema"]["types"])


@pytest.mark.parametrize("recursion_limit", [1_000, 100_000], indirect=True)
@pytest.mark.usefixtures("recursion_limit")
@pytest.mark.parametrize("body", [NESTED_VARIABLES, '{"query": "\\ud800"}'])
async def test_deep_variables_and_broken_characters_are_the_clients_mistake(path: Path, body: str) -> None:
    async with served(path) as server:
        assert "not a GraphQL request" in await server.refusal(400, "POST", "/graphql", content=body)
