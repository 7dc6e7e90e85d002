"""The protocol reference in the README matches the code."""

import json
import re
import subprocess
import sys

import pytest

from actors.processes import MODULES
from actors.processes.base import ANYONE, Handler
from actors.processes.protocol_reference import README, START, reference, with_reference
from actors.processes.reference_errors import errors_of, reachable
from actors.protocol.messages import REPLY
from tests.actors.processes.stage import Stage
from tests.actors.processes.test_every_process import ACTIONS, do_everything

HANDLERS = {(module, name): MODULES[module].handlers[name] for module, name in ACTIONS}


def errors(module: str, handler: Handler) -> set[str]:
    return {error for found in reachable(handler.method, MODULES[module], set()) for error in errors_of(found)}


def test_the_readme_has_the_current_reference() -> None:
    hint = "run python -m actors.processes.protocol_reference"
    assert README.read_text() == with_reference(README.read_text()), hint


def test_the_command_checks_the_readme() -> None:
    command = [sys.executable, "-m", "actors.processes.protocol_reference", "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match=START):
        with_reference("# a README")


def test_every_action_is_in_the_reference() -> None:
    text = reference()
    assert {name for _, name in ACTIONS if f"`{name}`" not in text} == set()


@pytest.mark.parametrize(("module", "name"), ACTIONS)
def test_an_action_that_only_some_may_call_refuses_others(module: str, name: str) -> None:
    handler = HANDLERS[module, name]
    refuses = any("only" in error or "asks the registry" in error for error in errors(module, handler))
    if handler.callers == ANYONE:
        assert not refuses
    elif not handler.callers.startswith(ANYONE):
        assert refuses


def test_replies_have_the_fields_of_the_reference(stage: Stage) -> None:
    do_everything(stage)
    seen = set()
    for event in stage.events:
        name = event.message.action
        if event.slot == 0 or event.error is not None or name == REPLY:
            continue
        module = stage.table.entries[event.process].module
        declared = HANDLERS[module, name].reply
        reply = json.loads(event.output or "null")
        rows = reply if isinstance(reply, list) else [reply]
        if not declared.startswith("object of"):  # its keys are data
            fields = {field for row in rows if isinstance(row, dict) for field in row}
            assert fields <= set(re.findall(r"`(\w+)`", declared)), (module, name)
        assert isinstance(reply, list) == declared.startswith("list of"), (module, name)
        seen.add((module, name))
    assert seen == set(ACTIONS)


def test_errors_are_read_from_every_function_that_a_handler_calls() -> None:
    renounce = HANDLERS["mostao.registry@1", "Renounce"]
    assert errors("mostao.registry@1", renounce) >= {
        "the field 'handle' or 'name' is missing",  # in the class
        "only the owner of … can do that",  # in a helper class
        "a name has 1 to 64 characters",  # in a function of another module, with a constant
    }
    follow = HANDLERS["mostao.relation@1", "nameOf"]
    assert errors("mostao.relation@1", follow) == {"… is no Ethereum address"}  # an error of actors.crypto, quoted
