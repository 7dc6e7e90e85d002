"""Scenarios: what happens on a simulated day. The format of their TOML files, and the scenarios of this package."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from simulations.faults.registry import Faults
from simulations.scenario.attacks import ATTACKS

USERS_MAX = 1_000_000
MESSAGES_MAX = 100_000_000

Fraction = Annotated[float, Meta(ge=0, le=1)]
Hour = Annotated[float, Meta(ge=0, le=24)]


class ScenarioUnusable(Exception):
    """A scenario does not exist or is invalid. The text gives the reason."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the sections of a scenario file. A section's docstring is its help text."""


class Population(_Part, frozen=True):
    """The people."""

    users: Annotated[int, Meta(ge=2, le=USERS_MAX, description="number of people")] = 100
    arrive_until_h: Annotated[
        float, Meta(gt=0, le=24, description="hour of the day by which all people except newcomers have registered")
    ] = 2.0


class Ties(_Part, frozen=True):
    """The pairs of people who talk."""

    shape: Annotated[
        Literal["pairs", "small-world", "hubs"],
        Meta(
            description="pairs: each person has one tie; small-world: to neighbours, and some far away; hubs: to a few"
            " people who know many"
        ),
    ] = "small-world"
    friends: Annotated[int, Meta(ge=1, le=1000, description="ties per person, except in pairs")] = 3
    far: Annotated[Fraction, Meta(description="fraction of a small world's ties that lead to a random person")] = 0.2
    hubs: Annotated[Fraction, Meta(description="fraction of the people who are hubs")] = 0.02


class Talk(_Part, frozen=True):
    """The messages and their times."""

    messages: Annotated[int, Meta(ge=0, le=MESSAGES_MAX, description="total number of messages")] = 2000
    rhythm: Annotated[
        Literal["poisson", "bursts", "day"],
        Meta(description="poisson: at random times; bursts: several messages in a row; day: fewer at night"),
    ] = "poisson"
    burst: Annotated[int, Meta(ge=1, le=1000, description="messages in a burst")] = 8
    words: Annotated[
        tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0, le=5000)]],
        Meta(description="words in a message: minimum and maximum"),
    ] = (1, 24)

    def __post_init__(self) -> None:
        if self.words[0] > self.words[1]:
            raise ValueError(f"the minimum of words, {self.words[0]}, is above the maximum, {self.words[1]}")


class Keys(_Part, frozen=True):
    """The rotation of session keys."""

    messages_per_rotation: Annotated[
        int, Meta(ge=1, description="average number of messages that a person sends between two rotations")
    ] = 25


class Presence(_Part, frozen=True):
    """When people are offline, and how often they read."""

    away: Annotated[Fraction, Meta(description="fraction of people who are offline for some hours")] = 0.3
    away_h: Annotated[tuple[Hour, Hour], Meta(description="hours offline: minimum and maximum")] = (1.2, 4.8)
    catch_ups: Annotated[int, Meta(ge=0, le=1000, description="how often a person reads all unread messages")] = 4

    def __post_init__(self) -> None:
        if self.away_h[0] > self.away_h[1]:
            raise ValueError(
                f"the minimum of hours offline, {self.away_h[0]:g}, is above the maximum, {self.away_h[1]:g}"
            )


class Activity(_Part, frozen=True):
    """Other actions of people."""

    profiles: Annotated[float, Meta(ge=0, le=1000, description="profile changes per person")] = 0.0
    contacts: Annotated[float, Meta(ge=0, le=1000, description="contacts added per person")] = 0.0
    look_backs: Annotated[
        float, Meta(ge=0, le=1000, description="how often a person queries older messages and keys of a session")
    ] = 0.0
    delegates: Annotated[
        float, Meta(ge=0, le=1000, description="delegates appointed per person; each one tries twice to relay")
    ] = 0.0
    mistakes: Annotated[
        float, Meta(ge=0, le=1000, description="messages per person under a key that does not exist")
    ] = 0.0
    chores: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="random actions of more people, who use every action of the processes, also without the"
            " right to it; above 0, two more people send messages many at a time",
        ),
    ] = 0


class Hostile(_Part, frozen=True):
    """Attacks, which the node must refuse."""

    share: Annotated[float, Meta(ge=0, le=100, description="attacks per message")] = 0.05
    kinds: Annotated[
        dict[str, Annotated[float, Meta(ge=0)]],
        Meta(description=f"weight of each kind of attack; by default all are equal: {', '.join(ATTACKS)}"),
    ] = {}

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in ATTACKS:
                raise ValueError(f"unknown attack {kind!r}; known: {', '.join(ATTACKS)}")
        if self.kinds and not any(self.kinds.values()):
            raise ValueError("at least one kind of attack needs a weight above 0")


class Groups(_Part, frozen=True):
    """Group conversations."""

    count: Annotated[
        int, Meta(ge=0, le=10_000, description="number of groups; half of them are Relation ONE's if it has people")
    ] = 0
    members: Annotated[int, Meta(ge=2, le=1000, description="members of a new group")] = 6
    messages: Annotated[int, Meta(ge=0, le=1_000_000, description="messages per group")] = 20
    changes: Annotated[int, Meta(ge=0, le=10_000, description="how often one member leaves and another one joins")] = 2


