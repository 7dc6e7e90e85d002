"""What a simulated day is made of, as a TOML file says it."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from simulations.scenario.attacks import ATTACKS

USERS_MAX = 1_000_000
MESSAGES_MAX = 100_000_000

Partition = Annotated[float, Meta(ge=0, le=1)]
Hour = Annotated[float, Meta(ge=0, le=24)]
Count = Annotated[int, Meta(ge=0)]


class ScenarioUnusable(Exception):
    """A scenario that cannot be run, with the reason."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of a scenario file."""


class Population(_Part, frozen=True):
    """Who is there."""

    users: Annotated[int, Meta(ge=2, le=USERS_MAX, description="people")] = 100
    arrive_until_h: Annotated[
        float, Meta(gt=0, le=24, description="hour of the day by which everybody has registered, but for newcomers")
    ] = 2.0


class Ties(_Part, frozen=True):
    """Who talks to whom."""

    shape: Annotated[
        Literal["pairs", "small-world", "hubs"],
        Meta(
            description="everybody with one other; everybody with their neighbours and some far away; everybody with a"
            " few who know everybody"
        ),
    ] = "small-world"
    friends: Annotated[int, Meta(ge=1, le=1000, description="ties that each person brings, but in pairs")] = 3
    far: Annotated[Partition, Meta(description="part of a small world's ties that lead anywhere")] = 0.2
    hubs: Annotated[Partition, Meta(description="part of the people who are hubs")] = 0.02


class Talk(_Part, frozen=True):
    """How much is said, and when."""

    messages: Annotated[int, Meta(ge=0, le=MESSAGES_MAX, description="messages in all")] = 2000
    rhythm: Annotated[
        Literal["poisson", "bursts", "day"],
        Meta(description="at any time alike; in conversations of several; more by day than by night"),
    ] = "poisson"
    burst: Annotated[int, Meta(ge=1, le=1000, description="messages of a conversation, where they come in bursts")] = 8
    words: Annotated[
        tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0, le=5000)]],
        Meta(description="words of a message: from, to"),
    ] = (1, 24)

    def __post_init__(self) -> None:
        if self.words[0] > self.words[1]:
            raise ValueError(f"the shortest message has {self.words[0]} words, the longest {self.words[1]}")


class Keys(_Part, frozen=True):
    """How session keys change."""

    messages_per_rotation: Annotated[
        int, Meta(ge=1, description="messages that a person sends under one key on average before rotating it")
    ] = 25


class Presence(_Part, frozen=True):
    """Who is away, and who reads when."""

    away: Annotated[Partition, Meta(description="part of the people who are away for some hours")] = 0.3
    away_h: Annotated[tuple[Hour, Hour], Meta(description="for how long: from, to")] = (1.2, 4.8)
    catch_ups: Annotated[int, Meta(ge=0, le=1000, description="times that a person reads what is unread")] = 4

    def __post_init__(self) -> None:
        if self.away_h[0] > self.away_h[1]:
            raise ValueError(f"away for at least {self.away_h[0]} hours and at most {self.away_h[1]}")


class Activity(_Part, frozen=True):
    """What people do beside talking."""

    profiles: Annotated[float, Meta(ge=0, le=1000, description="changes of their profile, per person")] = 0.0
    contacts: Annotated[float, Meta(ge=0, le=1000, description="contacts that they keep, per person")] = 0.0


class Hostile(_Part, frozen=True):
    """What people try that has to be refused."""

    share: Annotated[float, Meta(ge=0, le=100, description="attempts per message")] = 0.05
    kinds: Annotated[
        dict[str, Annotated[float, Meta(ge=0)]],
        Meta(description=f"weight of each kind; without, all alike: {', '.join(ATTACKS)}"),
    ] = {}

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in ATTACKS:
                raise ValueError(f"there is no attempt {kind!r}; there are {', '.join(ATTACKS)}")
        if self.kinds and not any(self.kinds.values()):
            raise ValueError("one kind has to have a weight above 0")


class Groups(_Part, frozen=True):
    """Conversations of many."""

    count: Annotated[int, Meta(ge=0, le=10_000, description="groups, of either protocol's people")] = 0
    members: Annotated[int, Meta(ge=2, le=1000, description="people in a group at first")] = 6
    messages: Annotated[int, Meta(ge=0, le=1_000_000, description="messages in each")] = 20
    changes: Annotated[int, Meta(ge=0, le=10_000, description="times that one leaves and another comes")] = 2


class Relation(_Part, frozen=True):
    """People of Relation ONE, who live in the same world on the same log."""

    share: Annotated[float, Meta(ge=0, le=100, description="of them, and of their messages, per one of the others")] = 0
    friends: Annotated[int, Meta(ge=0, le=1000, description="people whom each follows")] = 3
    delegation_h: Annotated[float, Meta(gt=0, le=240, description="hours for which a session key may sign")] = 6
    proxies: Annotated[int, Meta(ge=1, le=100, description="proxies to choose from")] = 2
    proxy_fails_h: Annotated[tuple[Hour, ...], Meta(description="hours at which the first proxy fails")] = ()
    proxy_away_h: Annotated[Hour, Meta(description="hours for which it is away then")] = 3
    pack_h: Annotated[float, Meta(gt=0, le=240, description="hours after which messages are packed")] = 12


