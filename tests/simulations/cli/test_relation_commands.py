"""``mostao proxy`` and ``mostao archive``."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import httpx
from click.testing import CliRunner

from simulations.cli.main import main
from tests.actors.relation.seed_client import Client, for_address

MOSTAO = Path(sys.executable).with_name("mostao")


def run(*command: str, cwd: Path) -> tuple[int, str, str]:
    with chdir(cwd):
        done = CliRunner().invoke(main, command)
    return done.exit_code, done.stdout, done.stderr


@contextmanager
def proxy(*options: str, cwd: Path) -> Iterator[str]:
    command = [MOSTAO, "proxy", "relation.db", "--proxy", "first:0", *options]
    served = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        yield served.stdout.readline().split()[2]
    finally:
        served.terminate()
        out, err = served.communicate(timeout=30)
        assert (served.returncode, err) == (0, "")
        assert "stopped: " in out


async def life(url: str) -> list[str]:
    alice, bob = Client(url), Client(url)
    for client, name in ((alice, "alice.eth"), (bob, "bob.eth")):
        await client.login()
        await client.contract("register", owner=client.address, name=name)
    async with bob.pushed() as pushed:
        for number in range(3):
            await alice.say(bob.address, f"message {number}")
        got = [await pushed.next() for _ in range(3)]
        assert await bob.decrypt(got[2], for_address(bob.address)) == "message 2"
    return [message["id"] for message in got]


def test_the_limits_of_senders_do_not_stop_a_proxy_from_starting_and_packing(tmp_path: Path) -> None:
    limits = ("--append-limit", "1KiB/minute", "--spawn-limit", "1/minute")
    with proxy(*limits, cwd=tmp_path) as url:
        assert httpx.get(f"{url}/info").json()["proxy"] == "first"
    with proxy(*limits, "--proxy", "second:0", cwd=tmp_path) as url:
        assert httpx.get(f"{url}/info").json()["proxy"] == "first"


def test_people_talk_and_what_they_said_is_packed_and_read_back(tmp_path: Path) -> None:
    with proxy("--pack-hours", "1", cwd=tmp_path) as url:
        said = asyncio.run(life(url))
    status, newest, err = run("archive", "pack", "relation.db", cwd=tmp_path)
    assert (status, err.split(",")[0]) == (0, "packed 3 messages")
    assert run("archive", "pack", "relation.db", cwd=tmp_path) == (0, newest, "")
    verify = ("archive", "verify", newest.strip(), "--archive", "relation.db.archive")
    status, out, err = run(*verify, "--messages", "all.jsonl", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out.startswith("1 transactions with 3 messages, packed by ")
    kept = [json.loads(line)["id"] for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert kept == said[::-1]
    [file] = (tmp_path / "relation.db.archive").iterdir()
    file.write_bytes(file.read_bytes()[:-5] + b"wrong")
    status, _, err = run(*verify, cwd=tmp_path)
    assert status == 1
    assert "the signature does not match" in err
    status, out, _ = run("audit", "relation.db", cwd=tmp_path)
    assert (status, "No fault was found." in out) == (0, True)


def test_it_is_packed_by_itself_when_it_is_due(tmp_path: Path) -> None:
    with proxy("--pack-mb", "0.001", cwd=tmp_path) as url:
        asyncio.run(life(url))

        async def packed() -> str:
            client = Client(url)
            while True:
                if newest := (await client.call("GET", "/info"))["archive"]:
                    return str(newest)

        newest = asyncio.run(packed())
        status, _, _ = run("archive", "verify", newest, "--archive", "relation.db.archive", cwd=tmp_path)
        assert status == 0


def test_an_address_asks_as_often_as_it_may(tmp_path: Path) -> None:
    with proxy("--rate-limit", "2/hour", cwd=tmp_path) as url:
        answers = [httpx.get(f"{url}/info") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "try again" in answers[2].json()["error"]


def test_accounts_log_in_at_the_domain_of_the_command_alone(tmp_path: Path) -> None:
    with proxy("--domain", "https://chat.example", cwd=tmp_path) as url:
        body = {"address": "0x50e2dac5e78B5905CB09495547452cEE64426db2"}
        own = httpx.post(f"{url}/login/challenge", json=body, headers={"Host": "chat.example"})
        other = httpx.post(f"{url}/login/challenge", json=body)
    assert (own.status_code, other.status_code) == (200, 421)
    challenge = own.json()["challenge"]
    assert challenge.startswith("chat.example wants you to sign in")
    assert "\nURI: https://chat.example\n" in challenge
    assert "accounts log in to this proxy at chat.example" in other.json()["error"]


def test_misuse_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "no-log.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / ("-" + "A" * 42)).mkdir()
    for command, status, part in (
        (("proxy", "no-log.txt"), 2, "no-log.txt is not a mostao log"),
        (("proxy", "x.db", "--proxy", "first"), 2, "not a name and a port"),
        (("proxy", "x.db", "--proxy", "a:70000"), 2, "there is no port 70000"),
        (("proxy", "x.db", "--proxy", "a:0", "--proxy", "a:0"), 2, "two proxies have the same name"),
        (("proxy", "x.db", "--proxy", "a:0", "--host", "0.0.0.0"), 2, "name it, as in --domain"),
        (("proxy", "x.db", "--domain", "chat.example/x"), 2, "is not a domain"),
        (("proxy", "x.db", "--pack-hours", "0"), 2, "--pack-hours"),
        (("proxy", "x.db", "--pack-hours", "nan"), 2, "not a finite number"),
        (("proxy", "x.db", "--archive", "http://[::1"), 2, "not an http or https URL"),
        (("proxy", "x.db", "--archive", "no-log.txt"), 2, "no-log.txt is not a folder"),
        (("proxy", "x.db", "--rate-limit", "0/second"), 2, "is not a rate"),
        (("archive", "verify", "A" * 43, "--archive", "http://127.0.0.1:x"), 2, "not an http or https URL"),
        (("proxy", "x.db", "--rate-limit", "often"), 2, "is not a rate"),
        (("archive", "pack", "x.db"), 2, "does not exist"),
        (("archive", "verify", "A" * 43, "--archive", "empty"), 1, "there is no transaction"),
        (("archive", "verify", "A" * 43, "--archive", "nowhere"), 2, "nowhere is not a folder"),
        (("archive", "verify", "-" + "A" * 42, "--archive", "empty"), 1, "there is no transaction -A"),
        (("archive", "verify", "--archive", "-" + "A" * 42, "A" * 43), 1, "in -A"),
        (("archive", "verify", "../x", "--archive", "nowhere"), 2, "is not an id"),
        (("archive", "verify", "A" * 43, "--archive", "http://127.0.0.1:9"), 2, "does not respond"),
    ):
        found, _, err = run(*command, cwd=tmp_path)
        assert (found, part in err, "Traceback" in err) == (status, True, False), err


def test_a_hostile_archive_or_bundle_ends_a_command_with_its_reason(tmp_path: Path) -> None:
    archive, id_ = tmp_path / "archive", "A" * 43
    archive.mkdir()
    os.mkfifo(archive / f"{id_}.ans104")
    (tmp_path / "link").symlink_to(archive)
    (archive / f"{'E' * 43}.ans104").symlink_to("/dev/zero")
    (tmp_path / "large").mkdir()
    with (tmp_path / "large" / f"{id_}.ans104").open("wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "list").write_bytes((2**200).to_bytes(32, "little") + bytes(1000))
    entry = (2**39).to_bytes(32, "little") + bytes(32)
    with (tmp_path / "item").open("wb") as file:
        file.write((1).to_bytes(32, "little") + entry)
        file.truncate(1 << 40)
    verify = ("archive", "verify")
    for command, status, part in (
        ((*verify, id_, "--archive", "archive"), 1, "is not a regular file"),
        ((*verify, "E" * 43, "--archive", "archive"), 1, "is not a regular file"),
        ((*verify, id_, "--archive", "link"), 1, "link is a symbolic link: name the folder that it leads to"),
        ((*verify, id_, "--archive", "large"), 1, "larger than 256,000,000 bytes, the limit of a transaction"),
        ((*verify, id_, "--archive", "large", "--transaction-mb", "2"), 1, "larger than 2,000,000 bytes"),
        (("import", "pipe", "new.db"), 2, "pipe is not a regular file"),
        (("import", "/dev/zero", "new.db"), 2, "/dev/zero is not a regular file"),
        (("import", "archive", "new.db"), 2, "archive is not a regular file"),
        (("import", "list", "new.db"), 2, "it is shorter than the list of its items"),
        (("import", "item", "new.db"), 2, "has 549,755,813,888 bytes, but the limit is 256,000,000"),
    ):
        found, _, err = run(*command, cwd=tmp_path)
        assert (found, part in err, "Traceback" in err) == (status, True, False), err
    assert not (tmp_path / "new.db").exists()


def test_a_log_whose_key_is_gone_is_not_served(tmp_path: Path) -> None:
    with proxy(cwd=tmp_path):
        pass
    (tmp_path / "relation.db.key").unlink()
    status, _, err = run("proxy", "relation.db", "--proxy", "first:0", cwd=tmp_path)
    assert (status, "the key of the node that began this log is not beside it" in err) == (2, True)
