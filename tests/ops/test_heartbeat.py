"""The containers' health check: what it makes of Airflow's health report."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ops.heartbeat import healthy

REPORT = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-01-01T00:00:00+00:00"},
    "triggerer": {"status": "unhealthy", "latest_triggerer_heartbeat": "2026-01-01T00:00:00+00:00"},
    "dag_processor": {"status": None, "latest_dag_processor_heartbeat": None},
}


@pytest.fixture
def airflow() -> Iterator[str]:
    """An API server that has had the scheduler's heartbeat alone."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(REPORT).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("component", "alive"), [("scheduler", True), ("triggerer", False), ("dag_processor", False)])
def test_a_component_is_healthy_when_airflow_has_its_heartbeat(airflow: str, component: str, alive: bool) -> None:
    assert healthy(component, airflow) is alive


def test_without_an_answer_nothing_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    # given a port on which nobody listens: the one of "discard"
    assert not healthy("scheduler", "http://127.0.0.1:9", seconds=1)
    assert "no response" in capsys.readouterr().err
