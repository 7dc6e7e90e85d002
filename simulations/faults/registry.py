"""The registry of faults. To add a fault, declare its class in this package and register it in ``FAULTS``."""

from typing import TYPE_CHECKING, Any, TypeVar, get_origin, get_type_hints

import msgspec

from simulations.faults.fault import Fault, NodeFault
from simulations.faults.network_faults import Delay, Drop, Duplicate, LoseReply, Reorder
from simulations.faults.node_faults import CrashAtHour, CrashAtMessage, SlowDisk, SmallMemory
from simulations.faults.person_faults import WrongClock
from simulations.faults.storage_faults import BitRot, LostFsync, TornWrite

FAULTS: tuple[type[Fault], ...] = (
    Drop,
    LoseReply,
    Duplicate,
    Delay,
    Reorder,
    CrashAtMessage,
    CrashAtHour,
    SlowDisk,
    SmallMemory,
    TornWrite,
    LostFsync,
    BitRot,
    WrongClock,
)
"""All faults, in the order in which ``mostao simulate --explain`` lists their settings."""

ATTEMPTS_MAX = 100
"""Highest average number of attempts that a message may need until its reply arrives."""

_ROUNDING = 1e-9
_AT_A_CRASH = tuple(name for fault in (TornWrite, LostFsync, BitRot) for name in fault.__struct_fields__)
"""Settings that act only when the node crashes."""

F = TypeVar("F", bound=Fault)


class FaultSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of ``Faults``, which has the fields of all registered faults."""

    def __post_init__(self) -> None:
        """Refuse faults with which no message gets through, and faults that never act.

        Raises:
            ValueError: too few attempts to send succeed, or a fault of the storage comes without a crash.
        """
        unused = [name for name in _AT_A_CRASH if getattr(self, name)]
        if unused and not self.has_crashes:
            raise ValueError(
                f"{unused[0]} acts when the node crashes, and no crash is planned: give crash_at_h or crash_at_message,"
                " too"
            )
        [lost], [unanswered] = self.of_kind(Drop), self.of_kind(LoseReply)
        succeed = (1.0 - lost.drop) * (1.0 - unanswered.lose_answer)
        if succeed * ATTEMPTS_MAX < 1 - _ROUNDING:
            raise ValueError(
                f"drop and lose_answer together let only {succeed:.2%} of all attempts to send succeed; at least"
                f" {1 / ATTEMPTS_MAX:.0%} must: lower one of them"
            )

    @property
    def any(self) -> bool:
        """Whether any setting differs from its default."""
        return self != Faults()

    @property
    def has_crashes(self) -> bool:
        """Whether a crash of the node is planned."""
        return any(fault.crashes_after() or fault.crash_times_s() for fault in self.of_kind(NodeFault))

    def of_kind(self, kind: type[F]) -> list[F]:
        """All faults of one kind, such as ``NetworkFault``, with these settings; also those that never occur."""
        return [
            fault(**{name: getattr(self, name) for name in fault.__struct_fields__})
            for fault in FAULTS
            if issubclass(fault, kind)
        ]


if TYPE_CHECKING:
    Faults = FaultSettings
else:
    Faults = msgspec.defstruct(
        "Faults",
        [
            (field.name, get_type_hints(fault, include_extras=True)[field.name], field.default)
            for fault in FAULTS
            for field in msgspec.structs.fields(fault)
        ],
        bases=(FaultSettings,),
        namespace={"__doc__": "Faults of the network, of the node and of people's devices."},
        module=__name__,
        frozen=True,
        forbid_unknown_fields=True,
    )


def parse_setting(text: str) -> tuple[str, Any]:
    """Parse ``NAME=VALUE``. The value of a list is written without brackets, as in ``crash_at_message=500,900``.

    Raises:
        ValueError: the name is unknown, or the value is not a number or a list of numbers. Whether the value is within
            its bounds is not checked here.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    types = get_type_hints(Faults)
    if name not in types:
        raise ValueError(f"unknown fault {name!r}; known: {', '.join(types)}")
    try:
        parsed = msgspec.json.decode(f"[{value}]" if get_origin(types[name]) is tuple else value)
    except msgspec.DecodeError:
        equals = ""
    if not equals:
        raise ValueError(f"{text!r} is not a fault: write a name and a number, as in drop=0.1")
    return name, parsed
