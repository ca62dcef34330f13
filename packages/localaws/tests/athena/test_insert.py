"""INSERT INTO on the local AWS with the DuckDB engine."""

import itertools
from collections.abc import Iterator

import pytest

from localaws.testing import PARQUET, TEXT, AthenaClient

_numbers = itertools.count()


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a table for this test."""
    return f"i{next(_numbers)}"


def create(athena: AthenaClient, name: str, columns: dict[str, str], keys: str = "", **storage: object) -> None:
    """An empty table; columns with Hive's types, keys as ``k string``; storage: further fields of its descriptor."""
    parameters = storage.pop("parameters", {})
    athena.glue.create_table(
        DatabaseName=athena.database,
        TableInput={
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **parameters},
            "PartitionKeys": [dict(zip(("Name", "Type"), key.split(), strict=True)) for key in keys.split(",") if key],
            "StorageDescriptor": {
                "Columns": [{"Name": column, "Type": type_} for column, type_ in columns.items()],
                "Location": f"s3://{athena.bucket}/{name}/",
                **PARQUET,
                **storage,
            },
        },
    )


def partitions(athena: AthenaClient, name: str) -> dict[tuple[str, ...], str]:
    """The registered locations, relative to the bucket."""
    found = athena.glue.get_partitions(DatabaseName=athena.database, TableName=name)["Partitions"]
    return {
        tuple(one["Values"]): one["StorageDescriptor"]["Location"].removeprefix(f"s3://{athena.bucket}/")
        for one in found
    }


def test_rows_are_written_to_new_objects_beside_existing_ones(athena: AthenaClient, name: str) -> None:
    create(athena, name, {"n": "bigint", "s": "string"})
    athena.run(f"INSERT INTO {name} VALUES (1, 'a'), (2, NULL)")
    before = set(athena.keys(f"{name}/"))

    execution = athena.run(f"INSERT INTO {name} SELECT n + 2, s FROM {name}")

    assert execution["StatementType"] == "DML"
    assert execution["Statistics"]["DataScannedInBytes"] > 0
    assert before < set(athena.keys(f"{name}/"))
    assert athena.rows(f"SELECT n, s FROM {name} ORDER BY n") == [("1", "a"), ("2", None), ("3", "a"), ("4", None)]


def test_columns_can_be_named_in_any_order_and_the_others_are_null(athena: AthenaClient, name: str) -> None:
    create(athena, name, {"n": "int", "s": "string", "d": "double"}, "k string")

    athena.run(f"INSERT INTO {name} (K, s) WITH t AS (SELECT 'b' AS k, 'x' AS s) SELECT k, s FROM t")

    assert athena.rows(f"SELECT n, s, d, k FROM {name}") == [(None, "x", None, "b")]


def test_values_are_cast_to_the_columns_types(athena: AthenaClient, name: str) -> None:
    create(
        athena,
        name,
        {"i": "int", "d": "decimal(3,1)", "x": "double", "v": "varchar(3)", "day": "date", "ts": "timestamp"},
    )

    athena.run(
        f"INSERT INTO {name} VALUES (2.5, 12.35, 1, 'abc  ', TIMESTAMP '2019-12-21 23:59:59', DATE '2019-12-21')"
    )
    athena.run(f"INSERT INTO {name} VALUES (2.5e0, NULL, 1.5, 'a', NULL, TIMESTAMP '2019-12-21 10:00:00.5')")

    assert athena.rows(f"SELECT * FROM {name} ORDER BY x") == [
        ("3", "12.4", "1.0", "abc", "2019-12-21", "2019-12-21 00:00:00.000"),
        ("3", None, "1.5", "a", None, "2019-12-21 10:00:00.500"),
    ]


def test_new_partitions_are_registered_and_existing_ones_are_filled_in_place(athena: AthenaClient, name: str) -> None:
    create(athena, name, {"n": "int"}, "dt date,k string")
    athena.run(
        f"ALTER TABLE {name} ADD PARTITION (dt = '2019-12-21', k = 'a')"
        f" LOCATION 's3://{athena.bucket}/elsewhere-{name}/'"
    )

    rows = "(1, DATE '2019-12-21', 'a'), (2, DATE '2019-12-22', 'a'), (3, DATE '2019-12-21', NULL)"
    athena.run(f"INSERT INTO {name} VALUES {rows}")
    athena.run(f"INSERT INTO {name} VALUES (4, DATE '2019-12-22', 'a')")

    assert {values: place.rstrip("/") for values, place in partitions(athena, name).items()} == {
        ("2019-12-21", "a"): f"elsewhere-{name}",
        ("2019-12-22", "a"): f"{name}/dt=2019-12-22/k=a",
        ("2019-12-21", "__HIVE_DEFAULT_PARTITION__"): f"{name}/dt=2019-12-21/k=__HIVE_DEFAULT_PARTITION__",
    }
    assert len(athena.keys(f"elsewhere-{name}/")) == 1
    assert len(athena.keys(f"{name}/dt=2019-12-22/k=a/")) == 2
    assert athena.rows(f"SELECT n, k FROM {name} ORDER BY n") == [("1", "a"), ("2", "a"), ("3", None), ("4", "a")]


