"""Athena as its clients call it, by boto3."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import boto3

from localaws.testing.columns import parse_columns
from localaws.testing.server import Endpoint

PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}
TEXT = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        "Parameters": {"field.delim": "\x01"},
    },
}
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_SECONDS = 60
_POLL_SECONDS = 0.02


class StatementFailed(Exception):
    """A statement did not succeed; the message is Athena's reason."""


class AthenaClient:
    """Queries in one database, with results and data in one bucket.

    session: whose credentials it uses; those of the root user by default.
    """

    def __init__(self, aws: Endpoint, bucket: str, database: str, session: boto3.session.Session | None = None) -> None:
        self.aws = aws
        self.bucket = bucket
        self.database = database
        self.session = session

    @classmethod
    def create(cls, aws: Endpoint, name: str) -> AthenaClient:
        """With a new bucket of this name, and a new database: ``my-tests`` has the database ``my_tests``."""
        athena = cls(aws, name, name.replace("-", "_"))
        athena.s3.create_bucket(Bucket=athena.bucket)
        athena.glue.create_database(DatabaseInput={"Name": athena.database})
        return athena

    def restricted(self, permissions: Mapping[str, str]) -> AthenaClient:
        """The same for a caller who has these permissions and no others: the resources of each action."""
        return AthenaClient(self.aws, self.bucket, self.database, self.aws.session("restricted", permissions))

    @property
    def s3(self) -> Any:
        return self.aws.client("s3", self.session)

    @property
    def glue(self) -> Any:
        return self.aws.client("glue", self.session)

    @property
    def api(self) -> Any:
        """boto3's client of Athena."""
        return self.aws.client("athena", self.session)

    def start(self, sql: str, **request: Any) -> str:
        """Start a query; returns the id of its execution. request: further fields of StartQueryExecution."""
        request = {"ResultConfiguration": {"OutputLocation": f"s3://{self.bucket}/results/"}, **request}
        context = {"Database": self.database}
        response = self.api.start_query_execution(QueryString=sql, QueryExecutionContext=context, **request)
        return str(response["QueryExecutionId"])

    def execution(self, execution_id: str) -> dict[str, Any]:
        return dict(self.api.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"])

    def wait(self, execution_id: str) -> dict[str, Any]:
        """The execution once it has ended. Raises TimeoutError after a minute."""
        api, deadline = self.api, time.monotonic() + _SECONDS
        while True:
            execution = dict(api.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"])
            if execution["Status"]["State"] in _ENDED:
                return execution
            if time.monotonic() > deadline:
                raise TimeoutError(f"{execution['Query']} takes longer than {_SECONDS} s")
            time.sleep(_POLL_SECONDS)

    def wait_until_running(self, execution_id: str) -> None:
        """Raises TimeoutError after a minute."""
        deadline = time.monotonic() + _SECONDS
        while self.execution(execution_id)["Status"]["State"] == "QUEUED":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{execution_id} is queued for more than {_SECONDS} s")
            time.sleep(_POLL_SECONDS)

    def run(self, sql: str, **request: Any) -> dict[str, Any]:
        """The execution of a statement. Raises StatementFailed."""
        execution = self.wait(self.start(sql, **request))
        if execution["Status"]["State"] != "SUCCEEDED":
            raise StatementFailed(execution["Status"].get("StateChangeReason", execution["Status"]["State"]))
        return execution

    def rows(self, sql: str, **request: Any) -> list[tuple[str | None, ...]]:
        """The rows of a query, without the one that names the columns. Raises StatementFailed."""
        return self.all_rows(self.run(sql, **request)["QueryExecutionId"])[1:]

    def lines(self, sql: str) -> list[str]:
        """The lines of a SHOW. Raises StatementFailed."""
        rows = self.all_rows(self.run(sql)["QueryExecutionId"])
        return ["\t".join(cell or "" for cell in row) for row in rows]

    def all_rows(self, execution_id: str) -> list[tuple[str | None, ...]]:
        """All pages of a result; the first row of a query's has the names of the columns."""
        pages = self.api.get_paginator("get_query_results").paginate(QueryExecutionId=execution_id)
        return [
            tuple(cell.get("VarCharValue") for cell in row["Data"])
            for page in pages
            for row in page["ResultSet"]["Rows"]
        ]

    def failure(self, sql: str, **request: Any) -> str:
        """The reason for which a statement fails."""
        status = self.wait(self.start(sql, **request))["Status"]
        assert status["State"] == "FAILED", status
        return str(status["StateChangeReason"])

    def put(self, key: str, text: str) -> None:
        """Write an object of the bucket."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix of the bucket, at most 1,000."""
        objects = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in objects]

    def table(self, name: str, storage: dict[str, Any], columns: str, keys: str = "", **parameters: str) -> None:
        """Create a table of the objects below ``<name>/``.

        storage: PARQUET, TEXT or the like; columns and partition keys: as ``a int, b string``.
        """
        location = f"s3://{self.bucket}/{name}/"
        self.glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE", **parameters},
                "PartitionKeys": _columns(keys),
                "StorageDescriptor": {**storage, "Location": location, "Columns": _columns(columns)},
            },
        )


def _columns(text: str) -> list[dict[str, str]]:
    return [{"Name": name, "Type": type_} for name, type_ in parse_columns(text)]
