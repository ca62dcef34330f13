"""The Trino engine on a real server, whose catalog and objects are the local AWS's.

Run by `make conformance`, which names the command that starts Trino in LOCALAWS_TRINO_COMMAND.
"""

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from localaws.athena.duck.engine import DuckEngine
from localaws.athena.errors import QueryError
from localaws.athena.trino import TrinoEngine
from localaws.service import AwsClients
from localaws.testing import AthenaClient, LocalAws, StatementFailed, Trino, local_aws_on_trino

pytestmark = pytest.mark.trino

Rows = list[tuple[str | None, ...]]
DAYS = ("2019-12-21", "2019-12-22")


class Server:
    """A local AWS that runs its queries on Trino, with a table of sales that has a partition a day."""

    def __init__(self, aws: LocalAws, trino: Trino) -> None:
        self.url = trino.url
        self.athena = AthenaClient.create(aws, "shop")
        self.athena.run(self.create("sales", f"SELECT x AS id, x * 1e0 / 3 AS price, day AS dt {ROWS}", BY_DAY))

    def create(self, name: str, select: str, properties: str) -> str:
        location = f"external_location = 's3://shop/{name}/'"
        return f"CREATE TABLE {name} WITH ({location}, {properties}) AS {select}"

    def select(self, sql: str) -> Rows:
        """The rows that the engine returns, without Athena's API in front."""
        clients = AwsClients(self.athena.aws.endpoint)
        return list(TrinoEngine(self.url).statement(sql, "shop", clients).run().rows)


ROWS = f"FROM UNNEST(sequence(1, 100)) AS t (x) CROSS JOIN UNNEST(ARRAY{list(DAYS)}) AS u (day)"
BY_DAY = "partitioned_by = ARRAY['dt']"


@pytest.fixture(scope="module")
def trino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with local_aws_on_trino(os.environ["LOCALAWS_TRINO_COMMAND"], tmp_path_factory.mktemp("trino")) as servers:
        yield Server(*servers)


@pytest.fixture(scope="module")
def duckdb(trino: Server, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Rows]:
    """The rows that DuckDB reads from the same catalog and objects."""
    engine, clients = DuckEngine(tmp_path_factory.mktemp("duckdb")), AwsClients(trino.athena.aws.endpoint)
    return lambda sql: list(engine.statement(sql, "shop", clients).run().rows)


def test_each_engine_reads_what_the_other_wrote(trino: Server, duckdb: Callable[[str], Rows]) -> None:
    rows = trino.select("SELECT * FROM sales")
    assert len(rows) == 200
    assert sorted(duckdb("SELECT * FROM sales"), key=str) == sorted(rows, key=str)

    duckdb(trino.create("copied", "SELECT * FROM sales", BY_DAY))
    assert sorted(trino.select("SELECT * FROM copied"), key=str) == sorted(rows, key=str)


def test_each_engine_reads_and_replaces_views_of_the_other(trino: Server, duckdb: Callable[[str], Rows]) -> None:
    duckdb("CREATE OR REPLACE VIEW both AS SELECT id, dt FROM sales WHERE id > 90")
    rows = trino.select("SELECT * FROM both")
    assert len(rows) == 20
    assert sorted(rows, key=str) == sorted(duckdb("SELECT * FROM both"), key=str)
    trino.select("CREATE OR REPLACE VIEW both AS SELECT count(*) AS n FROM sales")
    assert duckdb("SELECT n FROM both") == [("200",)]


def test_the_catalog_has_the_columns_of_a_view(trino: Server) -> None:
    trino.select("CREATE OR REPLACE VIEW typed AS SELECT 1 AS n, 'a' AS s, DATE '2019-12-21' AS d, 1.50 AS x")
    table = trino.athena.glue.get_table(DatabaseName="shop", Name="typed")["Table"]
    columns = [(one["Name"], one["Type"]) for one in table["StorageDescriptor"]["Columns"]]
    assert columns == [("n", "int"), ("s", "varchar(1)"), ("d", "date"), ("x", "decimal(3,2)")]


