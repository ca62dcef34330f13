"""Athena's API for query executions: start, follow, stop, list, read. Workgroups and catalogs are the base's.

https://docs.aws.amazon.com/athena/latest/APIReference/API_Operations.html
"""

import re
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from localaws.athena import ddl
from localaws.athena.catalog import Column
from localaws.athena.engine import Engine, Outcome, Running
from localaws.athena.errors import Cancelled, QueryError
from localaws.records import Records
from localaws.service import Caller, Service, ServiceError, Store

_KIND = "query_execution"
_CONCURRENT_QUERIES = 8
_MOST_RESULTS = 1000
_CELL = re.compile(r'("(?:[^"]|"")*")?(,|\n)')


class Athena(Service):
    """Query executions, each in a thread; their records outlive the process, what was running then has failed."""

    target: ClassVar[str] = "AmazonAthena"
    actions: ClassVar[frozenset[str]] = frozenset(
        {
            "StartQueryExecution",
            "StopQueryExecution",
            "GetQueryExecution",
            "BatchGetQueryExecution",
            "ListQueryExecutions",
            "GetQueryResults",
        }
    )

    def __init__(self, store: Store, records: Records, engine: Engine) -> None:
        self.store = store
        self.records = records
        self.engine = engine
        self.lock = threading.Lock()
        self.running: dict[str, Running | None] = {}
        self.stopped: set[str] = set()
        self.threads = ThreadPoolExecutor(_CONCURRENT_QUERIES, thread_name_prefix="athena")
        for document in self.records.list(_KIND):
            if document["Status"]["State"] in ("QUEUED", "RUNNING"):
                self._finish(document, "FAILED", "GENERIC_INTERNAL_ERROR: the local AWS was stopped while this query ran")

    def handle(self, action: str, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        handlers = {
            "StartQueryExecution": self._start,
            "StopQueryExecution": self._stop,
            "GetQueryExecution": self._get,
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
            "GetQueryResults": self._results,
        }
        return handlers[action](body)

    def close(self) -> None:
        """Stops what is running and waits for it."""
        with self.lock:
            running = list(self.running)
        for execution_id in running:
            self._cancel(execution_id)
        self.threads.shutdown(wait=True)

    # Starting and stopping

    def _start(self, body: dict[str, Any]) -> dict[str, Any]:
        sql = body.get("QueryString", "")
        if not sql.strip():
            raise _invalid("Query string cannot be empty")
        if body.get("ExecutionParameters"):
            raise _invalid("The local AWS does not cover ExecutionParameters")
        workgroup = body.get("WorkGroup", "primary")
        output = self._output_location(body, workgroup)
        request = {name: body.get(name) for name in ("QueryString", "QueryExecutionContext", "ResultConfiguration", "WorkGroup")}
        token = body.get("ClientRequestToken")
        with self.lock:
            if token:
                known = self.records.get("client_request_token", token)
                if known is not None and known["request"] != request:
                    raise _invalid("Idempotent parameters do not match")
                if known is not None:
                    return {"QueryExecutionId": known["id"]}
            execution_id = str(uuid.uuid4())
            document = _new_execution(execution_id, sql, body.get("QueryExecutionContext", {}), workgroup, output)
            self.records.put(_KIND, execution_id, document)
            if token:
                self.records.put("client_request_token", token, {"id": execution_id, "request": request})
            self.running[execution_id] = None
        self.threads.submit(self._execute, document)
        return {"QueryExecutionId": execution_id}

    def _output_location(self, body: dict[str, Any], workgroup: str) -> str:
        athena = self.store.client("athena")
        try:
            configuration = athena.get_work_group(WorkGroup=workgroup)["WorkGroup"].get("Configuration", {})
        except ClientError as error:
            raise _invalid(f"WorkGroup {workgroup} is not found.") from error
        own = configuration.get("ResultConfiguration", {}).get("OutputLocation")
        asked = body.get("ResultConfiguration", {}).get("OutputLocation")
        location = own if own and (configuration.get("EnforceWorkGroupConfiguration") or not asked) else asked
        if not location:
            raise _invalid(
                "No output location provided. An output location is required either through the Workgroup result"
                " configuration setting or as an API input."
            )
        if not location.startswith("s3://"):
            raise _invalid(f"outputLocation is not a valid S3 path: {location}")
        return str(location) if location.endswith("/") else f"{location}/"

    def _stop(self, body: dict[str, Any]) -> dict[str, Any]:
        self._document(body["QueryExecutionId"])
        self._cancel(body["QueryExecutionId"])
        return {}

    def _cancel(self, execution_id: str) -> None:
        with self.lock:
            if execution_id not in self.running:
                return  # ended: stopping it again changes nothing
            self.stopped.add(execution_id)
            statement = self.running[execution_id]
        if statement is not None:
            statement.cancel()

    # Running, in a thread of the pool

    def _execute(self, document: dict[str, Any]) -> None:
        execution_id = document["QueryExecutionId"]
        try:
            self._run(document, execution_id)
        except QueryError as error:
            self._finish(document, "FAILED", str(error))
        except Cancelled:
            self._finish(document, "CANCELLED", "Query was cancelled by the user")
        except (ClientError, BotoCoreError) as error:
            # The catalog or the store said no to the query: Athena shows its words.
            self._finish(document, "FAILED", f"GENERIC_INTERNAL_ERROR: {error}")
        except Exception as error:
            # A defect of ours must not leave the query RUNNING for ever; it stays visible in the log.
            self._finish(document, "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}")
            raise
        finally:
            with self.lock:
                self.running.pop(execution_id, None)
                self.stopped.discard(execution_id)

    def _run(self, document: dict[str, Any], execution_id: str) -> None:
        queued = time.monotonic()
        sql, database = document["Query"], document["QueryExecutionContext"].get("Database", "default").lower()
        statement: Running | None = ddl.find(sql, database, self.store.client("glue"))
        is_ddl = statement is not None
        statement = statement or self.engine.statement(sql, database, self.store)
        with self.lock:
            self.running[execution_id] = statement
            if execution_id in self.stopped:
                raise Cancelled
        document["Status"]["State"] = "RUNNING"
        self.records.put(_KIND, execution_id, document)
        started = time.monotonic()
        outcome = statement.run()
        engine_millis = round((time.monotonic() - started) * 1000)
        output = document["ResultConfiguration"]["OutputLocation"]
        suffix = ".txt" if is_ddl else ".csv" if outcome.columns else ""
        location = f"{output}{execution_id}{suffix}"
        bucket, _, key = location.removeprefix("s3://").partition("/")
        if suffix:
            text = _as_lines(outcome) if is_ddl else _as_csv(outcome)
            self.store.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
        document["StatementType"] = outcome.statement_type
        document["ResultConfiguration"] = {**document["ResultConfiguration"], "OutputLocation": location}
        document["Statistics"] = {
            "EngineExecutionTimeInMillis": engine_millis,
            "DataScannedInBytes": outcome.scanned_bytes,
            "QueryQueueTimeInMillis": round((started - queued) * 1000),
            "TotalExecutionTimeInMillis": round((time.monotonic() - queued) * 1000),
        }
        document["columns"] = [_column_info(column) for column in outcome.columns]
        self._finish(document, "SUCCEEDED")

    def _finish(self, document: dict[str, Any], state: str, reason: str | None = None) -> None:
        document["Status"] |= {"State": state, "CompletionDateTime": time.time()}
        if reason is not None:
            document["Status"]["StateChangeReason"] = reason
            document["Status"]["AthenaError"] = {"ErrorCategory": 2, "ErrorMessage": reason, "Retryable": False}
        self.records.put(_KIND, document["QueryExecutionId"], document)

    # Reading

    def _document(self, execution_id: str) -> dict[str, Any]:
        document = self.records.get(_KIND, execution_id)
        if document is None:
            raise _invalid(f"QueryExecution {execution_id} was not found")
        return document

    def _get(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"QueryExecution": _public(self._document(body["QueryExecutionId"]))}

    def _batch_get(self, body: dict[str, Any]) -> dict[str, Any]:
        found, missing = [], []
        for execution_id in body["QueryExecutionIds"]:
            document = self.records.get(_KIND, execution_id)
            if document is None:
                missing.append({"QueryExecutionId": execution_id, "ErrorCode": "INVALID_QUERY_EXECUTION_ID"})
            else:
                found.append(_public(document))
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        workgroup = body.get("WorkGroup", "primary")
        ids = [
            document["QueryExecutionId"] for document in self.records.list(_KIND) if document["WorkGroup"] == workgroup
        ]
        ids.reverse()  # newest first
        first = _offset(body)
        size = min(body.get("MaxResults", 50), 50)
        answer: dict[str, Any] = {"QueryExecutionIds": ids[first : first + size]}
        if first + size < len(ids):
            answer["NextToken"] = str(first + size)
        return answer

    def _results(self, body: dict[str, Any]) -> dict[str, Any]:
        document = self._document(body["QueryExecutionId"])
        state = document["Status"]["State"]
        if state in ("QUEUED", "RUNNING"):
            raise _invalid(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            raise _invalid(f"Query did not finish successfully. Final query state: {state}")
        columns = document["columns"]
        location = document["ResultConfiguration"]["OutputLocation"]
        rows: list[list[str | None]] = []
        if columns:
            text = self._read(location)
            rows = _parse_lines(text, len(columns)) if location.endswith(".txt") else _parse_csv(text)
        first = _offset(body)
        size = min(body.get("MaxResults", _MOST_RESULTS), _MOST_RESULTS)
        answer: dict[str, Any] = {
            "UpdateCount": 0,
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]}
                    for row in rows[first : first + size]
                ],
                "ResultSetMetadata": {"ColumnInfo": columns},
            },
        }
        if first + size < len(rows):
            answer["NextToken"] = str(first + size)
        return answer

    def _read(self, location: str) -> str:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        try:
            answer = self.store.client("s3").get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise _invalid(f"Could not find results at {location}") from error
        return str(answer["Body"].read().decode())


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidRequestException", message)


