"""A proxy responds to generated requests as its OpenAPI document describes."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.actors.relation.seed_client import Client

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def client_of_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client that is logged in to a proxy in a child process, and has a chat."""
    log = tmp_path_factory.mktemp("openapi") / "relation.db"
    mostao = Path(sys.executable).with_name("mostao")
    served = subprocess.Popen([mostao, "proxy", log, "--proxy", "first:0"], stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        url = served.stdout.readline().split()[2]
        client = Client(url)

        async def begin() -> None:
            await client.login()
            await client.contract("register", owner=client.address, name="alice.eth")
            await client.say(client.address, "a note")

        asyncio.run(begin())
        yield client
    finally:
        served.terminate()
        assert served.wait(30) == 0


def test_every_answer_is_as_described(client_of_proxy: Client) -> None:
    schema = schemathesis.openapi.from_url(f"{client_of_proxy.url}/openapi.json")
    every = [found.ok() for found in schema.get_all_operations()]
    operations = [operation for operation in every if operation.path != "/logout"]  # later requests would fail with 401
    answered: Counter[tuple[str, int]] = Counter()

    @settings(
        max_examples=10 * len(operations),
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(
        st.tuples(st.sampled_from(operations), st.sampled_from(GenerationMode)).flatmap(
            lambda drawn: drawn[0].as_strategy(generation_mode=drawn[1])
        )
    )
    def answers_as_described(case: schemathesis.Case) -> None:
        headers = {"Authorization": f"Bearer {client_of_proxy.token}"}
        response = case.call_and_validate(headers=headers, checks=CHECKS)
        answered[case.operation.path, response.status_code] += 1

    answers_as_described()
    assert {path for path, status in answered if status < 300} >= {"/info", "/message/list"}


def test_the_document_is_openapi_3_1_and_has_the_calls_of_the_protocol(client_of_proxy: Client) -> None:
    document = httpx.get(f"{client_of_proxy.url}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    calls = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert calls >= {
        ("post", "/message/send"),
        ("get", "/message/list"),
        ("post", "/message/read"),
        ("get", "/message/unreadCount"),
        ("get", "/chats/list"),
    }
