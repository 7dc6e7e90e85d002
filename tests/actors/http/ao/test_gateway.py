from pathlib import Path
from typing import Any

from tests.actors.http.served import Served, served
from tests.actors.people import ALICE, NODE, item, register

QUERY = """
    query GetTransactions($transactionIds: [ID!]!) {
        transactions(ids: $transactionIds) {
            edges { node { id owner { address } tags { name value } block { id height timestamp } } }
        }
    }
"""


async def ask(face: Served, query: str, **variables: Any) -> Any:
    response = await face.client.post("/graphql", json={"query": query, "variables": variables})
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_module_has_the_tags_that_a_client_looks_for(path: Path) -> None:
    async with served(path) as face:
        found = await ask(face, QUERY, transactionIds=["mostao.session@1", "nothing"])
        [edge] = found["data"]["transactions"]["edges"]
        tags = {tag["name"]: tag["value"] for tag in edge["node"]["tags"]}
        assert (tags["Data-Protocol"], tags["Type"]) == ("ao", "Module")
        assert {"Module-Format", "Input-Encoding", "Output-Encoding"} <= set(tags)


async def test_processes_and_messages_are_found_by_their_ids(path: Path) -> None:
    async with served(path) as face:
        alice = await register(face.node, ALICE, "alice")
        raw = item(ALICE, alice, "GetProfile")
        message = await face.post(raw)
        nodes = [
            edge["node"]
            for edge in (await ask(face, QUERY, transactionIds=[alice, message]))["data"]["transactions"]["edges"]
        ]
        assert [node["id"] for node in nodes] == [alice, message]
        assert [node["owner"]["address"] for node in nodes] == [NODE.address, ALICE.address]
        one = await ask(face, f'{{ transaction(id: "{message}") {{ recipient data {{ size }} block {{ height }} }} }}')
        assert one["data"]["transaction"] == {"recipient": alice, "data": {"size": "0"}, "block": {"height": 4}}


async def test_the_scheduler_of_the_nodes_processes_is_here(path: Path) -> None:
    async with served(path) as face:
        query = """
            query GetSchedulerLocation ($owner: String!) {
                transactions (
                    owners: [$owner], sort: HEIGHT_DESC, first: 1
                    tags: [{ name: "Data-Protocol", values: ["ao"] }, { name: "Type", values: ["Scheduler-Location"] }]
                ) { edges { node { tags { name value } } } }
            }
        """
        [edge] = (await ask(face, query, owner=NODE.address))["data"]["transactions"]["edges"]
        assert {"name": "Url", "value": str(face.client.base_url)} in edge["node"]["tags"]
        assert (await ask(face, query, owner=ALICE.address))["data"]["transactions"]["edges"] == []


async def test_what_is_no_query(path: Path) -> None:
    async with served(path) as face:
        assert "no GraphQL" in await face.refusal(400, "POST", "/graphql", content=b"[]")
        assert (await ask(face, "{ nothing }"))["errors"][0]["message"].startswith("Cannot query field 'nothing'")
        assert "by their ids" in (await ask(face, "{ transactions { count } }"))["errors"][0]["message"]
        many = await ask(face, QUERY, transactionIds=["x"] * 101)
        assert "at most 100 ids" in many["errors"][0]["message"]
