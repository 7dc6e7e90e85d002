"""The ``mostao`` command."""

import errno
import logging
import os
import sys
from importlib import import_module
from keyword import iskeyword
from typing import Any, NamedTuple

import click

from actors.runtime.logs import NAME as LOGGER
from actors.runtime.tuning import dedicate_process

EXIT_FINDING = 1
EXIT_MISUSE = 2
EXIT_INTERRUPTED = 130
_CLICK_ERRORS = (click.ClickException, click.Abort, click.exceptions.Exit)


class _Entry(NamedTuple):
    package: str
    """The package that defines the command."""
    summary: str
    """The first sentence of the command's docstring."""


_COMMANDS = {
    "simulate": _Entry("simulations.cli", "Simulate one day of SCENARIO (see --list)."),
    "load": _Entry("simulations.cli", "Load-test a node and verify its metrics against its log."),
    "serve": _Entry("actors.cli", "Run a full AO node on one port, over LOG."),
    "proxy": _Entry("actors.cli", "Run proxies of Relation ONE over LOG."),
    "witness": _Entry("actors.cli", "Run a witness, which cosigns checkpoints of growing logs."),
    "archive": _Entry("actors.cli", "Pack Relation ONE messages, and verify packed ones."),
    "replay": _Entry("actors.cli", "Rebuild every state from LOG."),
    "audit": _Entry("actors.cli", "Verify LOG: every hash, signature, message and result."),
    "log": _Entry("actors.cli", "List the messages of LOG."),
    "trace": _Entry("actors.cli", "Show the tree of messages that a message caused."),
    "diff": _Entry("actors.cli", "Show how a process's state differs between two positions."),
    "checkpoint": _Entry("actors.cli", "Print a signed checkpoint of LOG to keep elsewhere."),
    "prove": _Entry("actors.cli", "Prove that a message is in LOG, or that LOG only grew."),
    "verify": _Entry("actors.cli", "Verify a proof without the log."),
    "export": _Entry("actors.cli", "Write LOG as a bundle of signed data items (ANS-104)."),
    "import": _Entry("actors.cli", "Create LOG from a bundle that mostao export wrote."),
    "upgrade": _Entry("actors.cli", "Upgrade LOG to the newest file format."),
}
"""The commands, in the order of ``--help``, which prints the summaries without importing any command."""


class _Commands(click.Group):
    """Imports only the command that runs. Prints expected errors as one line and exits with their code."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        function = f"{name}_" if iskeyword(name) else name
        command: click.Command = getattr(import_module(f"{_COMMANDS[name].package}.{function}"), function)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in _COMMANDS.items()])

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            context.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(0)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EIO):
                raise
            raise _failure(f"the output cannot be written ({error.strerror})", EXIT_MISUSE) from None
        except Exception as error:
            code = None if isinstance(error, _CLICK_ERRORS) else _exit_code(error)
            if code is None:
                raise
            raise _failure(str(error), code) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mostao")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Level of the node's own log on standard error.",
)
def main(log_level: str) -> None:
    """Encrypted messaging between actors, recorded in one SQLite log that can be replayed.

    Run mostao COMMAND --help for a command's options.
    """
    dedicate_process()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LogFormatter())
    logger = logging.getLogger(LOGGER)
    logger.handlers = [handler]
    logger.setLevel(log_level.upper())


class _LogFormatter(logging.Formatter):
    """Formats records with structlog: for people on a terminal, else as JSON."""

    _formatter: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if self._formatter is None:
            import structlog  # a slow import, and most commands log nothing

            readable = sys.stderr.isatty()
            renderer = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
            self._formatter = structlog.stdlib.ProcessorFormatter(renderer)
        return self._formatter.format(record)


def _exit_code(error: Exception) -> int | None:
    """The exit code of an expected error; None for any other."""
    from actors import ItemRefused, UnknownModule, WalletError  # imported here so that --help starts faster
    from actors.evidence.checkpoints import NoteInvalid
    from eventstore import EventStoreError, LogFault
    from simulations.faults.sqlite_vfs import VfsUnavailable
    from simulations.scenario.scenario import ScenarioUnusable
    from simulations.world.invariants import Finding

    if isinstance(error, (LogFault, Finding)):
        return EXIT_FINDING
    misuse = (EventStoreError, WalletError, UnknownModule, ItemRefused, NoteInvalid, ScenarioUnusable, VfsUnavailable)
    return EXIT_MISUSE if isinstance(error, misuse) else None


def _failure(text: str, code: int) -> click.ClickException:
    failure = click.ClickException(text)
    vars(failure)["exit_code"] = code
    return failure
