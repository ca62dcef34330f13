"""Athena's API for query executions: start, poll, stop, list, read. Workgroups and catalogs are ministack's.

https://docs.aws.amazon.com/athena/latest/APIReference/API_Operations.html
"""

import logging
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from localaws.access import DENIED, acting_for
from localaws.athena import ddl, results
from localaws.athena.engine import Engine, Running
from localaws.athena.errors import Cancelled, QueryError
from localaws.athena.faults import breaking, broken
from localaws.athena.statements import not_parameterised, prepare, tokens_of
from localaws.disk import full as full_disk
from localaws.faults import injected
from localaws.records import Records
from localaws.service import AwsClients, Caller, Service, ServiceError

log = logging.getLogger("localaws.athena")

_KIND = "query_execution"
_CATALOG = "awsdatacatalog"
_CONCURRENT_QUERIES = 8
_MAX_QUERY_BYTES = 262_144
_MAX_ROWS = 1000  # of a page of GetQueryResults
_MAX_EXECUTIONS = 50  # of a page of ListQueryExecutions
_SYSTEM, _USER = 1, 2  # the ErrorCategory of AthenaError
_VALIDATION_ERROR = "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must have {}"


@dataclass
class _Execution:
    """A query that has not ended.

    clients: with the caller's permissions; fault: the injected fault, or ""; statement: once it runs; stopped: a stop
    was requested.
    """

    document: dict[str, Any]
    clients: AwsClients
    fault: str = ""
    future: "Future[None] | None" = None
    statement: Running | None = None
    stopped: bool = False


