"""The script as a module, and S3 and Glue in memory behind real boto3 clients.

The clients validate parameters, turn error codes into exceptions and decode listings as they always do; only
the sending of a request is replaced (botocore's event before-call, as its own Stubber does).
"""

from __future__ import annotations

import hashlib
import importlib.util
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, ClassVar
from urllib.parse import quote

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "include" / "glue" / "rates_xml_to_parquet.py"


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def script() -> ModuleType:
    return load(SCRIPT)


@pytest.fixture(scope="session")
def shared_content() -> ModuleType:
    return load(ROOT / "plugins" / "smart_hub" / "shared" / "content_hash.py")


class FailureError(Exception):
    """An error answer of AWS: HTTP status and code."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


class FakeAws:
    """The bucket `data`, key → bytes, and smart_hub.rate_versions, content → PartitionInput."""

    page_size = 2

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.partitions: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.columns = [{"Name": "state", "Type": "string"}, {"Name": "cents_per_kwh", "Type": "double"}]

    def etag(self, key: str) -> str:
        return f'"{hashlib.md5(self.objects[key]).hexdigest()}"'

    def list_objects_v2(self, given: dict[str, Any]) -> dict[str, Any]:
        keys = sorted(key for key in self.objects if key.startswith(given["Prefix"]))
        first = int(given.get("ContinuationToken", 0))
        last = first + self.page_size
        contents = [
            {"Key": quote(key), "ETag": self.etag(key), "Size": len(self.objects[key])} for key in keys[first:last]
        ]
        page = {"Contents": contents, "EncodingType": "url", "IsTruncated": last < len(keys)}
        if not contents:
            del page["Contents"]
        return {**page, "NextContinuationToken": str(last)} if last < len(keys) else page

    def get_object(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["Key"] not in self.objects:
            raise FailureError(404, "NoSuchKey")
        if given.get("IfMatch", self.etag(given["Key"])) != self.etag(given["Key"]):
            raise FailureError(412, "PreconditionFailed")
        body = self.objects[given["Key"]]
        return {"Body": StreamingBody(BytesIO(body), len(body)), "ETag": self.etag(given["Key"])}

    def put_object(self, given: dict[str, Any]) -> dict[str, Any]:
        self.objects[given["Key"]] = given["Body"].getvalue()  # boto3 has made a file of the bytes
        return {"ETag": self.etag(given["Key"])}

    def delete_object(self, given: dict[str, Any]) -> dict[str, Any]:
        del self.objects[given["Key"]]
        return {}

    def get_table(self, given: dict[str, Any]) -> dict[str, Any]:
        assert (given["DatabaseName"], given["Name"]) == ("smart_hub", "rate_versions")
        descriptor = {
            "Columns": self.columns,
            "Location": "s3://data/warehouse/rate_versions/",
            "Compressed": False,
        }
        return {"Table": {"Name": "rate_versions", "DatabaseName": "smart_hub", "StorageDescriptor": descriptor}}

    def create_partition(self, given: dict[str, Any]) -> dict[str, Any]:
        assert (given["DatabaseName"], given["TableName"]) == ("smart_hub", "rate_versions")
        (value,) = given["PartitionInput"]["Values"]
        if value in self.partitions:
            raise FailureError(400, "AlreadyExistsException")
        self.partitions[value] = given["PartitionInput"]
        return {}

    def get_partition(self, given: dict[str, Any]) -> dict[str, Any]:
        assert (given["DatabaseName"], given["TableName"]) == ("smart_hub", "rate_versions")
        return {"Partition": self.partitions[given["PartitionValues"][0]]}

    # A lower-case method for each operation that the script uses; any other operation fails the test.
    operations: ClassVar[dict[str, Callable[..., dict[str, Any]]]] = {
        "ListObjectsV2": list_objects_v2,
        "GetObject": get_object,
        "PutObject": put_object,
        "DeleteObject": delete_object,
        "GetTable": get_table,
        "CreatePartition": create_partition,
        "GetPartition": get_partition,
    }

    def note(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["given"] = dict(params)  # as the caller gave them; before-call sees the serialised request only

    def answer(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        self.calls.append(model.name)
        if context["given"].get("Bucket", "data") != "data":
            status, parsed = 404, {"Error": {"Code": "NoSuchBucket", "Message": context["given"]["Bucket"]}}
            return AWSResponse("memory", status, {}, None), parsed
        try:
            status, parsed = 200, self.operations[model.name](self, context["given"])
        except FailureError as failure:
            status, parsed = failure.status, {"Error": {"Code": failure.code, "Message": "as AWS puts it"}}
        parsed["ResponseMetadata"] = {"HTTPStatusCode": status}
        return AWSResponse("memory", status, {}, None), parsed


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    fake = FakeAws()
    core = botocore.session.get_session()
    session = boto3.Session(botocore_session=core)
    for service in ("s3", "glue"):
        session.events.register_first(f"before-parameter-build.{service}", fake.note)
        session.events.register_last(f"before-call.{service}", fake.answer)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    return fake
