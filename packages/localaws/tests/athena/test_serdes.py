"""Files as Athena's SerDes read them, on local files instead of objects.

The rules of OpenX JSON and OpenCSV were seen on a Trino 476, on files with the same content.
"""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from localaws.athena.catalog import Table
from localaws.athena.duck import serdes
from localaws.athena.duck.engine import as_query_error
from localaws.athena.duck.serdes import OPEN_CSV, OPENX_JSON, PARQUET, READERS, TEXT, opencsv_line
from localaws.athena.errors import QueryError
from localaws.testing.sql import table

pytestmark = pytest.mark.unit

USAGE = replace(
    table("usage", "loc_id string, ts bigint, data struct<s_01:double,s_02:double>"),
    serde=OPENX_JSON,
    serde_parameters={"ignore.malformed.json": "true"},
)
HOMES = replace(table("homes", "a string, b string"), serde=OPEN_CSV, parameters={"skip.header.line.count": "1"})
LINES = replace(table("lines", "line string"), serde=TEXT, serde_parameters={"field.delim": "\x01"})


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"temp_directory": str(tmp_path / "spill")}) as connection:
        yield connection


def read(connection: duckdb.DuckDBPyConnection, of: Table, *files: Path) -> list[tuple[object, ...]]:
    columns = ", ".join(f'"{column.name}"' for column in of.columns)
    try:
        rows = READERS[of.serde](connection, of, [str(file) for file in files])
        return connection.execute(f"SELECT {columns} FROM ({rows})").fetchall()
    except duckdb.Error as error:
        raise as_query_error(error) from error


NULLS = (None, None, None)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('{"loc_id":"h","ts":12,"data":{"s_01":0.5,"s_02":1}}', ("h", 12, {"s_01": 0.5, "s_02": 1.0})),
        ('{"loc_id":"h","ts":12,"data":null}', ("h", 12, None)),
        ('{"ts":12}', (None, 12, None)),
        ("{}", NULLS),
        # Not JSON, truncated, empty, not an object: a row of NULLs.
        ("not json", NULLS),
        ('{"loc_id":"h","ts":12,"data":{"s_01":0.', NULLS),
        ("", NULLS),
        ('{"loc_id":"h","ts":12,"data":{"s_01":0.5', NULLS),
        ('{"loc_id":"h}', NULLS),
        ('{"loc_id":"h\\', NULLS),
        ('{"loc_id":tru', NULLS),
        ("12", NULLS),
        # Other order, spaces and case; the last of equal keys; text after the object.
        ('{ "ts" : 12, "loc_id" : "h" } tail', ("h", 12, None)),
        ('{"LOC_ID":"h","Ts":1,"ts":2}', ("h", 2, None)),
        ('{"loc_id":"\\u00e4\\"b"}', ('ä"b', None, None)),
        # Numbers: in quotes, with a fraction, too large, invalid.
        ('{"ts":"12","data":{"s_01":"2.5","s_02":"abc"}}', (None, 12, {"s_01": 2.5, "s_02": None})),
        ('{"ts":2.7}', (None, 2, None)),
        ('{"ts":-2.7}', (None, -2, None)),
        ('{"ts":9223372036854775808}', NULLS),
        ('{"ts":true,"data":{"s_01":false,"s_02":1}}', (None, None, {"s_01": None, "s_02": 1.0})),
        ('{"data":{"s_01":1e999,"s_02":-1e999}}', (None, None, {"s_01": float("inf"), "s_02": float("-inf")})),
        ('{"data":[1,2,3]}', (None, None, {"s_01": 1.0, "s_02": 2.0})),
        ('{"loc_id":12}', ("12", None, None)),
        ('{"loc_id":true}', ("true", None, None)),
        # A string column has the text of other values: decimals with all digits; the last of equal keys at its place.
        ('{"loc_id":1.50}', ("1.50", None, None)),
        ('{"loc_id":1e5}', ("1E+5", None, None)),
        ('{"loc_id":-0.0}', ("0.0", None, None)),
        ('{"loc_id":{}}', ("{}", None, None)),
        ('{"loc_id":[-0.0, 1E-7, 0.000001, 100e-2, null, true]}', ("[0.0,1E-7,0.000001,1.00,null,true]", None, None)),
        ('{"loc_id":{"d":1, "x":{"q":1,"Q":2.50}, "D":"3"}}', ('{"x":{"Q":2.50},"D":"3"}', None, None)),
        ('{"loc_id":{"a</":"\\u0001\\n</b\\/\\u00e4\\""}}', ('{"a<\\/":"\\u0001\\n<\\/b/ä\\""}', None, None)),
        ('{"ts":1e400,"data":{"s_01":1e-400,"s_02":0.1}}', (None, None, {"s_01": 0.0, "s_02": 0.1})),
    ],
)
def test_a_line_of_json_is_read_as_openx_reads_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, line: str, row: tuple[object, ...]
) -> None:
    # given the line between two plain lines
    plain = '{"loc_id":"x","ts":1,"data":{"s_01":0,"s_02":0}}'
    file = tmp_path / "usage.json"
    file.write_text(f"{plain}\n{line}\n{plain}\n")

    found = read(connection, USAGE, file)

    assert found[1] == row
    assert [one[0] for one in found] == ["x", row[0], "x"]


