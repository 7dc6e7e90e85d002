"""Starts a real witness behind a real server on loopback, with an HTTP client; and a log of any length to submit."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from actors import Wallet
from actors.evidence.checkpoints import Checkpoint, VerifierKey, sign
from actors.http.witness.app import WitnessApp
from actors.http.witness.client import WitnessClient
from actors.http.witness.store import WitnessStore
from actors.http.witness.wire_format import AddCheckpoint
from actors.http.witness.witness import Witness
from eventstore.merkle.rfc9162 import consistency_path, leaf_hash, root_of
from tests.actors.http.loopback import loopback
from tests.actors.people import BOB, EVE, still

NAME = "witness.example"
LOG = VerifierKey("example.com/log", EVE.public_key)


class ServedWitness:
    def __init__(self, witness: Witness, store: WitnessStore, url: str, client: httpx.AsyncClient) -> None:
        self.witness, self.store, self.url, self.client = witness, store, url, client

    async def post(self, body: bytes | str) -> httpx.Response:
        return await self.client.post("/add-checkpoint", content=body if isinstance(body, bytes) else body.encode())

    async def status(self, request: AddCheckpoint) -> int:
        return (await self.post(request.encode())).status_code

    def asked(self) -> WitnessClient:
        return WitnessClient(self.url, [self.witness.key])


@asynccontextmanager
async def served_witness(
    path: Path,
    *keys: VerifierKey,
    wallet: Wallet = BOB,
    clock: Callable[[], int] = still,
    rate: str | None = None,
    port: int = 0,
) -> AsyncIterator[ServedWitness]:
    store = WitnessStore.open(path)
    logs = {key.name: [each for each in keys if each.name == key.name] for key in keys}
    witness = Witness(store, name=store.name(NAME), wallet=wallet, logs=logs, clock=clock)
    app = WitnessApp(witness, rate=rate)
    try:
        async with (
            loopback(app.asgi_app(), port=port) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):
            yield ServedWitness(witness, store, url, client)
    finally:
        app.close()
        store.close()


class Tree:
    """A log with any leaves, whose checkpoints a wallet signs."""

    def __init__(self, leaves: Sequence[str], *, key: VerifierKey = LOG, wallet: Wallet = EVE) -> None:
        self._hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
        self._key, self._wallet = key, wallet

    def note(self, size: int, *, extensions: tuple[str, ...] = ()) -> str:
        return sign(Checkpoint(self._key.name, size, root_of_any(self._hashes[:size]), extensions), self._wallet)

    def request(self, old_size: int, size: int) -> AddCheckpoint:
        proof = consistency_path(old_size, size, lambda start, stop: root_of_any(self._hashes[start:stop]))
        return AddCheckpoint(old_size, proof, self.note(size))


def root_of_any(hashes: list[bytes]) -> bytes:
    """The root over any number of leaves, split as RFC 9162 does."""
    if len(hashes) <= 2:
        return root_of(hashes)
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return root_of([root_of_any(hashes[:middle]), root_of_any(hashes[middle:])])
