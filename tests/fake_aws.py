"""S3, SNS, Glue's catalog and Athena in memory, behind real botocore clients.

botocore checks every request and answer against its models of the services; only the wire is left out.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.response import StreamingBody
from botocore.validate import validate_parameters

from smart_hub.shared.layout import CONTRACT, CONTRACT_PARAMETER

BUCKET = "the-data"
DAY = "2019-12-21"
RUN_ID = "manual__1"
# `printf manual__1 | sha256sum` begins with 19b04f5690f1.
RUN = "2019-12-21-19b04f5690f1"
# What S3 lists, or deletes, in one request at most.
A_PAGE = 1000
# Of every table.
COLUMNS = [{"Name": "loc_id", "Type": "string"}]

_SESSION: Any = boto3.session.Session("test", "test", region_name="us-east-1")


class Refused(Exception):
    """An error as the service answers it: HTTP status and code."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        self.status, self.code, self.message = status, code, message or code


@dataclass
class StoredObject:
    body: bytes
    etag: str
    modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)


class FakeAws:
    """What the code under test finds, and what it did.

    buckets: bucket -> key -> object. tables: name -> location. partitions: (table, value) -> location.
    columns: those of a partition that are not its table's.
    calls: every request as (operation, parameters), in order. statements: what Athena was asked, in order.
    executed: type, text and scanned bytes of queries with a UUID, which begins with their number.
    outcome: state, and reason, of a statement. rows: result of a SELECT, header first.
    refusal: what every request is answered with, where there is one.
    """

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, StoredObject]] = {bucket: {} for bucket in buckets}
        self.tables: dict[str, str] = {}
        self.partitions: dict[tuple[str, str], str] = {}
        self.workgroups = {"smart-hub"}
        self.database_parameters = {CONTRACT_PARAMETER: CONTRACT}
        self.refusal: Refused | None = None
        self.columns: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.statements: list[str] = []
        self.executed: list[tuple[str, str, int]] = []
        self.stopped: list[str] = []
        self.unstoppable: set[str] = set()
        self.outcome: Callable[[str], tuple[str, str]] = lambda statement: ("SUCCEEDED", "")
        self.on_success: Callable[[str], object] = lambda statement: None
        self.rows: list[list[str | None]] = []
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        # With KMS, S3 makes an ETag that is not the content's MD5.
        self.opaque_etags = False
        self.client: Callable[..., Any] = cache(self._client)

    def _client(self, service: str, **options: Any) -> Any:
        client: Any = _SESSION.client(service, endpoint_url="http://127.0.0.1:9", **options)
        client.meta.events.register_first("before-parameter-build.*", self._remember)
        client.meta.events.register_first("before-call.*", self._answer)
        return client

    def put(self, bucket: str, key: str, body: str | bytes = "", **kwargs: Any) -> StoredObject:
        data = body.encode() if isinstance(body, str) else body
        etag = hashlib.md5(data).hexdigest()
        if self.opaque_etags:
            etag = hashlib.md5(b"kms" + data).hexdigest()
        stored = StoredObject(data, kwargs.get("etag", etag), kwargs.get("modified", self.now))
        self.buckets[bucket][key] = stored
        return stored

    def crawl(self) -> None:
        """Registers the day of usage, and a state of mappings and locations, as their tables declare them."""
        for data_set, value in (("usage", DAY), ("mappings", "or"), ("locations", "or")):
            self.tables[f"raw_{data_set}"] = f"s3://{BUCKET}/raw/{data_set}/"
            self.partitions[f"raw_{data_set}", value] = f"s3://{BUCKET}/raw/{data_set}/{value}/"

    @property
    def converted(self) -> dict[tuple[str, str], str]:
        """The registered contents of reference data with their locations."""
        return {key: location for key, location in self.partitions.items() if key[0].endswith("_versions")}

    def called(self, operation: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.calls if name == operation]

    @staticmethod
    def _remember(params: dict[str, Any], model: Any, context: dict[str, Any], **kwargs: Any) -> None:
        context["fake_parameters"] = dict(params)

    def _answer(self, model: Any, context: dict[str, Any], **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        parameters = context["fake_parameters"]
        self.calls.append((model.name, parameters))
        try:
            if self.refusal:
                raise self.refusal
            answer: dict[str, Any] = getattr(self, f"_{model.name}")(**parameters) or {}
        except Refused as error:
            parsed: dict[str, Any] = {"Error": {"Code": error.code, "Message": error.message}}
            return SimpleNamespace(status_code=error.status), parsed
        if model.output_shape is not None:
            validate_parameters(answer, model.output_shape)
        answer["ResponseMetadata"] = {"HTTPStatusCode": 200}
        return SimpleNamespace(status_code=200), answer

    # S3

    def _objects(self, bucket: str) -> dict[str, StoredObject]:
        if bucket not in self.buckets:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist")
        return self.buckets[bucket]

    def _object(self, bucket: str, key: str, code: str) -> StoredObject:
        if key not in self._objects(bucket):
            raise Refused(404, code, "The specified key does not exist.")
        return self.buckets[bucket][key]

    def _ListObjectsV2(
        self, Bucket: str, Prefix: str = "", Delimiter: str = "", ContinuationToken: str = "", **kwargs: Any
    ) -> dict[str, Any]:
        found: dict[str, StoredObject | None] = {}
        for key, stored in sorted(self._objects(Bucket).items()):
            if key.startswith(Prefix):
                head, folder, _ = key[len(Prefix) :].partition(Delimiter) if Delimiter else ("", "", "")
                found[Prefix + head + Delimiter if folder else key] = None if folder else stored
        left = [name for name in sorted(found) if name > ContinuationToken]
        page = left[:A_PAGE]
        return {
            "IsTruncated": len(left) > A_PAGE,
            **({"NextContinuationToken": page[-1]} if len(left) > A_PAGE else {}),
            "Contents": [
                {"Key": key, "ETag": f'"{stored.etag}"', "Size": len(stored.body), "LastModified": stored.modified}
                for key in page
                if (stored := found[key])
            ],
            "CommonPrefixes": [{"Prefix": name} for name in page if not found[name]],
        }

    def _PutObject(self, Bucket: str, Key: str, Body: Any, **kwargs: Any) -> dict[str, Any]:
        self._objects(Bucket)
        body = Body if isinstance(Body, bytes) else Body.read()
        stored = self.put(Bucket, Key, body)
        stored.metadata = kwargs.get("Metadata", {})
        return {"ETag": f'"{stored.etag}"'}

    def _CopyObject(self, Bucket: str, Key: str, CopySource: Any, **kwargs: Any) -> dict[str, Any]:
        source = self._object(CopySource["Bucket"], CopySource["Key"], "NoSuchKey")
        _require_etag(source, kwargs.get("CopySourceIfMatch"))
        etag = {} if self.opaque_etags else {"etag": source.etag}
        stored = self.put(Bucket, Key, source.body, **etag)
        replaced = kwargs.get("MetadataDirective") == "REPLACE"
        stored.metadata = kwargs.get("Metadata", {}) if replaced else source.metadata
        return {"CopyObjectResult": {"ETag": f'"{stored.etag}"'}}

    def _HeadObject(self, Bucket: str, Key: str, **kwargs: Any) -> dict[str, Any]:
        stored = self._object(Bucket, Key, "404")
        return {"ETag": f'"{stored.etag}"', "ContentLength": len(stored.body), "Metadata": stored.metadata}

    def _GetObject(self, Bucket: str, Key: str, **kwargs: Any) -> dict[str, Any]:
        stored = self._object(Bucket, Key, "NoSuchKey")
        _require_etag(stored, kwargs.get("IfMatch"))
        return {"Body": StreamingBody(io.BytesIO(stored.body), len(stored.body))}

    def _DeleteObjects(self, Bucket: str, Delete: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        if len(Delete["Objects"]) > A_PAGE:
            raise Refused(400, "MalformedXML")
        for item in Delete["Objects"]:
            self._objects(Bucket).pop(item["Key"], None)
        return {"Deleted": [{"Key": item["Key"]} for item in Delete["Objects"]]}

    # Glue

    def _known_table(self, name: str) -> str:
        if name not in self.tables:
            raise Refused(400, "EntityNotFoundException", f"Table {name} not found.")
        return self.tables[name]

    def _GetTable(self, DatabaseName: str, Name: str) -> dict[str, Any]:
        storage = {"Location": self._known_table(Name), "Columns": COLUMNS}
        return {"Table": {"Name": Name, "StorageDescriptor": storage}}

    def _GetTables(self, DatabaseName: str) -> dict[str, Any]:
        return {"TableList": [self._GetTable(DatabaseName, name)["Table"] for name in sorted(self.tables)]}

    def _DeleteTable(self, DatabaseName: str, Name: str) -> None:
        self._known_table(Name)
        del self.tables[Name]

    def _GetPartition(self, DatabaseName: str, TableName: str, PartitionValues: list[str]) -> dict[str, Any]:
        location = self.partitions.get((TableName, PartitionValues[0]))
        if location is None:
            raise Refused(400, "EntityNotFoundException", "Cannot find partition.")
        return {"Partition": self._partition(TableName, PartitionValues[0], location)}

    def _GetPartitions(self, DatabaseName: str, TableName: str, **kwargs: Any) -> dict[str, Any]:
        found = sorted((value, location) for (table, value), location in self.partitions.items() if table == TableName)
        return {"Partitions": [self._partition(TableName, value, location) for value, location in found]}

    def _partition(self, table: str, value: str, location: str) -> dict[str, Any]:
        columns = self.columns.get((table, value), COLUMNS)
        return {"Values": [value], "StorageDescriptor": {"Location": location, "Columns": columns}}

    def _CreatePartition(self, DatabaseName: str, TableName: str, PartitionInput: dict[str, Any]) -> None:
        key = (TableName, PartitionInput["Values"][0])
        if key in self.partitions:
            raise Refused(400, "AlreadyExistsException", "Partition already exists.")
        self.partitions[key] = PartitionInput["StorageDescriptor"]["Location"]

    # SNS

    def _Publish(self, **kwargs: Any) -> dict[str, Any]:
        return {"MessageId": "1"}

    # Athena

    def _GetWorkGroup(self, WorkGroup: str) -> dict[str, Any]:
        if WorkGroup not in self.workgroups:
            raise Refused(400, "InvalidRequestException", f"WorkGroup {WorkGroup} is not found.")
        return {"WorkGroup": {"Name": WorkGroup}}

    def _GetDatabase(self, Name: str) -> dict[str, Any]:
        return {"Database": {"Name": Name, "Parameters": self.database_parameters}}

    def _StartQueryExecution(self, QueryString: str, **kwargs: Any) -> dict[str, Any]:
        self.statements.append(QueryString)
        return {"QueryExecutionId": str(len(self.statements))}

    def _GetQueryExecution(self, QueryExecutionId: str) -> dict[str, Any]:
        if "-" in QueryExecutionId:
            kind, statement, scanned = self.executed[int(QueryExecutionId.split("-")[0]) - 1]
            told = {"StatementType": kind, "Query": statement, "Statistics": {"DataScannedInBytes": scanned}}
            return {"QueryExecution": told}
        statement = self.statements[int(QueryExecutionId) - 1]
        state, reason = ("CANCELLED", "stopped") if QueryExecutionId in self.stopped else self.outcome(statement)
        if state == "SUCCEEDED":
            self.on_success(statement)
        return {"QueryExecution": {"Status": {"State": state, "StateChangeReason": reason}}}

    def _StopQueryExecution(self, QueryExecutionId: str) -> None:
        if QueryExecutionId in self.unstoppable:
            raise Refused(400, "InvalidRequestException", "it cannot be stopped")
        self.stopped.append(QueryExecutionId)

    def _GetQueryResults(self, QueryExecutionId: str, **kwargs: Any) -> dict[str, Any]:
        rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in self.rows]
        return {"ResultSet": {"Rows": rows}}


def _require_etag(stored: StoredObject, condition: str | None) -> None:
    if condition is not None and condition.strip('"') != stored.etag:
        raise Refused(412, "PreconditionFailed")
