"""Commands whose last argument is an id, and the message that it names. An id may begin with a hyphen."""

import re

import click

from eventstore import Assignment, LogFile

_ID_WITH_HYPHEN = re.compile("-[A-Za-z0-9_-]{42}")
_SEQUENCE_MAX = 2**63 - 1


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


def find_message(reader: LogFile, message: str) -> Assignment:
    """The assignment with a message id or a sequence.

    Raises:
        BadParameter: there is none.
    """
    if message.isascii() and message.isdecimal():
        sequence = min(int(message[:20]), _SEQUENCE_MAX)
        found = next(reader.read(after=sequence - 1, until=sequence), None)
    else:
        found = reader.find(message) if message.isascii() else None
    if found is None:
        raise click.BadParameter(
            f"the log has no message {message!r}; `mostao log` lists them", param_hint="'MESSAGE-ID'"
        )
    return found
