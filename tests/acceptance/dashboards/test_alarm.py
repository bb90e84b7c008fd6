"""An alert on its way to a person: what Prometheus tells the Alertmanager that it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from tests.peers.addresses import free_port
from tests.peers.prometheus import running_prometheus

pytestmark = pytest.mark.real

BOUND_SECONDS = 120.0


@contextmanager
def alertmanager() -> Iterator[tuple[int, Queue[dict[str, Any]]]]:
    """Takes what Prometheus posts; its port, and what came."""
    came: Queue[dict[str, Any]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for alert in json.loads(body):
                came.put({"path": self.path, **alert})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not to the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, came
        finally:
            server.shutdown()
            thread.join()


def test_a_dead_engine_is_told_to_the_alertmanager_with_a_link_to_the_runbook(
    tmp_path: Path,
) -> None:
    with alertmanager() as (port, came):
        there = f'targets: ["127.0.0.1:{port}"]'
        with running_prometheus(
            tmp_path / "prometheus",
            target_port=free_port(),
            changes=[
                ("prometheus.yml", 'targets: []  # ["127.0.0.1:9093"]', there),
                ("alerts.yml", "for: 30s", "for: 1s"),
            ],
        ):
            alert = came.get(timeout=BOUND_SECONDS)
    assert alert["path"] == "/api/v2/alerts"
    assert (alert["labels"]["alertname"], alert["labels"]["severity"]) == (
        "AcdEngineDead",
        "critical",
    )
    assert alert["annotations"]["runbook_url"] == "http://127.0.0.1:3000/d/acd-runbook"
    assert "does not answer Prometheus" in alert["annotations"]["summary"]