class Phase(_Part, frozen=True):
    """A part of the day that is unlike the rest."""

    from_h: Annotated[Hour, Meta(description="its first hour")]
    to_h: Annotated[Hour, Meta(description="its last")]
    talk: Annotated[float, Meta(ge=0, le=10_000, description="times as many messages as at that time else")] = 1.0
    newcomers: Annotated[Partition, Meta(description="part of the people who come only then")] = 0.0

    def __post_init__(self) -> None:
        if self.from_h >= self.to_h:
            raise ValueError(f"a phase from hour {self.from_h:g} to hour {self.to_h:g} has no time")


class Faults(_Part, frozen=True):
    """What goes wrong between people and their node, and with the node."""

    drop: Annotated[Partition, Meta(description="messages that are lost on their way to the node, and sent again")] = (
        0.0
    )
    lose_answer: Annotated[Partition, Meta(description="answers that are lost, so that the message is sent again")] = (
        0.0
    )
    duplicate: Annotated[Partition, Meta(description="messages that arrive twice at once")] = 0.0
    delay: Annotated[Partition, Meta(description="messages that are late")] = 0.0
    delay_s: Annotated[float, Meta(ge=0, le=3600, description="by up to so many seconds")] = 60.0
    reorder: Annotated[Partition, Meta(description="messages that overtake what somebody else sent before")] = 0.0
    crash_at_message: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(description="the node dies when its log has so many events, loses what is not durable, and starts again"),
    ] = ()
    crash_at_h: Annotated[tuple[Hour, ...], Meta(description="likewise, at these hours")] = ()
    slow_disk_ms: Annotated[float, Meta(ge=0, le=1000, description="time that every commit takes longer")] = 0.0
    wrong_clock: Annotated[Partition, Meta(description="people whose clock is wrong")] = 0.0
    wrong_clock_h: Annotated[float, Meta(ge=0, le=24, description="by up to so many hours, either way")] = 3.0

    @property
    def any(self) -> bool:
        """Whether anything goes wrong."""
        return self != Faults()


class Scenario(_Part, frozen=True):
    """A simulated day."""

    description: Annotated[str, Meta(description="what it is about, in a line")] = ""
    population: Population = Population()
    ties: Ties = Ties()
    talk: Talk = Talk()
    keys: Keys = Keys()
    presence: Presence = Presence()
    activity: Activity = Activity()
    hostile: Hostile = Hostile()
    groups: Groups = Groups()
    relation: Relation = Relation()
    faults: Faults = Faults()
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        if sum(phase.newcomers for phase in self.phases) > 1:
            raise ValueError("more newcomers than people")


def built_in() -> dict[str, Scenario]:
    """The scenarios that come with the program, by name."""
    found = sorted((file for file in _folder().iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): parse(file.read_text(), file.name) for file in found}


def load(name: str) -> Scenario:
    """A scenario by its name, or from the file of that path.

    Raises:
        ScenarioUnusable: there is none, or it is not one.
    """
    if not name.endswith(".toml"):
        known = built_in()
        if name in known:
            return known[name]
        raise ScenarioUnusable(
            f"there is no scenario {name!r}; there are {', '.join(known)}, and files whose names end in .toml"
        )
    try:
        text = Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioUnusable(f"{name} cannot be read ({error})") from None
    return parse(text, name)


def parse(text: str, name: str) -> Scenario:
    """The scenario of a TOML text.

    Raises:
        ScenarioUnusable: it is none; says where and why.
    """
    try:
        return msgspec.toml.decode(text, type=Scenario)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        place = where.strip("`.") or "the file"
        raise ScenarioUnusable(f"{name}: {place}: {what[0].lower()}{what[1:]}") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise ScenarioUnusable(f"{name} is no TOML ({error})") from None


def override(scenario: Scenario, changes: dict[str, dict[str, Any]]) -> Scenario:
    """The scenario with some fields of some sections changed.

    Raises:
        ScenarioUnusable: a value is not one of its field's.
    """
    fields = msgspec.to_builtins(scenario)
    for section, values in changes.items():
        fields[section] |= values
    try:
        return msgspec.convert(fields, Scenario)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        raise ScenarioUnusable(f"{where.strip('`.')}: {what[0].lower()}{what[1:]}") from None


def explain() -> str:
    """Every key that a scenario file may have: its default, and what it is."""
    lines = ["# A scenario file. What is left out is as here: this is what the scenario 'town' lives by."]
    defaults = Scenario()
    for field in msgspec.structs.fields(Scenario):
        kind = Phase if field.name == "phases" else field.type
        if not (isinstance(kind, type) and issubclass(kind, _Part)):
            lines += ["", f"# {_description(field.type)}", 'description = ""']
            continue
        header = "[[phases]]" if kind is Phase else f"[{field.name}]"
        lines += ["", header, f"# {kind.__doc__}"]
        if kind is Phase:
            lines[-1] += " As many as are needed; this one is an example."
        values = Phase(12.0, 13.0) if kind is Phase else getattr(defaults, field.name)
        hints = get_type_hints(kind, include_extras=True)
        for inner in msgspec.structs.fields(kind):
            value = _toml(getattr(values, inner.name))
            lines.append(f"{inner.name} = {value}  # {_description(hints[inner.name])}{_choices(inner.type)}")
    return "\n".join(lines)


def _folder() -> Traversable:
    return files("simulations.scenario") / "scenarios"


def _description(annotation: Any) -> str:
    for meta in reversed(getattr(annotation, "__metadata__", ())):
        if isinstance(meta, Meta) and meta.description:
            return meta.description
    return ""


def _choices(annotation: Any) -> str:
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) is Literal:
            return f" ({', '.join(get_args(part))})"
    return ""


def _toml(value: Any) -> str:
    return msgspec.json.encode(value).decode() if not isinstance(value, dict) else "{}"
