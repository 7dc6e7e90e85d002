"""Load on a served node: it reads the node's metrics, and verifies its signed pages in place of its log."""

import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from actors.ans104.item import ItemRefused, parse, unsigned
from actors.ao.hash_chain import chain_after, chain_at_start
from actors.crypto.schemes import ED25519
from eventstore.records import encode_id
from simulations.load.http_transport import HttpTransport
from simulations.load.metrics import EVENTS_PER_SEND
from simulations.load.people import set_up
from simulations.load.plan import Plan
from simulations.load.run import Bench
from simulations.load.transport import NotServed
from simulations.load.usage import Sample
from simulations.load.verify import Verified

PAGE = 1000


class Size(NamedTuple):
    """The size of a log."""

    events: int
    bytes: int


class ServedNode:
    """The metrics of a served node."""

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport
        self._cpu_s: float | None = None

    async def sample(self) -> Sample | None:
        """Measure the node's process; None if the metrics lack it."""
        metrics = await self._metrics()
        cpu_s, self._cpu_s = self._cpu_s, metrics.get("process_cpu_seconds_total")
        if self._cpu_s is None:
            return None
        rss_mb = metrics.get("process_resident_memory_bytes", 0.0) / 1e6
        return Sample(rss_mb, 100 * (self._cpu_s - cpu_s) if cpu_s is not None else 0.0)

    async def size(self) -> Size:
        """The size of its log."""
        metrics = await self._metrics()
        return Size(int(metrics["mostao_log_events"]), int(metrics["mostao_log_bytes"]))

    async def _metrics(self) -> dict[str, float]:
        text = await self._transport.get("/metrics")
        return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}


@asynccontextmanager
async def served_bench(
    url: str, folder: Path, plan: Plan, on_wait: Callable[[str], Any]
) -> AsyncIterator[tuple[Bench, Size]]:
    """Register a plan's people on a served node.

    Args:
        url: address of the node.
        folder: a temporary folder for the lists of acknowledged sends.
        plan: how many people and sessions.
        on_wait: called with the reason when the registrations wait for a limit of the node.

    Yields:
        The node under test, and the size of its log before the load.

    Raises:
        NotServed: there is no node at that address.
        SetUpFailed: the node refused a registration, a session or a key.
    """
    transport = await HttpTransport.open(url)
    try:
        info = await transport.get("/info")
        if not isinstance(info, dict) or "registry" not in info:
            raise NotServed(f"{url}/info names no registry: this is not a mostao node")
        served = ServedNode(transport)
        conversations = await set_up(transport, info["registry"], plan, on_wait)
        yield Bench(folder, url, conversations, served.sample), await served.size()
    finally:
        await transport.close()


async def verify_served(
    url: str, acknowledged: Sequence[Path], handles: Sequence[str], before: Size, progress: Callable[[int], Any]
) -> Verified:
    """Look up every acknowledged send in the signed histories of the senders' handles.

    Args:
        url: address of the node.
        acknowledged: files with the ids of acknowledged sends.
        handles: process ids of the senders' handles.
        before: size of the log before the load.
        progress: called with the number of messages read so far.

    Returns:
        The result; its faults name wrong signatures and hash chains, and a log that grew too little.
    """
    transport = await HttpTransport.open(url)
    found: Counter[str] = Counter()
    faults: list[str] = []
    try:
        for handle in handles:
            faults += await _follow(transport, handle, found)
            progress(found.total())
        after = await ServedNode(transport).size()
    finally:
        await transport.close()
    count = Counter(message_id for path in acknowledged for message_id in path.read_text().split())
    events = after.events - before.events
    if events < EVENTS_PER_SEND * len(count):
        faults.append(f"the log grew by {events:,} events, which is less than {len(count):,} sends need")
    return Verified(
        acknowledged=len(count),
        in_log=sum(found[message_id] == 1 for message_id in count),
        twice=sum(count[message_id] > 1 or found[message_id] > 1 for message_id in count),
        faults=faults,
        log_bytes=round(after.bytes * events / max(after.events, 1)),
        events=events,
    )


async def _follow(transport: HttpTransport, process: str, found: Counter[str]) -> list[str]:
    """Count the messages in the pages of a process, up to the first fault; returns the faults."""
    chain, nonce, more = chain_at_start(process), 0, True
    while more:
        query = {"limit": str(PAGE), **({"from": str(nonce - 1)} if nonce else {})}
        page = await transport.get(f"/{process}", **query)
        for edge in page["edges"]:
            message, assignment = edge["node"]["message"], edge["node"]["assignment"]
            tags = {tag["name"]: tag["value"] for tag in assignment["tags"]}
            expected = {
                "Process": process,
                "Nonce": str(nonce),
                "Hash-Chain": encode_id(chain),
                "Message": message["id"],
            }
            wrong = [name for name, value in expected.items() if tags.get(name) != value]
            if wrong or not _is_valid(assignment):
                return [f"process {process}, nonce {nonce}: {', '.join(wrong) or 'the signature'} is wrong"]
            found[message["id"]] += 1
            chain = chain_after(assignment["id"], chain)
            nonce += 1
        more = page["page_info"]["has_next_page"]
    return []


def _is_valid(assignment: dict[str, Any]) -> bool:
    """Whether an assignment's signature is valid, and its id is the hash of the signature."""
    _, rest = unsigned(
        kind=ED25519,
        public_key=_raw(assignment["owner"]["key"]),
        target=b"",
        anchor=b"",
        tags=[(tag["name"], tag["value"]) for tag in assignment["tags"]],
        data=assignment["data"].encode(),
    )
    item = parse(ED25519.to_bytes(2, "little") + _raw(assignment["signature"]) + rest)
    try:
        item.verify()
    except ItemRefused:
        return False
    return bool(item.id == assignment["id"])


def _raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "==")
