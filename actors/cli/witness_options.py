"""The types of ``--witness``, ``--witness-key`` and ``--log``: a witness's URL, and verifier keys."""

from typing import Any

import click

from actors.cli.extras import require
from actors.cli.urls import is_url
from actors.evidence.checkpoints import LOG_KEY, WITNESS_KEY, NoteInvalid, VerifierKey


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
