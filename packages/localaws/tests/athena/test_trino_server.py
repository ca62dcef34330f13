"""The Trino engine on a real server, its catalog and objects the local AWS's. Run by `make conformance`."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws.athena.duck.engine import DuckEngine
from localaws.athena.errors import QueryError
from localaws.athena.trino import TrinoEngine
from localaws.service import Store
from localaws.testing.athena import Asking, AthenaClient
from localaws.testing.server import ROOT, Aws
from smart_hub.shared.layout import PUBLISHED_TABLES
from tests.sql.pipeline import Pipeline

pytestmark = pytest.mark.trino

DAY = "2019-12-22"  # of the two sample days the one with unusable lines
DATABASE = "smart_hub"
START_SECONDS = 180


class Trino:
    """A local AWS that runs its queries on a Trino of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.aws = Aws(folder / "aws", "--engine", "trino", "--trino-url", self.url)
        settings = {
            "SMART_HUB_LOCAL": str(folder / "local"),
            "AWS_PORT": self.aws.endpoint.rpartition(":")[2],
            "TRINO_PORT": str(port),
            "ENGINE": "trino",
            "TRINO_URL": "",
        }
        self.log = folder / "trino.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [ROOT / ".venv" / "bin" / "python", "-m", "ops.trino", "run"],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.2)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/v1/info", timeout=10) as answer:
                return json.load(answer)["starting"] is False
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.aws.kill()

    def select(self, sql: str) -> list[Any]:
        """The rows that the engine gives, without Athena's API in front."""
        store = Store(self.aws.endpoint)
        return list(TrinoEngine(self.url).statement(sql, DATABASE, store).run().rows)


