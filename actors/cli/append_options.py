"""The options that limit what a sender does: ``--append-limit``, ``--spawn-limit`` and ``--login-limit``."""

import re
from typing import Any

import click

from actors.node.limits import PERIODS, PerPeriod

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SECONDS = {period: seconds for seconds, period in PERIODS.items()}
_LIMIT = re.compile(rf"([1-9][0-9]{{0,9}})({'|'.join(_UNITS)})?/({'|'.join(_SECONDS)})")
NONE = "none"


class Limit(click.ParamType[Any]):
    """An amount for each period, such as ``64MiB/minute`` or ``600/minute``; ``none`` for no limit.

    Args:
        in_bytes: whether the amount has a unit of bytes.
    """

    name = "limit"

    def __init__(self, *, in_bytes: bool) -> None:
        self._in_bytes = in_bytes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PerPeriod | None:
        """Parse the text."""
        if value is None or isinstance(value, PerPeriod) or value == NONE:
            return value if isinstance(value, PerPeriod) else None
        found = _LIMIT.fullmatch(str(value))
        if found is None or bool(found[2]) != self._in_bytes:
            example, units = ("64MiB/minute", "B, KiB, MiB or GiB; ") if self._in_bytes else ("600/minute", "")
            self.fail(
                f"{value!r} is not a limit: write one as {example} ({units}second, minute, hour or day), or {NONE}"
            )
        return PerPeriod(int(found[1]) * _UNITS[found[2] or "B"], _SECONDS[found[3]])


append_limit_option = click.option(
    "--append-limit",
    type=Limit(in_bytes=True),
    metavar="BYTES/UNIT",
    default="64MiB/minute",
    show_default=True,
    help="Bytes that one sender's messages, and all that they cause, may append to LOG in each period, or none. Units:"
    " B, KiB, MiB, GiB; periods: second, minute, hour, day. A network address may append 20 times as many.",
)
spawn_limit_option = click.option(
    "--spawn-limit",
    type=Limit(in_bytes=False),
    metavar="N/UNIT",
    default="600/minute",
    show_default=True,
    help="Processes that one sender may start in each period (second, minute, hour or day), or none. A network address"
    " may start 20 times as many.",
)
login_limit_option = click.option(
    "--login-limit",
    type=Limit(in_bytes=False),
    metavar="N/UNIT",
    default="200/minute",
    show_default=True,
    help="Logins from one network address in each period (second, minute, hour or day), or none. Behind a server that"
    " passes requests on, all clients have that server's address: choose a higher limit there.",
)
