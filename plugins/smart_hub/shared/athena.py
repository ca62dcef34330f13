"""Runs statements on Athena: starts them, waits for them, reads their results, and stops them.

Standard library and botocore only, because the Lambda functions use this module too.
"""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

_log = logging.getLogger(__name__)

# Athena classifies a CREATE TABLE AS as DDL, although it reads data.
_CTAS = re.compile(r"\s*CREATE\s+TABLE\s", re.IGNORECASE)
_FIRST_POLL_SECONDS = 0.05
_MAX_POLL_SECONDS = 2.0


class QueryFailed(RuntimeError):
    """A query ended as FAILED or CANCELLED. The message has Athena's reason, the query's id and its first line."""


class QueryTimedOut(RuntimeError):
    """A query was stopped because its time ran out."""


def request_token(version: str, statement: str) -> str:
    """Athena's ClientRequestToken, 64 characters: a statement runs once per attempt, even if it is sent again."""
    return hashlib.sha256(f"{version}\n{statement}".encode()).hexdigest()


@dataclass(frozen=True)
class AthenaRunner:
    """Runs the queries of one attempt of one task.

    client: boto3's ``athena`` client; output: S3 prefix of result files, ``s3://…/``; version: the attempt's version;
    seconds_left: returns the seconds until the caller's own time-out.
    """

    client: Any
    workgroup: str
    database: str
    output: str
    version: str
    seconds_left: Callable[[], float]
    _running: set[str] = field(default_factory=set, init=False)

    def run(self, *statements: str) -> list[str]:
        """Runs statements in parallel and waits for all; returns the ids of their executions.

        Raises QueryFailed for the first that fails, QueryTimedOut if time runs out. In both cases the other queries are
        stopped, so that no query outlives the task that started it.
        """
        ids = []
        try:
            for statement in statements:
                ids.append(self._start(statement))
                self._running.add(ids[-1])
            for execution_id, statement in zip(ids, statements, strict=True):
                self._wait(execution_id, statement)
        finally:
            self.stop()
        return ids

    def stop(self) -> None:
        """Stops the running queries. A thread that waits for one gets QueryFailed (CANCELLED)."""
        for execution_id in list(self._running):
            self._running.discard(execution_id)
            try:
                self.client.stop_query_execution(QueryExecutionId=execution_id)
            except (BotoCoreError, ClientError) as error:  # stop the other queries in any case
                _log.warning("Query %s could not be stopped: %s", execution_id, error)

    def rows(self, statement: str) -> list[dict[str, str | None]]:
        """Runs a SELECT and returns its rows: column name to Athena's text, or None for NULL."""
        (execution_id,) = self.run(statement)
        lines = list(self._result_lines(execution_id))
        header = [str(name) for name in lines[0]]
        return [dict(zip(header, line, strict=True)) for line in lines[1:]]

    def scanned(self, execution_ids: Iterable[str]) -> dict[str, int]:
        """Returns the bytes scanned by each query, by its id, without queries that only change the catalog."""
        found = {}
        for execution_id in execution_ids:
            execution = self.client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
            if execution.get("StatementType") == "DML" or _CTAS.match(execution["Query"]):
                found[execution_id] = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
        return found

    def _start(self, statement: str) -> str:
        answer = self.client.start_query_execution(
            QueryString=statement,
            ClientRequestToken=request_token(self.version, statement),
            QueryExecutionContext={"Database": self.database},
            ResultConfiguration={"OutputLocation": self.output},
            WorkGroup=self.workgroup,
        )
        return str(answer["QueryExecutionId"])

    def _wait(self, execution_id: str, statement: str) -> None:
        pause = _FIRST_POLL_SECONDS
        while True:
            status = self.client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]["Status"]
            if status["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                self._running.discard(execution_id)
            if status["State"] == "SUCCEEDED":
                return
            first_line = statement.splitlines()[0]
            if status["State"] in ("FAILED", "CANCELLED"):
                reason = status.get("StateChangeReason", "no reason given")
                raise QueryFailed(f"{status['State']}: {reason} (query {execution_id}: {first_line} …)")
            if self.seconds_left() <= pause:
                raise QueryTimedOut(
                    f"stopped, time ran out while {status['State']} (query {execution_id}: {first_line} …)"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, _MAX_POLL_SECONDS)

    def _result_lines(self, execution_id: str) -> Iterator[Sequence[str | None]]:
        pages = self.client.get_paginator("get_query_results").paginate(QueryExecutionId=execution_id)
        for page in pages:
            for row in page["ResultSet"]["Rows"]:
                yield [cell.get("VarCharValue") for cell in row["Data"]]
