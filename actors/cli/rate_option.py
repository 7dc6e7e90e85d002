"""``100/second``."""

from typing import Any

import click


class Rate(click.ParamType[Any]):
    """How often one address may ask."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See ``click.ParamType``."""
        from limits import parse

        try:
            parse(str(value))
        except ValueError:
            self.fail(f"{value!r} is no rate: write one as 100/second or 1000/minute")
        return str(value)
