"""AWS in memory behind real botocore clients: moto's S3, Glue and SNS, and a double of Athena.

moto runs no SQL: a test sets the final state and the output of each query.
"""

from collections.abc import Callable, Iterator, MutableMapping
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config
from botocore.validate import validate_parameters
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.glue.models import FakePartition, FakeTable, glue_backends
from moto.s3.models import FakeKey, s3_backends

from smart_hub.shared.layout import CONTRACT, CONTRACT_PARAMETER

BUCKET = "the-data"
DATABASE = "smart_hub"
DAY = "2019-12-21"
RUN_ID = "manual__1"
# `printf manual__1 | sha256sum` begins with 19b04f5690f1.
RUN = "2019-12-21-19b04f5690f1"
# The maximum of objects that S3 deletes in one request.
MAX_DELETED = 1000
# The columns of every table and partition.
COLUMNS = [{"Name": "loc_id", "Type": "string"}]

_REGION = "us-east-1"
_SESSION: Any = boto3.session.Session("test", "test", region_name=_REGION)


class Refused(Exception):
    """An error response: HTTP status and code."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        self.status, self.code, self.message = status, code, message or code


@cache
def _client(service: str, config: Config | None = None) -> Any:
    """A client of the current FakeAws, shared by all tests, because creating one takes longer than most of them."""
    client: Any = _SESSION.client(service, config=config)
    client.meta.events.register_first("before-parameter-build.*", _remember)
    client.meta.events.register_first("before-call.*", lambda **call: FakeAws.current._answer(**call))
    return client


def _remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["fake_parameters"] = dict(params)


class Partitions(MutableMapping[tuple[str, str], str]):
    """The partitions in the catalog: (table, value) -> location. Setting one creates its table if it is missing."""

    def __init__(self, aws: "FakeAws") -> None:
        self._aws = aws

    def __getitem__(self, key: tuple[str, str]) -> str:
        partition = self._aws.tables[key[0]].partitions[str([key[1]])]
        location: str = partition.partition_input["StorageDescriptor"]["Location"]
        return location

    def __setitem__(self, key: tuple[str, str], location: str) -> None:
        table, value = key
        if table not in self._aws.tables:
            self._aws.add_tables(table)
        partition = {"Values": [value], "StorageDescriptor": {"Location": location, "Columns": COLUMNS}}
        self._aws.tables[table].partitions[str([value])] = FakePartition(DATABASE, table, partition)

    def __delitem__(self, key: tuple[str, str]) -> None:
        del self._aws.tables[key[0]].partitions[str([key[1]])]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name, table in self._aws.tables.items():
            for partition in table.partitions.values():
                yield name, partition.values[0]

    def __len__(self) -> int:
        return sum(1 for _ in self)


class FakeAws:
    """The AWS of one test; needs moto's ``mock_aws``.

    buckets: bucket -> key -> moto's object. tables: name -> moto's table. partitions: (table, value) -> location.
    calls: all requests as (operation, parameters), in order. statements: those that Athena was sent, in order.
    executed: type, text and scanned bytes of queries with a UUID, which begins with their number.
    outcome: state, and reason, of a statement. rows: result of a SELECT, header first.
    refusal: the error with which every request is answered, if any.
    """

    current: "FakeAws"

    def __init__(self, *buckets: str) -> None:
        FakeAws.current = self
        self._s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for bucket in buckets:
            self.add_bucket(bucket)
        self._database = glue_backends[DEFAULT_ACCOUNT_ID][_REGION].create_database(DATABASE, {})
        self.database_parameters = {CONTRACT_PARAMETER: CONTRACT}
        self.tables: dict[str, FakeTable] = self._database.tables
        self.partitions = Partitions(self)
        self.workgroups = {"smart-hub"}
        self.refusal: Refused | None = None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.statements: list[str] = []
        self.executed: list[tuple[str, str, int]] = []
        self.stopped: list[str] = []
        self.unstoppable: set[str] = set()
        self.outcome: Callable[[str], tuple[str, str]] = lambda statement: ("SUCCEEDED", "")
        self.on_success: Callable[[str], object] = lambda statement: None
        self.rows: list[list[str | None]] = []
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        self.client: Callable[..., Any] = _client

    @property
    def buckets(self) -> dict[str, dict[str, FakeKey]]:
        return {name: bucket.keys for name, bucket in self._s3.buckets.items()}

    def add_bucket(self, name: str) -> None:
        self._s3.create_bucket(name, _REGION)

    def put(self, bucket: str, key: str, body: str | bytes = "", **given: Any) -> FakeKey:
        """Adds an object, modified at `now`. given: another ``etag``, another time (``modified``)."""
        data = body.encode() if isinstance(body, str) else body
        stored = self._s3.put_object(bucket, key, data, etag=given.get("etag"), disable_notification=True)
        stored.last_modified = given.get("modified", self.now)
        return stored

    def add_tables(self, *names: str) -> None:
        for name in names:
            storage = {"Location": f"s3://{BUCKET}/warehouse/{name}/", "Columns": COLUMNS}
            given = {"StorageDescriptor": storage, "PartitionKeys": [{"Name": "dt", "Type": "string"}]}
            self.tables[name] = FakeTable(DATABASE, name, given, DEFAULT_ACCOUNT_ID)

    def crawl(self) -> None:
        """Registers the day of usage, and a state of mappings and locations, as their tables declare them."""
        for data_set, value in (("usage", DAY), ("mappings", "or"), ("locations", "or")):
            self.partitions[f"raw_{data_set}", value] = f"s3://{BUCKET}/raw/{data_set}/{value}/"

    @property
    def converted(self) -> dict[tuple[str, str], str]:
        """The registered contents of reference data with their locations."""
        return {key: location for key, location in self.partitions.items() if key[0].endswith("_versions")}

    def called(self, operation: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.calls if name == operation]

    def _answer(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
        """The HTTP response and the parsed body, if the request is not for moto."""
        parameters = context["fake_parameters"]
        self.calls.append((model.name, parameters))
        try:
            if self.refusal:
                raise self.refusal
            own: Callable[..., dict[str, Any] | None] | None = getattr(self, f"_{model.name}", None)
            answer = own(**parameters) if own else None
        except Refused as error:
            parsed: dict[str, Any] = {"Error": {"Code": error.code, "Message": error.message}}
            return SimpleNamespace(status_code=error.status), parsed
        if answer is None:
            return None
        validate_parameters(answer, model.output_shape)
        return SimpleNamespace(status_code=200), {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}

    # Not in moto

    def _GetWorkGroup(self, WorkGroup: str) -> dict[str, Any]:
        if WorkGroup not in self.workgroups:
            raise Refused(400, "InvalidRequestException", f"WorkGroup {WorkGroup} is not found.")
        return {"WorkGroup": {"Name": WorkGroup}}

    def _GetDatabase(self, Name: str) -> None:
        self._database.input["Parameters"] = self.database_parameters

    # Athena's queries

    def _StartQueryExecution(self, QueryString: str, **_: Any) -> dict[str, Any]:
        self.statements.append(QueryString)
        return {"QueryExecutionId": str(len(self.statements))}

    def _GetQueryExecution(self, QueryExecutionId: str) -> dict[str, Any]:
        if "-" in QueryExecutionId:
            kind, statement, scanned = self.executed[int(QueryExecutionId.split("-")[0]) - 1]
            statistics = {"DataScannedInBytes": scanned}
            return {"QueryExecution": {"StatementType": kind, "Query": statement, "Statistics": statistics}}
        statement = self.statements[int(QueryExecutionId) - 1]
        state, reason = ("CANCELLED", "stopped") if QueryExecutionId in self.stopped else self.outcome(statement)
        if state == "SUCCEEDED":
            self.on_success(statement)
        return {"QueryExecution": {"Status": {"State": state, "StateChangeReason": reason}}}

    def _StopQueryExecution(self, QueryExecutionId: str) -> dict[str, Any]:
        if QueryExecutionId in self.unstoppable:
            raise Refused(400, "InvalidRequestException", "it cannot be stopped")
        self.stopped.append(QueryExecutionId)
        return {}

    def _GetQueryResults(self, QueryExecutionId: str, **_: Any) -> dict[str, Any]:
        rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in self.rows]
        return {"ResultSet": {"Rows": rows}}
