"""One local AWS and one Trino on it; both query engines work in this process, on the same catalog and objects."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localaws.athena.duck.engine import DuckEngine
from localaws.athena.engine import Engine
from localaws.athena.errors import QueryError
from localaws.athena.trino import TrinoEngine
from localaws.service import AwsClients
from localaws.testing import LocalAws, StartFailed, Trino

BUCKET = "conformance"
DUCKDB, TRINO = "duckdb", "trino"
ENGINES = (DUCKDB, TRINO)


@dataclass(frozen=True)
class Environment:
    """Where both engines work. Each writes to a database of its own, which has the engine's name."""

    endpoint: str
    trino: Trino
    folder: Path

    @property
    def clients(self) -> AwsClients:
        return AwsClients(self.endpoint)

    def engines(self) -> dict[str, Engine]:
        return {DUCKDB: DuckEngine(self.folder / "duckdb"), TRINO: TrinoEngine(self.trino.url)}

    def trino_version(self) -> str:
        return str(self.trino.info()["nodeVersion"]["version"])


@contextmanager
def started(folder: Path, trino_command: str) -> Iterator[Environment]:
    """Both servers on free ports, with their state and logs in `folder`. Raises StartFailed."""
    with LocalAws(folder / "aws") as aws, Trino(trino_command, folder / "trino", aws.port) as trino:
        yield Environment(aws.endpoint, trino, folder)


def wait_for_a_node(environment: Environment, table: str) -> None:
    """Wait until Trino reads a table: it is healthy before it has found itself among its worker nodes.

    Raises StartFailed.
    """
    deadline = time.monotonic() + 60
    while True:
        try:
            environment.engines()[TRINO].statement(f"SELECT count(*) FROM {table}", TRINO, environment.clients).run()
            return
        except QueryError as error:
            if error.code != "NO_NODES_AVAILABLE" or time.monotonic() > deadline:
                raise StartFailed(f"Trino does not run queries: {error}") from error
        time.sleep(0.2)