def _offset(body: dict[str, Any]) -> int:
    token = body.get("NextToken", "0")
    if not token.isdigit():
        raise _invalid("Invalid pagination token")
    return int(token)


def _new_execution(
    execution_id: str, sql: str, context: dict[str, Any], workgroup: str, output: str
) -> dict[str, Any]:
    return {
        "QueryExecutionId": execution_id,
        "Query": sql,
        "StatementType": "DML",
        "ResultConfiguration": {"OutputLocation": output},
        "QueryExecutionContext": context,
        "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
        "Statistics": {"DataScannedInBytes": 0},
        "WorkGroup": workgroup,
        "EngineVersion": {
            "SelectedEngineVersion": "Athena engine version 3",
            "EffectiveEngineVersion": "Athena engine version 3",
        },
        "SubstatementType": "",
        "columns": [],
    }


def _public(document: dict[str, Any]) -> dict[str, Any]:
    hidden = {"columns"} | ({"SubstatementType"} if not document["SubstatementType"] else set())
    return {name: value for name, value in document.items() if name not in hidden}


def _column_info(column: Column) -> dict[str, Any]:
    of = column.type
    precision, scale = {"decimal": of.args, "bigint": (19, 0), "integer": (10, 0), "double": (17, 0)}.get(
        of.name, (of.args[0] if of.name == "varchar" and of.args else 2147483647 if of.name == "varchar" else 0, 0)
    )
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": of.name,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": of.name == "varchar",
    }


def _as_csv(outcome: Outcome) -> str:
    """Every value in quotes, NULL as nothing at all; the first line names the columns."""
    names: Sequence[str | None] = [column.name for column in outcome.columns]
    lines = (",".join(_csv_cell(cell) for cell in row) for row in (names, *outcome.rows))
    return "".join(f"{line}\n" for line in lines)


def _csv_cell(cell: str | None) -> str:
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


def _parse_csv(text: str) -> list[list[str | None]]:
    rows: list[list[str | None]] = [[]]
    for match in _CELL.finditer(text):
        cell = match.group(1)
        rows[-1].append(None if cell is None else cell[1:-1].replace('""', '"'))
        if match.group(2) == "\n":
            rows.append([])
    return rows[:-1]


def _as_lines(outcome: Outcome) -> str:
    return "".join("\t".join(cell or "" for cell in row) + "\n" for row in outcome.rows)


def _parse_lines(text: str, width: int) -> list[list[str | None]]:
    return [list(line.split("\t", width - 1)) for line in text.splitlines()]
