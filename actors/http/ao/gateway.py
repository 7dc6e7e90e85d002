"""The part of an Arweave gateway that AO's clients need: modules and items by GraphQL."""

from collections.abc import Sequence
from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLError, build_schema, execute_sync
from graphql.execution import MiddlewareManager
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.ans104.item import parse
from actors.ao.pushed_messages import item_of
from actors.http.ao.graphql_limits import ResponseLimit, check_text, parse_query
from actors.http.ao.wire_format import item_json
from actors.http.common.page_responses import PageResponses
from actors.http.common.responses import decode_body, json_response, read_body
from actors.node.node import Node
from actors.node.reads import Read
from actors.processes import MODULES
from eventstore import LogFile

QUERY_BYTES_MAX = 64 * 1024
IDS_MAX = 100
"""Ids that one request looks up, over all of its fields; also a limit of the owners and tag values of a filter."""
TTL_MS = "3600000"
_ZERO_AMOUNT = {"winston": "0", "ar": "0"}
SCHEMA = build_schema("""
    type Query {
        transaction(id: ID!): Transaction
        transactions(ids: [ID!], owners: [String!], tags: [TagFilter!], first: Int, sort: SortOrder): Transactions!
    }
    input TagFilter { name: String!  values: [String!]! }
    enum SortOrder { HEIGHT_ASC  HEIGHT_DESC }
    type Transactions { pageInfo: PageInfo!  count: Int!  edges: [Edge!]! }
    type PageInfo { hasNextPage: Boolean! }
    type Edge { cursor: String!  node: Transaction! }
    type Transaction {
        id: ID!  anchor: String!  signature: String!  recipient: String!
        owner: Owner!  data: Data!  tags: [Tag!]!  block: Block  fee: Amount!  quantity: Amount!  parent: Parent
    }
    type Amount { winston: String!  ar: String! }
    type Parent { id: ID! }
    type Owner { address: String!  key: String! }
    type Data { size: String!  type: String }
    type Tag { name: String!  value: String! }
    type Block { id: ID!  timestamp: Int!  height: Int!  previous: ID! }
""")


class Query(msgspec.Struct):
    """The body of a request (GraphQL over HTTP)."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815


class Gateway:
    """The routes of a gateway.

    Args:
        node: holds the items.
        pages: makes the responses.
    """

    def __init__(self, node: Node, pages: PageResponses) -> None:
        self._node, self._pages = node, pages

    def routes(self) -> list[Route]:
        """The gateway's routes."""
        return [Route("/graphql", self.graphql, methods=["POST"])]

    async def graphql(self, request: Request) -> Response:
        """Answer a GraphQL query: modules by name, items of the log by id, and the scheduler's location."""
        query = decode_body(await read_body(request, QUERY_BYTES_MAX), Query, "a GraphQL request")
        try:
            check_text(query.query, query.variables)
        except GraphQLError as error:
            return json_response(ExecutionResult(None, [error]).formatted)
        url = str(request.base_url).rstrip("/")
        read = Read()

        def execute(log: LogFile) -> Response:
            result = _Execution(self._node, log, url, read).run(query)
            read.check()  # GraphQL reports an error of a field beside the other fields: a read that was ended fails
            return json_response(result.formatted)

        return await self._pages.respond(request, execute, read)


