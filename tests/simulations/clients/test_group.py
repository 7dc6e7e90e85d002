"""Groups of people with real keys on a real node."""

from pathlib import Path

import pytest

from actors import Node, replay
from actors.audit.audit import audit
from actors.processes import MODULES
from actors.protocol.messages import REPLY
from actors.protocol.spawn import module_of
from eventstore import read_log
from simulations import User
from simulations.clients.encryption import CannotOpen, decrypt, open_session_key
from simulations.clients.group import GroupChat
from tests.actors.people import NODE, still


async def people(node: Node, *names: str) -> list[User]:
    found = [User.create(name) for name in names]
    for user in found:
        await user.register(node)
    return found


async def talking(node: Node, *users: User) -> list[GroupChat]:
    """A group of these people, with a key."""
    founder = await GroupChat.found(users[0], node, "friends")
    await founder.add([user.pid for user in users[1:]])
    await node.drain()
    await founder.rotate_key()
    await node.drain()
    return [founder, *(GroupChat(user, node, founder.group) for user in users[1:])]


def texts(messages: object) -> list[str]:
    return [message.text for message in messages]  # type: ignore[attr-defined]


async def test_everybody_reads_what_anybody_says(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        chats = await talking(node, *await people(node, "alice", "bob", "carol"))
        for number, chat in enumerate(chats):
            await chat.send(f"message {number}")
        await node.drain()
        for chat in chats:
            assert texts(await chat.read()) == ["message 0", "message 1", "message 2"]
            assert await chat.read() == []


async def test_who_was_removed_cannot_open_the_next_message_whatever_was_kept(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        alice, bob, carol = await people(node, "alice", "bob", "carol")
        chats = await talking(node, alice, bob, carol)
        await chats[0].send("before")
        await node.drain()
        removed = chats[2]
        assert texts(await removed.read()) == ["before"]
        kept = dict(removed.keys)
        await chats[0].relay("Remove", {"members": [carol.pid]})
        await node.drain()
        await chats[0].rotate_key()
        await node.drain()
        await chats[0].send("after")
        await node.drain()
        assert texts(await chats[1].read()) == ["before", "after"]
        assert await removed.read() == []
        [row] = await carol.query(node, removed.group, "QueryMessage", {"limit": 1})
        for key in kept.values():
            with pytest.raises(CannotOpen):
                decrypt(row["content"], key)
        for pid in (alice.pid, bob.pid):  # nor do the sealed keys of the others, which are public
            asked = {"generation": row["generation"], "member": pid}
            [sealed] = await carol.query(node, removed.group, "GetKeyByGeneration", asked)
            with pytest.raises(CannotOpen):
                open_session_key(sealed["sealed"], carol.key)


async def test_a_newcomer_cannot_open_an_earlier_message(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        alice, bob, carol = await people(node, "alice", "bob", "carol")
        chats = await talking(node, alice, bob)
        await chats[0].send("before")
        await chats[0].relay("Invite", {"members": [carol.pid]})
        await node.drain()
        newcomer = await GroupChat.join(carol, node, chats[0].group)
        await node.drain()
        await chats[1].rotate_key()  # any member does
        await node.drain()
        await chats[1].send("after")
        await node.drain()
        assert texts(await newcomer.read()) == ["after"]
        assert texts(await chats[0].read()) == ["before", "after"]
        earlier = (await carol.query(node, newcomer.group, "QueryMessage", {"order": "ASC", "limit": 1}))[0]
        for key in newcomer.keys.values():
            with pytest.raises(CannotOpen):
                decrypt(earlier["content"], key)


async def test_nobody_speaks_before_the_key_is_rotated(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        alice, bob, carol = await people(node, "alice", "bob", "carol")
        chats = await talking(node, alice, bob)
        await chats[0].add([carol.pid])
        await node.drain()
        await chats[0].send("under the old key")
        await node.drain()
        assert (await chats[0].about())["messages"] == 0
        chat = next(row for row in await alice.chat_list(node) if row["sessionID"] == chats[0].group)
        assert "rotate it before the next message" in chat["refusal"]["message"]
        with pytest.raises(CannotOpen, match="no key for this person"):
            await GroupChat(carol, node, chats[0].group).send("x")


async def test_a_thousand_members(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        alice, bob = await people(node, "alice", "bob")
        founder = await GroupChat.found(alice, node, "everybody")
        crowd = [User.create(f"person{number}") for number in range(998)]
        registering = [
            node.submit(user.item(node.registry, "Register", {"handle": user.handle, "pubkey": user.pubkey}))
            for user in crowd
        ]
        for user, registered in zip(crowd, registering, strict=True):
            user.pid = (await registered).answer["pid"]
        await founder.add([bob.pid, *(user.pid for user in crowd)])
        await node.drain()
        await founder.rotate_key()
        await node.drain()
        before = node.sequence
        await founder.send("hello, everybody")
        await node.drain()
        assert node.sequence - before == 2  # the relay and the message, regardless of the number of members
        assert len(await founder.members()) == 1000
        for user in (bob, crowd[0], crowd[-1]):
            assert texts(await GroupChat(user, node, founder.group).read()) == ["hello, everybody"]
        root = node.state_root
    assert replay(path).state_root == root
    assert audit(path).faults == []


async def test_every_action_of_groups_goes_through_a_node_and_is_audited(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        alice, bob, carol = await people(node, "alice", "bob", "carol")
        chat, other, _ = await talking(node, alice, bob, carol)
        await chat.send("x")
        for action, body in (
            ("Remove", {"members": [carol.pid]}),
            ("Invite", {"members": [carol.pid]}),
            ("SetGroup", {"name": "old friends", "announcement": "hello"}),
            ("SetRole", {"member": bob.pid, "role": "administrator"}),
        ):
            await chat.relay(action, body)
        await GroupChat.join(carol, node, chat.group)
        await node.drain()
        epoch = (await chat.about())["epoch"]
        await chat.relay("RotateGroupKey", {"epoch": epoch, "sealed": {alice.pid: "x"}})
        await chat.relay("AddGroupKeys", {"epoch": epoch, "sealed": {bob.pid: "x", carol.pid: "x"}})
        await other.relay("MarkAsViewed")
        await other.relay("Leave")
        for action, body in (
            *((name, {}) for name in ("GetGroup", "GetMembers", "QueryMessage")),
            *((name, {"member": alice.pid}) for name in ("GetCurrentKeys", "GetCurrentKey", "GetUnread")),
            ("GetKeyByGeneration", {"generation": 1, "member": alice.pid}),
        ):
            await alice.ask(node, chat.group, action, body)
        await node.drain()
        root = node.state_root
    rows = list(read_log(path).read())
    modules = {row.process: module_of(row.message) for row in rows if row.slot == 0}
    done = {(modules[row.process], row.message.action) for row in rows if row.slot and row.error is None}
    group = {("mostao.group@2", name) for name in MODULES["mostao.group@2"].handlers if name != REPLY}
    assert group | {("mostao.registry@3", name) for name in ("CreateGroup", "JoinGroup", "GroupJoined")} <= done
    assert replay(path).state_root == root
    assert audit(path).faults == []
