"""An archive may be hostile: a reader stays within its limits, and leaves neither the folder nor the gateway."""

import asyncio
import gzip
import os
import socket
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from actors.ans104.item import DataItem, parse
from actors.ans104.wallet import Wallet
from actors.crypto.schemes import ED25519, SCHEMES
from actors.relation.archives import ArchiveFailed, ArchiveRefused
from actors.relation.folder_archive import SUFFIX, FolderArchive
from actors.relation.gateway_archive import GatewayArchive
from actors.relation.transactions import SIGNATURE_TYPE, TransactionInvalid, transaction_id, unpack
from simulations.clients.relation_user import RelationUser
from tests.actors.people import NODE, NOW_MS
from tests.actors.relation.hostile_gateway import hostile_gateway

RAW = NODE.sign(data=b"x" * 1000)
ID = transaction_id(RAW)
MEGABYTE = 1_000_000


def _link(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_bytes(RAW)
    path.symlink_to(outside)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            bound.bind(f"/proc/self/fd/{folder}/{path.name}")  # a socket's path is short
        finally:
            os.close(folder)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_link, "is not a regular file"),
        (_endless, "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (Path.mkdir, "is not a regular file"),
        (_socket, "is not a regular file"),
        (_sparse, "is larger than 256,000,000 bytes, the limit of a transaction"),
    ],
)
async def test_a_folder_gives_regular_files_of_a_bounded_size_only(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    archive, path = FolderArchive(folder), folder / (ID + SUFFIX)
    make(path)
    with pytest.raises(ArchiveRefused, match=reason):
        await archive.get(ID)
    if path.is_dir() and not path.is_symlink():
        with pytest.raises(ArchiveFailed, match="cannot be written"):
            await archive.put(RAW)
        return
    await archive.put(RAW)  # replaces the file, and does not write where a link leads
    assert await archive.get(ID) == RAW
    assert path.is_file()
    assert not path.is_symlink()


async def test_a_folder_that_is_a_link_and_an_id_that_leads_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    await FolderArchive(tmp_path / "real").put(RAW)
    for work in (FolderArchive(tmp_path / "link").get(ID), FolderArchive(tmp_path / "link").put(RAW)):
        with pytest.raises(ArchiveRefused, match="is a symbolic link: name the folder that it leads to"):
            await work
    (tmp_path / "real" / f"secret{SUFFIX}").write_text("secret")
    for id_ in ("secret", "../real/secret", f"../real/{ID}", "", ID + "\0"):
        with pytest.raises(ArchiveRefused, match="is not an id"):
            await FolderArchive(tmp_path / "real").get(id_)


async def test_an_existing_file_with_other_bytes_is_not_taken_for_the_transaction(tmp_path: Path) -> None:
    archive, path = FolderArchive(tmp_path), tmp_path / (ID + SUFFIX)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    for content in (b"", RAW[:-1], RAW + b"x", RAW[:-1] + b"y"):
        path.write_bytes(content)
        (tmp_path / f"{ID}.part").symlink_to(victim)
        await archive.put(RAW)
        assert await archive.get(ID) == RAW
    assert victim.read_text() == "untouched"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, "victim"])


# -- gateways


def fields(raw: bytes, *, tags: bool = True) -> dict[str, Any]:
    """What a gateway's GraphQL returns of an item."""
    item = parse(raw)
    return {
        "anchor": "",
        "signature": urlsafe_b64encode(item.signature).decode().rstrip("="),
        "recipient": "",
        "owner": {"key": urlsafe_b64encode(item.public_key).decode().rstrip("=")},
        "tags": [{"name": name, "value": value} for name, value in item.tags] if tags else [],
    }


def graphql(node: dict[str, Any]) -> Response:
    return JSONResponse({"data": {"transactions": {"edges": [{"node": node}]}}})


def archive(url: str, **options: Any) -> GatewayArchive:
    return GatewayArchive(url, **({"transaction_bytes_max": MEGABYTE, "idle_s": 0.3, "request_s": 0.6} | options))


async def failure(respond: Callable[[Request], Response], **options: Any) -> ArchiveFailed:
    """The error of reading a transaction whose data ``respond`` sends."""

    async def handle(request: Request) -> Response:
        return graphql(fields(RAW)) if request.url.path == "/graphql" else respond(request)

    async with hostile_gateway(handle) as gateway:
        with pytest.raises(ArchiveFailed) as raised:
            await archive(gateway.url, **options).get(ID)
    return raised.value


async def _zeros(pause_s: float, size: int) -> AsyncIterator[bytes]:
    while True:
        yield bytes(size)
        await asyncio.sleep(pause_s)


async def _silence(request: Request) -> AsyncIterator[bytes]:
    yield b"x"
    await request.receive()  # until the client disconnects


async def test_compressed_endless_and_oversized_bodies_are_stopped_at_the_limit() -> None:
    bomb = gzip.compress(bytes(100 * MEGABYTE), 9)
    found = await failure(lambda _: Response(bomb, headers={"Content-Encoding": "gzip"}))
    assert isinstance(found, ArchiveRefused)
    assert "sends 'gzip' although only the identity encoding is accepted" in str(found)
    for respond in (
        lambda _: Response(bytes(MEGABYTE + 1)),  # its Content-Length exceeds the limit
        lambda _: StreamingResponse(_zeros(0, 100_000)),  # it has none
    ):
        found = await failure(respond)
        assert isinstance(found, ArchiveRefused)
        assert "is larger than 1,000,000 bytes, the limit of a transaction" in str(found)


