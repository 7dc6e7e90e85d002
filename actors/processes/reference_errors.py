"""Reads the error texts of handlers from the source, for the protocol reference."""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from actors.processes import request_body
from actors.processes.base import Process
from actors.protocol.messages import Refusal

_UNKNOWN = "…"
"""Stands for the variable parts of an error text."""


class Function(NamedTuple):
    """A function of ``actors.processes`` that a handler reaches."""

    function: Callable[..., Any]
    owner: type
    body: list[ast.stmt]

    @property
    def globals(self) -> dict[str, Any]:
        """The global names of the function's module."""
        return self.function.__globals__


def reachable(function: Callable[..., Any], owner: type, seen: set[Any]) -> Iterator[Function]:
    """A function, and the functions of ``actors.processes`` that it calls, each once.

    Args:
        function: where to start.
        owner: class of the function, to resolve ``self``.
        seen: functions to leave out; grows.
    """
    if function in seen:
        return
    seen.add(function)
    found = Function(function, owner, _body(function))
    yield found
    for node in _nodes(found.body):
        if isinstance(node, ast.Call):
            for called, its_owner in _called(node.func, found, "actors.processes"):
                yield from reachable(called, its_owner, seen)


def _body(function: Callable[..., Any]) -> list[ast.stmt]:
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    return definition.body


def _nodes(body: list[ast.stmt]) -> list[ast.AST]:
    """All nodes of a function body, in the order of the source."""
    nodes = [node for statement in body for node in ast.walk(statement) if hasattr(node, "lineno")]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))  # type: ignore[attr-defined]


def _called(called: ast.expr, caller: Function, package: str) -> Iterator[tuple[Callable[..., Any], type]]:
    """The functions of a package that a call may mean, each with its class.

    The call is a name, ``self.method``, ``super().method``, or a method of a class that the caller's module imports.
    """
    candidates: list[tuple[Any, type]] = []
    if isinstance(called, ast.Name):
        candidates = [(caller.globals.get(called.id), caller.owner)]
    elif isinstance(called, ast.Attribute):
        if isinstance(called.value, ast.Name) and called.value.id == "self":
            candidates = [(getattr(caller.owner, called.attr, None), caller.owner)]
        elif isinstance(called.value, ast.Call) and isinstance(called.value.func, ast.Name):
            if called.value.func.id == "super":
                candidates = [(_inherited(caller, called.attr), caller.owner)]
        else:
            classes = [value for value in caller.globals.values() if isinstance(value, type)]
            candidates = [(vars(kind).get(called.attr), kind) for kind in classes if not issubclass(kind, Process)]
    for candidate, owner in candidates:
        function = inspect.unwrap(candidate) if callable(candidate) else None
        if not inspect.isfunction(function) or function.__module__ == request_body.__name__:
            continue  # the README describes the errors of bodies once, for all actions
        if function.__module__.startswith(package):
            yield function, owner


def _inherited(caller: Function, name: str) -> Any:
    """The method of this name in the classes after the one that defines the caller."""
    kinds = list(caller.owner.__mro__)
    [defining] = [at for at, kind in enumerate(kinds) if caller.function in vars(kind).values()]
    return next((vars(kind)[name] for kind in kinds[defining + 1 :] if name in vars(kind)), None)


def is_quiet(function: Function) -> bool:
    """Whether a function returns effects without a reply to a process."""
    calls = [node for node in _nodes(function.body) if isinstance(node, ast.Call)]
    return any(keyword.arg == "quiet" for call in calls for keyword in call.keywords)


def errors_of(function: Function) -> Iterator[str]:
    """The texts of every Refusal that a function raises itself."""
    causes: dict[ast.AST, list[str]] = {}
    for node in _nodes(function.body):
        if isinstance(node, ast.Try):
            texts = list(_value_errors(node.body, function))
            causes |= {inner: texts for handler in node.handlers for inner in ast.walk(handler)}
        elif isinstance(node, ast.Raise) and (error := _raised(node, Refusal, function.globals)) is not None:
            yield from _texts(error, function.globals, causes.get(node, []))


def _value_errors(body: list[ast.stmt], caller: Function) -> Iterator[str]:
    """The texts of every ValueError that ``actors.crypto`` raises in a try block."""
    for node in _nodes(body):
        if isinstance(node, ast.Call):
            for called, _ in _called(node.func, caller, "actors.crypto"):
                names = called.__globals__
                for inner in _nodes(_body(called)):
                    if isinstance(inner, ast.Raise) and (error := _raised(inner, ValueError, names)) is not None:
                        yield from _texts(error, names, [])


def _raised(node: ast.Raise, kind: type[Exception], names: dict[str, Any]) -> ast.expr | None:
    """The text that a statement raises with an exception of this kind; None if it raises another."""
    call = node.exc
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
        raised = names.get(call.func.id, getattr(builtins, call.func.id, None))
        return call.args[0] if raised is kind else None
    return None


def _texts(text: ast.expr, names: dict[str, Any], causes: list[str]) -> list[str]:
    """An error text with its constants filled in; one text per cause if it quotes another error."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    quotes_cause = any(isinstance(node, ast.Name) and node.id == "error" for node in ast.walk(text))
    return [
        "".join(_part(part, names, cause) for part in parts)
        for cause in (causes if quotes_cause and causes else [_UNKNOWN])
    ]


def _part(part: ast.expr, names: dict[str, Any], cause: str) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    expression = part.value if isinstance(part, ast.FormattedValue) else part
    if any(isinstance(node, ast.Name) and node.id == "error" for node in ast.walk(expression)):
        return cause
    value = _constant(expression, names)
    if value is None:
        return _UNKNOWN
    return repr(value) if isinstance(part, ast.FormattedValue) and part.conversion == ord("r") else str(value)


def _constant(expression: ast.expr, names: dict[str, Any]) -> int | str | None:
    """The value of a constant of the module, or of a product of constants; None for anything else."""
    value: Any = None
    if isinstance(expression, ast.Constant):
        value = expression.value
    elif isinstance(expression, ast.Name):
        value = names.get(expression.id)
    elif isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Mult):
        left, right = _constant(expression.left, names), _constant(expression.right, names)
        value = left * right if isinstance(left, int) and isinstance(right, int) else None
    return value if isinstance(value, int | str) else None
