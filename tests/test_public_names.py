"""What a user imports is complete and documented."""

import inspect
import re
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import actors
import eventstore
import simulations

PACKAGES: list[ModuleType] = [actors, eventstore, simulations]
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]
CLASSES = [(package, name) for package, name in NAMES if inspect.isclass(getattr(package, name))]


def exported(name: str) -> bool:
    return any(name in package.__all__ for package in PACKAGES) or name in vars(__import__("builtins"))


def documents(package: ModuleType, name: str) -> list[tuple[str, str]]:
    """The docstrings of a public name and of its own public methods."""
    found: Any = getattr(package, name)
    texts = [(name, inspect.getdoc(found) or "")]
    if inspect.isclass(found):
        for method, member in vars(found).items():
            if not method.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
                function: Any = getattr(member, "__func__", member)
                texts.append((f"{name}.{method}", inspect.getdoc(function) or ""))
    return texts


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_public_names_are_sorted_and_can_be_imported(package: ModuleType) -> None:
    assert list(package.__all__) == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert {*package.__all__} <= {*dir(package)}
    with pytest.raises(AttributeError, match="nothing_like_this"):
        package.nothing_like_this  # noqa: B018


@pytest.mark.parametrize(("package", "name"), NAMES, ids=[f"{package.__name__}.{name}" for package, name in NAMES])
def test_public_names_are_documented(package: ModuleType, name: str) -> None:
    for where, text in documents(package, name):
        first = text.split("\n\n")[0].replace("\n", " ")
        assert first.endswith((".", ":")), f"{where} needs a docstring that begins with a sentence"
        assert not text.startswith(name + "("), f"{where} has a generated docstring"


@pytest.mark.parametrize(("package", "name"), NAMES, ids=[f"{package.__name__}.{name}" for package, name in NAMES])
def test_every_error_that_a_public_name_raises_is_public(package: ModuleType, name: str) -> None:
    for where, text in documents(package, name):
        section = re.search(r"^Raises:\n((?: +.*\n?)+)", text, re.MULTILINE)
        errors = re.findall(r"^ +((?:\w+, )*\w+): ", section[1], re.MULTILINE) if section else []
        for error in ", ".join(errors).split(", "):
            assert not error or exported(error), f"{where} raises {error}, which no package exports"


@pytest.mark.parametrize(("package", "name"), CLASSES, ids=[name for _, name in CLASSES])
def test_what_public_methods_take_and_return_is_annotated(package: ModuleType, name: str) -> None:
    for method, member in vars(getattr(package, name)).items():
        if inspect.isfunction(member) and not method.startswith("_"):
            signature = inspect.signature(member)
            assert signature.return_annotation is not inspect.Signature.empty, f"{name}.{method}"
            for parameter in list(signature.parameters.values())[1:]:
                assert parameter.annotation is not inspect.Parameter.empty, f"{name}.{method}({parameter.name})"


def classes_of(annotation: Any) -> Iterator[type]:
    """The classes of this project in an annotation."""
    if isinstance(annotation, type) and annotation.__module__.split(".")[0] in {"actors", "eventstore", "simulations"}:
        yield annotation
    for argument in typing.get_args(annotation):
        yield from classes_of(argument)


@pytest.mark.parametrize(("package", "name"), NAMES, ids=[f"{package.__name__}.{name}" for package, name in NAMES])
def test_what_a_public_name_returns_is_public(package: ModuleType, name: str) -> None:
    found: Any = getattr(package, name)
    members = vars(found).values() if inspect.isclass(found) else [found]
    for member in members:
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if inspect.isfunction(function) and not function.__name__.startswith("_"):
            try:
                returned = typing.get_type_hints(inspect.unwrap(function)).get("return")
            except NameError:  # an annotation that only type checkers import
                continue
            for kind in classes_of(returned):
                assert exported(kind.__name__), f"{name}.{function.__name__} returns {kind.__name__}"
