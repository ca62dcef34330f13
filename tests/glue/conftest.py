"""The script as a module, and moto's S3 and Glue."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

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


class Aws:
    """moto's AWS: the bucket `data`, and the table smart_hub.rate_versions."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        boto3.setup_default_session()
        boto3.DEFAULT_SESSION.events.register("before-call.*", lambda model, **_: self.calls.append(model.name))
        self.s3, self.glue = boto3.client("s3"), boto3.client("glue")
        self.s3.create_bucket(Bucket="data")
        self.glue.create_database(DatabaseInput={"Name": "smart_hub"})
        self.storage = {
            "Columns": [{"Name": "state", "Type": "string"}, {"Name": "cents_per_kwh", "Type": "double"}],
            "Location": "s3://data/warehouse/rate_versions/",
            "Compressed": False,
        }
        table = {"Name": "rate_versions", "StorageDescriptor": self.storage}
        self.glue.create_table(DatabaseName="smart_hub", TableInput=table)

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket="data", Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket="data", Key=key)

    @property
    def etags(self) -> dict[str, str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="data")
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}

    @property
    def partitions(self) -> dict[str, dict[str, Any]]:
        """Storage descriptors by content hash."""
        found = self.glue.get_partitions(DatabaseName="smart_hub", TableName="rate_versions")["Partitions"]
        return {partition["Values"][0]: partition["StorageDescriptor"] for partition in found}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")  # objects on a page of a listing
    with mock_aws():
        yield Aws()
