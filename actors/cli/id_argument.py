"""Commands whose last argument is an id. An id may begin with a hyphen."""

import re

import click

_ID_WITH_HYPHEN = re.compile("-[A-Za-z0-9_-]{42}")


class CommandWithId(click.Command):
    """Parses 43 characters that begin with a hyphen as an id, not as options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move such an id behind ``--``, unless it is the value of an option."""
        options = {
            name
            for param in self.params
            if isinstance(param, click.Option) and not param.is_flag
            for name in param.opts
        }
        for index, argument in enumerate(args):
            if _ID_WITH_HYPHEN.fullmatch(argument) and (index == 0 or args[index - 1] not in options):
                return super().parse_args(ctx, [*args[:index], *args[index + 1 :], "--", argument])
        return super().parse_args(ctx, args)
