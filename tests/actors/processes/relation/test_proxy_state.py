from actors.crypto.secp256k1 import checksummed
from tests.actors.processes.stage import ALICE, BOB, Stage, refused

A, B = (checksummed("0x" + digit * 40) for digit in "ab")
SUCCESS = {"status": "success"}


def test_what_was_read_never_goes_back_and_each_chat_has_flags_of_its_own() -> None:
    stage = Stage()
    proxy = stage.spawn(ALICE, "mostao.proxy@1")
    for place in (5, 3):
        body = {"addr": A.lower(), "chat": B, "place": place}
        assert stage.send(ALICE, proxy, "markAsRead", body) == SUCCESS
    stage.send(ALICE, proxy, "setMuted", {"addr": A, "chat": A, "muted": True})
    stage.send(ALICE, proxy, "setSticky", {"addr": A, "chat": B, "sticky": True})
    assert stage.query(proxy, "getFlags", {"addr": A}) == {
        A: {"read": -1, "muted": True, "sticky": False},
        B: {"read": 5, "muted": False, "sticky": True},
    }
    assert stage.query(proxy, "getFlags", {"addr": B}) == {}
    assert refused(stage.send(BOB, proxy, "setMuted", {"addr": A, "chat": B, "muted": True}), "only the owner")
    assert refused(stage.send(ALICE, proxy, "setMuted", {"addr": "x", "chat": B, "muted": True}), "no Ethereum")


def test_an_archive_packs_one_thing_after_the_other() -> None:
    stage = Stage()
    archive = stage.spawn(ALICE, "mostao.archive@1")
    began = stage.now_ms
    nothing = {"newest": "", "packs": 0, "packed": 0, "pending": 0, "since": began}
    assert stage.query(archive, "getArchive") == nothing
    assert refused(stage.send(ALICE, archive, "stored", {"id": "x" * 43}), "nothing is being packed")
    assert refused(stage.send(BOB, archive, "beginPack", {"count": 3}), "only the owner")
    assert stage.send(ALICE, archive, "beginPack", {"count": 3}) == SUCCESS
    assert refused(stage.send(ALICE, archive, "beginPack", {"count": 4}), "finish that first")
    assert stage.query(archive, "getArchive") == {**nothing, "pending": 3}
    assert refused(stage.send(BOB, archive, "stored", {"id": "x" * 43}), "only the owner")
    stage.now_ms += 7
    assert stage.send(ALICE, archive, "stored", {"id": "x" * 43}) == {**SUCCESS, "packs": 1}
    done = {"newest": "x" * 43, "packs": 1, "packed": 3, "pending": 0, "since": began + 7}
    assert stage.query(archive, "getArchive") == done
