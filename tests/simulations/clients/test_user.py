"""Encrypted conversations of two people, and a third party, with real keys on a real node."""

from pathlib import Path
from typing import Any

import pytest

from actors import Node
from eventstore import read_log
from simulations import Chat, User, UserError
from simulations.clients.encryption import CannotOpen, decrypt, open_session_key


async def meet(node: Node) -> tuple[User, User, Chat]:
    """Alice, Bob, and Alice's side of their session."""
    alice, bob = User.create("alice"), User.create("bob")
    await alice.register(node)
    await bob.register(node)
    return alice, bob, await alice.establish_session(node, with_handle="bob")


async def test_a_conversation_end_to_end(path: Path) -> None:
    async with Node.open(path) as node:
        alice, bob, chat = await meet(node)
        with pytest.raises(UserError, match="rotate its key"):
            await chat.send("too early")
        assert await chat.rotate_key() == 1
        await chat.send("hello, bob")
        await node.drain()
        assert [row["unread"] for row in await bob.chat_list(node)] == [1]
        [message] = await bob.read(node, from_handle="alice")
        assert (message.text, message.sender, message.generation) == ("hello, bob", alice.pid, 1)
        reply = await bob.establish_session(node, with_handle="alice")
        assert reply.session == chat.session
        await reply.send("hello, alice")
        await node.drain()
        assert [message.text for message in await alice.read(node, from_handle="bob")] == ["hello, alice"]


async def test_neither_plain_text_nor_a_private_key_is_in_the_log(path: Path) -> None:
    async with Node.open(path) as node:
        alice, bob, chat = await meet(node)
        await chat.rotate_key()
        await chat.send("the needle in the haystack")
        await node.drain()
        secrets = [bytes(alice.key), bytes(bob.key), bytes(alice.wallet._key), chat.keys[1]]
    log = b"".join(assignment.message.data + (assignment.output or "").encode() for assignment in read_log(path).read())
    assert b"needle" not in log
    for secret in secrets:
        assert secret not in path.read_bytes()
        assert secret.hex().encode() not in log


async def test_old_messages_stay_readable_through_their_generation(path: Path) -> None:
    async with Node.open(path) as node:
        alice, bob, chat = await meet(node)
        for generation in (1, 2, 3):
            assert await chat.rotate_key() == generation
            await chat.send(f"under {generation}")
        await node.drain()
        messages = await bob.read(node, from_handle="alice")
        assert [(message.generation, message.text) for message in messages] == [
            (1, "under 1"),
            (2, "under 2"),
            (3, "under 3"),
        ]
        assert await bob.read(node, from_handle="alice") == []  # no message is read twice


async def test_a_person_who_comes_back_catches_up_with_everything_once(path: Path) -> None:
    people = [User.create(name) for name in ("alice", "bob", "carol")]
    async with Node.open(path) as node:
        for user in people:
            await user.register(node)
        for user in people[1:]:
            chat = await user.establish_session(node, with_handle="alice")
            await chat.rotate_key()
            for number in range(3):
                await chat.send(f"{user.handle} {number}")
        await node.drain()
        caught_up = await people[0].catch_up(node)
        texts = {chat.other.handle: [message.text for message in messages] for chat, messages in caught_up}
        assert texts == {name: [f"{name} {number}" for number in range(3)] for name in ("carol", "bob")}
        assert await people[0].catch_up(node) == []


async def test_a_message_that_comes_while_another_is_read_is_not_lost(path: Path) -> None:
    async with Node.open(path) as node:
        alice, bob, chat = await meet(node)
        await chat.rotate_key()
        await chat.send("first")
        await node.drain()

        class Meanwhile:
            """A client with which Alice sends again as soon as Bob has fetched all messages."""

            registry = node.registry
            send = staticmethod(node.send)

            async def dryrun(self, process: str, *, action: str, **more: Any) -> Any:
                result = await node.dryrun(process, action=action, **more)
                queries.append(action)
                if queries.count("QueryMessage") == 2 and action == "QueryMessage":  # the last, empty page
                    await chat.send("second")
                    await node.drain()
                return result

        queries: list[str] = []
        texts = []
        for _ in range(2):
            for _, messages in await bob.catch_up(Meanwhile()):
                texts += [message.text for message in messages]
        assert texts == ["first", "second"]


async def test_a_third_party_with_everything_that_the_node_gives_opens_nothing(path: Path) -> None:
    alice, bob, eve = User.create("alice"), User.create("bob"), User.create("eve")
    async with Node.open(path) as node:
        for user in (alice, bob, eve):
            await user.register(node)
        chat = await alice.establish_session(node, with_handle="bob")
        await chat.rotate_key()
        await chat.send("secret")
        await node.drain()
        [batch] = await eve.query(node, chat.session, "GetCurrentKeys")
        [row] = await eve.query(node, chat.session, "QueryMessage")
    for sealed in (batch["encrypted_sk_by_a"], batch["encrypted_sk_by_b"]):
        with pytest.raises(CannotOpen):
            open_session_key(sealed, eve.key)
    with pytest.raises(CannotOpen):
        decrypt(row["content"], bytes(eve.key))


async def test_what_the_node_refuses_is_the_users_error(path: Path) -> None:
    async with Node.open(path) as node:
        alice, impostor = User.create("alice"), User.create("ALICE")
        await alice.register(node)
        with pytest.raises(UserError, match="is taken"):
            await impostor.register(node)
        with pytest.raises(UserError, match="'nobody' is not registered"):
            await alice.establish_session(node, with_handle="nobody")
        assert await alice.look_up(node, "nobody") is None
