from pathlib import Path
from typing import Any

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
        assert "at most 100 ids, not 101" in many["errors"][0]["message"]
