"""Both maps behave alike, and no order of theirs reaches a log."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.evaluation.state_codec import encode_canonically
from actors.processes.collections.map import Map
from actors.processes.collections.rpds_map import Map as RpdsMap

KINDS: list[Any] = [Map, RpdsMap]
keys, values = st.integers(0, 9), st.integers()
changes = st.lists(st.tuples(st.sampled_from(["set", "delete", "update"]), keys, values))


@pytest.mark.parametrize("kind", KINDS)
@given(drawn=changes)
def test_every_version_stays_as_it_was(kind: Any, drawn: list[tuple[str, int, int]]) -> None:
    versions: list[tuple[Any, dict[int, int]]] = [(kind(), {})]
    for change, key, value in drawn:
        version, model = versions[-1]
        if change == "set":
            versions.append((version.set(key, value), model | {key: value}))
        elif change == "update":
            versions.append((version.update({key: value, 99: value}), model | {key: value, 99: value}))
        elif key in model:
            versions.append((version.delete(key), {name: one for name, one in model.items() if name != key}))
        else:
            with pytest.raises(KeyError):
                version.delete(key)
    for version, model in versions:
        assert dict(version.items()) == model
        assert sorted(version) == sorted(version.keys()) == sorted(model)
        assert sorted(version.values()) == sorted(model.values())
        assert (len(version), bool(version)) == (len(model), bool(model))
        for key in range(10):
            assert version.get(key, "none") == model.get(key, "none")
            assert (key in version) == (key in model)
            if key in model:
                assert version[key] == model[key]
            else:
                with pytest.raises(KeyError):
                    version[key]


def test_equal_maps_are_equal_however_they_were_filled() -> None:
    for kind in KINDS:
        assert kind({1: 2, 3: 4}) == kind({3: 4}).set(1, 2)
        assert kind({1: 2}) != kind({1: 3})
        assert kind(kind({1: 2})) == kind({1: 2})


def test_the_order_in_which_a_map_was_filled_is_not_in_its_text() -> None:
    places = [11, 2, 33, 4]
    one, other = Map({place: {"b": 1, "a": 2} for place in places}), Map[int, Any]()
    for place in sorted(places):
        other = other.set(place, {"a": 2, "b": 1})
    assert encode_canonically(one) == encode_canonically(other.set(5, 0).delete(5)) != encode_canonically(Map())


@pytest.mark.parametrize("scenario", ["town", "relation"])
def test_a_world_is_the_same_with_either_map_and_in_any_order_of_iteration(scenario: str, tmp_path: Path) -> None:
    def log(name: str, seed: str, before: str) -> bytes:
        path = tmp_path / name
        arguments = ["simulate", scenario, "--users=8", "--messages=40", "--check", f"--log={path}"]
        script = f"{before}\nfrom simulations.cli.main import main\nmain({arguments!r})"
        environment = os.environ | {"PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr
        return path.read_bytes()

    without = "import sys; sys.modules['immutables'] = None"  # as where it has no wheel
    expected = log("one.db", "1", "")
    assert log("two.db", "2", "") == expected
    for seed in ("1", "2"):
        assert log(f"rpds-{seed}.db", seed, without) == expected
