"""One local AWS and one Trino on it; both query engines work in this process, on the same catalog and objects."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from localaws.athena.duck.engine import DuckEngine
from localaws.athena.engine import Engine
from localaws.athena.errors import QueryError
from localaws.athena.trino import TrinoEngine
from localaws.service import Store
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "conformance"
DUCKDB, TRINO = "duckdb", "trino"
ENGINES = (DUCKDB, TRINO)


class CannotStart(Exception):
    """The local AWS or Trino did not come up; the text says what to do."""


class _Response(Protocol):
    def read(self) -> bytes: ...


@dataclass(frozen=True)
class Environment:
    """Where both engines work. Each has a database of its own, by its name, so that what it makes is told apart."""

    endpoint: str
    trino_url: str
    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.endpoint)

    def engines(self) -> dict[str, Engine]:
        return {DUCKDB: DuckEngine(self.folder / "duckdb"), TRINO: TrinoEngine(self.trino_url)}

    def trino_version(self) -> str:
        return str(_get(f"{self.trino_url}/v1/info")["nodeVersion"]["version"])


@contextmanager
def started(folder: Path) -> Iterator[Environment]:
    """Both servers on free ports, their state and logs in `folder`; both have ended at the end.

    Raises CannotStart.
    """
    trino_port, aws_port = free_ports()
    endpoint, trino_url = (f"http://127.0.0.1:{port}" for port in (aws_port, trino_port))
    trino = {
        "SMART_HUB_LOCAL": str(folder / "local"),
        "AWS_PORT": str(aws_port),
        "TRINO_PORT": str(trino_port),
        "ENGINE": "trino",
        "TRINO_URL": "",
    }
    aws_command = [sys.executable, "-m", "localaws", "--port", str(aws_port), "--state", str(folder / "aws")]
    # The environment of Airflow has what the installation of Trino shows its progress with.
    trino_command = [str(ROOT / ".venv" / "bin" / "python"), "-m", "ops.trino", "run"]
    with (
        _process("the local AWS", aws_command, {}, folder / "aws.log", f"{endpoint}/_localaws/health"),
        _process("Trino", trino_command, trino, folder / "trino.log", f"{trino_url}/v1/info"),
    ):
        yield Environment(endpoint, trino_url, folder)


@contextmanager
def _process(name: str, command: list[str], extra: dict[str, str], log: Path, health: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **extra},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(name, process, log, health)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(name: str, process: subprocess.Popen[bytes], log: Path, health: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise CannotStart(f"{name} did not start:\n{last}")
        try:
            if not _get(health).get("starting"):
                return
        except (urllib.error.URLError, ConnectionError):
            pass  # not yet
        time.sleep(0.2)


def wait_for_a_node(environment: Environment, table: str) -> None:
    """Until Trino reads a table: it is healthy before it has found itself among the nodes that do.

    Raises CannotStart.
    """
    deadline = time.monotonic() + 60
    while True:
        try:
            environment.engines()[TRINO].statement(f"SELECT count(*) FROM {table}", TRINO, environment.store).run()
            return
        except QueryError as error:
            if error.code != "NO_NODES_AVAILABLE" or time.monotonic() > deadline:
                raise CannotStart(f"Trino does not run queries: {error}") from error
        time.sleep(0.2)


def _get(url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as response:
        return dict(json.loads(cast(_Response, response).read()))
