"""The type of ``--archive``: a folder or a gateway's URL."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from actors.cli.extras import require


class ArchiveLocation(click.ParamType[Any]):
    """A folder, which need not exist yet, or an http or https URL."""

    name = "folder or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the text, and for a URL that the HTTP client is installed. ``archive_at`` opens the archive."""
        text = str(value)
        if not text:
            self.fail("the archive is empty: name a folder or a gateway's URL", param, ctx)
        if "://" in text:
            if not _is_url(text):
                self.fail(f"{text!r} is not an http or https URL", param, ctx)
            require("archive")
        elif Path(text).exists() and not Path(text).is_dir():
            self.fail(f"{text} is not a folder", param, ctx)
        return text


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port >= 0)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and has_host and not any(char.isspace() for char in text)
