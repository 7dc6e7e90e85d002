"""``mostao simulate``: the main job."""

import shlex
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop

from actors.node import Node
from actors.wallet import Wallet, key_path
from simulations.commands.paths import free_log
from simulations.commands.progress import Bar, progress_bar
from simulations.town import DAWN_MS, Outcome, Town
from simulations.virtual import VirtualClock

USERS_MAX = 1_000_000
MESSAGES_MAX = 100_000_000


@click.command()
@click.option("--users", type=click.IntRange(2, USERS_MAX), default=100, show_default=True, help="People in the town.")
@click.option(
    "--messages",
    type=click.IntRange(0, MESSAGES_MAX),
    default=2000,
    show_default=True,
    help="Messages that they send one another, in all.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    help="The same seed gives the same log, byte for byte.",
)
@click.option(
    "--log",
    "path",
    type=click.Path(path_type=Path),
    help="File of the event log; it must not hold a world yet.  [default: town.db, or the next free town-2.db, …]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
def simulate(users: int, messages: int, seed: int, path: Path | None, as_json: bool) -> None:
    """Let a town of people find each other, exchange keys and talk in ciphertext.

    Some of them mean harm: every attempt has to be refused. Every message is decrypted by its receiver and compared
    with what was sent, and a third party tries to open what it can see.
    """
    path = path or free_log("town")
    _check_key(path, seed)
    begun = time.perf_counter()
    with progress_bar("talking", messages) as bar:
        outcome, figures = uvloop.run(_run(path, users, messages, seed, bar))
    elapsed = time.perf_counter() - begun
    figures |= {"elapsed_s": round(elapsed, 3), "events_per_s": round(figures["events"] / elapsed, 1)}
    if as_json:
        click.echo(msgspec.json.encode(outcome._asdict() | {"seed": seed} | figures))
    else:
        click.echo(_report(outcome, figures, seed))
    refused = outcome.hostile_attempts == outcome.hostile_refused
    if not refused or outcome.third_party_opened:
        raise click.ClickException("a hostile attempt succeeded: see the figures above")


async def _run(path: Path, users: int, messages: int, seed: int, bar: Bar) -> tuple[Outcome, dict[str, Any]]:
    clock = VirtualClock(DAWN_MS)
    wallet = _node_wallet(seed)
    async with Node.open(path, new=True, wallet=wallet, clock=clock) as node:
        _keep_key(wallet, key_path(path))
        outcome = await Town(node, clock, users=users, messages=messages, seed=seed, progress=bar.advance).live()
        return outcome, {
            "events": node.sequence,
            "log": str(path),
            "log_head": node.log_head,
            "state_root": node.state_root,
        }


def _node_wallet(seed: int) -> Wallet:
    """The node's key follows from the seed, so that the same seed signs the same log."""
    return Wallet(sha256(f"mostao node {seed}".encode()).digest())


def _check_key(path: Path, seed: int) -> None:
    key = key_path(path)
    if key.exists() and not path.exists() and Wallet.load(key).address != _node_wallet(seed).address:
        raise click.UsageError(f"{key} is the key of another log's node: move it away, or choose another --log")


def _keep_key(wallet: Wallet, path: Path) -> None:
    if not path.exists():
        wallet.save(path)


def _report(outcome: Outcome, figures: dict[str, Any], seed: int) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in outcome.refusals.items())
    rows = (
        ("people", f"{outcome.users:,}"),
        ("handles", f"{outcome.handles:,}"),
        ("sessions", f"{outcome.sessions:,}"),
        ("key generations", f"{outcome.generations:,}"),
        (
            "messages",
            f"{outcome.messages_sent:,} sent, {outcome.messages_read:,} decrypted by their receivers as written",
        ),
        ("hostile attempts", f"{outcome.hostile_attempts:,}, {outcome.hostile_refused:,} refused"),
        ("", f"({kinds})"),
        ("third party", f"{outcome.third_party_attempts:,} attempts to open, {outcome.third_party_opened:,} succeeded"),
        (
            "events",
            f"{figures['events']:,} in {figures['elapsed_s']:.1f} s ({figures['events_per_s']:,.0f} per second)",
        ),
        ("log", figures["log"]),
        ("log head", figures["log_head"]),
        ("state root", figures["state_root"]),
    )
    lines = [f"One day in a town of {outcome.users:,} people, seed {seed}", ""]
    lines += [f"  {name:<17} {value}".rstrip() for name, value in rows if value != "()"]
    command = f"mostao replay {shlex.quote(figures['log'])}"
    lines += ["", f"Rebuild every state from the log alone, and get the same state root:  {command}"]
    return "\n".join(lines)