def test_a_view_with_a_type_that_hive_lacks_is_refused_and_the_earlier_view_stays(trino: Server) -> None:
    trino.select("CREATE VIEW earlier AS SELECT 1 AS n")
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: "):
        trino.select("CREATE OR REPLACE VIEW earlier AS SELECT current_timestamp AS t")
    assert trino.select("SELECT * FROM earlier") == [("1",)]
    with pytest.raises(QueryError, match=r"^COLUMN_NOT_FOUND: line 1:45: Column 'nope'"):
        trino.select("CREATE OR REPLACE VIEW earlier AS SELECT 1, nope AS n")


READING = {
    "athena:*": "*",
    "glue:GetDatabase": "*",
    "glue:GetTable": "*",
    "glue:GetPartitions": "*",
    "s3:GetBucketLocation": "*",
    "s3:ListBucket": "*",
    "s3:GetObject": "*",
    "s3:PutObject": "arn:aws:s3:::shop/results/*",
}
CREATE = "CREATE TABLE made WITH (external_location = 's3://shop/made/') AS SELECT 1 AS n"


@pytest.mark.parametrize(
    ("sql", "permissions", "message"),
    [
        ("SELECT count(*) FROM sales", {"s3:GetObject": "arn:aws:s3:::shop/other/*"}, "s3:GetObject"),
        ("SELECT count(*) FROM sales", {"glue:GetPartitions": "arn:aws:glue:*:*:catalog"}, "glue:GetPartitions"),
        ("EXPLAIN ANALYZE SELECT count(*) FROM sales", {"s3:ListBucket": "arn:aws:s3:::other"}, "s3:ListBucket"),
        (CREATE, {}, "glue:CreateTable"),
        (CREATE, {"glue:CreateTable": "*"}, "s3:PutObject"),
        ("CREATE VIEW forbidden AS SELECT 1 AS n", {}, "glue:CreateTable"),
        ("SELECT nope FROM sales", {}, "Column 'nope' cannot be resolved"),
    ],
)
def test_the_caller_needs_the_permissions_that_trino_has(
    trino: Server, sql: str, permissions: dict[str, str], message: str
) -> None:
    # given a caller without a right, when they query, expect AWS's refusal; with all permissions expect an answer
    with pytest.raises(StatementFailed, match=message):
        trino.athena.restricted({**READING, **permissions}).run(sql)
    assert trino.athena.restricted(READING).rows("SELECT count(*) FROM sales") == [("200",)]


def test_trino_coerces_a_partition_of_inferred_types_and_duckdb_refuses_it(
    trino: Server, duckdb: Callable[[str], Rows]
) -> None:
    # given a partition as a crawler describes it that infers types: whole numbers are int
    athena = trino.athena
    storage = {
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    }
    athena.table("raw", storage, "hub string, ts bigint", "dt string")
    athena.put("raw/dt=1/a.json", '{"hub":"a","ts":1}')
    partition = {
        "Values": ["1"],
        "StorageDescriptor": {
            **storage,
            "Location": "s3://shop/raw/dt=1/",
            "Columns": [{"Name": "hub", "Type": "string"}, {"Name": "ts", "Type": "int"}],
        },
    }
    athena.glue.create_partition(DatabaseName="shop", TableName="raw", PartitionInput=partition)

    # Athena's documentation names the error; this release of Trino widens numbers instead.
    assert trino.select("SELECT hub, ts FROM raw") == [("a", "1")]
    with pytest.raises(QueryError, match=r"^HIVE_PARTITION_SCHEMA_MISMATCH: "):
        duckdb("SELECT hub, ts FROM raw")


def test_trino_sees_at_once_that_a_partition_was_moved(trino: Server) -> None:
    count = f"SELECT count(*) FROM sales WHERE dt = '{DAYS[0]}'"
    move = f"ALTER TABLE sales PARTITION (dt = '{DAYS[0]}') SET LOCATION 's3://shop/{{}}/'"
    assert trino.select(count) == [("100",)]
    trino.athena.run(move.format("nothing"))
    assert trino.select(count) == [("0",)]
    trino.athena.run(move.format(f"sales/dt={DAYS[0]}"))
    assert trino.select(count) == [("100",)]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT\n  nope FROM sales", "COLUMN_NOT_FOUND: line 2:3: Column 'nope' cannot be resolved"),
        ("SELECT 1 FROM nope", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.shop.nope' does not exist"),
        ("SELECT 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT * FROM system.runtime.nodes", "PERMISSION_DENIED: "),
    ],
)
def test_a_failed_query_has_athenas_message(trino: Server, sql: str, reason: str) -> None:
    with pytest.raises(QueryError) as failed:
        trino.select(sql)
    assert str(failed.value).startswith(reason)


