"""The page of a world."""

from collections.abc import Sequence
from pathlib import Path

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
    """Write the page of a world that was lived.

    Args:
        path: the page's file.
        log: the world's.
        title: the page's.
        rows: what the world came to, each with a label.
        commands: what makes it again, and looks into it.
        read_after_s: how long each message lay until it was read, in virtual seconds.
        answered_ms: percentiles, and the real time within which so many questions were answered.
    """
    from simulations.report.plots import latencies, over_time, who_with_whom  # takes long, and few want it

    found = read_facts(log)
    parts = [
        facts(rows),
        heading("Make it again"),
        *map(command, commands),
        heading("What happened"),
        svg(over_time(found.by_hour, found.unread)),
        _actions(found),
        heading("Who talked with whom"),
        svg(who_with_whom(found.talk)),
        heading("How long it took"),
        svg(latencies(read_after_s, answered_ms)),
        heading("What was refused"),
        _refusals(found),
        heading("The longest chains of effects"),
        paragraph("What one message from outside caused, all in all. A chain is shown by mostao trace."),
        table(
            ("sequence", "action", "events", "took, ms of virtual time"),
            [(chain.sequence, chain.action or "(none)", chain.events, chain.took_ms) for chain in found.chains],
        ),
    ]
    path.write_text(page(title, parts))


def _actions(found: Facts) -> str:
    rows = [(action or "(none)", f"{count:,}", f"{refused:,}") for action, (count, refused) in found.actions.items()]
    return table(("action", "messages", "refused"), rows)


def _refusals(found: Facts) -> str:
    if not found.refusals:
        return paragraph("Nothing.")
    rows = [(f"{count:,}", action or "(none)", reason) for action, reason, count in found.refusals]
    return table(("times", "action", "reason"), rows)
