"""Labels in listings name a handle only as the log's registry does."""

import re
from pathlib import Path

from click.testing import CliRunner

from actors import Node
from simulations.cli.main import main
from tests.actors.people import ALICE, EVE, NODE, item, register, still


def mostao(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def spawn(module: str, data: str = "") -> bytes:
    return EVE.sign(tags=[("Type", "Process"), ("Module", module)], data=data, anchor=bytes([len(module)] * 32))


async def test_a_handle_is_labelled_as_the_registry_names_it_at_that_point(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        alice = await register(node, ALICE, "alice")
        fake = (await node.send(spawn("mostao.handle@2", '{"name": "alice"}'))).message_id
        broken = (await node.send(spawn("mostao.handle@2", '{"name": "\\u001b[2Jx"}'))).message_id
        false_registry = (await node.send(spawn("mostao.registry@3"))).message_id
        result = await node.send(item(EVE, false_registry, "Register", {"handle": "alice", "pubkey": "k"}))
        of_false_registry = str(result.answer["pid"])
        asked = [
            (await node.send(item(ALICE, target, "GetProfile"))).sequence
            for target in (alice, fake, broken, of_false_registry)
        ]
        asked.append((await node.send(item(ALICE, false_registry, "GetHandles", {"owner": "x"}))).sequence)
        await node.send(item(ALICE, node.registry, "Register", {"handle": "Second", "pid": alice}))
        await node.send(item(ALICE, node.registry, "Renounce", {"handle": "alice"}))
        renounced = (await node.send(item(ALICE, alice, "GetProfile"))).sequence
        await node.send(item(EVE, node.registry, "Register", {"handle": "alice", "pid": fake}))
        taken = (await node.send(item(EVE, fake, "GetProfile"))).sequence
        await node.send(item(EVE, node.registry, "Register", {"handle": "alice", "pid": of_false_registry}))
        rebound = [(await node.send(item(EVE, pid, "GetProfile"))).sequence for pid in (fake, of_false_registry)]
        await node.drain()
    targets = dict(re.findall(r"^ *(\d+) .* → (\S+) ", mostao("log", path), re.MULTILINE))
    for sequences, expected in (
        (asked, ["@alice", "handle", "handle", "handle", "registry:" + false_registry[:8]]),
        ([renounced, taken], ["handle", "@alice"]),
        (rebound, ["handle", "@alice"]),
    ):
        for sequence, label in zip(sequences, expected, strict=True):
            assert re.fullmatch(rf"{label}(:.{{8}})?", targets[str(sequence)]), (sequence, targets[str(sequence)])
            assert f" → {targets[str(sequence)]} " in mostao("trace", path, sequence)
    assert targets["2"] == "registry"