def test_openx_json_reads_nan_as_a_double(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = tmp_path / "usage.json"
    file.write_text('{"data":{"s_01":NaN,"s_02":1}}\n')

    (row,) = read(connection, USAGE, file)

    assert str(row[2]["s_01"]) == "nan"  # type: ignore[index]


@pytest.mark.parametrize("number", ["'1d'", "'0x10'", "' 1'", "'NaN'"])
def test_strings_that_only_java_reads_as_a_number_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, number: str
) -> None:
    file = tmp_path / "usage.json"
    file.write_text(f'{{"data":{{"s_01":{number}}}}}\n'.replace("'", '"'))

    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: the number "):
        read(connection, USAGE, file)


@pytest.mark.parametrize(
    "line",
    [
        # The SerDe accepts several kinds of quotes, bare words, other separators, other escapes.
        *("{'loc_id':'h'}", "{loc_id:h}", '{"loc_id"="h"}', '{"loc_id":"h";"ts":1}', '{"loc_id":"\\x41"}'),
        *('{"loc_id":"a\tb"}', '{"ts":007}', '{"ts":0x10}', '{"ts":+5}', '{"data":{"s_01":.5}}'),
        *("{loc_id:h} {", "{'loc_id':'{'}", '{"ts":1 /* } */'),
        # An array as a line is a row by position; an invalid number or struct fails the query.
        *('["h",1]', "[]", '{"ts":{}}', '{"ts":[1]}', '{"data":{"s_01":{}}}', '{"data":"text"}', '{"data":1}'),
    ],
)
def test_syntax_that_the_serde_accepts_beyond_json_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "usage.json"
    file.write_text(f"{line}\n")

    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: "):
        read(connection, USAGE, file)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\rb\r", ["a", "b"]),
        (b"a\r\r\nb\n", ["a", "", "b"]),
        (b"a\nb\rc\r\nd", ["a", "b", "c", "d"]),
        (b"a\n\xff\xfc b\n\xe4\xf6", ["a", "\ufffd\ufffd b", "\ufffd\ufffd"]),
        (b"\xc3", ["\ufffd"]),
        (b"x\0y\n", ["x\0y"]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_lines_can_end_in_cr_and_invalid_utf_8_becomes_fffd(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, content: bytes, lines: list[str], packed: bool
) -> None:
    # given beside it a file of plain lines
    file, usual = tmp_path / ("1.gz" if packed else "1"), tmp_path / "2"
    file.write_bytes(gzip.compress(content) if packed else content)
    usual.write_bytes(b"z\n")

    assert sorted(line for (line,) in read(connection, LINES, usual, file)) == sorted([*lines, "z"])


def test_null_in_a_text_file(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("\\N\nN\n\\N \n")

    assert read(connection, LINES, file) == [(None,), ("N",), ("\\N ",)]


def test_json_without_ignore_malformed_json_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: .*ignore\.malformed\.json"):
        read(connection, replace(USAGE, serde_parameters={}), Path("any"))


def test_all_line_ends_are_read_and_gzip_is_decompressed(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    # given: empty lines at the start, within and at the end; no line break after the last line of the other file
    first, second = tmp_path / "1.txt", tmp_path / "2.txt.gz"
    first.write_bytes(b"\na\r\n\nb \n\n")
    second.write_bytes(gzip.compress(b'"c", {d}'))

    assert [line for (line,) in read(connection, LINES, first)] == ["", "a", "", "b ", ""]
    assert read(connection, LINES, second) == [('"c", {d}',)]


def test_no_line_is_lost_in_a_file_longer_than_the_buffer(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given lines of every length up to the maximum, in files of dozens of buffers
    monkeypatch.setattr(serdes, "_BUFFER_BYTES", 8_000)
    lines = [f"{number:04} {'x' * (number * 7919 % 1_990)}" for number in range(400)]
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(lines))

    assert sorted(line for (line,) in read(connection, LINES, file)) == lines


@pytest.mark.parametrize("packed", [False, True])
def test_no_line_is_lost_that_ends_in_cr_lf(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    # given a file that is larger than the read buffer
    monkeypatch.setattr(serdes, "_LARGE_BUFFER_BYTES", 8_000)
    content = b"1234567\r\n" * 2_000
    file = tmp_path / ("1.gz" if packed else "1")
    file.write_bytes(gzip.compress(content) if packed else content)

    assert read(connection, LINES, file) == [("1234567",)] * 2_000


def test_csv_is_read_as_opencsv_reads_it(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    # given: two files, each with its header
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text('a,b\n1,"x, y"\n,\n"say ""hi""",z\n')
    second.write_text("a,b\nshort\n1,2,surplus\n")

    assert sorted(read(connection, HOMES, first, second), key=str) == sorted(
        [("1", "x, y"), ("", ""), ('say "hi"', "z"), ("short", None), ("1", "2")], key=str
    )


@pytest.mark.parametrize("line", ["a\\,b", 'a"b', '"a"b', '"not closed'])
def test_a_csv_line_by_opencsvs_special_rules_is_refused(line: str) -> None:
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: the CSV line "):
        opencsv_line(line, 2)


PARQUET_TABLE = replace(table("t", "n bigint, at timestamp, s string, b binary"), serde=PARQUET)


def test_a_field_of_a_row_in_parquet_is_not_a_column(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    # given a column, and fields of the same name in a row and an array of rows that the table does not declare
    connection.execute(
        "COPY (SELECT {'n': 'a', 's': {'n': true}} AS r, [{'s': 1}] AS l, 2::BIGINT AS n, 'x' AS s)"
        f" TO '{tmp_path}/1.parquet'"
    )

    rows = read(connection, PARQUET_TABLE, tmp_path / "1.parquet")

    assert {2, "x"} <= set(rows[0])


def test_parquet_columns_are_matched_by_name_and_widened(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    # given: a file with an integer for the bigint and none of the strings, and one with all columns in another order
    connection.execute(f"COPY (SELECT 1::INTEGER AS N) TO '{tmp_path}/1.parquet'")
    connection.execute(f"COPY (SELECT 'x' AS s, 'y'::BLOB AS b, 2::BIGINT AS n, 3 AS more) TO '{tmp_path}/2.parquet'")

    rows = read(connection, PARQUET_TABLE, tmp_path / "1.parquet", tmp_path / "2.parquet")

    assert sorted(rows) == [(1, None, None, None), (2, None, "x", b"y")]


MAP_TABLE = replace(table("t", "n bigint, m map<string,double>"), serde=PARQUET)


def test_a_map_in_parquet_keeps_its_order(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for number, value in enumerate(
        ("MAP {'b': 1.5::DOUBLE, 'a': NULL}", "MAP {}::MAP(VARCHAR, DOUBLE)", "NULL::MAP(VARCHAR, DOUBLE)")
    ):
        connection.execute(f"COPY (SELECT {value} AS m, {number}::BIGINT AS n) TO '{tmp_path}/{number}.parquet'")
    connection.execute(f"COPY (SELECT 3::BIGINT AS n) TO '{tmp_path}/3.parquet'")

    rows = read(connection, MAP_TABLE, *(tmp_path / f"{number}.parquet" for number in range(4)))

    maps = [(number, None if m is None else list(m.items())) for number, m in rows]
    assert sorted(maps, key=str) == [(0, [("b", 1.5), ("a", None)]), (1, []), (2, None), (3, None)]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("MAP {'a': 1} AS m", "HIVE_BAD_DATA"),
        ("'x' AS m", "HIVE_BAD_DATA"),
        ("MAP {'a': [1e0]} AS m", "NOT_SUPPORTED"),
        ("[{'key': 'a', 'value': 1e0}] AS m", "NOT_SUPPORTED"),
    ],
)
def test_a_map_of_other_types_in_parquet(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: str, code: str
) -> None:
    connection.execute(f"COPY (SELECT {value}) TO '{tmp_path}/1.parquet'")
    with pytest.raises(QueryError, match=f"^{code}: "):
        read(connection, MAP_TABLE, tmp_path / "1.parquet")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("'1' AS n", "HIVE_BAD_DATA"),
        ("1.5::DOUBLE AS n", "HIVE_BAD_DATA"),
        ("1 AS s", "HIVE_BAD_DATA"),
        ("1 AS b", "HIVE_BAD_DATA"),
        ("'x'::BLOB AS s", "NOT_SUPPORTED"),
        ("'x' AS b", "NOT_SUPPORTED"),
        ("[1] AS n", "NOT_SUPPORTED"),
        ("{'x': 1} AS n", "NOT_SUPPORTED"),
        ("TIMESTAMP '2019-12-21 00:00:00.0001' AS at", "NOT_SUPPORTED"),
    ],
)
def test_parquet_of_another_type(connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: str, code: str) -> None:
    # given two files, one of them with the other type
    connection.execute(f"COPY (SELECT 1::BIGINT AS n, 'x' AS s) TO '{tmp_path}/1.parquet'")
    connection.execute(f"COPY (SELECT {value}) TO '{tmp_path}/2.parquet'")

    with pytest.raises(QueryError, match=f"^{code}: "):
        read(connection, PARQUET_TABLE, tmp_path / "1.parquet", tmp_path / "2.parquet")
