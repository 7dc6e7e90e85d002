"""A node that is served somewhere under load: what it says of itself, and whether that holds."""

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
from simulations.load.connect import NotServed
from simulations.load.http_transport import HttpLine
from simulations.load.metrics import EVENTS_PER_SEND
from simulations.load.people import set_up
from simulations.load.plan import Plan
from simulations.load.run import Bench
from simulations.load.usage import Sample
from simulations.load.verify import Verified

PAGE = 1000


class Size(NamedTuple):
    """Of a log."""

    events: int
    bytes: int


class Served:
    """The metrics of a served node."""

    def __init__(self, line: HttpLine) -> None:
        self._line = line
        self._cpu_s: float | None = None

    async def sample(self) -> Sample | None:
        """The node's process; None where its metrics do not say."""
        figures = await self._figures()
        cpu_s, self._cpu_s = self._cpu_s, figures.get("process_cpu_seconds_total")
        if self._cpu_s is None:
            return None
        rss_mb = figures.get("process_resident_memory_bytes", 0.0) / 1e6
        return Sample(rss_mb, 100 * (self._cpu_s - cpu_s) if cpu_s is not None else 0.0)

    async def size(self) -> Size:
        """The size of its log."""
        figures = await self._figures()
        return Size(int(figures["mostao_log_events"]), int(figures["mostao_log_bytes"]))

    async def _figures(self) -> dict[str, float]:
        text = await self._line.get("/metrics")
        return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}


@asynccontextmanager
async def served_bench(url: str, folder: Path, plan: Plan) -> AsyncIterator[tuple[Bench, Size]]:
    """Bring a plan's people onto a served node; see ``run.bench``. Gives also what its log was before any load.

    Raises:
        NotServed: there is no node at that address.
        SetUpFailed: it refused somebody.
    """
    line = await HttpLine.open(url)
    try:
        info = await line.get("/info")
        if not isinstance(info, dict) or "registry" not in info:
            raise NotServed(f"{url}/info does not name a registry: this is no node")
        served = Served(line)
        talks = await set_up(line, info["registry"], plan)
        yield Bench(folder, url, talks, served.sample), await served.size()
    finally:
        await line.close()


async def verify_served(
    url: str, acknowledged: Sequence[Path], handles: Sequence[str], before: Size, progress: Callable[[int], Any]
) -> Verified:
    """Read the histories of the handles that spoke, check the node's signatures and hash chains, and look everything up
    in them that was acknowledged.
    """
    line = await HttpLine.open(url)
    found: Counter[str] = Counter()
    faults: list[str] = []
    try:
        for handle in handles:
            faults += await _follow(line, handle, found)
            progress(found.total())
        after = await Served(line).size()
    finally:
        await line.close()
    count = Counter(one for path in acknowledged for one in path.read_text().split())
    events = after.events - before.events
    if events < EVENTS_PER_SEND * len(count):
        faults.append(f"the log grew by {events:,} events, which is less than {len(count):,} sends are")
    return Verified(
        acknowledged=len(count),
        in_log=sum(found[one] == 1 for one in count),
        twice=sum(count[one] > 1 or found[one] > 1 for one in count),
        faults=faults,
        log_bytes=round(after.bytes * events / max(after.events, 1)),
        events=events,
    )


async def _follow(line: HttpLine, process: str, found: Counter[str]) -> list[str]:
    """Count the messages of a process's pages, as long as those are sound."""
    chain, nonce, more = chain_at_start(process), 0, True
    while more:
        query = {"limit": str(PAGE), **({"from": str(nonce - 1)} if nonce else {})}
        page = await line.get(f"/{process}", **query)
        for edge in page["edges"]:
            message, assignment = edge["node"]["message"], edge["node"]["assignment"]
            said = {tag["name"]: tag["value"] for tag in assignment["tags"]}
            due = {"Process": process, "Nonce": str(nonce), "Hash-Chain": encode_id(chain), "Message": message["id"]}
            wrong = [name for name, value in due.items() if said.get(name) != value]
            if wrong or not _genuine(assignment):
                return [f"process {process}, nonce {nonce}: {', '.join(wrong) or 'the signature'} is wrong"]
            found[message["id"]] += 1
            chain = chain_after(assignment["id"], chain)
            nonce += 1
        more = page["page_info"]["has_next_page"]
    return []


def _genuine(words: dict[str, Any]) -> bool:
    """Whether an assignment is what a key signed, and is called what that gives."""
    _, rest = unsigned(
        kind=ED25519,
        public_key=_raw(words["owner"]["key"]),
        target=b"",
        anchor=b"",
        tags=[(tag["name"], tag["value"]) for tag in words["tags"]],
        data=words["data"].encode(),
    )
    item = parse(ED25519.to_bytes(2, "little") + _raw(words["signature"]) + rest)
    try:
        item.verify()
    except ItemRefused:
        return False
    return bool(item.id == words["id"])


def _raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "==")
