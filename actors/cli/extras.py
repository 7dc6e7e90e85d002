"""Checks that the optional packages of a command are installed."""

from importlib.util import find_spec
from typing import NamedTuple

import click

EXIT_MISUSE = 2


class Extra(NamedTuple):
    """An extra of ``pyproject.toml``: packages that a plain install leaves out."""

    user: str
    """The feature that needs the packages, as the subject of an error message with its verb."""
    packages: dict[str, str]
    """The packages by the modules that they install."""


EXTRAS = {
    "report": Extra("reports need", {"matplotlib": "matplotlib", "networkx": "networkx"}),
    "load": Extra("load tests need", {"psutil": "psutil", "pyreqwest": "pyreqwest", "rich": "rich"}),
    "archive": Extra("an archive at a URL needs", {"pyreqwest": "pyreqwest"}),
    "witness": Extra("requests to a witness need", {"pyreqwest": "pyreqwest"}),
    "proxy": Extra("a proxy of Relation ONE needs", {"fastapi": "fastapi"}),
}


class ExtraMissing(click.ClickException):
    """A package is not installed. The text names the package, the feature that needs it, and the command to run."""

    exit_code = EXIT_MISUSE


def require(extra: str) -> None:
    """Check an extra. A command calls this before it reads or writes anything.

    Raises:
        ExtraMissing: one of the packages is not installed.
    """
    user, packages = EXTRAS[extra]
    for module, package in packages.items():
        if find_spec(module) is None:
            raise ExtraMissing(f"{user} {package}: pip install 'mostao[{extra}]'")
