"""Limits of GraphQL queries, checked before anything is looked up, and while fields are resolved."""

from collections.abc import Callable, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    validate,
)

CHARACTERS_MAX = 8 * 1024
"""Characters of a query. The standard introspection query has 1,700."""
TOKENS_MAX = 2_000
"""Lexical tokens of a query. Parsing takes about 10 us for each."""
DEPTH_MAX = 20
"""Levels of fields. The standard introspection query has 14."""
FIELDS_MAX = 300
"""Fields of a query, with each fragment counted wherever it is used."""
LEVEL_FIELDS_MAX = 100
"""Fields and fragments between two braces, so aliases, too. Validation compares each with each."""
VARIABLES_DEPTH_MAX = 8
"""Levels of lists and objects in the variables. The deepest variable of the schema has three."""
RESOLVED_MAX = 50_000
"""Fields of a response."""
TEXT_MAX = 4 * 2**20
"""Characters of all texts of a response."""


def check_text(query: str, variables: dict[str, Any] | None) -> None:
    """Check what costs little to check.

    Raises:
        GraphQLError: the query is too long, or its variables are nested too deeply.
    """
    if len(query) > CHARACTERS_MAX:
        raise GraphQLError(f"the query has {len(query):,} characters; at most {CHARACTERS_MAX:,} are permitted")
    _check_variables(variables)


def parse_query(schema: GraphQLSchema, query: str, check: Callable[[], None]) -> DocumentNode:
    """Parse and validate a query.

    Args:
        schema: the schema.
        query: text of the query.
        check: called between the steps; may raise.

    Raises:
        GraphQLError: it is malformed, does not fit the schema, or exceeds a limit.
    """
    document = parse(query, no_location=True, max_tokens=TOKENS_MAX)
    check()
    _check_size(document)
    errors = validate(schema, document, max_errors=1)
    check()
    if errors:
        raise errors[0]
    return document


class ResponseLimit:
    """Middleware of an execution that bounds its response.

    Args:
        check: called at each field; may raise to end the execution.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._fields = self._characters = 0

    def resolve(self, resolver: Callable[..., Any], root: Any, info: Any, **arguments: Any) -> Any:
        """Resolve a field.

        Raises:
            GraphQLError: the response exceeds a limit.
        """
        self._check()
        self._fields += 1
        if self._fields > RESOLVED_MAX:
            raise GraphQLError(f"the response has more than {RESOLVED_MAX:,} fields: ask for fewer ids or fields")
        value = resolver(root, info, **arguments)
        if isinstance(value, str):
            self._characters += len(value)
            if self._characters > TEXT_MAX:
                raise GraphQLError(f"the response has more than {TEXT_MAX:,} characters: ask for fewer ids or fields")
        return value


def _check_variables(variables: dict[str, Any] | None) -> None:
    values: Sequence[Any] = [variables]
    for _ in range(VARIABLES_DEPTH_MAX + 1):
        nested = [value for value in values if isinstance(value, dict | list)]
        if not nested:
            return
        values = [part for value in nested for part in (value.values() if isinstance(value, dict) else value)]
    raise GraphQLError(f"the variables are nested deeper than {VARIABLES_DEPTH_MAX} levels")


def _check_size(document: DocumentNode) -> None:
    fragments = {
        definition.name.value: definition.selection_set
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            _check_operation(definition.selection_set, fragments)


def _check_operation(selected: SelectionSetNode, fragments: dict[str, SelectionSetNode]) -> None:
    stack, fields, spreads = [(selected, 1, 0)], 0, 0
    while stack:
        selection_set, depth, nesting = stack.pop()
        if depth > DEPTH_MAX or nesting > FIELDS_MAX:
            raise GraphQLError(f"the query is nested deeper than {DEPTH_MAX} levels")
        if len(selection_set.selections) > LEVEL_FIELDS_MAX:
            raise GraphQLError(f"the query has more than {LEVEL_FIELDS_MAX} fields on one level; aliases count, too")
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                fields += 1
                if selection.selection_set is not None:
                    stack.append((selection.selection_set, depth + 1, nesting + 1))
            elif isinstance(selection, InlineFragmentNode):
                stack.append((selection.selection_set, depth, nesting + 1))
            elif isinstance(selection, FragmentSpreadNode):
                spreads += 1
                if (fragment := fragments.get(selection.name.value)) is not None:
                    stack.append((fragment, depth, nesting + 1))
        if fields > FIELDS_MAX or spreads > FIELDS_MAX:
            raise GraphQLError(f"the query has more than {FIELDS_MAX:,} fields, with each use of a fragment counted")
