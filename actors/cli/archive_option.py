"""The type of ``--archive``: a folder or a gateway's URL."""

from pathlib import Path
from typing import Any

import click

from actors.cli.extras import require
from actors.cli.urls import is_url


class ArchiveLocation(click.ParamType[Any]):
    """A folder, which need not exist yet, or an http or https URL."""

    name = "folder or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the text, and for a URL that the HTTP client is installed. ``archive_at`` opens the archive."""
        text = str(value)
        if not text:
            self.fail("the archive is empty: name a folder or a gateway's URL", param, ctx)
        if "://" in text:
            if not is_url(text):
                self.fail(f"{text!r} is not an http or https URL", param, ctx)
            require("archive")
        elif Path(text).exists() and not Path(text).is_dir():
            self.fail(f"{text} is not a folder", param, ctx)
        return text
