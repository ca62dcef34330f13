"""Athena as its users call it, by boto3."""

import time
from collections.abc import Mapping
from typing import Any

from botocore.config import Config

from localaws.testing.server import Aws

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
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
SECONDS = 60


class AthenaClient:
    """Works in one bucket and one database."""

    def __init__(self, aws: Aws, bucket: str, database: str) -> None:
        self.aws = aws
        self.bucket = bucket
        self.database = database

    @classmethod
    def of_its_own(cls, aws: Aws, name: str) -> "AthenaClient":
        """With a new bucket and database."""
        athena = cls(aws, name, name.replace("-", "_"))
        athena.s3.create_bucket(Bucket=athena.bucket)
        athena.glue.create_database(DatabaseInput={"Name": athena.database})
        return athena

    @property
    def s3(self) -> Any:
        return self.aws.client("s3")

    @property
    def glue(self) -> Any:
        return self.aws.client("glue")

    @property
    def api(self) -> Any:
        return self.aws.client("athena")

    def start(self, sql: str, **request: Any) -> str:
        request = {"ResultConfiguration": {"OutputLocation": f"s3://{self.bucket}/results/"}, **request}
        context = {"Database": self.database}
        answer = self.api.start_query_execution(QueryString=sql, QueryExecutionContext=context, **request)
        return str(answer["QueryExecutionId"])

    def execution(self, execution_id: str) -> dict[str, Any]:
        return dict(self.api.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"])

    def ended(self, execution_id: str) -> dict[str, Any]:
        """The execution once it has ended."""
        deadline = time.monotonic() + SECONDS
        while (execution := self.execution(execution_id))["Status"]["State"] not in ENDED:
            assert time.monotonic() < deadline, f"{execution['Query']} takes longer than {SECONDS} s"
            time.sleep(0.02)
        return execution

    def running(self, execution_id: str) -> None:
        """Waits until the execution has begun."""
        deadline = time.monotonic() + SECONDS
        while self.execution(execution_id)["Status"]["State"] == "QUEUED":
            assert time.monotonic() < deadline, f"{execution_id} is queued for more than {SECONDS} s"
            time.sleep(0.02)

    def run(self, sql: str, **request: Any) -> dict[str, Any]:
        """The execution of a statement that succeeds."""
        execution = self.ended(self.start(sql, **request))
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        return execution

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """The rows of a query, without the one that names the columns."""
        return self.all_rows(self.run(sql)["QueryExecutionId"])[1:]

    def lines(self, sql: str) -> list[str]:
        """The lines of a SHOW."""
        rows = self.all_rows(self.run(sql)["QueryExecutionId"])
        return ["\t".join(cell or "" for cell in row) for row in rows]

    def all_rows(self, execution_id: str) -> list[tuple[str | None, ...]]:
        pages = self.api.get_paginator("get_query_results").paginate(QueryExecutionId=execution_id)
        return [
            tuple(cell.get("VarCharValue") for cell in row["Data"])
            for page in pages
            for row in page["ResultSet"]["Rows"]
        ]

    def failure(self, sql: str, **request: Any) -> str:
        """Why a statement fails."""
        status = self.ended(self.start(sql, **request))["Status"]
        assert status["State"] == "FAILED", status
        return str(status["StateChangeReason"])

    def put(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())

    def keys(self, prefix: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in found]

    def table(self, name: str, storage: dict[str, Any], columns: str, keys: str = "", **parameters: str) -> None:
        """A table at ``<name>/``; columns and keys as ``a int, b string``."""
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
    words = [one.split(" ") for one in text.split(", ") if one]
    return [{"Name": name, "Type": of} for name, of in words]


class Asking:
    """A caller with these rights alone: resources by the action on them."""

    def __init__(self, aws: Aws, rights: Mapping[str, str]) -> None:
        self.session = aws.session("asking", rights)
        self.endpoint = aws.endpoint

    def client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        return self.session.client(service, endpoint_url=self.endpoint, config=config)

    def select(self, sql: str, database: str = "access", output: str = "s3://access/results/") -> list[str]:
        """The first column of the query's rows, the header first. Raises AssertionError with its reason if it fails."""
        client = self.client("athena")
        query = client.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": database},
            ResultConfiguration={"OutputLocation": output},
        )["QueryExecutionId"]
        deadline = time.monotonic() + SECONDS
        while True:
            status = client.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
            if status["State"] in ENDED:
                break
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert status["State"] == "SUCCEEDED", status["StateChangeReason"]
        rows = client.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
        return [row["Data"][0]["VarCharValue"] for row in rows]
