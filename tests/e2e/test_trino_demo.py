"""`make demo ENGINE=trino`: every query on a real Trino, the same table of results; and a Trino that is the user's own.

Needs an installed Trino: `make test-trino`.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.environment import ROOT, Environment
from tests.ports import free_ports

pytestmark = pytest.mark.trino

SECONDS = 180


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports()[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    made = Environment(tmp_path_factory.mktemp("trino") / "local", *free_ports())
    yield made
    made.make("down")


@pytest.fixture(scope="module")
def demo(environment: Environment, port: int) -> str:
    done = environment.make("demo", ENGINE="trino", TRINO_PORT=str(port))
    assert done.returncode == 0, done.stdout
    return done.stdout


def table(shown: str) -> list[str]:
    """The lines of the demo's table without the seconds, which vary between runs."""
    return re.findall(r"^(Day .*?|\d{4}-\d\d-\d\d +\d+ .*?|Total .*?)(?: +\d+ s| +Time)? *$", shown, re.MULTILINE)


def queries(url: str) -> list[dict[str, Any]]:
    """What a Trino has run of late, as its own pages list it."""
    headers = {"X-Trino-User": "test"}
    return list(httpx.get(f"{url}/v1/query", headers=headers, trust_env=False).raise_for_status().json())


def test_trino_runs_the_queries_of_the_demo(demo: str, port: int) -> None:
    # given two days with a CTAS each for usage, costs and the compacted file; one for mappings, one for locations
    ran = [query for query in queries(f"http://127.0.0.1:{port}") if query["state"] == "FINISHED"]

    assert sum("CREATE TABLE" in query["query"] for query in ran) >= 2 * 3 + 2


def test_down_ends_trino_and_duckdb_shows_the_same_table(environment: Environment, demo: str, port: int) -> None:
    # when
    down = environment.make("down")
    left = [p.info for p in psutil.process_iter(["pid", "cmdline"]) if str(environment.local) in str(p.info["cmdline"])]
    again = environment.make("demo", ENGINE="duckdb")

    # expect
    assert "trino" in down.stdout
    assert left == []
    assert again.returncode == 0, again.stdout
    assert len(table(demo)) == 4
    assert table(again.stdout) == table(demo)


@pytest.fixture
def own(environment: Environment, tmp_path: Path, port: int) -> Iterator[str]:
    """A Trino that nobody but this test starts and ends, on the environment's catalog and objects."""
    settings = {
        "SMART_HUB_LOCAL": str(tmp_path),
        "AWS_PORT": str(environment.aws_port),
        "TRINO_PORT": str(port),
        "ENGINE": "trino",
        "TRINO_URL": "",
    }
    with (tmp_path / "trino.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.trino", "run"],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + SECONDS
        while not _started(url):
            assert process.poll() is None, (tmp_path / "trino.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "Trino has not started"
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _started(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/info", trust_env=False).json()["starting"] is False
    except httpx.TransportError:
        return False


def test_a_trino_of_the_users_own_runs_the_queries_and_is_left_running(
    environment: Environment, demo: str, own: str
) -> None:
    # given the days that the demo published, when the services are restarted with the user's Trino
    up = environment.make("up", TRINO_URL=own)
    rows = environment.select("SELECT count(*) FROM usage_cost WHERE kwh >= 0 AND 'marked' = 'marked'")
    status = environment.make("status")
    down = environment.make("down")

    # expect
    assert up.returncode == 0, up.stdout
    assert int(rows[0][0]) > 0
    assert any("'marked'" in query["query"] for query in queries(own))
    assert status.returncode == 0, status.stdout
    assert "trino" not in down.stdout
    assert _started(own)


def test_a_wrong_address_is_an_error_at_once(environment: Environment, port: int) -> None:
    up = environment.make("up", TRINO_URL=f"http://127.0.0.1:{port}")

    assert up.returncode != 0
    assert f"no Trino is ready at TRINO_URL=http://127.0.0.1:{port}" in up.stdout
