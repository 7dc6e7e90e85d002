"""The type of ``--rate-limit``."""

from typing import Any

import click


class Rate(click.ParamType[Any]):
    """A rate limit such as ``100/second``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the text; the HTTP application parses it."""
        from limits import parse_many

        try:
            [limit] = parse_many(str(value))
        except ValueError:
            limit = None
        if limit is None or limit.amount < 1:
            self.fail(f"{value!r} is not a rate: write one as 100/second or 1000/minute")
        return str(value)