@pytest.fixture(scope="module")
def trino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trino]:
    server = Trino(tmp_path_factory.mktemp("trino"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def pipeline(trino: Trino) -> tuple[Pipeline, dict[str, Any]]:
    """The day, published by Trino, and what the quality rules said of it."""
    made = Pipeline(trino.aws)
    return made, made.run(DAY)


@pytest.fixture(scope="module")
def duckdb(trino: Trino, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The rows that DuckDB reads from the same catalog and objects."""
    engine, store = DuckEngine(tmp_path_factory.mktemp("duckdb")), Store(trino.aws.endpoint)
    return lambda sql: list(engine.statement(sql, DATABASE, store).run().rows)


def test_both_engines_publish_the_same_rows(pipeline: tuple[Pipeline, Any], tmp_path: Path) -> None:
    by_trino, rules = pipeline
    aws = Aws(tmp_path / "aws")
    try:
        by_duckdb = Pipeline(aws)
        assert by_duckdb.run(DAY) == rules
        broken = [rule for rule, answer in rules.items() if answer["violations"] != "0"]
        assert broken == ["hubs_with_location"]  # a warning: the day has a line of a hub that no location knows
        for table in PUBLISHED_TABLES:
            rows = by_trino.published(table, DAY)
            assert rows
            assert rows == by_duckdb.published(table, DAY)
    finally:
        aws.kill()


def test_a_published_day_is_one_parquet_file_that_any_tool_reads(pipeline: tuple[Pipeline, Any]) -> None:
    by_trino, _ = pipeline
    ((path,),) = {tuple(row.values()) for row in by_trino.athena.rows('SELECT DISTINCT "$path" FROM usage_cost')}
    bucket, _, key = str(path).removeprefix("s3://").partition("/")
    body = by_trino.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert (body[:4], body[-4:]) == (b"PAR1", b"PAR1")


@pytest.mark.parametrize("table", ["mappings", "locations", "rates", "usage_cost"])
def test_duckdb_reads_what_trino_made(pipeline: tuple[Pipeline, Any], trino: Trino, duckdb: Any, table: str) -> None:
    rows = trino.select(f"SELECT * FROM {table}")
    assert rows
    assert sorted(duckdb(f"SELECT * FROM {table}"), key=str) == sorted(rows, key=str)


def test_trino_reads_and_replaces_what_duckdb_made(pipeline: tuple[Pipeline, Any], trino: Trino, duckdb: Any) -> None:
    duckdb("CREATE OR REPLACE VIEW both AS SELECT loc_id, watts FROM mappings WHERE watts > 1000")
    rows = trino.select("SELECT * FROM both")
    assert rows
    assert sorted(rows, key=str) == sorted(duckdb("SELECT * FROM both"), key=str)
    trino.select("CREATE OR REPLACE VIEW both AS SELECT count(*) AS n FROM mappings")
    assert duckdb("SELECT n FROM both") == trino.select("SELECT count(*) FROM mappings")


def test_the_catalog_has_the_columns_of_a_view(pipeline: tuple[Pipeline, Any], trino: Trino) -> None:
    trino.select("CREATE OR REPLACE VIEW typed AS SELECT 1 AS n, 'a' AS s, DATE '2019-12-21' AS d, 1.50 AS x")
    table = trino.aws.client("glue").get_table(DatabaseName=DATABASE, Name="typed")["Table"]
    columns = [(one["Name"], one["Type"]) for one in table["StorageDescriptor"]["Columns"]]
    assert columns == [("n", "int"), ("s", "varchar(1)"), ("d", "date"), ("x", "decimal(3,2)")]


def test_a_view_of_what_hive_cannot_type_is_refused_and_leaves_the_one_before(
    pipeline: tuple[Pipeline, Any], trino: Trino
) -> None:
    trino.select("CREATE VIEW kept AS SELECT 1 AS n")
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: "):
        trino.select("CREATE OR REPLACE VIEW kept AS SELECT current_timestamp AS t")
    assert trino.select("SELECT * FROM kept") == [("1",)]
    with pytest.raises(QueryError, match=r"^COLUMN_NOT_FOUND: line 1:42: Column 'nope'"):
        trino.select("CREATE OR REPLACE VIEW kept AS SELECT 1, nope AS n")


READING = {
    "athena:*": "*",
    "glue:GetDatabase": "*",
    "glue:GetTable": "*",
    "glue:GetPartitions": "*",
    "s3:GetBucketLocation": "*",
    "s3:ListBucket": "*",
    "s3:GetObject": "*",
    "s3:PutObject": "arn:aws:s3:::*/athena-results/*",
}
MADE = (
    "CREATE TABLE made WITH (external_location = 's3://smart-hub-data-000000000000-us-east-1/made/') AS SELECT 1 AS n"
)


@pytest.mark.parametrize(
    ("sql", "more", "wanted"),
    [
        ("SELECT count(*) FROM usage_cost", {"s3:GetObject": "arn:aws:s3:::*/raw/*"}, "s3:GetObject"),
        ("SELECT count(*) FROM mappings", {"glue:GetPartitions": "arn:aws:glue:*:*:catalog"}, "glue:GetPartitions"),
        ("EXPLAIN ANALYZE SELECT count(*) FROM readings", {"s3:ListBucket": "arn:aws:s3:::other"}, "s3:ListBucket"),
        (MADE, {}, "glue:CreateTable"),
        (MADE, {"glue:CreateTable": "*"}, "s3:PutObject"),
        ("CREATE VIEW of_nobody AS SELECT 1 AS n", {}, "glue:CreateTable"),
        ("SELECT nope FROM usage_cost", {}, "Column 'nope' cannot be resolved"),
    ],
)
def test_the_caller_needs_the_rights_that_trino_has(
    pipeline: tuple[Pipeline, Any], trino: Trino, sql: str, more: dict[str, str], wanted: str
) -> None:
    # given a caller without a right, when they query, expect AWS's refusal; a query of their right is answered
    asking = Asking(trino.aws, {**READING, **more})
    with pytest.raises(AssertionError, match=wanted):
        asking.select(sql, "smart_hub", f"s3://{pipeline[0].bucket}/athena-results/")
    asking = Asking(trino.aws, READING)
    rows = asking.select("SELECT count(*) FROM usage_cost", "smart_hub", f"s3://{pipeline[0].bucket}/athena-results/")
    assert rows == ["_col0", "17280"]


def test_a_partition_of_inferred_types_is_coerced_by_trino_and_refused_here(
    pipeline: tuple[Pipeline, Any], trino: Trino, duckdb: Any
) -> None:
    # given a day of raw_usage described as a crawler would that infers: whole numbers are int
    glue, value = trino.aws.client("glue"), "2019-12-20"
    s3, bucket = trino.aws.client("s3"), pipeline[0].bucket
    s3.put_object(Bucket=bucket, Key=f"raw/usage/dt={value}/a.json", Body=b'{"loc_id":"a","ts":1,"data":{"s_01":0}}')
    storage = glue.get_table(DatabaseName=DATABASE, Name="raw_usage")["Table"]["StorageDescriptor"]
    storage |= {
        "Location": f"s3://{bucket}/raw/usage/dt={value}/",
        "Columns": [
            {"Name": "loc_id", "Type": "string"},
            {"Name": "ts", "Type": "int"},
            {"Name": "data", "Type": "string"},
        ],
    }
    partition = {"Values": [value], "StorageDescriptor": storage}
    glue.create_partition(DatabaseName=DATABASE, TableName="raw_usage", PartitionInput=partition)
    try:
        # Athena's documentation names the error; this release of Trino widens numbers instead.
        select = f"SELECT loc_id, ts, data FROM raw_usage WHERE dt = '{value}'"
        assert trino.select(select) == [("a", "1", '{"s_01":0}')]
        with pytest.raises(QueryError, match=r"^HIVE_PARTITION_SCHEMA_MISMATCH: "):
            duckdb(select)
    finally:
        glue.delete_partition(DatabaseName=DATABASE, TableName="raw_usage", PartitionValues=[value])


def test_a_partition_that_is_moved_is_seen_at_once(pipeline: tuple[Pipeline, Any], trino: Trino) -> None:
    count = "SELECT count(*) FROM usage_cost"
    glue = trino.aws.client("glue")
    partition = glue.get_partition(DatabaseName=DATABASE, TableName="usage_cost", PartitionValues=[DAY])
    there = partition["Partition"]["StorageDescriptor"]["Location"]
    published = trino.select(count)
    move = "ALTER TABLE usage_cost PARTITION (dt = '{}') SET LOCATION '{}'"
    by_trino, _ = pipeline
    by_trino.athena.run(move.format(DAY, f"s3://{by_trino.bucket}/nothing/"))
    assert trino.select(count) == [("0",)]
    by_trino.athena.run(move.format(DAY, there))
    assert trino.select(count) == published != [("0",)]


def test_projected_partitions_need_no_crawl(pipeline: tuple[Pipeline, Any], trino: Trino) -> None:
    lines = sum(len(path.read_text().splitlines()) for path in (ROOT / f"include/data/usage/dt={DAY}").glob("*.json"))
    assert trino.select(f"SELECT count(*) FROM raw_usage_lines WHERE dt = '{DAY}'") == [(str(lines),)]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT\n  nope FROM mappings", "COLUMN_NOT_FOUND: line 2:3: Column 'nope' cannot be resolved"),
        (
            "SELECT 1 FROM nope",
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.smart_hub.nope' does not exist",
        ),
        ("SELECT 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT * FROM raw_rates", "HIVE_INVALID_METADATA: "),
        ("SELECT * FROM system.runtime.nodes", "PERMISSION_DENIED: "),
    ],
)
def test_a_failed_query_says_what_athena_says(
    pipeline: tuple[Pipeline, Any], trino: Trino, sql: str, reason: str
) -> None:
    with pytest.raises(QueryError) as failed:
        trino.select(sql)
    assert str(failed.value).startswith(reason)


def create(bucket: str, folder: str, properties: str, select: str) -> str:
    location = f"external_location = 's3://{bucket}/{folder}/'"
    return f"CREATE TABLE t_{folder} WITH ({location}, {properties}) AS {select}"


@pytest.mark.parametrize("spread", ["partitioned_by = ARRAY['p']", "bucketed_by = ARRAY['p'], bucket_count = 101"])
def test_a_hundred_partitions_or_buckets_are_written_and_no_more(
    pipeline: tuple[Pipeline, Any], trino: Trino, spread: str
) -> None:
    bucket, folder = pipeline[0].bucket, spread[:6]
    numbers = "SELECT x, x AS p FROM UNNEST(sequence(1, {})) AS t (x)"
    with pytest.raises(QueryError, match=r"^HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers"):
        trino.select(create(bucket, f"{folder}_101", spread, numbers.format(101)))
    trino.select(create(bucket, f"{folder}_100", spread, numbers.format(100)))
    assert trino.select(f"SELECT count(*), sum(p) FROM t_{folder}_100") == [("100", "5050")]


def test_a_location_that_holds_something_and_a_table_that_exists_are_refused(
    pipeline: tuple[Pipeline, Any], trino: Trino
) -> None:
    bucket = pipeline[0].bucket
    with pytest.raises(QueryError, match=r"^HIVE_PATH_ALREADY_EXISTS: "):
        trino.select(create(bucket, "raw", "format = 'PARQUET'", "SELECT 1 AS a"))
    trino.select(create(bucket, "once", "write_compression = 'ZSTD'", "SELECT 1 AS a"))
    with pytest.raises(QueryError, match=r"^TABLE_ALREADY_EXISTS: "):
        trino.select(create(bucket, "once", "write_compression = 'ZSTD'", "SELECT 1 AS a"))


def test_a_stopped_query_ends_on_the_server_too(pipeline: tuple[Pipeline, Any], trino: Trino) -> None:
    athena = trino.aws.client("athena")
    endless = (
        "SELECT count(*) FROM UNNEST(sequence(1, 10000)) AS a (x), UNNEST(sequence(1, 10000)) AS b (y),"
        " UNNEST(sequence(1, 10000)) AS c (z) WHERE x * y * z % 7 = 1"
    )
    started = athena.start_query_execution(
        QueryString=endless, WorkGroup="smart-hub", QueryExecutionContext={"Database": DATABASE}
    )

    def state() -> str:
        execution = athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])
        return str(execution["QueryExecution"]["Status"]["State"])

    def on_server() -> list[str]:
        request = urllib.request.Request(f"{trino.url}/v1/query", headers={"X-Trino-User": "test"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return [one["state"] for one in json.load(answer) if one["query"] == endless]

    def wait_for(condition: Any) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, (state(), on_server())
            time.sleep(0.1)

    wait_for(lambda: on_server() == ["RUNNING"])
    athena.stop_query_execution(QueryExecutionId=started["QueryExecutionId"])
    wait_for(lambda: state() == "CANCELLED")
    wait_for(lambda: on_server() == ["FAILED"])


def test_unload_leaves_files_but_no_table(trino: Trino) -> None:
    # given a database without tables
    athena = AthenaClient.of_its_own(trino.aws, "unloading")
    # when a query is unloaded, then one that fails, then one to the place that is taken
    to = "TO 's3://unloading/out/' WITH (format = 'PARQUET', compression = 'ZSTD')"
    execution = athena.run(f"UNLOAD (SELECT ? AS a) {to}", ExecutionParameters=["'x'"])
    failure = athena.failure(f"UNLOAD (SELECT nope AS a) {to.replace('out', 'none')}")
    taken = athena.failure(f"UNLOAD (SELECT 1 AS a) {to}")
    # expect its file and the list of it, errors at their places, and still no table
    (key,) = athena.keys("out/")
    manifest = execution["Statistics"]["DataManifestLocation"].removeprefix("s3://unloading/")
    assert athena.s3.get_object(Bucket="unloading", Key=manifest)["Body"].read().decode() == f"s3://unloading/{key}\n"
    assert failure == "COLUMN_NOT_FOUND: line 1:16: Column 'nope' cannot be resolved"
    assert taken.startswith("HIVE_PATH_ALREADY_EXISTS: Target directory for table 'unloading.temp_table_")
    assert athena.lines("SHOW TABLES") == []
