"""The HTML report of a world."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from eventstore import EventStoreError
from simulations.report.facts import Facts, read_facts
from simulations.report.html import command, facts, heading, page, paragraph, svg, table


def write_world(
    path: Path,
    log: Path,
    *,
    title: str,
    rows: Sequence[tuple[str, str]],
    commands: Sequence[str],
    read_after_s: Sequence[float],
    answered_ms: Sequence[tuple[float, float]],
) -> None:
    """Write the report of a world to a file.

    Args:
        path: the HTML file.
        log: the log of the world. Of an empty or damaged one, the page shows the results and commands only.
        title: title of the page.
        rows: the results, each with a label.
        commands: commands that repeat the world and examine its log.
        read_after_s: virtual seconds between the sending and the reading of each message.
        answered_ms: percentiles of the node's reply times: the percentage, and ms.
    """
    from simulations.report.plots import latencies, over_time, who_with_whom  # slow imports, needed only here

    parts = [facts(rows), heading("Repeat it"), *map(command, commands)]
    try:
        statistics = read_facts(log)
    except (EventStoreError, sqlite3.Error, msgspec.DecodeError, TypeError) as error:
        parts.append(paragraph(f"The log has no more to show: it is empty or damaged ({error})."))
        path.write_text(page(title, parts))
        return
    parts += [
        heading("What happened"),
        svg(over_time(statistics.by_hour, statistics.unread)),
        _actions(statistics),
        heading("Who talked with whom"),
        svg(who_with_whom(statistics.talk)),
        heading("Latencies"),
        svg(latencies(read_after_s, answered_ms)),
        heading("Refusals"),
        _refusals(statistics),
        heading("The longest chains of effects"),
        paragraph("A message from outside with all messages that it caused. The command mostao trace shows a chain."),
        table(
            ("sequence", "action", "events", "duration, ms of virtual time"),
            [(chain.sequence, chain.action or "(none)", chain.events, chain.took_ms) for chain in statistics.chains],
        ),
    ]
    path.write_text(page(title, parts))


def _actions(statistics: Facts) -> str:
    rows = [
        (action or "(none)", f"{count:,}", f"{refused:,}") for action, (count, refused) in statistics.actions.items()
    ]
    return table(("action", "messages", "refused"), rows)


def _refusals(statistics: Facts) -> str:
    if not statistics.refusals:
        return paragraph("None.")
    rows = [(f"{count:,}", action or "(none)", reason) for action, reason, count in statistics.refusals]
    return table(("times", "action", "reason"), rows)