async def test_a_gateway_that_sends_nothing_or_drop_by_drop_is_given_up() -> None:
    found = await failure(lambda request: StreamingResponse(_silence(request)), request_s=60)
    assert "sends nothing for 0.3 s" in str(found)
    found = await failure(lambda _: StreamingResponse(_zeros(0.05, 1)), transaction_bytes_max=1000)
    assert "takes longer than 0.601 s" in str(found)


async def test_redirects_stay_within_the_origin_and_are_few() -> None:
    async def elsewhere(_: Request) -> Response:
        return Response(b"x")

    async with hostile_gateway(elsewhere) as other:
        for target in (
            other.url,
            "http://127.0.0.2:9/",
            "https://127.0.0.1/",
            "file:///etc/passwd",
            "//evil.example/x",
        ):
            found = await failure(lambda _, target=target: RedirectResponse(target))  # type: ignore[misc]
            assert isinstance(found, ArchiveRefused)
            assert "redirects to another origin" in str(found)
        assert other.requests == []
    assert "redirects more than 3 times" in str(await failure(lambda request: RedirectResponse(str(request.url))))

    async def within(request: Request) -> Response:
        if request.url.path == "/graphql":
            return graphql(fields(RAW))
        if request.url.path == "/data":
            return Response(parse(RAW).data)
        return RedirectResponse("/data") if request.url.path == f"/{ID}" else Response("Not Found", 404)

    async with hostile_gateway(within) as gateway:
        assert await archive(gateway.url).get(ID) == RAW
        assert gateway.requests == ["/graphql", f"/raw/{ID}", f"/{ID}", "/data"]

    async with hostile_gateway(redirect) as gateway:
        with pytest.raises(ArchiveRefused, match="redirects an upload"):
            await archive(gateway.url).put(RAW)


async def redirect(_: Request) -> Response:
    return RedirectResponse("/elsewhere")


async def test_fields_of_a_gateway_that_are_malformed_or_too_many_are_refused() -> None:
    deep = b'{"data":' * 100_000
    contents = [
        *(deep, b"", b"null", b"[]", b'{"data": null}', b"\xff", b'{"a": "' + b"x" * 1_000_001 + b'"}'),
        *(
            msgspec.json.encode({"data": {"transactions": {"edges": [{"node": fields(RAW) | change}]}}})
            for change in (
                *({"signature": "!"}, {"signature": ""}, {"owner": {"key": "AA"}}, {"anchor": "AA"}, {"tags": 1}),
                *({"recipient": "../.."}, {"tags": [{"name": "", "value": ""}]}, {"tags": [{"name": "x"}] * 500}),
                {"tags": [{"name": SIGNATURE_TYPE, "value": value} for value in ("9", "-1", "1" * 5000)]},
            )
        ),
    ]
    for content in contents:

        async def handle(request: Request, content: bytes = content) -> Response:
            return Response(content) if request.url.path == "/graphql" else Response(parse(RAW).data)

        async with hostile_gateway(handle) as gateway:
            with pytest.raises(ArchiveFailed) as raised:
                await archive(gateway.url).get(ID)
            assert "\n" not in str(raised.value)


class OtherWallet(Wallet):
    """Signs with a scheme of another type whose keys and signatures have the same lengths."""

    kind = 99


@pytest.mark.parametrize("size", [10, 300_000])
@pytest.mark.parametrize("kind", [Wallet, OtherWallet])
@pytest.mark.parametrize("is_stated", [True, False])
async def test_a_transaction_is_read_with_the_signature_type_that_it_was_signed_with(
    monkeypatch: pytest.MonkeyPatch, size: int, kind: type[Wallet], *, is_stated: bool
) -> None:
    monkeypatch.setitem(SCHEMES, OtherWallet.kind, SCHEMES[ED25519]._replace(kind=OtherWallet.kind))
    tags = [(SIGNATURE_TYPE, str(kind.kind))] if is_stated else []  # packs of earlier versions state no type
    raw = kind(bytes(32)).sign(data=b"x" * size, tags=tags)
    item: DataItem = parse(raw, data_bytes_max=size)

    async def handle(request: Request) -> Response:
        if request.url.path == "/graphql":
            return graphql(
                {
                    "signature": urlsafe_b64encode(item.signature).decode(),
                    "owner": {"key": urlsafe_b64encode(item.public_key).decode()},
                    "tags": [{"name": name, "value": value} for name, value in item.tags],
                }
            )
        return Response(item.data)

    async with hostile_gateway(handle) as gateway:
        assert await archive(gateway.url).get(item.id) == raw


async def test_a_transaction_under_no_known_signature_is_refused() -> None:
    found = await failure(lambda _: Response(b"other data"))
    assert isinstance(found, ArchiveRefused)
    assert "its signature does not match" in str(found)


def test_a_message_nested_too_deep_and_a_pack_without_messages_are_refused() -> None:
    from actors.relation.transactions import pack

    message = RelationUser(lambda size: bytes(range(1, size + 1)), now=NOW_MS)
    said: Any = message.compose(message.address, "x", timestamp=NOW_MS)
    nested = msgspec.Raw(b'{"a":' * 5000 + b"1" + b"}" * 5000)
    for content, reason in (([said | {"other": nested}], "nested deeper than 512"), ([], "has no messages")):
        raw = pack(content, previous="", first=0, key=NODE)
        with pytest.raises(TransactionInvalid, match=reason):
            unpack(raw, transaction_id(raw))
