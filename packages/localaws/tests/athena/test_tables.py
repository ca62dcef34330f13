"""Tables, partitions and the results of CREATE, on the local AWS with the DuckDB engine."""

import io
import itertools
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest

from localaws.testing import PARQUET, TEXT, AthenaClient

_numbers = itertools.count()


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a table for this test."""
    return f"t{next(_numbers)}"


def ctas(athena: AthenaClient, name: str, select: str, properties: str = "") -> str:
    more = f", {properties}" if properties else ""
    return f"CREATE TABLE {name} WITH (external_location = 's3://{athena.bucket}/{name}/'{more}) AS {select}"


def tables(athena: AthenaClient) -> list[str]:
    return [one["Name"] for one in athena.glue.get_tables(DatabaseName=athena.database)["TableList"]]


ROWS = "SELECT x, k FROM UNNEST(ARRAY[1, 2, 3], ARRAY['a', 'b', 'a']) AS t (x, k)"


def test_create_table_as_writes_parquet_and_registers_the_table(athena: AthenaClient, name: str) -> None:
    select = "SELECT 1 AS N, 'a' AS s, 1.5 AS d, DATE '2019-12-21' AS day, TIMESTAMP '2019-12-21 08:00:00' AS at"

    execution = athena.run(ctas(athena, name, select, "format = 'PARQUET', write_compression = 'SNAPPY'"))

    assert execution["StatementType"] == "DDL"
    storage = athena.glue.get_table(DatabaseName=athena.database, Name=name)["Table"]["StorageDescriptor"]
    assert [(column["Name"], column["Type"]) for column in storage["Columns"]] == [
        ("n", "int"),
        ("s", "varchar(1)"),
        ("d", "decimal(2,1)"),
        ("day", "date"),
        ("at", "timestamp"),
    ]
    assert athena.rows(f"SELECT * FROM {name}") == [("1", "a", "1.5", "2019-12-21", "2019-12-21 08:00:00.000")]


def test_a_map_is_a_map_in_parquet(athena: AthenaClient, name: str) -> None:
    select = """
        SELECT n, TRY(CAST(json_parse(x) AS map(varchar, double))) AS m
        FROM UNNEST(ARRAY[1, 2, 3], ARRAY['{"b":1,"a":null}', '{}', 'x']) AS t (n, x)
    """

    athena.run(ctas(athena, name, select))
    execution = athena.run(f"INSERT INTO {name} (n) VALUES 4")

    assert execution["StatementType"] == "DML"
    assert athena.lines(f"DESCRIBE {name}") == ["n\tint\t", "m\tmap<string,double>\t"]
    assert athena.rows(f"SELECT n, m FROM {name} ORDER BY n") == [
        ("1", "{b=1.0, a=null}"),
        ("2", "{}"),
        ("3", None),
        ("4", None),
    ]
    scanned = [athena.run(f"SELECT {one} FROM {name}")["Statistics"]["DataScannedInBytes"] for one in ("n", "n, m")]
    assert 0 < scanned[0] < scanned[1]
    for key in athena.keys(f"{name}/"):
        content = athena.s3.get_object(Bucket=athena.bucket, Key=key)["Body"].read()
        assert str(pq.read_schema(io.BytesIO(content)).field("m").type) == "map<string, double ('m')>"
    assert athena.failure(ctas(athena, f"{name}_json", "SELECT json_parse('1') AS j")).startswith("NOT_SUPPORTED: ")
    assert athena.keys(f"{name}_json/") == []


def test_a_binary_value_is_binary_in_parquet(athena: AthenaClient, name: str) -> None:
    # given a table with such a column, and a view of it
    athena.run(ctas(athena, name, "SELECT 1 AS n, to_utf8('ä') AS b"))
    athena.run(f"INSERT INTO {name} VALUES (2, X'ff00'), (3, NULL)")
    athena.run(f"CREATE VIEW {name}_view AS SELECT n, b, from_utf8(b) AS s FROM {name}")

    # when both are read
    query = athena.run(f"SELECT * FROM {name}_view ORDER BY n")["QueryExecutionId"]

    # expect the values and their type as in Athena, and Hive's type in the catalog
    result = athena.api.get_query_results(QueryExecutionId=query)["ResultSet"]
    types = [column["Type"] for column in result["ResultSetMetadata"]["ColumnInfo"]]
    assert types == ["integer", "varbinary", "varchar"]
    assert athena.all_rows(query)[1:] == [
        ("1", "c3 a4", "ä"),
        ("2", "ff 00", "\ufffd\0"),
        ("3", None, None),
    ]
    assert athena.lines(f"DESCRIBE {name}") == ["n\tint\t", "b\tbinary\t"]
    for key in athena.keys(f"{name}/"):
        content = athena.s3.get_object(Bucket=athena.bucket, Key=key)["Body"].read()
        assert pq.ParquetFile(io.BytesIO(content)).schema.column(1).physical_type == "BYTE_ARRAY"
        assert str(pq.read_schema(io.BytesIO(content)).field("b").type) == "binary"


def test_partitions_have_hives_layout(athena: AthenaClient, name: str) -> None:
    select = "SELECT x, k, nullif(x, 1) AS n FROM UNNEST(ARRAY[1, 2, 3], ARRAY['a', 'b', 'a']) AS t (x, k)"

    athena.run(ctas(athena, name, select, "partitioned_by = ARRAY['k', 'n']"))

    assert athena.lines(f"SHOW PARTITIONS {name}") == ["k=a/n=3", "k=a/n=__HIVE_DEFAULT_PARTITION__", "k=b/n=2"]
    assert athena.rows(f"SELECT x, n FROM {name} WHERE k = 'a' ORDER BY x") == [("1", None), ("3", "3")]
    assert athena.rows(f"SELECT x FROM {name} WHERE n IS NULL") == [("1",)]


def test_an_empty_result_creates_a_table_without_files(athena: AthenaClient, name: str) -> None:
    athena.run(ctas(athena, name, f"{ROWS} WHERE x > 9"))

    assert athena.keys(f"{name}/") == []
    assert athena.rows(f"SELECT count(*) FROM {name}") == [("0",)]


def test_a_table_without_buckets_has_several_files_each_in_order(athena: AthenaClient, name: str) -> None:
    athena.run(ctas(athena, name, f"{ROWS} ORDER BY x OFFSET 0"))

    files = athena.rows(f'SELECT "$path", count(*), min(x), max(x) FROM {name} GROUP BY 1 ORDER BY 3')
    assert [rows for _, *rows in files] == [["2", "1", "3"], ["1", "2", "2"]]
    assert sorted(path or "" for path, *_ in files) == [
        f"s3://{athena.bucket}/{key}" for key in athena.keys(f"{name}/")
    ]


def test_a_bucket_is_a_file_and_has_the_order_that_offset_preserves(athena: AthenaClient, name: str) -> None:
    athena.run(ctas(athena, name, f"{ROWS} ORDER BY x DESC OFFSET 0", "bucketed_by = ARRAY['k'], bucket_count = 1"))

    (key,) = athena.keys(f"{name}/")
    assert athena.rows(f"SELECT x FROM {name}") == [("3",), ("2",), ("1",)]
    assert athena.rows(f'SELECT DISTINCT "$path" FROM {name}') == [(f"s3://{athena.bucket}/{key}",)]


def parquet(athena: AthenaClient, name: str, *columns: str) -> list[list[list[Any]]]:
    """The columns' values of each of a table's files, in the order of the file."""
    files = (athena.s3.get_object(Bucket=athena.bucket, Key=key)["Body"].read() for key in athena.keys(f"{name}/"))
    tables = [pq.read_table(io.BytesIO(file)) for file in files]
    return [[table[column].to_pylist() for column in columns] for table in tables]


def test_many_rows_have_the_order_that_offset_preserves(athena: AthenaClient, name: str) -> None:
    # given more rows than one row group or one thread has
    digits = f"UNNEST(ARRAY[{', '.join(map(str, range(70)))}])"
    relations = " CROSS JOIN ".join(f"{digits} AS {name} ({name})" for name in "abc")
    rows = f"SELECT (a * 4900 + b * 70 + c) * 4001 % 1000003 AS x FROM {relations}"
    athena.run(ctas(athena, name, f"{rows} ORDER BY x OFFSET 0", "bucketed_by = ARRAY['x'], bucket_count = 1"))

    ((written,),) = parquet(athena, name, "x")
    assert len(written) == 70**3
    assert written == sorted(written)


def test_each_of_several_buckets_is_in_order(athena: AthenaClient, name: str) -> None:
    digits = f"UNNEST(ARRAY[{', '.join(map(str, range(70)))}])"
    rows = f"SELECT CAST(a AS varchar) AS k, a * 31 % 97 * b AS x FROM {digits} AS a (a) CROSS JOIN {digits} AS b (b)"
    buckets = "bucketed_by = ARRAY['k'], bucket_count = 3"
    athena.run(ctas(athena, name, f"{rows} ORDER BY x, k OFFSET 0", buckets))

    files = parquet(athena, name, "x", "k")
    assert len(files) == 3
    assert sum(len(x) for x, _ in files) == 70**2
    for columns in files:
        written = list(zip(*columns, strict=True))
        assert written == sorted(written)


def test_rows_of_one_key_are_in_one_of_several_buckets(athena: AthenaClient, name: str) -> None:
    # given: Hive's hash of a one-letter string is its code, so of two buckets 'a' (97) is in 1 and 'b' (98) in 0
    athena.run(ctas(athena, name, ROWS, "bucketed_by = ARRAY['k'], bucket_count = 2"))

    assert len(athena.keys(f"{name}/")) == 2
    found = dict(athena.rows(f'SELECT DISTINCT k, "$path" FROM {name}'))
    assert str(found["b"]) < str(found["a"])


def test_a_bucket_without_rows_has_no_file(athena: AthenaClient, name: str) -> None:
    athena.run(ctas(athena, name, f"{ROWS} WHERE k = 'a'", "bucketed_by = ARRAY['k'], bucket_count = 4"))

    # Hive's hash of 'a' is 97: of four buckets it is in number 1, which Trino reads from the file's name
    (key,) = athena.keys(f"{name}/")
    assert key.startswith(f"{name}/000001_0_")


@pytest.mark.parametrize(
    ("select", "properties", "code"),
    [
        ("SELECT 1/0 AS n", "", "DIVISION_BY_ZERO"),
        ("SELECT nosuch AS n", "", "COLUMN_NOT_FOUND"),
        ("SELECT 1", "", "MISSING_COLUMN_NAME"),
        ("SELECT 1 AS n, 2 AS N", "", "DUPLICATE_COLUMN_NAME"),
        ("SELECT NULL AS n", "", "COLUMN_TYPE_UNKNOWN"),
        ("SELECT from_unixtime(0, 'UTC') AS n", "", "NOT_SUPPORTED"),
        ("SELECT 1 AS n ORDER BY nosuch", "", "COLUMN_NOT_FOUND"),
        (ROWS, "partitioned_by = ARRAY['x']", "HIVE_COLUMN_ORDER_MISMATCH"),
        (ROWS, "partitioned_by = ARRAY['nosuch']", "INVALID_TABLE_PROPERTY"),
        (ROWS, "partitioned_by = ARRAY['x', 'k']", "INVALID_TABLE_PROPERTY"),
        (ROWS, "bucketed_by = ARRAY['k']", "INVALID_TABLE_PROPERTY"),
        (ROWS, "bucketed_by = ARRAY['k'], bucket_count = 'x'", "INVALID_TABLE_PROPERTY"),
        (ROWS, "write_compression = 'GZIP', write_compression = 'GZIP'", "DUPLICATE_PROPERTY"),
        (ROWS, "bucketed_by = ARRAY['k'], bucket_count = 101", "HIVE_TOO_MANY_OPEN_PARTITIONS"),
        (ROWS, "format = 'ORC'", "NOT_SUPPORTED"),
        (ROWS, "no_such = 'x'", "NOT_SUPPORTED"),
        ("SELECT 1 AS n, 'a b' AS k", "partitioned_by = ARRAY['k']", "NOT_SUPPORTED"),
        ("SELECT 1 AS n, 'a/b' AS k", "partitioned_by = ARRAY['k']", "NOT_SUPPORTED"),
        ("SELECT 1 AS n, '' AS k", "partitioned_by = ARRAY['k']", "NOT_SUPPORTED"),
        ("SELECT 1 AS n, 1.5 AS k", "partitioned_by = ARRAY['k']", "NOT_SUPPORTED"),
        ("SELECT 1 AS n, X'61' AS k", "partitioned_by = ARRAY['k']", "NOT_SUPPORTED"),
        ("SELECT 1 AS n, X'61' AS k", "bucketed_by = ARRAY['k'], bucket_count = 1", "NOT_SUPPORTED"),
        ("SELECT 1 AS n, ARRAY[1.5] AS k", "bucketed_by = ARRAY['k'], bucket_count = 1", "NOT_SUPPORTED"),
    ],
)
def test_a_table_that_cannot_be_created_is_not_registered(
    athena: AthenaClient, name: str, select: str, properties: str, code: str
) -> None:
    assert athena.failure(ctas(athena, name, select, properties)).startswith(f"{code}: ")
    assert name not in tables(athena)


def test_a_hundred_partitions_are_written_and_no_more(athena: AthenaClient, name: str) -> None:
    ten = "UNNEST(ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])"
    numbers = f"SELECT 1 AS n, 10 * a + b AS k FROM {ten} AS t (a) CROSS JOIN {ten} AS u (b)"

    athena.run(ctas(athena, name, numbers, "partitioned_by = ARRAY['k']"))
    reason = athena.failure(
        ctas(athena, f"{name}_more", f"{numbers} UNION ALL SELECT 1, 100", "partitioned_by = ARRAY['k']")
    )

    assert len(athena.lines(f"SHOW PARTITIONS {name}")) == 100
    assert reason == "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions/buckets."
    assert f"{name}_more" not in tables(athena)


def test_an_existing_location_or_name_is_an_error(athena: AthenaClient, name: str) -> None:
    athena.run(ctas(athena, name, ROWS))

    assert athena.failure(ctas(athena, name, ROWS)).startswith("TABLE_ALREADY_EXISTS: line 1:1: Table 'awsdatacatalog.")
    athena.run(f"DROP TABLE {name}")
    assert athena.failure(ctas(athena, name, ROWS)).startswith("HIVE_PATH_ALREADY_EXISTS: ")
    assert athena.failure(ctas(athena, f"nosuch.{name}", ROWS)).startswith("SCHEMA_NOT_FOUND: ")


def test_unregistered_objects_are_not_read(athena: AthenaClient, name: str) -> None:
    # given three folders, two of them registered, one of these with another location; a hidden object; an empty one
    athena.table(name, TEXT, "line string", "dt string")
    for place in ("dt=1", "dt=2", "dt=3", "elsewhere"):
        athena.put(f"{name}/{place}/file", f"{place}\n")
    athena.put(f"{name}/dt=1/_hidden", "hidden\n")
    athena.put(f"{name}/dt=1/empty", "")
    athena.run(f"ALTER TABLE {name} ADD PARTITION (dt = '1')")
    athena.run(f"ALTER TABLE {name} ADD PARTITION (dt = '9') LOCATION 's3://{athena.bucket}/{name}/elsewhere/'")

    assert athena.rows(f"SELECT line, dt FROM {name} ORDER BY dt") == [("dt=1", "1"), ("elsewhere", "9")]


def test_partitions_with_the_same_location_each_have_its_rows(athena: AthenaClient, name: str) -> None:
    athena.table(name, TEXT, "line string", "dt string")
    athena.put(f"{name}/one/file", "a\n")
    for day in ("1", "2"):
        athena.run(f"ALTER TABLE {name} ADD PARTITION (dt = '{day}') LOCATION 's3://{athena.bucket}/{name}/one/'")

    assert athena.rows(f"SELECT dt, line FROM {name} ORDER BY dt") == [("1", "a"), ("2", "a")]


def test_a_table_is_joined_with_itself(athena: AthenaClient, name: str) -> None:
    storage = {**TEXT, "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde"}}
    athena.table(name, storage, "a string, b string")
    athena.put(f"{name}/file", "1,2\n2,3\n")

    assert athena.rows(f"SELECT x.a, y.b FROM {name} AS x JOIN {name} AS y ON x.b = y.a") == [("1", "3")]


def test_bytes_scanned_are_those_of_the_partitions_read(athena: AthenaClient, name: str) -> None:
    athena.table(name, TEXT, "line string", "dt date")
    for day, text in (("2019-12-21", "12345\n"), ("2019-12-22", "1234567890\n")):
        athena.put(f"{name}/dt={day}/file", text)
        athena.run(f"ALTER TABLE {name} ADD PARTITION (dt = '{day}')")

    def scanned(where: str) -> int:
        execution = athena.run(f"SELECT count(*) FROM {name} WHERE {where}")
        return int(execution["Statistics"]["DataScannedInBytes"])

    assert scanned("dt = DATE '2019-12-21'") == 6
    assert scanned("dt BETWEEN DATE '2019-12-22' AND DATE '2019-12-31'") == 11
    assert scanned("dt IN (DATE '2019-12-21', DATE '2019-12-22') OR dt IS NULL") == 17
    assert scanned("dt > DATE '2020-01-01'") == 0


def test_bytes_scanned_of_parquet_are_those_of_the_columns_read(athena: AthenaClient, name: str) -> None:
    # given two columns, and their sizes in the file
    athena.run(ctas(athena, name, ROWS))
    sizes = {"x": 0, "k": 0}
    for key in athena.keys(f"{name}/"):
        body = athena.s3.get_object(Bucket=athena.bucket, Key=key)["Body"].read()
        group = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0)
        for number in range(2):
            column = group.column(number)
            sizes[column.path_in_schema] += column.total_compressed_size

    def scanned(sql: str) -> int:
        return int(athena.run(sql)["Statistics"]["DataScannedInBytes"])

    assert scanned(f"SELECT x FROM {name}") == sizes["x"] > 0
    assert scanned(f"SELECT count(*) FROM {name} WHERE k = 'a'") == sizes["k"] > 0
    assert scanned(f"SELECT * FROM {name}") == sizes["x"] + sizes["k"]
    assert scanned(f"SELECT count(*) FROM {name}") == 0
    # expect a table that is read twice to count twice
    assert scanned(f"SELECT x FROM {name} UNION ALL SELECT x FROM {name}") == 2 * sizes["x"]


def test_keys_with_special_characters_are_read(athena: AthenaClient, name: str) -> None:
    athena.table(name, TEXT, "line string")
    for odd in ("a b", "ü+=&", "50%", "#1", "it's"):
        athena.put(f"{name}/{odd}", f"{odd}\n")

    assert sorted(athena.rows(f"SELECT line FROM {name}")) == sorted(
        [("a b",), ("ü+=&",), ("50%",), ("#1",), ("it's",)]
    )


def test_a_key_that_duckdb_treats_as_a_pattern_is_refused(athena: AthenaClient, name: str) -> None:
    athena.table(name, TEXT, "line string")
    athena.put(f"{name}/a*", "x\n")

    assert athena.failure(f"SELECT line FROM {name}").startswith("NOT_SUPPORTED: the object key ")


@pytest.mark.parametrize(
    ("key_type", "value", "code"),
    [("date", "yesterday", "HIVE_INVALID_PARTITION_VALUE"), ("int", "1.5", "HIVE_INVALID_PARTITION_VALUE")],
)
def test_an_invalid_partition_value_is_an_error(
    athena: AthenaClient, name: str, key_type: str, value: str, code: str
) -> None:
    athena.table(name, TEXT, "line string", f"k {key_type}")
    storage = {**TEXT, "Location": f"s3://{athena.bucket}/{name}/", "Columns": [{"Name": "line", "Type": "string"}]}
    athena.glue.create_partition(
        DatabaseName=athena.database,
        TableName=name,
        PartitionInput={"Values": [value], "StorageDescriptor": storage},
    )

    assert athena.failure(f"SELECT * FROM {name}").startswith(f"{code}: Invalid partition value '{value}'")


def test_a_partition_with_other_types_is_an_error(athena: AthenaClient, name: str) -> None:
    athena.table(name, PARQUET, "n double", "dt string")
    storage = {**PARQUET, "Location": f"s3://{athena.bucket}/{name}/", "Columns": [{"Name": "n", "Type": "int"}]}
    athena.glue.create_partition(
        DatabaseName=athena.database, TableName=name, PartitionInput={"Values": ["1"], "StorageDescriptor": storage}
    )

    assert athena.failure(f"SELECT * FROM {name}").startswith("HIVE_PARTITION_SCHEMA_MISMATCH: ")


def test_projected_partitions_need_no_registration(athena: AthenaClient, name: str) -> None:
    athena.table(
        name,
        TEXT,
        "line string",
        "dt string",
        **{
            "projection.enabled": "true",
            "projection.dt.type": "date",
            "projection.dt.format": "yyyy-MM-dd",
            "projection.dt.range": "2019-12-20,NOW",
            "storage.location.template": f"s3://{athena.bucket}/{name}/day=${{dt}}",
        },
    )
    for day in ("2019-12-19", "2019-12-21"):
        athena.put(f"{name}/day={day}/file", f"{day}\n")

    assert athena.rows(f"SELECT line, dt FROM {name} WHERE dt < '2019-12-31'") == [("2019-12-21", "2019-12-21")]


def test_xml_is_not_read(athena: AthenaClient, name: str) -> None:
    athena.table(name, {"SerdeInfo": {"Parameters": {"rowTag": "row"}}}, "state string", classification="xml")

    assert athena.failure(f"SELECT * FROM {name}").startswith("HIVE_INVALID_METADATA: ")


def test_an_unsupported_type_is_an_error_only_if_it_is_read(athena: AthenaClient, name: str) -> None:
    athena.table(name, PARQUET, "m uniontype<int,string>, n int")

    assert athena.lines(f"DESCRIBE {name}") == ["m\tuniontype<int,string>\t", "n\tint\t"]
    assert athena.failure(f"SELECT m FROM {name}").startswith("NOT_SUPPORTED: ")
    athena.run(f"DROP TABLE {name}")


def test_a_table_is_described_with_its_comments(athena: AthenaClient, name: str) -> None:
    columns = [{"Name": "line", "Type": "string", "Comment": "A line as it came"}, {"Name": "n", "Type": "int"}]
    storage = {**TEXT, "Location": f"s3://{athena.bucket}/{name}/", "Columns": columns}
    keys = [{"Name": "dt", "Type": "date", "Comment": "Local day"}]
    table = {"Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage, "PartitionKeys": keys}
    athena.glue.create_table(DatabaseName=athena.database, TableInput=table)

    described = ["line\tstring\tA line as it came", "n\tint\t", "dt\tdate\tLocal day"]
    lines = athena.lines(f"DESCRIBE {name}")
    assert lines[:3] == described
    assert lines[-1] == described[2]


def test_views_are_created_replaced_queried_and_dropped(athena: AthenaClient, name: str) -> None:
    # given a view whose text has a comment, quotes and non-ASCII letters
    athena.run(f"CREATE VIEW {name} AS -- as of\nSELECT 'it''s' AS \"Ü\", 1 AS n")

    assert athena.rows(f"SELECT * FROM {name}") == [("it's", "1")]
    assert athena.failure(f"CREATE VIEW {name} AS SELECT 2 AS n").startswith("TABLE_ALREADY_EXISTS: ")
    athena.run(f"CREATE OR REPLACE VIEW {name} AS SELECT 3 AS n;")
    assert athena.rows(f"SELECT n + 1 FROM {name}") == [("4",)]
    assert athena.failure(f"CREATE OR REPLACE VIEW {name} AS SELECT n FROM {name}").startswith("VIEW_IS_RECURSIVE: ")
    assert athena.failure(f"CREATE OR REPLACE VIEW {name} AS SELECT 3").startswith("MISSING_COLUMN_NAME: ")
    assert athena.failure(f"DROP TABLE {name}").startswith("FAILED: ")
    athena.run(f"DROP VIEW {name}")
    assert name not in tables(athena)


def test_partitions_are_added_moved_and_dropped_by_hive_ddl(athena: AthenaClient, name: str) -> None:
    athena.table(name, TEXT, "line string", "dt date")
    add = f"ALTER TABLE {name} ADD IF NOT EXISTS PARTITION (dt = '2019-12-21') LOCATION 's3://{athena.bucket}/one/'"
    athena.run(f"-- a comment before\n{add};")
    athena.run(add)

    assert athena.lines(f"SHOW PARTITIONS {athena.database}.{name}") == ["dt=2019-12-21"]
    assert (
        athena.failure(add.replace("IF NOT EXISTS ", "")) == "FAILED: AlreadyExistsException: Partition already exists."
    )
    assert "not a date" in athena.failure(add.replace("2019-12-21", "today"))
    athena.put("two/file", "second\n")
    athena.run(f"ALTER TABLE {name} PARTITION (dt = '2019-12-21') SET LOCATION 's3://{athena.bucket}/two/'")
    assert athena.rows(f"SELECT line FROM {name}") == [("second",)]
    athena.run(f"ALTER TABLE {name} DROP PARTITION (dt = '2019-12-21')")
    assert athena.lines(f"SHOW PARTITIONS {name}") == []
    assert name in athena.lines("SHOW TABLES")
    assert athena.lines(f"SHOW COLUMNS IN {name}") == ["line", "dt"]
    assert athena.database in athena.lines("SHOW DATABASES")
    athena.run(f"DROP TABLE IF EXISTS {name}")
    athena.run(f"DROP TABLE IF EXISTS {name}")
    assert "Table not found" in athena.failure(f"DROP TABLE {name}")


def test_partition_values_are_strings_or_numbers_in_any_order(athena: AthenaClient, name: str) -> None:
    # given a table with three keys
    athena.table(name, TEXT, "line string", "year int, n bigint, country string")
    athena.put("moved/file", "moved\n")

    # when a partition is added, moved and found again, with its keys in another order
    athena.run(f"ALTER TABLE {name} ADD PARTITION (country = 'a,b', Year=2019, n = -2)")
    place = f"s3://{athena.bucket}/moved/"
    athena.run(f"ALTER TABLE {name} PARTITION (n='-2', country='a,b', year='2019') SET LOCATION '{place}'")

    # expect one partition, with its values in the order of the keys
    assert athena.lines(f"SHOW PARTITIONS {name}") == ["year=2019/n=-2/country=a,b"]
    assert athena.rows(f"SELECT * FROM {name}") == [("moved", "2019", "-2", "a,b")]
    athena.run(f"ALTER TABLE {name} DROP PARTITION (n=-2, country='a,b', year=2019)")
    assert athena.lines(f"SHOW PARTITIONS {name}") == []


@pytest.mark.parametrize(
    "spec",
    [
        "k = 'a'",  # DROP PARTITION of a part of the keys drops several partitions
        "k = 'a', n = 1, other = 'b'",
        "k = 'a', n = 1, n = 2",
        "k = 'a', n = 1,",
        "k = 'a', n > 1",
        "k = 'a', n = one",
        "k = 'it\\'s', n = 1",
        "k = DATE '2019-12-21', n = 1",
        "",
    ],
)
@pytest.mark.parametrize(
    "change", ["ADD PARTITION ({})", "DROP PARTITION ({})", "PARTITION ({}) SET LOCATION 's3://b/'"]
)
def test_other_partition_specifications_are_not_supported(
    athena: AthenaClient, name: str, spec: str, change: str
) -> None:
    athena.table(name, TEXT, "line string", "k string, n int")

    reason = athena.failure(f"ALTER TABLE {name} {change.format(spec)}")

    assert reason == (
        f"NOT_SUPPORTED: PARTITION ({spec}) of a table with the partition keys k, n is not covered by the local AWS,"
        " with either engine; use Glue's API or CloudFormation instead"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "MSCK REPAIR TABLE t",
        "CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/'",
        "CREATE DATABASE d",
        "DROP DATABASE d",
        "SHOW CREATE TABLE t",
        "ALTER TABLE t ADD COLUMNS (a int)",
    ],
)
def test_other_ddl_names_its_replacement(athena: AthenaClient, sql: str) -> None:
    assert athena.failure(sql) == (
        f"NOT_SUPPORTED: the statement {sql!r} is not covered by the local AWS, with either engine; use Glue's API or"
        " CloudFormation instead"
    )
