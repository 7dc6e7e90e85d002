"""The ``mostao`` command."""

import logging
import sys
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click
import structlog

from actors import ItemRefused, UnknownModule, WalletError
from actors.evidence.checkpoints import NoteInvalid
from actors.runtime.logs import NAME as LOGGER
from actors.runtime.tuning import dedicate_process
from eventstore import EventStoreError, LogFault
from simulations.scenario.scenario import ScenarioUnusable
from simulations.world.invariants import Finding

EXIT_FINDING = 1
EXIT_MISUSE = 2
EXIT_INTERRUPTED = 130


_PACKAGES = {
    **dict.fromkeys(("simulate", "load"), "simulations.cli"),
    **dict.fromkeys(
        (
            *("serve", "proxy", "archive", "replay", "audit", "log", "trace", "diff", "checkpoint"),
            *("prove", "verify", "export", "import", "upgrade"),
        ),
        "actors.cli",
    ),
}
"""The package that defines each command, in the order of ``--help``."""


class _Commands(click.Group):
    """Imports only the command that runs. Prints expected errors as one line and exits with their code."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_PACKAGES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _PACKAGES:
            return None
        function = f"{name}_" if iskeyword(name) else name
        command: click.Command = getattr(import_module(f"{_PACKAGES[name]}.{function}"), function)
        return command

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (LogFault, Finding) as finding:
            raise _failure(str(finding), EXIT_FINDING) from None
        except (EventStoreError, WalletError, UnknownModule, ItemRefused, NoteInvalid, ScenarioUnusable) as error:
            raise _failure(str(error), EXIT_MISUSE) from None
        except KeyboardInterrupt:
            click.echo("interrupted: all acknowledged messages are in the log", err=True)
            context.exit(EXIT_INTERRUPTED)


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
    readable = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(renderer))
    logger = logging.getLogger(LOGGER)
    logger.handlers = [handler]
    logger.setLevel(log_level.upper())


def _failure(text: str, code: int) -> click.ClickException:
    failure = click.ClickException(text)
    vars(failure)["exit_code"] = code
    return failure
