"""Every registered fault occurs with the settings that ask for it, and never by default."""

from inspect import isfunction
from random import Random
from typing import Any

import msgspec
import pytest

from simulations.faults.fault import Fault, NetworkFault, NodeFault, PersonFault
from simulations.faults.registry import FAULTS, Faults, parse_setting
from simulations.faults.storage_faults import BitRot, LostFsync, TornWrite
from simulations.scenario.scenario import ScenarioUnusable, explain, load, override, parse

ALWAYS = {
    "drop": 0.99,
    "lose_answer": 0.99,
    "duplicate": 1,
    "delay": 1,
    "reorder": 1,
    "crash_at_message": [5],
    "crash_at_h": [1.5],
    "slow_disk_ms": 2,
    "live_processes": 9,
    "torn_write": 0.5,
    "lost_fsync": 0.5,
    "bit_rot": 1,
    "wrong_clock": 1,
}
KINDS = (NetworkFault, NodeFault, PersonFault)


def effects(fault: Fault) -> dict[str, Any]:
    """The effect of each hook of a fault."""
    [kind] = [kind for kind in KINDS if isinstance(fault, kind)]
    arguments = () if kind is NodeFault else (Random(1),)
    return {name: getattr(fault, name)(*arguments) for name, hook in vars(kind).items() if isfunction(hook)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_never_occurs_by_default_and_occurs_when_it_is_set(fault: type[Fault]) -> None:
    assert not any(effects(fault()).values())
    setting = fault.__struct_fields__[0]
    found = effects(msgspec.convert({setting: ALWAYS[setting]}, fault))
    assert sum(bool(effect) for effect in found.values()) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_part_of_scenario_files_and_of_their_explanation(fault: type[Fault]) -> None:
    for name in fault.__struct_fields__:
        assert f"\n{name} = " in explain()
    setting = fault.__struct_fields__[0]
    crash = "\ncrash_at_h = [12]" if fault in (TornWrite, LostFsync, BitRot) else ""
    faults = parse(f"[faults]\n{setting} = {ALWAYS[setting]}{crash}", "my.toml").faults
    assert faults.any
    [active] = faults.of_kind(fault)
    assert any(effects(active).values())


def test_settings_are_checked_against_their_bounds() -> None:
    assert not Faults().any
    for name, value in (("drop", 1.1), ("delay_s", -1), ("crash_at_h", [25]), ("slow_disk_ms", "x")):
        with pytest.raises(ScenarioUnusable, match=f"faults.{name}"):
            override(load("town"), {"faults": {name: value}})


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("drop=0.1", ("drop", 0.1)),
        (" delay_s = 5 ", ("delay_s", 5)),
        ("crash_at_message=500,900", ("crash_at_message", [500, 900])),
        ("crash_at_h=6", ("crash_at_h", [6])),
    ],
)
def test_a_setting_of_the_command_line_is_parsed_by_its_type(text: str, setting: tuple[str, Any]) -> None:
    assert parse_setting(text) == setting


@pytest.mark.parametrize("text", ["drop", "drop=", "drop=often", "flood=1", "", "=1"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        parse_setting(text)
