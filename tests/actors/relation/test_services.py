"""The processes of Relation ONE that a node serves, on new logs and on those of earlier versions."""

from pathlib import Path

import pytest

from actors import Node, Wallet
from actors.processes import KeyKeeper, KeyKeeperV2, Process, Proxy, ProxyV2, Relation, RelationV2
from actors.relation.services import Services, process_client
from tests.actors.people import NODE, still

SECRET = Wallet(bytes([9]) * 32)


@pytest.mark.parametrize(
    ("began_with", "continues_with"),
    [((), {RelationV2, KeyKeeperV2, ProxyV2}), ((Relation, KeyKeeper, Proxy), {Relation, KeyKeeper, Proxy})],
)
async def test_a_log_continues_with_the_modules_that_it_began_with(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    began_with: tuple[type[Process], ...],
    continues_with: set[type[Process]],
) -> None:
    if began_with:  # the log of a version that had no newer modules
        monkeypatch.setattr("actors.node.executor.SUPERSEDED", {})
    async with Node.open(path, wallet=NODE, clock=still) as node:
        calls = process_client(node)
        if began_with:
            relation = await calls.start_process(Relation.module)
            public_key = "0x" + bytes(SECRET.curve25519().public_key).hex()
            await calls.start_process(KeyKeeper.module, relation=relation, publicKey=public_key)
            await calls.start_process(Proxy.module, name="first")
        for _ in range(2):  # a second call starts nothing
            services = await Services.of(calls, SECRET)
            started = {services.relation, services.keys.process, await services.proxy("first")}
        processes = node._processes.entries
        assert {processes[process].module for process in started} == {kind.module for kind in continues_with}
        assert len(processes) == 5
