"""``python -m tests.golden.write_golden NAME``: adds a golden log, which contains every action of the newest modules.

Each action succeeds at least once. Each action that refuses an empty body is also sent with one, so that the log
contains the texts of refusals. Keys and times are derived from constants: the same code writes the same bytes.

With ``--killed``, the node's process ends while messages are in flight, and the log contains those that were durable by
then.
"""

import asyncio
import gzip
import json
import os
import sqlite3
import subprocess
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import click

from actors import Node, Result, Wallet, replay
from actors.node.log_writer import WritableLog
from actors.processes import MODULES
from actors.protocol.messages import REPLY
from eventstore import Assignment, Head, read_log
from eventstore.sqlite.file_format import FORMAT
from simulations import User

DAWN_MS, STEP_MS = 1_700_000_000_000, 1000
TOMORROW_S = DAWN_MS / 1000 + 86_400
HERE = Path(__file__).parent
ARWEAVE_ITEM = HERE / "arweave.item"
"""The first message of an archive, signed in advance: the signatures of an Arweave key are random, so signing it again
would give other bytes."""
KEYS = {"encrypted_sk_by_a": "a", "pubkey_a": "a", "encrypted_sk_by_b": "b", "pubkey_b": "b"}
SEALED = "ab" * 112
KEEPER = "0x" + "11" * 32


class Day:
    """A node with a clock that advances by one second per message. Users send through it as through a node."""

    def __init__(self) -> None:
        self.now_ms = DAWN_MS
        self.node: Node

    @property
    def registry(self) -> str:
        return self.node.registry

    async def send(self, raw: bytes) -> Result:
        self.now_ms += STEP_MS
        result = await self.node.send(raw)
        await self.node.drain()
        return result

    async def dryrun(
        self, process: str, *, action: str, data: str = "", sender: str = "", tags: Sequence[tuple[str, str]] = ()
    ) -> Result:
        return await self.node.dryrun(process, action=action, data=data, sender=sender, tags=tags)

    async def sign(self, wallet: Any, process: str, action: str, body: Any) -> Result:
        """Send a message that a wallet signs."""
        anchor = self.now_ms.to_bytes(32, "big")  # makes two messages with the same content distinct
        return await self.send(wallet.sign(target=process, action=action, data=_text(body), anchor=anchor))

    async def start(self, wallet: Any, module: str, body: Any = "") -> str:
        """Start a process, and return its id."""
        tags = [("Type", "Process"), ("Module", module), ("Said", "Grüße ☃")]
        return (await self.send(wallet.sign(tags=tags, data=_text(body)))).message_id

    async def tell(self, user: User, process: str, *messages: tuple[str, Any]) -> list[Result]:
        """Send messages of a user to a process."""
        return [await self.sign(user.wallet, process, action, body) for action, body in messages]

    async def relay(self, user: User, handle: str, process: str, *messages: tuple[str, Any]) -> list[Result]:
        """Send messages of a user to a process through a handle."""
        relayed = [{"Target": process, "Data": _text(body), "Tags": {"Action": action}} for action, body in messages]
        return await self.tell(user, handle, *[("RelayMessage", body) for body in relayed])


