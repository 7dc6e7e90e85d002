"""The ``mostao`` command."""

import logging
import sys
from typing import Any

import click
import structlog

from actors import ItemRefused, UnknownModule, WalletError
from actors.checkpoints import NoteInvalid
from actors.logger import NAME as LOGGER
from eventstore import EventStoreError, LogFault
from simulations.commands.archive import archive
from simulations.commands.audit import audit
from simulations.commands.checkpoint import checkpoint
from simulations.commands.diff import diff
from simulations.commands.export import export
from simulations.commands.import_ import import_
from simulations.commands.load import load
from simulations.commands.log import log
from simulations.commands.prove import prove
from simulations.commands.proxy import proxy
from simulations.commands.replay import replay
from simulations.commands.serve import serve
from simulations.commands.simulate import simulate
from simulations.commands.trace import trace
from simulations.commands.verify import verify
from simulations.invariants import Finding
from simulations.scenario import ScenarioUnusable

EXIT_FINDING = 1
EXIT_MISUSE = 2
EXIT_INTERRUPTED = 130


class _Commands(click.Group):
    """Turns the errors that a person can mend into a sentence and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (LogFault, Finding) as finding:
            raise _failure(str(finding), EXIT_FINDING) from None
        except (EventStoreError, WalletError, UnknownModule, ItemRefused, NoteInvalid, ScenarioUnusable) as error:
            raise _failure(str(error), EXIT_MISUSE) from None
        except KeyboardInterrupt:
            click.echo("interrupted: what was acknowledged is in the log", err=True)
            context.exit(EXIT_INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mostao")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What the node says of itself, on standard error.",
)
def main(log_level: str) -> None:
    """Encrypted messaging between actors, in one SQLite log that anyone can replay."""
    readable = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(renderer))
    logger = logging.getLogger(LOGGER)
    logger.handlers = [handler]
    logger.setLevel(log_level.upper())


_LOGS = (replay, audit, log, trace, diff, checkpoint, prove, verify, export, import_)
for _command in (simulate, load, serve, proxy, archive, *_LOGS):
    main.add_command(_command)


def _failure(text: str, code: int) -> click.ClickException:
    failure = click.ClickException(text)
    vars(failure)["exit_code"] = code
    return failure
