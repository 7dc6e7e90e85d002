"""Generates the protocol reference in README.md from the declared actions.

``python -m actors.processes.protocol_reference`` rewrites the reference in the README. With ``--check`` it changes
nothing, and exits with 1 if the reference is out of date.
"""

import inspect
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import inspect as types

from actors.processes import MODULES, Process
from actors.processes.base import ANYONE, Handler
from actors.processes.reference_errors import Function, errors_of, is_quiet, reachable
from actors.processes.request_body import EmptyBody, Fields
from actors.protocol.messages import REPLY

README = Path(__file__).with_name("README.md")
START, END = "<!-- reference: start -->", "<!-- reference: end -->"
_ANCHOR = str.maketrans("", "", ".@")
"""What a heading's anchor leaves out."""


def reference() -> str:
    """The reference of all modules, as Markdown: an overview, then each module."""
    modules = MODULES.values()
    return "\n".join((*_overview(), *(line for module in modules for line in _module_lines(module))))


def with_reference(readme: str) -> str:
    """A README with the reference between its markers."""
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"{README} needs the markers {START} and {END}")
    return f"{before}{START}\n\n{reference()}\n{END}{after}"


def main() -> None:
    """Run the command; see the module's docstring."""
    parser = ArgumentParser(prog="python -m actors.processes.protocol_reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if README.md is out of date")
    check = parser.parse_args().check
    readme = README.read_text()
    current = with_reference(readme)
    if check and readme != current:
        sys.exit(f"{README} is out of date: run python -m actors.processes.protocol_reference")
    if not check:
        README.write_text(current)


def _overview() -> Iterator[str]:
    """A table of all modules: the actions that anyone may call, and the others."""
    yield "| module | anyone may call | certain callers |"
    yield "|---|---|---|"
    for module in MODULES.values():
        open_to_all: list[str] = []
        restricted: list[str] = []
        for names, handler in _actions(module):
            if names != [REPLY]:
                column = open_to_all if handler.callers.startswith(ANYONE) else restricted
                column.extend(f"`{name}`" for name in names)
        link = f"[`{module.module}`](#{module.module.translate(_ANCHOR)})"
        yield f"| {link} | {' '.join(open_to_all)} | {' '.join(restricted)} |"
    yield ""


def _module_lines(module: type[Process]) -> Iterator[str]:
    """Lines about a module: its purpose, its start body and each of its actions."""
    known = MODULES.values()
    previous = next((base for base in module.__mro__[1:] if issubclass(base, Process) and base in known), None)
    yield f"### `{module.module}`"
    yield ""
    yield _markdown(inspect.getdoc(module))
    yield ""
    if previous is not None:
        yield f"It has every action of `{previous.module}`, and these, which are new or changed:"
        yield ""
    if module.start_body is not (EmptyBody if previous is None else previous.start_body):
        yield f"Start body: {_fields(module.start_body)}."
        yield ""
    inherited = previous.handlers if previous is not None else vars(Process.ignore_reply)["handlers"]
    for names, handler in _actions(module):
        is_changed = inherited.get(names[0]) != handler
        if is_changed or (previous is not None and _errors(module, handler) != _errors(previous, handler)):
            yield from _action_lines(module, names, handler)


def _actions(module: type[Process]) -> Iterator[tuple[list[str], Handler]]:
    """The handlers of a module with the names of their actions, in the order of declaration."""
    names: dict[int, list[str]] = {}
    for name, handler in module.handlers.items():
        names.setdefault(id(handler), []).append(name)
    handlers = {id(handler): handler for handler in module.handlers.values()}
    ordered = sorted(handlers, key=lambda key: names[key] == [REPLY])  # replies last
    yield from ((names[key], handlers[key]) for key in ordered)


def _action_lines(module: type[Process], names: list[str], handler: Handler) -> Iterator[str]:
    yield "#### " + ", ".join(f"`{name}`" for name in names)
    yield ""
    yield _markdown(inspect.getdoc(handler.method))
    yield ""
    yield f"- callers: {handler.callers}"
    yield f"- body: {_body(handler)}"
    if handler.reply:
        quiet = "; a process gets refusals only" if any(map(is_quiet, _functions(module, handler))) else ""
        yield f"- reply: {handler.reply}{quiet}"
    if errors := _errors(module, handler):
        yield "- errors: " + "; ".join(f"`{error}`" for error in errors)
    yield ""


def _functions(module: type[Process], handler: Handler) -> list[Function]:
    return list(reachable(handler.method, module, set()))


def _errors(module: type[Process], handler: Handler) -> list[str]:
    """The error texts of an action, each once."""
    return list(dict.fromkeys(error for function in _functions(module, handler) for error in errors_of(function)))


def _markdown(docstring: str | None) -> str:
    return (docstring or "").replace("``", "`")


def _body(handler: Handler) -> str:
    if handler.body is EmptyBody:
        return "none"
    if handler.body is Fields:
        return "any fields"
    return _fields(handler.body) + ("; may be left out" if handler.optional else "")


def _fields(body: type) -> str:
    """The fields of a body with their types and bounds."""
    info = types.type_info(body)
    assert isinstance(info, types.StructType)
    return ", ".join(f"`{field.encode_name}` ({_field(field)})" for field in info.fields)


def _field(field: types.Field) -> str:
    text = _type(field.type)
    if field.required:
        return text
    if field.default is None:
        return f"{text}; optional"
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return f"{text}; default {msgspec.json.encode(default).decode()}"


def _type(info: types.Type) -> str:
    """A type and its bounds, in words."""
    match info:
        case types.Metadata():
            description = str((info.extra_json_schema or {}).get("description", ""))
            if not description:
                return _type(info.type)
            bounds = ", ".join(bound for number, bound in _bounds(info.type) if number not in description)
            return f"{description}, {bounds}" if bounds else description
        case types.UnionType():
            return " or ".join(_type(part) for part in info.types if not isinstance(part, types.NoneType))
        case types.StructType():
            return "an object: " + ", ".join(f"`{field.encode_name}` ({_field(field)})" for field in info.fields)
        case types.ListType():
            return ", ".join((f"a list of: {_type(info.item_type)}", *(bound for _, bound in _bounds(info))))
        case types.DictType():
            return f"an object of: {_type(info.key_type)}, to: {_type(info.value_type)}"
        case types.StrType():
            return ", ".join(("a text", *(bound for _, bound in _bounds(info))))
        case types.BoolType():
            return "true or false"
        case types.IntType():
            return ", ".join(("a whole number", *(bound for _, bound in _bounds(info))))
        case types.AnyType():
            return "any JSON value"
    raise TypeError(f"describe {info} in {__file__}")


def _bounds(info: types.Type) -> Iterator[tuple[str, str]]:
    """The bounds of a type: the number, and its description."""
    match info:
        case types.UnionType():
            for part in info.types:
                yield from _bounds(part)
        case types.StrType(max_length=int(length)):
            yield str(length), f"at most {length} characters"
        case types.ListType(max_length=int(length)):
            yield str(length), f"at most {length} of them"
        case types.DictType():
            for number, bound in _bounds(info.value_type):
                yield number, f"each of {bound}"
        case types.IntType() | types.FloatType():
            if info.ge is not None:
                yield f"{info.ge:.0f}", f"at least {info.ge:.0f}"
            if info.le is not None:
                yield f"{info.le:.0f}", f"at most {info.le:.0f}"


if __name__ == "__main__":
    main()
