"""Commands whose last argument is an id, which may begin with a hyphen."""

import re

import click

_LIKE_AN_OPTION = re.compile("-[A-Za-z0-9_-]{42}")


class CommandWithId(click.Command):
    """Takes 43 characters that begin with a hyphen for an id, and not for options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See ``click.Command``."""
        options = {
            name for one in self.params if isinstance(one, click.Option) and not one.is_flag for name in one.opts
        }
        for place, argument in enumerate(args):
            if _LIKE_AN_OPTION.fullmatch(argument) and (place == 0 or args[place - 1] not in options):
                return super().parse_args(ctx, [*args[:place], *args[place + 1 :], "--", argument])
        return super().parse_args(ctx, args)
