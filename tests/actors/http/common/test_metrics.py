import re
from pathlib import Path

from tests.actors.http.served_node import served
from tests.actors.people import ALICE, item


async def test_figures_say_what_was_done(path: Path) -> None:
    async with served(path) as server:
        raw = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        await server.post(raw)
        await server.client.get("/result/nothing")
        response = await server.client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain")
        figures = dict(re.findall(r"^(\S+) ([\d.e+]+)$", response.text, re.MULTILINE))
        assert figures['mostao_http_requests_total{method="POST",route="/",status="202"}'] == "1.0"
        assert figures['mostao_http_requests_total{method="GET",route="/result/{message}",status="404"}'] == "1.0"
        assert figures["mostao_log_events"] == "3.0"
        assert figures["mostao_live_actors"] == "2.0"
        assert figures["mostao_mailbox_messages"] == figures["mostao_undurable_events"] == "0.0"
        log = (path, path.with_name(path.name + "-wal"))
        assert float(figures["mostao_log_bytes"]) == sum(file.stat().st_size for file in log)
        assert float(figures["mostao_commit_events_sum"]) >= 2
        assert float(figures["mostao_commit_seconds_count"]) == float(figures["mostao_commit_events_count"]) >= 1