@pytest.mark.parametrize("keys", ["", "k string"])
def test_no_rows_change_nothing(athena: AthenaClient, name: str, keys: str) -> None:
    create(athena, name, {"n": "int"}, keys)

    athena.run(f"INSERT INTO {name} SELECT * FROM {name}")

    assert athena.keys(f"{name}/") == []
    assert partitions(athena, name) == {}


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (
            "VALUES ('a', 'b', 1)",
            "TYPE_MISMATCH: line 1:1: Insert query has mismatched column types: Table: [integer, varchar(2), varchar],"
            " Query: [varchar(1), varchar(1), integer]",
        ),
        (
            "SELECT 1.5, NULL",
            "TYPE_MISMATCH: line 1:1: Insert query has mismatched column types: Table: [integer, varchar(2), varchar],"
            " Query: [decimal(2,1), unknown]",
        ),
        (
            "(n, nosuch) VALUES (1, 2)",
            "COLUMN_NOT_FOUND: line 1:1: Insert column name does not exist in target table: nosuch",
        ),
        (
            "(n, N) VALUES (1, 2)",
            "DUPLICATE_COLUMN_NAME: line 1:1: Insert column name is specified more than once: n",
        ),
        (
            "(s) VALUES 'abc'",
            "INVALID_CAST_ARGUMENT: Cannot truncate non-space characters when casting from varchar(3) to varchar(2)"
            " on INSERT",
        ),
        ("(n) VALUES 3e9", "NUMERIC_VALUE_OUT_OF_RANGE: Cannot cast 3000000000.0 to integer"),
        ("(n) VALUES 1, 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
        ("(n, k) VALUES (1, 'a'), (2, 'a/b')", "NOT_SUPPORTED: the partition a/b"),
        ("(n) VALUES 1, (1, 2)", "TYPE_MISMATCH: line 1:"),
        ("(n) VALUES 1, 'a'", "TYPE_MISMATCH: line 1:"),
        ("(s) VALUES X'61'", "TYPE_MISMATCH: line 1:1: Insert query has mismatched column types"),
        (
            "(n, k) VALUES " + ", ".join(f"({number}, '{number}')" for number in range(101)),
            "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions/buckets.",
        ),
    ],
)
def test_a_failed_insert_leaves_nothing(athena: AthenaClient, name: str, rest: str, reason: str) -> None:
    create(athena, name, {"n": "int", "s": "varchar(2)"}, "k string")

    assert athena.failure(f"INSERT INTO {name} {rest}").startswith(reason)

    assert athena.keys(f"{name}/") == []
    assert partitions(athena, name) == {}


@pytest.mark.parametrize(
    ("storage", "reason"),
    [
        ({"NumberOfBuckets": 2, "BucketColumns": ["n"]}, "NOT_SUPPORTED: INSERT INTO is not supported on bucketed"),
        (TEXT, "NOT_SUPPORTED: INSERT INTO a table of SerDe org.apache.hadoop.hive.serde2.lazy"),
        ({"parameters": {"projection.enabled": "true"}}, "NOT_SUPPORTED: INSERT INTO a table of partition projection"),
        ({"parameters": {"parquet.compression": "LZO"}}, "NOT_SUPPORTED: compression LZO"),
    ],
)
def test_unsupported_tables_are_refused(
    athena: AthenaClient, name: str, storage: dict[str, object], reason: str
) -> None:
    create(athena, name, {"n": "int"}, **storage)

    assert athena.failure(f"INSERT INTO {name} VALUES 1").startswith(reason)


def test_the_target_must_be_an_existing_table_and_not_a_view(athena: AthenaClient, name: str) -> None:
    athena.run(f"CREATE VIEW {name} AS SELECT 1 AS n")

    assert athena.failure(f"INSERT INTO {name} SELECT nosuch").startswith(
        "NOT_SUPPORTED: line 1:1: Inserting into views is not supported"
    )
    for table in ("nosuch", "nosuch.nosuch"):
        assert "TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog." in athena.failure(f"INSERT INTO {table} VALUES 1")