class Athena(Service):
    """Query executions, each in a thread. Records survive a restart, after which unfinished queries have failed."""

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

    amended: ClassVar[frozenset[str]] = frozenset({"GetWorkGroup"})

    def __init__(self, clients: AwsClients, records: Records, engine: Engine) -> None:
        self.clients = clients
        self.records = records
        self.engine = engine
        self.lock = threading.Lock()
        self.executions: dict[str, _Execution] = {}
        self.threads = ThreadPoolExecutor(_CONCURRENT_QUERIES, thread_name_prefix="athena")
        for document in self.records.list(_KIND):
            if document["Status"]["State"] in ("QUEUED", "RUNNING"):
                self._finish(
                    document,
                    "FAILED",
                    "GENERIC_INTERNAL_ERROR: the local AWS was stopped while this query ran",
                )

    def handle(self, action: str, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        handlers = {
            "StopQueryExecution": self._stop,
            "GetQueryExecution": self._get,
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
        }
        if action == "StartQueryExecution":
            return self._start(body, acting_for(self.clients, caller))
        if action == "GetQueryResults":
            return self._results(body, acting_for(self.clients, caller))
        return handlers[action](body)

    def amend(self, action: str, body: dict[str, Any], answer: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Add whether the workgroup overrides the client's settings, as AWS does; by default it does not.

        Its cutoff is a number on AWS, while ministack returns the string of a template's parameter.
        """
        configuration = answer["WorkGroup"].setdefault("Configuration", {})
        configuration.setdefault("EnforceWorkGroupConfiguration", False)
        if "BytesScannedCutoffPerQuery" in configuration:
            configuration["BytesScannedCutoffPerQuery"] = int(configuration["BytesScannedCutoffPerQuery"])
        return answer

    def close(self) -> None:
        """Stop all running queries and wait for them."""
        with self.lock:
            running = list(self.executions)
        for execution_id in running:
            self._cancel(execution_id)
        self.threads.shutdown(wait=True)

    # Starting and stopping

    def workgroup_of(self, execution_id: str) -> str | None:
        """The workgroup of a query, None for an unknown id."""
        document = self.records.get(_KIND, execution_id)
        return None if document is None else str(document["WorkGroup"])

    def _start(self, body: dict[str, Any], clients: AwsClients) -> dict[str, Any]:
        """clients: with the caller's permissions, with which the query reads and writes."""
        sql = body.get("QueryString", "")
        if not sql.strip():
            raise _invalid("Query string cannot be empty")
        if len(sql.encode()) > _MAX_QUERY_BYTES:
            limit = f"length less than or equal to {_MAX_QUERY_BYTES}"
            raise _invalid(_VALIDATION_ERROR.format("queryString", limit))
        if _several_statements(sql):
            raise _invalid(f"Only one sql statement is allowed. Got: {sql}")
        workgroup = body.get("WorkGroup", "primary")
        configuration = self._configuration(workgroup)
        output = _output_location(body, configuration)
        _find_bucket(clients, output)
        names = ("QueryString", "QueryExecutionContext", "ResultConfiguration", "WorkGroup", "ExecutionParameters")
        request = {name: body.get(name) for name in names}
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
            if body.get("ExecutionParameters"):
                document["ExecutionParameters"] = body["ExecutionParameters"]
            self.records.put(_KIND, execution_id, document)
            if token:
                self.records.put("client_request_token", token, {"id": execution_id, "request": request})
            execution = self.executions[execution_id] = _Execution(document, clients, injected("query"))
            execution.future = self.threads.submit(self._execute, execution, configuration)
        return {"QueryExecutionId": execution_id}

    def _configuration(self, workgroup: str) -> dict[str, Any]:
        try:
            answer = self.clients.client("athena").get_work_group(WorkGroup=workgroup)
        except ClientError as error:
            raise _invalid(f"WorkGroup {workgroup} is not found.") from error
        if answer["WorkGroup"].get("State") == "DISABLED":
            raise _invalid(f"WorkGroup {workgroup} is disabled.")
        configuration: dict[str, Any] = answer["WorkGroup"].get("Configuration", {})
        return configuration

    def _stop(self, body: dict[str, Any]) -> dict[str, Any]:
        self._document(body["QueryExecutionId"])
        self._cancel(body["QueryExecutionId"])
        return {}

    def _cancel(self, execution_id: str) -> None:
        with self.lock:
            execution = self.executions.get(execution_id)
            if execution is None:
                return  # it has ended
            execution.stopped = True
            statement = execution.statement
            if execution.future is not None and execution.future.cancel():  # it has not started
                self._finish(execution.document, "CANCELLED", str(Cancelled()))
                del self.executions[execution_id]
        if statement is not None:
            statement.cancel()

    # Running, in a thread of the pool

    def _execute(self, execution: _Execution, configuration: dict[str, Any]) -> None:
        document = execution.document
        try:
            self._run(execution, configuration)
        except QueryError as error:
            self._finish(document, "FAILED", str(error))
        except Cancelled as error:
            self._finish(document, "CANCELLED", str(error))
        except (ClientError, BotoCoreError) as error:
            # The catalog or S3 refused the request: Athena shows the message.
            self._finish(document, "FAILED", _reason(error))
        except Exception as error:
            # A defect must not leave the query RUNNING forever; the log has the traceback.
            log.exception("query %s: %s", document["QueryExecutionId"], document["Query"])
            self._finish(document, "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}")
        finally:
            with self.lock:
                del self.executions[document["QueryExecutionId"]]

    def _run(self, execution: _Execution, configuration: dict[str, Any]) -> None:
        begun = time.monotonic()
        document = execution.document
        sql, context = document["Query"], document["QueryExecutionContext"]
        database = context.get("Database", "default").lower()
        if (catalog := context.get("Catalog", _CATALOG)).lower() != _CATALOG:
            raise QueryError("NOT_SUPPORTED", f"the catalog {catalog} is not covered by the local AWS")
        if configuration.get("EnforceWorkGroupConfiguration") and _has_external_location(sql):
            raise QueryError("INVALID_TABLE_PROPERTY", _ENFORCED)
        cutoff = configuration.get("BytesScannedCutoffPerQuery")
        parameters = document.get("ExecutionParameters", [])
        # Only Hive's DDL has the quotes around the database that awswrangler's describe_table writes.
        clients = execution.clients
        _open_default_database(clients)
        statement = ddl.find(sql, database.strip("`"), clients.client("glue"))
        is_ddl = statement is not None
        if is_ddl and parameters:
            raise not_parameterised()
        output, execution_id = document["ResultConfiguration"]["OutputLocation"], document["QueryExecutionId"]
        running: Running = statement or prepare(sql, parameters, f"{output}tables/{execution_id}/", execution_id).on(
            breaking(self.engine, execution.fault), database, clients, int(cutoff) if cutoff else None
        )
        running = broken(running, execution.fault)
        document["Status"]["State"] = "RUNNING"
        self.records.put(_KIND, document["QueryExecutionId"], document)
        started = time.monotonic()
        with self.lock:
            if execution.stopped:
                raise Cancelled
            execution.statement = running
        outcome = running.run()
        ended = time.monotonic()
        location = results.write(clients, document, outcome, is_ddl)
        document["ResultConfiguration"]["OutputLocation"] = location
        document["StatementType"] = outcome.statement_type
        document["Statistics"] = {
            "EngineExecutionTimeInMillis": round((ended - started) * 1000),
            "DataScannedInBytes": outcome.scanned_bytes,
            "QueryQueueTimeInMillis": round((started - begun) * 1000),
            "TotalExecutionTimeInMillis": round((time.monotonic() - begun) * 1000),
        }
        if outcome.files is not None:
            document["Statistics"]["DataManifestLocation"] = f"{location}{results.MANIFEST}"
        document["columns"] = [results.column_info(column, is_ddl) for column in outcome.columns]
        self._finish(document, "SUCCEEDED")

    def _finish(self, document: dict[str, Any], state: str, reason: str | None = None) -> None:
        document["Status"] |= {"State": state, "CompletionDateTime": time.time()}
        full = full_disk(self.records.folder) if state == "FAILED" else ""
        if full:
            reason = f"{reason}; {full}"
        if reason is not None:
            document["Status"]["StateChangeReason"] = reason
            is_internal = reason.startswith("GENERIC_INTERNAL_ERROR") or bool(full)
            document["Status"]["AthenaError"] = {
                "ErrorCategory": _SYSTEM if is_internal else _USER,
                "ErrorMessage": reason,
                "Retryable": False,
            }
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
        executions, missing = [], []
        for execution_id in body["QueryExecutionIds"]:
            document = self.records.get(_KIND, execution_id)
            if document is None:
                missing.append({"QueryExecutionId": execution_id, "ErrorCode": "INVALID_QUERY_EXECUTION_ID"})
            else:
                executions.append(_public(document))
        return {"QueryExecutions": executions, "UnprocessedQueryExecutionIds": missing}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        workgroup = body.get("WorkGroup", "primary")
        ids = [
            document["QueryExecutionId"] for document in self.records.list(_KIND) if document["WorkGroup"] == workgroup
        ]
        ids.reverse()  # newest first
        first = _offset(body)
        size = body.get("MaxResults") or _MAX_EXECUTIONS
        if size > _MAX_EXECUTIONS:
            limit = f"value less than or equal to {_MAX_EXECUTIONS}"
            raise _invalid(_VALIDATION_ERROR.format("maxResults", limit))
        answer: dict[str, Any] = {"QueryExecutionIds": ids[first : first + size]}
        if first + size < len(ids):
            answer["NextToken"] = str(first + size)
        return answer

    def _results(self, body: dict[str, Any], clients: AwsClients) -> dict[str, Any]:
        document = self._document(body["QueryExecutionId"])
        max_rows = body.get("MaxResults", _MAX_ROWS)
        if max_rows > _MAX_ROWS:
            raise _invalid(f"MaxResults is more than maximum allowed length {_MAX_ROWS}.")
        state = document["Status"]["State"]
        if state in ("QUEUED", "RUNNING"):
            raise _invalid(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            raise _invalid(f"Query did not finish successfully. Final query state: {state}")
        columns = document["columns"]
        location = document["ResultConfiguration"]["OutputLocation"]
        begin = _offset(body)
        rows: results.Rows = []
        answer: dict[str, Any] = {"UpdateCount": 0}
        if columns:
            try:
                rows, following = results.page(clients, location, begin, max_rows)
            except ClientError as error:
                raise _invalid(f"Could not find results at {location}") from error
            if following is not None:
                answer["NextToken"] = str(following)
        answer["ResultSet"] = {
            "Rows": [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in rows],
            "ResultSetMetadata": {"ColumnInfo": columns},
        }
        return answer


def _find_bucket(clients: AwsClients, output: str) -> None:
    """Check the bucket of the results, as Athena does first, with the caller's permissions."""
    bucket = output.removeprefix("s3://").partition("/")[0]
    try:
        clients.client("s3").get_bucket_location(Bucket=bucket)
    except ClientError as error:
        raise _invalid(f"Unable to verify/create output bucket {bucket}: {error}") from error


def _open_default_database(clients: AwsClients) -> None:
    """Get the database ``default``, as Athena does before every query, whether it exists or not.

    https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html
    """
    glue = clients.client("glue")
    with suppress(glue.exceptions.EntityNotFoundException):
        glue.get_database(Name="default")


def _reason(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in DENIED:
        return f"Insufficient permissions to execute the query. {error}"
    return f"GENERIC_INTERNAL_ERROR: {error}"


def _output_location(body: dict[str, Any], configuration: dict[str, Any]) -> str:
    default = configuration.get("ResultConfiguration", {}).get("OutputLocation")
    requested = body.get("ResultConfiguration", {}).get("OutputLocation")
    enforced = configuration.get("EnforceWorkGroupConfiguration")
    location = default if default and (enforced or not requested) else requested
    if not location:
        raise _invalid(
            "No output location provided. An output location is required either through the Workgroup result"
            " configuration setting or as an API input."
        )
    if not location.startswith("s3://"):
        raise _invalid(f"outputLocation is not a valid S3 path: {location}")
    return str(location) if location.endswith("/") else f"{location}/"


def _words(sql: str) -> list[str]:
    return [token.text.lower() for token in tokens_of(sql)]


def _several_statements(sql: str) -> bool:
    return ";" in _words(sql)


_ENFORCED = (
    "The Create Table As Select query failed because it was submitted with an 'external_location' property to"
    " an Athena Workgroup that enforces a centralized output location for all queries. Please remove the"
    " 'external_location' property and resubmit the query."
)


def _has_external_location(sql: str) -> bool:
    words = _words(sql)
    before_query = words[: words.index("as")] if "as" in words else words
    return words[:2] == ["create", "table"] and "external_location" in before_query


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidRequestException", message)


def _offset(body: dict[str, Any]) -> int:
    token = body.get("NextToken", "0")
    if not token.isdigit():
        raise _invalid("Invalid pagination token")
    return int(token)


def _new_execution(execution_id: str, sql: str, context: dict[str, Any], workgroup: str, output: str) -> dict[str, Any]:
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