class CrashingLog:
    """A log that ends the process when ``EstablishSession`` is durable, before any message that it causes is."""

    def __init__(self, log: WritableLog) -> None:
        self._log = log

    def append(self, batch: Sequence[Assignment], *, expected: int, epoch: int) -> Head:
        for count, row in enumerate(batch, 1):
            if row.message.action == "EstablishSession":
                self._log.append(batch[:count], expected=expected, epoch=epoch)
                os._exit(0)
        return self._log.append(batch, expected=expected, epoch=epoch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


async def run_day(path: Path, *, killed: bool) -> None:
    """Write a new log. The node is closed and opened again once."""
    day, wallet = Day(), Wallet(bytes([7]) * 32)
    alice, bob, eve = (User(name, entropy=Random(name).randbytes) for name in ("alice", "bob", "eve"))
    async with Node.open(path, new=True, wallet=wallet, clock=lambda: day.now_ms) as day.node:
        await meet(day, alice, bob)
    options: dict[str, Any] = {"wrap_log": CrashingLog} if killed else {}
    async with Node.open(path, wallet=wallet, clock=lambda: day.now_ms, **options) as day.node:
        await talk_on(day, alice, bob)
        if killed:
            await eve.register(day)
            await eve.establish_session(day, with_handle="bob")
        await use_handles(day, alice, bob, eve)
        await reach_limits(day, alice, bob)
        await meet_in_a_group(day, alice, bob, eve)
        await use_relation_one(day, alice)
        await send_refused_messages(day, eve, path)


async def meet(day: Day, alice: User, bob: User) -> None:
    """Two users find each other, exchange a key and send encrypted messages."""
    await alice.register(day)
    await bob.register(day)
    await alice.update_profile(day, bio="here", born=1984, tall=1.75, likes=["tea", None, True])
    chat = await alice.establish_session(day, with_handle="bob")
    await chat.rotate_key()
    await chat.send("hello")
    await bob.catch_up(day)
    await bob.chats[alice.pid].send("good morning ☀")


async def talk_on(day: Day, alice: User, bob: User) -> None:
    """A second key, and messages of both users, through the handles and past them."""
    session = alice.chats[bob.pid].session
    for user in (alice, bob):
        await day.relay(
            user,
            user.pid,
            session,
            ("RotateSessionKey", KEYS),
            ("SendMessage", {"content": f"{user.handle} under the newest key"}),
            ("SendMessage", {"content": f"{user.handle} under the first key", "generation": 1}),
            ("SendMessage", {"content": "under no key", "generation": 9}),
        )
    await day.relay(bob, alice.pid, session, ("SendMessage", {"content": "for somebody else"}))
    await day.tell(bob, bob.pid, ("MarkAsViewed", {"sessionID": session}), ("MarkAsViewed", {"sessionID": "none"}))
    await day.tell(bob, session, ("SendMessage", {"content": "past the handle"}))
    await day.tell(bob, session, ("QueryMessage", {"from": 0, "until": TOMORROW_S, "limit": 3, "order": "ASC"}))
    await _ask_session(day, bob, session)


async def use_handles(day: Day, alice: User, bob: User, eve: User) -> None:
    """Actions of an owner, a delegate and a stranger on a handle and its registry."""
    own = (
        ("SetEnv", {"theme": "dark", "size": 12}),
        ("SetEnv", {"size": None}),
        ("AddDelegate", {"address": bob.wallet.address, "expires": TOMORROW_S}),
        ("AddContact", {"handle": "bob", "note": "a friend"}),
        ("AddContact", {"handle": "eve"}),
    )
    await day.tell(alice, alice.pid, *own, ("SetEnv", {"large": 2**64}), ("ProfileUpdate", {"pubkey": ""}))
    await day.tell(eve, alice.pid, own[0])
    await day.tell(bob, alice.pid, own[2])
    await day.relay(bob, alice.pid, alice.chats[bob.pid].session, ("SendMessage", {"content": "a delegate's"}))
    await day.relay(bob, bob.pid, day.registry, ("EstablishSession", {"otherHandle": "alice"}))
    await day.tell(eve, alice.pid, ("UpdateChatList", {"sessionID": "x", "otherHandleName": "x", "otherHandleID": "x"}))
    await day.tell(eve, alice.pid, ("Notify", ""), ("RelayMessage", {"Target": bob.pid, "Tags": {"Action": "x"}}))
    tags = [{"name": "Action", "value": "Notify"}]
    await day.tell(bob, bob.pid, ("RelayMessage", {"Target": alice.pid, "Data": "", "Tags": tags}))
    await _use_names(day, alice, day.registry, alice.pid)
    await day.tell(eve, day.registry, ("Register", {"handle": "ALICE"}), ("Renounce", {"handle": "alice"}))
    await day.tell(eve, day.registry, ("Register", {"handle": "\u200b"}), ("Register", {"handle": "e", "pid": "short"}))
    for action in ("GetProfile", "GetEnv", "GetChatList", "GetUnread", "GetDelegates", "GetContacts"):
        await day.tell(eve, alice.pid, (action, ""))
    await day.tell(alice, alice.pid, ("RemoveDelegate", {"address": bob.wallet.address}))
    await day.tell(alice, alice.pid, ("RemoveContact", {"handle": "bob"}))


async def reach_limits(day: Day, alice: User, bob: User) -> None:
    """Refusals by the limits of a handle, a session and a registry, and pages of lists."""
    session = alice.chats[bob.pid].session
    await day.tell(alice, alice.pid, *[("ProfileUpdate", {f"field {number}": "x" * 90_000}) for number in range(4)])
    await day.tell(bob, alice.pid, ("GetProfile", ""), ("GetContacts", {"limit": 1}), ("GetChatList", {"offset": 1}))
    await day.relay(alice, alice.pid, session, ("RotateSessionKey", {**KEYS, "pubkey_a": "x" * 5000}))
    await day.tell(bob, session, ("QueryMessage", {"after": 2, "limit": 2}))
    await day.tell(bob, bob.pid, ("RemoveChat", {"sessionID": session}))
    await day.tell(bob, day.registry, ("EstablishSession", {"handleA": "bob", "handleB": "alice"}))
    await day.tell(bob, bob.pid, ("GetChatList", {"after": ""}))
    await fill_a_handle(day, bob)
    await day.tell(
        bob, day.registry, *[("Register", {"name": f"{number}.ao", "pid": bob.pid}) for number in range(101)]
    )


async def fill_a_handle(day: Day, bob: User) -> None:
    """A handle whose state has no room for a stranger's chat, and a stranger who learns so."""
    ned = User("ned", entropy=Random("ned").randbytes)
    await ned.register(day)
    fields = {"first": "x" * 90_000, "second": "x" * 90_000}
    for action in ("ProfileUpdate", "SetEnv"):
        await day.tell(ned, ned.pid, *[(action, {name: text}) for name, text in fields.items()])
    lengths = [*[4096] * 26, *[2**power for power in range(11, -1, -1)]]
    notes = [
        ("AddContact", {"handle": f"{number}", "note": "\u0001" * length}) for number, length in enumerate(lengths)
    ]
    await day.tell(ned, ned.pid, *notes)
    await day.tell(bob, day.registry, ("EstablishSession", {"handleA": "bob", "handleB": "ned"}))


async def _ask_session(day: Day, user: User, session: str) -> None:
    await day.tell(
        user,
        session,
        ("GetCurrentKeys", ""),
        ("GetCurrentKey", ""),
        ("GetKeyByGeneration", {"generation": 1}),
        ("GetKeyByGeneration", {"generation": 9}),
        ("QueryMessage", ""),
    )


async def _use_names(day: Day, alice: User, registry: str, handle: str) -> None:
    await day.tell(
        alice,
        registry,
        ("Register", {"name": "alice.ao", "pid": handle}),
        ("QueryHandle", {"handle": "Alice"}),
        ("QueryHandle", {"handle": "nobody"}),
        ("GetHandles", {"owner": alice.wallet.address}),
        ("QueryDomain", {"name": "alice.ao"}),
        ("GetDomains", {"owner": alice.wallet.address}),
        ("QuerySession", {"handleA": "bob", "handleB": "alice"}),
        ("EstablishSession", {"handleA": "alice", "handleB": "alice"}),
        ("Renounce", {"name": "alice.ao"}),
    )


async def meet_in_a_group(day: Day, alice: User, bob: User, eve: User) -> None:
    """A group with its keys, messages and changes of members."""
    await eve.register(day)
    [founded] = await day.tell(alice, day.registry, ("CreateGroup", {"handle": "alice", "name": "friends"}))
    group = founded.answer["groupID"]
    join = ("JoinGroup", {"handle": "bob", "group": group})
    await day.tell(bob, day.registry, join)  # refused: he has no invitation yet
    await day.relay(alice, alice.pid, group, ("Invite", {"members": [bob.pid]}))
    await day.tell(bob, day.registry, join)
    await day.tell(eve, day.registry, ("GroupJoined", {"members": [eve.pid], "name": "x"}))
    await day.relay(
        alice,
        alice.pid,
        group,
        ("SendMessage", {"content": "without a key"}),
        ("RotateGroupKey", {"epoch": 2, "sealed": {alice.pid: "a"}}),
        ("AddGroupKeys", {"epoch": 2, "sealed": {bob.pid: "b"}}),
        ("SendMessage", {"content": "hello"}),
        ("SetRole", {"member": bob.pid, "role": "administrator"}),
        ("SetGroup", {"name": "old friends", "announcement": "tea at five", "free": True}),
    )
    await day.relay(bob, bob.pid, group, ("SendMessage", {"content": "hi", "generation": 1}), ("MarkAsViewed", {}))
    for action, body in (
        ("GetGroup", ""),
        ("GetMembers", ""),
        ("GetCurrentKeys", {"member": bob.pid}),
        ("GetCurrentKey", {"member": bob.pid}),
        ("GetKeyByGeneration", {"generation": 1, "member": bob.pid}),
        ("QueryMessage", ""),
        ("GetUnread", {"member": alice.pid}),
    ):
        await day.tell(eve, group, (action, body))
    await day.relay(alice, alice.pid, group, ("AddMember", {"members": [eve.pid]}), ("Remove", {"members": [eve.pid]}))
    await day.relay(alice, alice.pid, group, ("Leave", {}))
    session = alice.chats[bob.pid].session
    await day.tell(eve, session, ("GetSession", ""))


async def use_relation_one(day: Day, alice: User) -> None:
    """Relation ONE: names, follows, a group and messages of Ethereum accounts, with their keys, flags and archive."""
    from simulations.clients.relation_user import RelationUser, auth_sig, for_address, for_members

    anne, ben = (RelationUser(Random(name).randbytes, now=day.now_ms) for name in ("anne", "ben"))
    relation = await day.start(alice.wallet, "mostao.relation@2")

    async def tell(who: RelationUser, process: str, *messages: tuple[str, Any]) -> Result:
        return [await day.sign(who.wallet, process, action, body) for action, body in messages][-1]

    for who, name in ((anne, "anne.eth"), (ben, "ben.eth")):
        await tell(who, relation, ("register", {"owner": who.address, "name": name}))
    deployed = await tell(anne, relation, ("deployDaoContract", {"owner": anne.address, "name": "club"}))
    dao = deployed.answer["dao"]
    message = anne.compose(ben.address, "sealed", timestamp=day.now_ms)
    to_all = anne.compose(dao, "sealed", timestamp=day.now_ms, kind=1, tags=[("mentionedUsers", ben.address)])
    hiding = anne.compose(ben.address, "x", timestamp=day.now_ms, kind=4, tags=[("quoteId", message["id"])])
    ben.delegate(now=day.now_ms, lasts=20 * STEP_MS)
    early, late = (ben.compose(anne.address, "x", timestamp=day.now_ms + ms) for ms in (1, 20 * STEP_MS))
    await tell(
        anne,
        relation,
        ("setProfileURI", {"profileURI": "ar://a"}),
        ("nameOf", {"addr": ben.address}),
        ("profileURI", {"addr": anne.address}),
        ("follow", {"addr": ben.address}),
        ("follow", {"addr": anne.address}),
        ("followers", {"addr": ben.address}),
        ("following", {"addr": anne.address}),
        ("unfollow", {"addr": ben.address}),
        ("addMember", {"dao": dao, "addr": [ben.address]}),
        ("setFreeJoin", {"dao": dao, "free": True}),
        ("setDaoURI", {"dao": dao, "uri": "ar://d"}),
        ("sendMessage", message),
        ("sendMessage", message),
        ("sendMessage", to_all),
        ("sendMessage", hiding),
        ("sendMessage", early),
        ("sendMessage", late),
        ("sendMessage", {**message, "payload": "another"}),
    )
    await tell(
        ben,
        relation,
        ("remove", {"dao": dao, "addr": ben.address}),
        ("isFreeJoin", {"dao": dao}),
        ("join", {"dao": dao}),
        ("daoURI", {"dao": dao}),
        ("name", {"dao": dao}),
        ("members", {"dao": dao}),
        ("balanceOf", {"dao": dao, "addr": ben.address}),
        ("messagesAfter", {"after": -1, "addr": ben.address}),
        ("waitingAfter", {"after": -1}),
        ("getChats", {"addr": ben.address}),
        ("listMessages", {"addr": ben.address}),
        ("getMessage", {"id": message["id"]}),
        ("sendMessage", early),  # accepted before; a duplicate is accepted even after its session key has expired
        ("sendMessage", {**early, "sig": early["delegationSig"]}),
        ("sendMessage", ben.compose(anne.address, "y", timestamp=day.now_ms)),
    )
    await day.tell(alice, relation, ("setProfileURI", {"profileURI": "ar://a"}))
    keeper = await day.start(alice.wallet, "mostao.keykeeper@2", {"relation": relation, "publicKey": KEEPER})
    await tell(ben, keeper, ("getPublicKey", ""))
    for conditions, sealed in ((for_address(ben.address), SEALED), (for_members(dao), SEALED[:-2] + "cd")):
        kept = {"accessControlConditions": conditions, "authSig": auth_sig(ben, now=day.now_ms)}
        await tell(ben, keeper, ("saveEncryptionKey", {**kept, "encryptedSymmetricKey": sealed}))
        asked = await tell(ben, keeper, ("getEncryptionKey", {**kept, "toDecrypt": sealed}))
        await tell(ben, keeper, ("getGrant", {"request": asked.message_id}))
    stranger = {**kept, "authSig": auth_sig(anne, now=day.now_ms + 3_600_000)}
    await tell(anne, keeper, ("getEncryptionKey", {**stranger, "toDecrypt": sealed}))
    proxy = await day.start(alice.wallet, "mostao.proxy@2")
    chat = {"addr": ben.address, "chat": anne.address}
    await day.tell(alice, proxy, ("markAsRead", {**chat, "place": 0}), ("setMuted", {**chat, "muted": True}))
    await day.tell(alice, proxy, ("setSticky", {**chat, "sticky": True}), ("getFlags", {"addr": ben.address}))
    await tell(ben, proxy, ("setMuted", {**chat, "muted": False}))
    await use_an_archive(day, alice)


async def use_an_archive(day: Day, alice: User) -> None:
    """An archive index, and an item of an Arweave key."""
    archive = await day.start(alice.wallet, "mostao.archive@1")
    await day.tell(alice, archive, ("beginPack", {"count": 2}), ("beginPack", {"count": 2}))
    await day.tell(alice, archive, ("stored", {"id": "x" * 43}), ("getArchive", ""))
    await day.send(ARWEAVE_ITEM.read_bytes())


async def send_refused_messages(day: Day, eve: User, path: Path) -> None:
    """Send, to a process of each module, each action that refuses an empty body with one, and an unknown action."""
    for module, process in processes(path).items():
        for action in MODULES[module].handlers:
            refused = (await day.dryrun(process, action=action, data="{}")).error is not None
            if refused and action != REPLY:
                await day.tell(eve, process, (action, {}))
        await day.tell(eve, process, ("Dance", [1]))
    await day.send(eve.wallet.sign(target=day.registry, action="Register", data=b"\xff\x00"))


def processes(path: Path) -> dict[str, str]:
    """The first process of each module in a log."""
    first_processes: dict[str, str] = {}
    log = read_log(path)
    for row in log.read():
        if not row.slot:
            first_processes.setdefault(dict(json.loads(row.message.tags))["Module"], row.process)
    log.close()
    return first_processes


def _text(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def write(path: Path, *, killed: bool = False) -> None:
    """Write a log into one file."""
    if not killed:
        asyncio.run(run_day(path, killed=False))
        return
    child = get_context("fork").Process(target=lambda: asyncio.run(run_day(path, killed=True)))
    child.start()
    child.join()
    connection = sqlite3.connect(path)
    connection.execute("pragma wal_checkpoint(truncate)")  # the killed node did not copy it into the file
    connection.close()


def add(name: str, *, killed: bool) -> Path:
    """Write a golden log, and add it with the result of its replay to ``logs.json``. Returns the file."""
    file, records = HERE / "logs" / f"{name}.db.gz", HERE / "logs.json"
    if file.exists():
        raise SystemExit(f"{file} already exists: golden logs never change, choose another name")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.db"
        write(path, killed=killed)
        replayed = replay(path)
        record = {
            "file": file.name,
            "commit": commit.stdout.strip(),
            "format": FORMAT,
            "modules": sorted(processes(path)),
            "events": replayed.events,
            "unsent": replayed.unsent,
            "log_head": replayed.log_head,
            "state_root": replayed.state_root,
        }
        file.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    records.write_text(json.dumps([*json.loads(records.read_text()), record], indent=2) + "\n")
    return file


@click.command()
@click.argument("name")
@click.option("--killed", is_flag=True, help="End the node's process while messages are in flight.")
def main(name: str, killed: bool) -> None:
    """Write a golden log and add it to logs.json under NAME."""
    click.echo(add(name, killed=killed))


if __name__ == "__main__":
    main()
