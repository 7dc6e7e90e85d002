"""Every feature of Relation ONE, used through a client that is written from the protocol's text alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors import replay
from actors.audit.audit import audit
from tests.actors.relation.seed_client import (
    ANNOUNCEMENT,
    DAO,
    GROUP,
    HIDE,
    Client,
    Refused,
    for_address,
    for_members,
    now_ms,
)
from tests.actors.relation.served import Proxies, proxies

CARD = "type:href;action:shareFavorite;p1(Text):https%3A%2F%2Fspace.id,p2(Text):,p3(Text):SPACE ID,p4(Text):"
IMAGE = "type:image;action:localImage;p1(Text):https%3A%2F%2Fic1.io%2Fa.png,p2(Text):im/image/a.png"
NFT = "type:image;action:nftImage;p1(Text):https%3A%2F%2Fic1.io%2Fa.png,p2(Text):polygon"
EMOJI = "type:image;action:customEmoji;p1(Text):https%3A%2F%2Fic1.io%2Fa.jpg,p2(Text):im/emoji/a.jpg"
TRANSFER = f"0x{'ab' * 32}::USDT::20.0000::0x969f85053b44d7eCE8108094420Aba45149b7A3a::qzoo5-ryaaa-aaaaj-xs6ma-cai"
TYPES = {"TEXT": "Hi", "CARD": CARD, "NFT": NFT, "IMAGE": IMAGE, "EMOJI": EMOJI, "BATCH_TRANSFER": TRANSFER}


async def people(served: Proxies, *names: str) -> list[Client]:
    found = []
    for name in names:
        client = Client(served.url)
        await client.login()
        await client.contract("register", owner=client.address, name=f"{name}.eth", reverseRecord=True)
        found.append(client)
    return found


async def refused(status: int, part: str, call: Any) -> None:
    with pytest.raises(Refused) as refusal:
        await call
    assert (refusal.value.status, part in str(refusal.value)) == (status, True), refusal.value


def clean(path: Path) -> None:
    assert audit(path).faults == []


async def test_two_people_and_a_group_from_beginning_to_end(path: Path) -> None:
    async with proxies(path) as served:
        alice, bob, carol = await people(served, "alice", "bob", "carol")
        assert await alice.ask("nameOf", addr=bob.address) == {"name": "bob.eth"}
        await alice.contract("follow", addr=bob.address)
        assert await bob.ask("followers", addr=bob.address) == [alice.address]

        async with bob.pushed() as pushed:
            for type_, payload in TYPES.items():
                sent = await alice.say(bob.address, payload, type_=type_)
                got = await pushed.next()
                assert got == sent
                assert await bob.decrypt(got, for_address(bob.address)) == payload
        assert [row["type"] for row in await bob.list()] == list(TYPES)[::-1]
        assert await bob.call("GET", "/message/unreadCount") == len(TYPES)
        [chat] = await bob.call("GET", "/chats/list")
        newest = (await bob.list(limit=1))[0]
        assert chat == {
            "id": alice.address,
            "name": "alice.eth",
            "avatar": "",
            "channelType": "P2P",
            "unreadMessageCount": len(TYPES),
            "type": "BATCH_TRANSFER",
            "payload": newest["payload"],
            "lastPostAt": str(newest["timestamp"]),
            "muted": False,
            "sticky": False,
        }
        third = (await bob.list())[3]
        await bob.call("POST", "/message/read", params={"messageId": third["id"]})
        assert await bob.call("GET", "/message/unreadCount") == 3

        group = (await alice.contract("deployDaoContract", owner=alice.address, name="friends"))["dao"]
        await alice.contract("addMember", dao=group, addr=[bob.address])
        await refused(409, "only a member", carol.say(group, "x", kind=GROUP))
        async with bob.pushed() as pushed:
            said = await alice.say(group, "to all", kind=GROUP)
            assert await bob.decrypt(await pushed.next(), for_members(group)) == "to all"
            await refused(409, "does not meet the conditions", carol.decrypt(said, for_members(group)))
            quote = [("quoteId", said["id"]), ("mentionedUsers", alice.address)]
            await bob.say(group, "yes", kind=DAO, tags=quote)
            assert (await pushed.next())["tags"] == [list(tag) for tag in quote]
            await refused(409, "administrator announces", bob.say(group, "x", kind=ANNOUNCEMENT, type_="ANNOUNCEMENT"))
            await alice.say(group, "hear, hear", kind=ANNOUNCEMENT, type_="ANNOUNCEMENT")
            assert (await pushed.next())["kind"] == ANNOUNCEMENT
            await alice.say(group, "forget it", kind=HIDE, tags=quote[:1])
            assert (await pushed.next())["kind"] == HIDE
        await alice.contract("remove", dao=group, addr=bob.address)
        await refused(409, "does not meet the conditions", bob.decrypt(said, for_members(group)))
        assert [chat["id"] for chat in await bob.call("GET", "/chats/list")] == [alice.address]
        await served.node.drain()
        root = served.node.state_root
    clean(path)
    assert replay(path).state_root == root


async def test_only_who_was_meant_gets_the_key(path: Path) -> None:
    async with proxies(path) as served:
        alice, bob, eve = await people(served, "alice", "bob", "eve")
        sent = await alice.say(bob.address, "for bob")
        await refused(409, "does not meet the conditions", eve.decrypt(sent, for_address(bob.address)))
        # eve sends bob's statement: it names bob's key, so the answer is encrypted to bob
        eve.auth_sig = {**bob.auth_sig}
        with pytest.raises(Exception, match="decrypt"):
            await eve.decrypt(sent, for_address(bob.address))
        eve.auth_sig["signedMessage"] = bob.auth_sig["signedMessage"].replace("0x", "0x0", 1)[:-1]
        await refused(409, "signedMessage", eve.decrypt(sent, for_address(bob.address)))
        eve.auth_sig = Client(served.url, account=eve.account).auth_sig | {"address": bob.address}
        await refused(409, "not signed by", eve.decrypt(sent, for_address(bob.address)))
        # eve saves the key again, under conditions that she meets
        body = {
            "accessControlConditions": for_address(eve.address),
            "encryptedSymmetricKey": sent["encryptedSymmetricKey"],
            "authSig": Client(served.url, account=eve.account).auth_sig,
        }
        await refused(409, "under other conditions", eve.call("POST", "/keys/save", json=body))
        eve.auth_sig = body["authSig"]
        await refused(409, "no such key", eve.decrypt(sent, for_address(eve.address)))
        assert await bob.decrypt(sent, for_address(bob.address)) == "for bob"
        await served.node.drain()
    clean(path)


async def test_a_key_that_was_kept_before_its_maker_could_is_not_given_under_other_conditions(path: Path) -> None:
    async with proxies(path) as served:
        alice, bob, eve = await people(served, "alice", "bob", "eve")
        made: list[Any] = []

        async def overheard(method: str, where: str, **request: Any) -> Any:
            made.append(request["json"])
            return {"encryptedSymmetricKey": request["json"]["encryptedSymmetricKey"]}

        call, alice.call = alice.call, overheard  # type: ignore[method-assign]
        encrypted, key = await alice.encrypt("for bob", for_address(bob.address))
        alice.call = call  # type: ignore[method-assign]
        body = {**made[0], "accessControlConditions": for_address(eve.address), "authSig": eve.auth_sig}
        await eve.call("POST", "/keys/save", json=body)
        message = {"payload": encrypted, "encryptedSymmetricKey": key}
        await refused(409, "made for other conditions", eve.decrypt(message, for_address(eve.address)))


async def test_what_is_said_in_anothers_name_is_refused(path: Path) -> None:
    async with proxies(path) as served:
        alice, bob, eve = await people(served, "alice", "bob", "eve")
        theirs = alice.compose(bob.address, "x")
        await refused(409, "is logged in", eve.send(theirs))
        await refused(401, "log in first", Client(served.url).list())
        changed = {**theirs, "payload": "y"}
        await refused(409, "the id of this message is", alice.send(changed))
        old = Client(served.url, account=alice.account, now=now_ms() - 2000, lasts=1000).at(served.url)
        await old.login()
        await refused(409, "has expired", old.send(old.compose(bob.address, "x")))
        stolen = {**theirs, "sig": eve.compose(bob.address, "x")["sig"]}
        await refused(409, "not signed by the session key", alice.send(stolen))
        stranger = Client(served.url)
        await stranger.login()
        await refused(409, "has no name", stranger.send(stranger.compose(bob.address, "x")))
        await refused(409, "has no name", alice.send(alice.compose(stranger.address, "x")))
        await refused(422, "body.kind", alice.send({**theirs, "kind": 7}))


async def test_a_challenge_is_good_once_for_its_account_here(path: Path) -> None:
    async with proxies(path, "first", "second") as served:
        client = Client(served.url)
        response = await client.call("POST", "/login/challenge", json={"address": client.address.lower()})
        challenge = response["challenge"]
        assert challenge.startswith(served.url.removeprefix("http://") + " wants you to sign in")
        from tests.actors.relation.seed_client import personal_sign

        async def login(text: str, account: Any, url: str = served.url) -> Any:
            signed = {"challenge": text, "signature": personal_sign(account, text)}
            return await client.at(url).call("POST", "/login", json=signed)

        await refused(401, "not signed by", login(challenge, Client(served.url).account))
        await refused(401, "not from this proxy", login(challenge.replace("Version: 1", "Version: 2"), client.account))
        await refused(401, "not from this proxy", login(challenge, client.account, served.urls[1]))
        await refused(
            401, "has to be a signature", client.call("POST", "/login", json={**response, "signature": "0x12"})
        )
        login_response = await login(challenge, client.account)
        assert login_response["address"] == client.address
        await refused(401, "was used", login(challenge, client.account))
        client.token = login_response["token"]
        assert await client.list() == []
        await client.call("POST", "/logout")
        await refused(401, "log in first", client.list())


async def test_a_client_that_comes_back_gets_what_it_missed_once(path: Path) -> None:
    async with proxies(path, "first", "second") as served:
        alice, bob = await people(served, "alice", "bob")
        async with bob.pushed() as pushed:
            first = await alice.say(bob.address, "1")
            assert await pushed.next() == first
        missed = [alice.compose(bob.address, f"missed {number}") for number in range(250)]
        for message in missed:
            await alice.send(message)
        async with bob.pushed() as pushed:  # the same device continues where it was
            assert [await pushed.next() for _ in missed] == missed
            now = await alice.say(bob.address, "now")
            assert await pushed.next() == now
        elsewhere = bob.at(served.urls[1])  # at another proxy the client names its last message
        await elsewhere.login()
        async with elsewhere.pushed(since=missed[-2]["id"]) as pushed:
            assert [await pushed.next() for _ in range(2)] == [missed[-1], now]
        assert await elsewhere.list(limit=2) == [now, missed[-1]]
        # each proxy has its own read state
        await bob.call("POST", "/message/read", params={"messageId": now["id"]})
        assert await bob.call("GET", "/message/unreadCount") == 0
        assert await elsewhere.call("GET", "/message/unreadCount") == 252


async def test_every_device_of_everybody_gets_it(path: Path) -> None:
    async with proxies(path, "first", "second") as served:
        users = await people(served, "alice", "bob", "carol")
        alice = users[0]
        group = (await alice.contract("deployDaoContract", owner=alice.address, name="all"))["dao"]
        await alice.contract("addMember", dao=group, addr=[user.address for user in users[1:]])
        devices = []
        for user in users:
            for url in served.urls:
                device = user.at(url)
                await device.login()
                devices.append(device)
        sockets = [device.pushed() for device in devices]
        pushed = [await socket.__aenter__() for socket in sockets]
        said = await alice.say(group, "hello, all", kind=GROUP)
        assert [await one.next() for one in pushed] == [said] * 6
        for socket in sockets:
            await socket.__aexit__(None, None, None)


async def test_muted_chats_do_not_count_and_pinned_ones_come_first(path: Path) -> None:
    async with proxies(path) as served:
        alice, bob, carol = await people(served, "alice", "bob", "carol")
        await alice.say(bob.address, "1")
        await carol.say(bob.address, "2")
        assert [chat["name"] for chat in await bob.call("GET", "/chats/list")] == ["carol.eth", "alice.eth"]
        await bob.call("POST", "/chats/stick", params={"chat": alice.address, "sticky": True})
        await bob.call("POST", "/chats/mute", params={"chat": carol.address, "muted": True})
        chats = await bob.call("GET", "/chats/list")
        assert [(chat["name"], chat["sticky"], chat["muted"]) for chat in chats] == [
            ("alice.eth", True, False),
            ("carol.eth", False, True),
        ]
        assert await bob.call("GET", "/message/unreadCount") == 1
        page = await bob.call("GET", "/chats/list", params={"limit": 1, "offset": 1})
        assert [chat["name"] for chat in page] == ["carol.eth"]
        theirs = await alice.say(carol.address, "not bob's")
        read = bob.call("POST", "/message/read", params={"messageId": theirs["id"]})
        await refused(409, "in your chats", read)


async def test_a_device_that_takes_nothing_costs_the_others_nothing(path: Path) -> None:
    async with proxies(path) as served:
        alice, bob = await people(served, "alice", "bob")
        lazy = bob.at(served.url)
        await lazy.login()
        async with lazy.pushed() as stuck, bob.pushed() as pushed:
            stuck.socket.transport.pause_reading()
            for number in range(120):
                sent = alice.compose(bob.address, f"{number} " + "x" * 60_000)
                await alice.send(sent)
                assert await pushed.next() == sent
            stuck.socket.transport.resume_reading()
            assert [(await stuck.next())["payload"].split()[0] for _ in range(120)] == [str(n) for n in range(120)]


async def test_nobody_listens_without_having_logged_in(path: Path) -> None:
    import websockets

    async with proxies(path) as served:
        client = Client(served.url)
        async with client.pushed() as pushed:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(pushed.next(), 10)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, "log in first" in closed.value.rcvd.reason) == (1008, True)


async def test_what_is_too_large_is_refused_before_it_is_read(path: Path) -> None:
    async with proxies(path) as served:
        [alice] = await people(served, "alice")
        large = alice.compose(alice.address, "x" * 200_000)
        for where in ("/message/send", "/login", "/keys/save", "/contract/ask"):
            await refused(413, "larger than", alice.call("POST", where, json=large))
        await refused(413, "larger than", alice.call("POST", "/contract/call", content=bytes(200_000)))


@pytest.mark.parametrize("method", ["sendMessage", "Reply", "markAsRead"])
async def test_what_is_no_method_of_the_contracts_is_refused_there(path: Path, method: str) -> None:
    async with proxies(path) as served:
        [alice] = await people(served, "alice")
        await refused(409, "not for the contracts", alice.contract(method))
        await refused(409, "no method", alice.ask(method))
