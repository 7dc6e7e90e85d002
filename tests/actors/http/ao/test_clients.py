"""AO's own clients, unmodified, against ``mostao serve``."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from actors.audit.audit import audit
from tests.actors.http.browser import browser_page
from tests.actors.http.node_js import packages, run_js
from tests.actors.http.serve_command import mostao_serve

__all__ = ["packages"]
LIFE_STEPS_MIN = 70


@pytest.mark.parametrize("version", ["newest", "0.0.57"])
def test_the_whole_life_of_two_people(path: Path, packages: Path, version: str) -> None:
    with mostao_serve(path) as url:
        told = run_js("people.mjs", url, version)
    assert told["steps"] >= LIFE_STEPS_MIN
    report = audit(path)
    assert (report.faults, report.unsent) == ([], 0)


class _Page(SimpleHTTPRequestHandler):
    """Serves the page and the client's script."""

    def translate_path(self, path: str) -> str:
        folder = Path(self.directory)
        if path == "/client.js":
            return str(folder / "node_modules/@permaweb/aoconnect/dist/browser.js")
        return str(folder / ("extension.js" if path == "/extension.js" else "page.html"))

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def another_origin(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Page, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_two_people_in_a_browser_from_another_origin(path: Path, packages: Path) -> None:
    with mostao_serve(path) as url, another_origin(packages) as origin, browser_page() as page:
        page.goto(f"{origin}/?node={url}")
        page.wait_for_function("document.getElementById('told').textContent !== 'working'", timeout=90_000)
        assert page.text_content("#told") == "bob read: hello from a browser"
    report = audit(path)
    assert (report.faults, report.unsent) == ([], 0)
