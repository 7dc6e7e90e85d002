"""The slice of an Arweave gateway that AO's clients need: what modules and items are, by GraphQL."""

from typing import Any

import msgspec
from graphql import GraphQLError, build_schema, graphql_sync
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.dataitem import parse
from actors.faces.replies import answer, body_of
from actors.faces.words import item_words
from actors.node import Node
from actors.processes import MODULES
from actors.pushed import item_of
from eventstore import EventLog

QUERY_BYTES_MAX = 64 * 1024
IDS_MAX = 100
_SCHEMA = build_schema("""
    type Query { transaction(id: ID!): Transaction  transactions(ids: [ID!]!, first: Int): Transactions! }
    type Transactions { pageInfo: PageInfo!  count: Int!  edges: [Edge!]! }
    type PageInfo { hasNextPage: Boolean! }
    type Edge { cursor: String!  node: Transaction! }
    type Transaction {
        id: ID!  anchor: String!  signature: String!  recipient: String!
        owner: Owner!  data: Data!  tags: [Tag!]!  block: Block
    }
    type Owner { address: String!  key: String! }
    type Data { size: String!  type: String }
    type Tag { name: String!  value: String! }
    type Block { id: ID!  timestamp: Int!  height: Int! }
""")


class Query(msgspec.Struct):
    """The body of a request (GraphQL over HTTP)."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815


class Gateway:
    """The routes of a gateway."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[Route]:
        """What it answers."""
        return [Route("/graphql", self.graphql, methods=["POST"])]

    async def graphql(self, request: Request) -> Response:
        """``transactions(ids)``: modules by their names, items of the log by their ids."""
        try:
            asked = msgspec.json.decode(await body_of(request, QUERY_BYTES_MAX), type=Query)
        except msgspec.MsgspecError as error:
            raise HTTPException(400, f"this is no GraphQL request: {error}") from None
        return answer(await self._node.read(lambda log: self._execute(log, asked)))

    def _execute(self, log: EventLog, asked: Query) -> Any:
        root = {
            "transaction": lambda _, **arguments: self._transaction(log, arguments["id"]),
            "transactions": lambda _, **arguments: self._transactions(log, **arguments),
        }
        result = graphql_sync(
            _SCHEMA, asked.query, root, variable_values=asked.variables, operation_name=asked.operationName
        )
        return result.formatted

    def _transactions(self, log: EventLog, ids: list[str], first: int = IDS_MAX) -> Any:
        if len(ids) > IDS_MAX:
            raise GraphQLError(f"at most {IDS_MAX} ids are looked up at one time")
        found = [node for id_ in dict.fromkeys(ids) if (node := self._transaction(log, id_)) is not None]
        edges = [{"cursor": node["id"], "node": node} for node in found[: max(first, 0)]]
        return {"pageInfo": {"hasNextPage": len(edges) < len(found)}, "count": len(found), "edges": edges}

    def _transaction(self, log: EventLog, id_: str) -> Any:
        if id_ in MODULES:
            return self._module(id_)
        row = log.find(id_)
        key = self._node.key
        if row is None or key is None:
            return None
        raw = item_of(log, row, key)
        item = parse(raw, data_bytes_max=len(raw))
        words = item_words(item, id_)
        content_type = item.tag("Content-Type") or None
        block = {"id": id_, "timestamp": row.timestamp // 1000, "height": row.sequence}
        size = {"size": str(len(item.data)), "type": content_type}
        return {**words, "recipient": item.target, "data": size, "block": block}

    def _module(self, name: str) -> Any:
        """What a module is to a client that wants to spawn one of its processes."""
        tags = {
            "Data-Protocol": "ao",
            "Variant": "ao.TN.1",
            "Type": "Module",
            "Module-Format": "mostao",
            "Input-Encoding": "JSON-1",
            "Output-Encoding": "JSON-1",
        }
        return {
            "id": name,
            "anchor": "",
            "signature": "",
            "recipient": "",
            "owner": {"address": self._node.address, "key": ""},
            "data": {"size": "0", "type": None},
            "tags": [{"name": key, "value": value} for key, value in tags.items()],
            "block": {"id": name, "timestamp": 0, "height": 0},
        }