class _Execution:
    """The execution of one query.

    Args:
        node: whose key signs the messages of processes.
        log: holds the items.
        url: of this node.
        read: the progress of the read.
    """

    def __init__(self, node: Node, log: LogFile, url: str, read: Read) -> None:
        self._node, self._log, self._url, self._read = node, log, url, read
        self._ids = 0

    def run(self, query: Query) -> ExecutionResult:
        """Validate and execute the query."""
        root = {
            "transaction": lambda _, **arguments: self._transaction(arguments["id"]),
            "transactions": lambda _, **arguments: self._transactions(**arguments),
        }
        try:
            return execute_sync(
                SCHEMA,
                parse_query(SCHEMA, query.query, self._read.check),
                root,
                variable_values=query.variables,
                operation_name=query.operationName,
                middleware=MiddlewareManager(ResponseLimit(self._read.check)),
            )
        except GraphQLError as error:
            return ExecutionResult(None, [error])

    def _transactions(
        self,
        *,
        ids: Sequence[str] | None = None,
        owners: Sequence[str] | None = None,
        tags: Sequence[dict[str, Any]] | None = None,
        first: int = IDS_MAX,
        sort: str = "",
    ) -> Any:
        filters = [(tag["name"], tag["values"]) for tag in tags or ()]
        if max(len(owners or ()), sum(len(values) + 1 for _, values in filters) // 2) > IDS_MAX:
            raise GraphQLError(f"a filter has at most {IDS_MAX} owners and {IDS_MAX} tag values")
        if ids is not None:
            candidates = self._looked_up(ids)
        elif ("Type", ["Scheduler-Location"]) in filters:
            candidates = [self._scheduler_location()]
        else:
            raise GraphQLError("this gateway looks up transactions by ids, and a Scheduler-Location by its owner")
        matches = [
            node
            for node in candidates
            if node is not None
            and (owners is None or node["owner"]["address"] in owners)
            and all(
                any(tag["name"] == name and tag["value"] in values for tag in node["tags"]) for name, values in filters
            )
        ]
        edges = [{"cursor": node["id"], "node": node} for node in matches[: max(first, 0)]]
        return {"pageInfo": {"hasNextPage": len(edges) < len(matches)}, "count": len(matches), "edges": edges}

    def _transaction(self, id_: str) -> Any:
        [found] = self._looked_up([id_])
        return found

    def _looked_up(self, ids: Sequence[str]) -> list[Any]:
        self._ids += len(ids)
        if self._ids > IDS_MAX:
            raise GraphQLError(
                f"one request looks up at most {IDS_MAX} ids, not {self._ids:,}; the ids of all its fields count"
            )
        return [self._found(id_) for id_ in dict.fromkeys(ids)]

    def _found(self, id_: str) -> Any:
        if id_ in MODULES:
            return self._module(id_)
        self._read.check()  # also for an id that is not found
        row = self._log.find(id_)
        key = self._node.key
        if row is None or key is None:
            return None
        raw = item_of(self._log, row, key)
        item = parse(raw, data_bytes_max=len(raw))
        block = {"id": id_, "timestamp": row.timestamp // 1000, "height": row.sequence, "previous": ""}
        return {
            **item_json(item, id_),
            "recipient": item.target,
            "data": {"size": str(len(item.data)), "type": item.tag("Content-Type") or None},
            "block": block,
            "fee": _ZERO_AMOUNT,
            "quantity": _ZERO_AMOUNT,
        }

    def _module(self, name: str) -> Any:
        """A module as a transaction with the tags that clients check before they spawn a process of it."""
        encodings = {"Module-Format": "mostao", "Input-Encoding": "JSON-1", "Output-Encoding": "JSON-1"}
        return self._node_transaction(name, {"Type": "Module", **encodings})

    def _scheduler_location(self) -> Any:
        """The location of the scheduler of the node's processes: this address."""
        tags = {"Type": "Scheduler-Location", "Url": self._url, "Time-To-Live": TTL_MS}
        return self._node_transaction(self._node.address, tags)

    def _node_transaction(self, id_: str, tags: dict[str, str]) -> Any:
        """An unsigned transaction in the node's name that is not in the log."""
        all_tags = {"Data-Protocol": "ao", "Variant": "ao.TN.1", **tags}
        return {
            "id": id_,
            "anchor": "",
            "signature": "",
            "recipient": "",
            "owner": {"address": self._node.address, "key": ""},
            "data": {"size": "0", "type": None},
            "tags": [{"name": name, "value": value} for name, value in all_tags.items()],
            "block": {"id": id_, "timestamp": 0, "height": 0, "previous": ""},
            "fee": _ZERO_AMOUNT,
            "quantity": _ZERO_AMOUNT,
        }
