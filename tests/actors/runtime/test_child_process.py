"""A child process replies to requests, and pending requests fail when it ends."""

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from actors.runtime.child_process import Child, receive_request, send_ready, send_reply

TIMES = 3


def work() -> None:
    """The child: reply with the request repeated, or act on the arguments."""
    if "end" in sys.argv:
        return
    if "babble" in sys.argv:
        send_reply(b"not request was agreed")
    send_ready()
    while (request := receive_request()) is not None:
        if request.startswith(b"write "):
            Path(request[6:].decode()).write_text("written")
        else:
            send_reply(request * TIMES)


async def test_it_answers_in_the_order_in_which_it_is_asked() -> None:
    child = await Child.start(__name__)
    requests = [b"", b"a", b"b" * 2**20, b"c"]
    assert await asyncio.gather(*map(child.ask_future, requests)) == [request * TIMES for request in requests]
    await child.end()


@pytest.mark.parametrize("how", ["end", "babble"])
async def test_one_that_does_not_get_ready_is_not_started(how: str) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(OSError, match="before it was ready"):
        await Child.start(__name__, how)
    assert set(psutil.Process().children()) <= before


async def test_one_that_cannot_be_run_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError):
        await Child.start(__name__)


async def test_whoever_asked_hears_that_it_is_gone() -> None:
    child = await Child.start(__name__)
    psutil.Process(child.pid).suspend()
    requests = [child.ask_future(b"a") for _ in range(3)]
    await child.kill()
    assert await asyncio.gather(*requests) == [None] * 3
    assert await child.ask_future(b"a") is None
    assert not psutil.pid_exists(child.pid)


async def test_it_ends_when_it_has_done_what_it_was_told(tmp_path: Path) -> None:
    child = await Child.start(__name__)
    process = psutil.Process(child.pid)
    child.tell(f"write {tmp_path / 'file'}".encode())
    await child.end()
    assert not process.is_running()
    assert (tmp_path / "file").read_text() == "written"


async def test_who_is_not_waited_for_any_more_is_not_left() -> None:
    before = set(psutil.Process().children())
    starting = asyncio.create_task(Child.start(__name__))
    await asyncio.sleep(0)
    assert set(psutil.Process().children()) > before
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert set(psutil.Process().children()) <= before