@pytest.mark.parametrize("spread", ["partitioned_by = ARRAY['p']", "bucketed_by = ARRAY['p'], bucket_count = 101"])
def test_a_hundred_partitions_or_buckets_are_written_and_no_more(trino: Server, spread: str) -> None:
    name, numbers = spread[:6], "SELECT x, x AS p FROM UNNEST(sequence(1, {})) AS t (x)"
    with pytest.raises(QueryError, match=r"^HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers"):
        trino.select(trino.create(f"{name}_101", numbers.format(101), spread))
    trino.select(trino.create(f"{name}_100", numbers.format(100), spread))
    assert trino.select(f"SELECT count(*), sum(p) FROM {name}_100") == [("100", "5050")]


def test_a_location_with_objects_and_an_existing_table_are_refused(trino: Server) -> None:
    trino.athena.put("taken/file", "x")
    with pytest.raises(QueryError, match=r"^HIVE_PATH_ALREADY_EXISTS: "):
        trino.select(trino.create("taken", "SELECT 1 AS a", "format = 'PARQUET'"))
    trino.select(trino.create("once", "SELECT 1 AS a", "write_compression = 'ZSTD'"))
    with pytest.raises(QueryError, match=r"^TABLE_ALREADY_EXISTS: "):
        trino.select(trino.create("once", "SELECT 1 AS a", "write_compression = 'ZSTD'"))


def test_a_stopped_query_ends_on_the_server_too(trino: Server) -> None:
    athena = trino.athena
    endless = (
        "SELECT count(*) FROM UNNEST(sequence(1, 10000)) AS a (x), UNNEST(sequence(1, 10000)) AS b (y),"
        " UNNEST(sequence(1, 10000)) AS c (z) WHERE x * y * z % 7 = 1"
    )
    execution_id = athena.start(endless)

    def states() -> tuple[str, list[str]]:
        """As Athena and as Trino have it."""
        request = urllib.request.Request(f"{trino.url}/v1/query", headers={"X-Trino-User": "test"})
        with urllib.request.urlopen(request, timeout=10) as response:
            on_server = [one["state"] for one in json.load(response) if one["query"] == endless]
        return athena.execution(execution_id)["Status"]["State"], on_server

    def wait_for(expected: tuple[str, list[str]]) -> None:
        deadline = time.monotonic() + 30
        while states() != expected:
            assert time.monotonic() < deadline, (states(), expected)
            time.sleep(0.1)

    wait_for(("RUNNING", ["RUNNING"]))
    athena.api.stop_query_execution(QueryExecutionId=execution_id)
    wait_for(("CANCELLED", ["FAILED"]))


def test_unload_leaves_files_but_no_table(trino: Server) -> None:
    # given a database without tables
    athena = AthenaClient.create(trino.athena.aws, "unloading")

    # when a query is unloaded, then one that fails, then one to a location that has objects
    to = "TO 's3://unloading/out/' WITH (format = 'PARQUET', compression = 'ZSTD')"
    execution = athena.run(f"UNLOAD (SELECT ? AS a) {to}", ExecutionParameters=["'x'"])
    failure = athena.failure(f"UNLOAD (SELECT nope AS a) {to.replace('out', 'none')}")
    taken = athena.failure(f"UNLOAD (SELECT 1 AS a) {to}")

    # expect its file and the manifest, errors at their positions, and still no table
    (key,) = athena.keys("out/")
    manifest = execution["Statistics"]["DataManifestLocation"].removeprefix("s3://unloading/")
    assert athena.s3.get_object(Bucket="unloading", Key=manifest)["Body"].read().decode() == f"s3://unloading/{key}\n"
    assert failure == "COLUMN_NOT_FOUND: line 1:16: Column 'nope' cannot be resolved"
    assert taken.startswith("HIVE_PATH_ALREADY_EXISTS: Target directory for table 'unloading.temp_table_")
    assert athena.lines("SHOW TABLES") == []
