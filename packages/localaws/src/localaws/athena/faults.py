"""Injected faults of queries: the effects "query" of localaws/faults.py."""

import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from localaws.athena.duck.engine import DuckEngine
from localaws.athena.engine import Engine, Outcome, Running
from localaws.athena.errors import Cancelled, QueryError
from localaws.athena.properties import after_name
from localaws.athena.statements import tokens_of


def breaking(engine: Engine, fault: str) -> Engine:
    """The engine with the fault, if it is a fault of CREATE TABLE AS; otherwise the engine itself."""
    if fault == "two_files" and isinstance(engine, DuckEngine):
        return replace(engine, files_of_bucket=2)
    return _Orphaning(engine) if fault == "fails_after_writing" else engine


def broken(running: Running, fault: str) -> Running:
    """A statement that fails or hangs, if that is the fault; otherwise the statement itself."""
    return _Fails() if fault == "fails" else _Hangs() if fault == "hangs" else running


def _failure() -> QueryError:
    return QueryError("GENERIC_INTERNAL_ERROR", "An injected fault")


class _Fails:
    def run(self) -> Outcome:
        raise _failure()

    def cancel(self) -> None:
        """It ends at once."""


class _Hangs:
    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def run(self) -> Outcome:
        self._cancelled.wait()
        raise Cancelled

    def cancel(self) -> None:
        self._cancelled.set()


@dataclass(frozen=True)
class _Orphaning:
    """An engine whose CREATE TABLE AS writes all files, for a table with another name, which is dropped."""

    engine: Engine

    def statement(self, sql: str, database: str, clients: Any, max_bytes: int | None = None) -> Running:
        tokens = tokens_of(sql)
        start = 5 if tokens[2].text.upper() == "IF" else 2
        table = f"failed_{uuid.uuid4().hex}"
        renamed = sql[: tokens[start].start] + table + sql[tokens[after_name(tokens, start) - 1].end + 1 :]
        return _Orphan(self.engine.statement(renamed, database, clients, max_bytes), database, table, clients)


@dataclass(frozen=True)
class _Orphan:
    running: Running
    database: str
    table: str
    clients: Any

    def run(self) -> Outcome:
        self.running.run()
        with suppress(ClientError):
            self.clients.client("glue").delete_table(DatabaseName=self.database, Name=self.table)
        raise _failure()

    def cancel(self) -> None:
        self.running.cancel()
