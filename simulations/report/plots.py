"""The plots in the report of a world."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from networkx import Graph, spring_layout

ACTIONS_SHOWN = 7
PEOPLE_SHOWN = 150
_NAMES_SHOWN = 60


def over_time(by_hour: Mapping[str, Sequence[int]], unread: Sequence[int]) -> Figure:
    """Messages per hour by action, and unread messages."""
    drawing = Figure(figsize=(9, 6), layout="constrained")
    messages, waiting = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    most = sorted(by_hour, key=lambda action: (-sum(by_hour[action]), action))
    shown = {action: list(by_hour[action]) for action in most[:ACTIONS_SHOWN]}
    rest = [sum(column) for column in zip(*(by_hour[action] for action in most[ACTIONS_SHOWN:]), strict=True)]
    if any(rest):
        shown["others"] = rest
    hours = range(len(unread))
    base = [0] * len(unread)
    for action, counts in shown.items():
        messages.bar(hours, counts, bottom=base, width=0.9, label=action or "(none)")
        base = [height + count for height, count in zip(base, counts, strict=True)]
    messages.set_ylabel("messages per hour")
    messages.legend(fontsize="small")
    waiting.step(hours, unread, where="mid", color="tab:red")
    waiting.set_ylabel("unread")
    waiting.set_ylim(bottom=0)
    waiting.set_xlabel("hours since midnight")
    return drawing


def who_with_whom(talk: Mapping[tuple[str, str], int]) -> Figure:
    """A graph of the people: points and lines are larger the more messages they stand for.

    Args:
        talk: number of messages by the names of two people.
    """
    messages: dict[str, int] = {}
    for pair, count in talk.items():
        for person in pair:
            messages[person] = messages.get(person, 0) + count
    shown = set(sorted(messages, key=lambda person: (-messages[person], person))[:PEOPLE_SHOWN])
    graph = Graph()
    graph.add_nodes_from(sorted(shown))
    for (person, other), count in sorted(talk.items()):
        if person in shown and other in shown:
            graph.add_edge(person, other, weight=count)
    positions = spring_layout(graph, seed=1, k=2 / max(len(shown), 1) ** 0.5)
    drawing = Figure(figsize=(9, 7), layout="constrained")
    axes = drawing.subplots()
    most = max(talk.values(), default=1)
    for person, other, count in graph.edges(data="weight"):
        (x0, y0), (x1, y1) = positions[person], positions[other]
        axes.plot([x0, x1], [y0, y1], color="tab:blue", alpha=0.35, linewidth=0.5 + 4 * count / most, zorder=1)
    if shown:
        points = [positions[person] for person in graph]
        sizes = [20 + 180 * messages[person] / max(messages.values()) for person in graph]
        axes.scatter([x for x, _ in points], [y for _, y in points], s=sizes, color="tab:orange", zorder=2)
    if len(shown) <= _NAMES_SHOWN:
        for person in graph:
            axes.annotate(person, positions[person], xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set_axis_off()
    return drawing


def latencies(read_after_s: Sequence[float], answered_ms: Sequence[tuple[float, float]]) -> Figure:
    """The time until messages were read (virtual), and the node's reply times (real).

    Args:
        read_after_s: virtual seconds between the sending and the reading of each message.
        answered_ms: percentiles of the node's reply times: the percentage, and ms.
    """
    drawing = Figure(figsize=(9, 3), layout="constrained")
    reading, replying = drawing.subplots(1, 2)
    reading.hist([seconds / 3600 for seconds in read_after_s], bins=48, color="tab:green")
    reading.set_xlabel("hours until the message was read (virtual time)")
    reading.set_ylabel("messages")
    replying.plot([percent for percent, _ in answered_ms], [ms for _, ms in answered_ms], color="tab:purple")
    replying.set_yscale("log")
    replying.set_xlabel("percent of the replies")
    replying.set_ylabel("reply time, ms (real time)")
    replying.grid(alpha=0.3)
    return drawing
