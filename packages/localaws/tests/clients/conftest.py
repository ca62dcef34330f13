"""A local AWS with a small warehouse, for clients that reach it by the environment variables alone."""

import io
import time
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localaws.testing import PARQUET, LocalAws

BUCKET = "warehouse"
OUTPUT = f"s3://{BUCKET}/results/"
DATABASE = "shop"
WORKGROUP = "analysts"
COLUMNS = {
    "id": ("bigint", pa.int64()),
    "name": ("string", pa.string()),
    "price": ("decimal(10,2)", pa.decimal128(10, 2)),
    "weight": ("double", pa.float64()),
    "day": ("date", pa.date32()),
    "sold": ("timestamp", pa.timestamp("ms")),
}
SOLD = datetime(2020, 1, 1, 12, 0, 0, 250_000)
# More rows than one page of GetQueryResults can hold; the tenth has no price.
ROWS = [
    (
        number,
        f"it's {number}",
        None if number == 10 else Decimal(number) / 100,
        number * 0.5,
        date(2019, 12, 31) + timedelta(number),
        SOLD,
    )
    for number in range(1, 1501)
]


@pytest.fixture(scope="session")
def warehouse(local_aws: LocalAws) -> None:
    """A bucket, a database with the table sales, and a workgroup."""
    s3, glue, athena = (local_aws.client(service) for service in ("s3", "glue", "athena"))
    s3.create_bucket(Bucket=BUCKET)
    glue.create_database(DatabaseInput={"Name": DATABASE})
    athena.create_work_group(Name=WORKGROUP, Configuration={"ResultConfiguration": {"OutputLocation": OUTPUT}})
    arrays = [
        pa.array(values, type_) for values, (_, type_) in zip(zip(*ROWS, strict=True), COLUMNS.values(), strict=True)
    ]
    file = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(COLUMNS)), file)
    s3.put_object(Bucket=BUCKET, Key="sales/sales.parquet", Body=file.getvalue())
    columns = [{"Name": name, "Type": hive} for name, (hive, _) in COLUMNS.items()]
    glue.create_table(
        DatabaseName=DATABASE,
        TableInput={
            "Name": "sales",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"classification": "parquet"},
            "StorageDescriptor": {**PARQUET, "Columns": columns, "Location": f"s3://{BUCKET}/sales/"},
        },
    )


@pytest.fixture
def athena(warehouse: None, local_aws_environment: LocalAws) -> Any:
    """boto3's client, made of the environment variables as all clients are."""
    return boto3.client("athena")


def run(client: Any, sql: str, **request: Any) -> dict[str, Any]:
    """The execution of the statement once it has ended."""
    request = {"QueryExecutionContext": {"Database": DATABASE}, "WorkGroup": WORKGROUP, **request}
    execution_id = client.start_query_execution(QueryString=sql, **request)["QueryExecutionId"]
    deadline = time.monotonic() + 60
    while True:
        execution: dict[str, Any] = client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
        if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return execution
        assert time.monotonic() < deadline, f"{sql} takes longer than 60 s"
        time.sleep(0.02)


def keys(prefix: str) -> list[str]:
    """The keys of the objects below a location, s3://warehouse/…"""
    prefix = prefix.removeprefix(f"s3://{BUCKET}/")
    return [
        item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    ]


def tables() -> list[str]:
    return [table["Name"] for table in boto3.client("glue").get_tables(DatabaseName=DATABASE)["TableList"]]


def read(location: str) -> str:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()


@pytest.fixture
def glue(local_aws_environment: LocalAws) -> Any:
    return boto3.client("glue")
