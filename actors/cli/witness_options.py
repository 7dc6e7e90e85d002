"""Options about witnesses and verifier keys, and the options of a node that signs checkpoints while it runs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from actors.ans104.wallet import key_path
from actors.cli.extras import require
from actors.cli.number_option import FiniteRange
from actors.cli.urls import is_url
from actors.evidence.checkpoints import LOG_KEY, WITNESS_KEY, NoteInvalid, VerifierKey
from eventstore.engines import Location, path_of

if TYPE_CHECKING:
    from actors.node.node import Node  # slow to import

CHECKPOINT_S = 300.0
YEAR_S = 365 * 24 * 3600
Command = TypeVar("Command", bound=Callable[..., Any])


class WitnessUrl(click.ParamType[Any]):
    """An http or https URL of a witness."""

    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the text, and that the HTTP client is installed."""
        text = str(value)
        if not is_url(text):
            self.fail(f"{text!r} is not an http or https URL", param, ctx)
        require("witness")
        return text


class KeyText(click.ParamType[Any]):
    """A verifier key, ``name+id+key``.

    Args:
        kind: of the key: a log's or a witness's.
    """

    name = "verifier key"

    def __init__(self, kind: bytes) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> VerifierKey:
        """Parse the text."""
        if isinstance(value, VerifierKey):
            return value
        try:
            return VerifierKey.parse(str(value), kind=self._kind)
        except NoteInvalid as error:
            self.fail(str(error), param, ctx)


LOG_KEY_TEXT = KeyText(LOG_KEY)
WITNESS_KEY_TEXT = KeyText(WITNESS_KEY)


def checkpoint_options(command: Command) -> Command:
    """Add the options of a node that signs checkpoints: ``witnesses``, ``witness_keys`` and ``checkpoint_s``."""
    for option in (
        click.option(
            "--checkpoint-every",
            "checkpoint_s",
            type=FiniteRange(1, YEAR_S),
            default=CHECKPOINT_S,
            show_default=True,
            metavar="SECONDS",
            help="Sign and store a checkpoint of a log that grew.",
        ),
        click.option(
            "--witness-key",
            "witness_keys",
            type=WITNESS_KEY_TEXT,
            multiple=True,
            metavar="KEY",
            help="A witness's verifier key. Repeatable.  [default: the one that the witness names]",
        ),
        click.option(
            "--witness",
            "witnesses",
            type=WitnessUrl(),
            multiple=True,
            metavar="URL",
            help="Have each checkpoint cosigned by this witness (C2SP tlog-witness). Repeatable.",
        ),
    ):
        command = option(command)
    return command


def check_key(path: Location, node: "Node", witnesses: Sequence[str]) -> None:
    """Check that a node has the key that signs the checkpoints which witnesses cosign.

    Raises:
        UsageError: it has not.
    """
    if witnesses and node.key is None:
        raise click.UsageError(f"{path} needs the key of its node for checkpoints: {key_path(path_of(path))}")