class Relation(_Part, frozen=True):
    """People who use Relation ONE, in the same world and on the same log."""

    share: Annotated[
        float, Meta(ge=0, le=100, description="number of these people, and of their messages, relative to the others")
    ] = 0
    friends: Annotated[int, Meta(ge=0, le=1000, description="people that each person follows")] = 3
    delegation_h: Annotated[float, Meta(gt=0, le=240, description="hours for which a session key is valid")] = 6
    proxies: Annotated[int, Meta(ge=1, le=100, description="number of proxies")] = 2
    proxy_fails_h: Annotated[tuple[Hour, ...], Meta(description="hours at which the first proxy goes down")] = ()
    proxy_away_h: Annotated[Hour, Meta(description="hours for which it stays down")] = 3
    pack_h: Annotated[float, Meta(gt=0, le=240, description="hours between two archive packs")] = 12


class Phase(_Part, frozen=True):
    """A period of the day with other rates."""

    from_h: Annotated[Hour, Meta(description="start of the period")]
    to_h: Annotated[Hour, Meta(description="end of the period")]
    talk: Annotated[float, Meta(ge=0, le=10_000, description="factor on the number of messages")] = 1.0
    newcomers: Annotated[Fraction, Meta(description="fraction of people who register in this period")] = 0.0

    def __post_init__(self) -> None:
        if self.from_h >= self.to_h:
            raise ValueError(
                f"a phase must end after it starts, not run from hour {self.from_h:g} to hour {self.to_h:g}"
            )


class Scenario(_Part, frozen=True):
    """A simulated day."""

    description: Annotated[str, Meta(description="one line about the scenario")] = ""
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
            raise ValueError("the newcomers of all phases are more than all people")


def built_in() -> dict[str, Scenario]:
    """The scenarios of this package, by name."""
    found = sorted((file for file in _folder().iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): parse(file.read_text(), file.name) for file in found}


def load(name: str) -> Scenario:
    """Load a built-in scenario by its name, or a scenario file by its path, which ends in ``.toml``.

    Raises:
        ScenarioUnusable: the scenario does not exist or is invalid.
    """
    if not name.endswith(".toml"):
        known = built_in()
        if name in known:
            return known[name]
        raise ScenarioUnusable(
            f"unknown scenario {name!r}; known: {', '.join(known)}, and paths of files that end in .toml"
        )
    try:
        text = Path(name).read_text()
    except OSError as error:
        raise ScenarioUnusable(f"{name} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ScenarioUnusable(f"{name} cannot be read ({error})") from None
    return parse(text, name)


def parse(text: str, name: str) -> Scenario:
    """Parse a scenario from TOML.

    Args:
        text: the TOML.
        name: the file's name, for error messages.

    Raises:
        ScenarioUnusable: the text is invalid. The message gives the place and the reason.
    """
    try:
        return msgspec.toml.decode(text, type=Scenario)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise ScenarioUnusable(f"{name}: {place.strip('`.') or 'the file'}: {reason[0].lower()}{reason[1:]}") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise ScenarioUnusable(f"{name} is not valid TOML ({error})") from None


def override(scenario: Scenario, changes: dict[str, dict[str, Any]]) -> Scenario:
    """Replace fields of a scenario.

    Args:
        scenario: the original, which stays as it is.
        changes: new values by section and field.

    Raises:
        ScenarioUnusable: a field is unknown, or a value is out of its bounds.
    """
    fields = msgspec.to_builtins(scenario)
    for section, values in changes.items():
        fields[section] |= values
    try:
        return msgspec.convert(fields, Scenario)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise ScenarioUnusable(f"{place.strip('`.')}: {reason[0].lower()}{reason[1:]}") from None


def explain() -> str:
    """A TOML text with every key of a scenario file, its default value and its help text."""
    lines = ["# A scenario file. A key that is left out has the value shown here."]
    defaults = Scenario()
    for field in msgspec.structs.fields(Scenario):
        kind = Phase if field.name == "phases" else field.type
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            lines += ["", f"# {_description(field.type)}", 'description = ""']
            continue
        header = "[[phases]]" if kind is Phase else f"[{field.name}]"
        lines += ["", header, f"# {kind.__doc__}"]
        if kind is Phase:
            lines[-1] += " There may be any number of them; this one is an example."
        values = Phase(12.0, 13.0) if kind is Phase else getattr(defaults, field.name)
        hints = get_type_hints(kind, include_extras=True)
        for inner in msgspec.structs.fields(kind):
            value = _toml(getattr(values, inner.name))
            lines.append(f"{inner.name} = {value}  # {_description(hints[inner.name])}")
    return "\n".join(lines)


def _folder() -> Traversable:
    return files("simulations.scenario") / "scenarios"


def _description(annotation: Any) -> str:
    for meta in reversed(getattr(annotation, "__metadata__", ())):
        if isinstance(meta, Meta) and meta.description:
            return meta.description
    return ""


def _toml(value: Any) -> str:
    return msgspec.json.encode(value).decode() if not isinstance(value, dict) else "{}"
