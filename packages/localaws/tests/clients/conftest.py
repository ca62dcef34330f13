"""A local AWS with a small warehouse, for clients that know of it nothing but the environment variables."""

import io
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localaws.testing.server import ROOT, Aws

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
# More rows than one answer of GetQueryResults can hold; what the tenth costs is not known.
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
PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    folder = tmp_path_factory.mktemp("clients")
    server = Aws(folder / "state", python=str(ROOT / ".venv-localaws" / "bin" / "python"))
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            environment.delenv(name, raising=False)
        environment.setenv("AWS_ENDPOINT_URL", server.endpoint)
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))
        yield server
    server.kill()


@pytest.fixture(scope="session")
def athena(server: Aws) -> Any:
    """boto3's client; the bucket, the database with the table sales and the workgroup are there."""
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("glue").create_database(DatabaseInput={"Name": DATABASE})
    client = boto3.client("athena")
    client.create_work_group(Name=WORKGROUP, Configuration={"ResultConfiguration": {"OutputLocation": OUTPUT}})
    arrays = [pa.array(values, of) for values, (_, of) in zip(zip(*ROWS, strict=True), COLUMNS.values(), strict=True)]
    file = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(COLUMNS)), file)
    boto3.client("s3").put_object(Bucket=BUCKET, Key="sales/sales.parquet", Body=file.getvalue())
    columns = [{"Name": name, "Type": hive} for name, (hive, _) in COLUMNS.items()]
    boto3.client("glue").create_table(
        DatabaseName=DATABASE,
        TableInput={
            "Name": "sales",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"classification": "parquet"},
            "StorageDescriptor": {**PARQUET, "Columns": columns, "Location": f"s3://{BUCKET}/sales/"},
        },
    )
    return client


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
def glue() -> Any:
    return boto3.client("glue")
