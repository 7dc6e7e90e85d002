"""The option ``--accept-clock`` of commands that append to a log."""

import click

accept_clock_option = click.option(
    "--accept-clock",
    is_flag=True,
    help="Open LOG even if the system clock is more than an hour behind its last event.",
)
