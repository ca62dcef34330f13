"""Files that one engine wrote, read by the other and by pyarrow, cell by cell."""

import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conformance.compare import Answer, Finding, Verdict, judged
from conformance.environment import BUCKET, DUCKDB, ENGINES, TRINO
from conformance.judge import Judge
from localaws.athena.catalog import Catalog, Column, Table
from localaws.athena.engine import Outcome
from localaws.athena.text import java_double
from localaws.athena.types import Type

# Tables: a name, properties besides the location, a query over the sample tables.
WRITTEN = {
    "numbers": ("", "SELECT * FROM numbers"),
    "numbers_snappy": ("write_compression = 'SNAPPY'", "SELECT * FROM numbers"),
    "numbers_zstd": ("write_compression = 'ZSTD'", "SELECT * FROM numbers"),
    "texts": ("", "SELECT n, s, c FROM texts"),
    "times": ("", "SELECT n, day, ts, tz FROM times"),
    "lists": ("", "SELECT n, a, s, d, p FROM lists"),
    "maps": ("", "SELECT n, m, j FROM maps"),
    "empty": ("", "SELECT * FROM nothing"),
    "partitioned": ("partitioned_by = ARRAY['k']", "SELECT day, v, k FROM calendar WHERE k IS NOT NULL"),
    "by_day": ("partitioned_by = ARRAY['day']", "SELECT v, k, day FROM calendar WHERE day < DATE '2019-12-25'"),
    "nested": (
        "partitioned_by = ARRAY['m', 'k']",
        "SELECT day, v, month(day) AS m, k FROM calendar WHERE k IS NOT NULL",
    ),
    "one_bucket": (
        "bucketed_by = ARRAY['k'], bucket_count = 1",
        "SELECT k, v, day FROM calendar ORDER BY day DESC OFFSET 0",
    ),
    "buckets": ("bucketed_by = ARRAY['s'], bucket_count = 5", "SELECT s, n FROM texts"),
}


def run(judge: Judge) -> list[Finding]:
    """Each engine writes each table, which both and pyarrow read; Trino's reading is right."""
    findings: list[Finding] = []
    for name, (properties, query) in WRITTEN.items():
        for writer in ENGINES:
            findings += _cross(judge, writer, f"cross_{name}_by_{writer}", properties, query)
    _check_int96(judge, f"s3://{BUCKET}/crossing/cross_times_by_{TRINO}/")
    return findings


def _check_int96(judge: Judge, location: str) -> None:
    """Trino writes timestamps as INT96, which readers have trouble with: otherwise the comparison would prove less."""
    for key in judge.keys(location):
        content = judge.environment.clients.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        column = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(2)
        assert (column.path_in_schema, column.physical_type) == ("ts", "INT96"), column
        assert not (column.statistics and column.statistics.has_min_max), column


def _cross(judge: Judge, writer: str, name: str, properties: str, query: str) -> Iterator[Finding]:
    location = f"s3://{BUCKET}/crossing/{name}/"
    options = ", ".join(filter(None, [f"external_location = '{location}'", properties]))
    statement = f"CREATE TABLE {name} WITH ({options}) AS {query}"
    topic = f"written by {'Trino' if writer == TRINO else 'DuckDB'}"
    written = Answer.wait(judge.submit(writer, statement))
    if written.outcome is None:
        verdict = Verdict.UNSUPPORTED if writer == DUCKDB and written.code else Verdict.BROKEN
        yield Finding(topic, statement, verdict, written, written)
        return
    reading = f'SELECT * FROM {writer}."{name}"'
    by_trino, by_duckdb = judge.submit(TRINO, reading), judge.submit(DUCKDB, reading)
    yield judged(topic, f"{statement} -- read by DuckDB", Answer.wait(by_duckdb), Answer.wait(by_trino))
    # The table has the rows of its query: Trino reads both.
    expected = judge.submit(TRINO, query)
    yield _same_rows(topic, f"{statement} -- against its query", Answer.wait(by_trino), Answer.wait(expected))
    clients = judge.environment.clients
    catalog = Catalog(clients.client("glue"))
    table = catalog.find(writer, name)
    assert table is not None
    by_pyarrow = _by_pyarrow(judge, catalog, table)
    yield judged(topic, f"{statement} -- read by pyarrow", by_pyarrow, Answer.wait(by_trino))


def _same_rows(topic: str, statement: str, written: Answer, expected: Answer) -> Finding:
    """Only values are compared: names and types of the table can be wider than those of the query."""
    columns = written.outcome.columns if written.outcome else ()
    if expected.outcome is not None and written.outcome is not None:
        expected = Answer(Outcome(columns, expected.outcome.rows), None)
    return judged(topic, statement, written, expected)


def _by_pyarrow(judge: Judge, catalog: Catalog, table: Table) -> Answer:
    s3 = judge.environment.clients.client("s3")
    folders = catalog.partitions(table) if table.keys else None
    rows: list[Sequence[str | None]] = []
    for values, location in (
        [(one.values, one.location) for one in folders] if folders is not None else [((), table.location)]
    ):
        for key in judge.keys(location):
            content = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            parquet = pq.read_table(io.BytesIO(content), coerce_int96_timestamp_unit="ms")
            rows += [(*row, *values) for row in _rows(parquet, table.columns)]
    future: Future[Outcome] = Future()
    future.set_result(Outcome((*table.columns, *table.keys), rows))
    return Answer.wait(future)


def _rows(parquet: pa.Table, columns: Sequence[Column]) -> Iterator[tuple[str | None, ...]]:
    cells = [parquet.column(column.name).to_pylist() for column in columns]
    for row in zip(*cells, strict=True):
        yield tuple(_text(cell, column.type) for cell, column in zip(row, columns, strict=True))


def _text(cell: Any, type_: Type) -> str | None:
    """A value from pyarrow as Athena's result files write it."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return json.dumps(cell)
    if isinstance(cell, float):
        return java_double(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="milliseconds")
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if type_.name == "map":
        (_, key), (_, value) = type_.fields
        return "{" + ", ".join(f"{_inner(one, key)}={_inner(it, value)}" for one, it in cell) + "}"
    if isinstance(cell, list):
        return "[" + ", ".join(_inner(one, type_.fields[0][1]) for one in cell) + "]"
    if isinstance(cell, dict):
        return "{" + ", ".join(f"{name}={_inner(cell[name], one)}" for name, one in type_.fields) + "}"
    assert isinstance(cell, (int, str, date)), cell
    return str(cell)


def _inner(cell: Any, type_: Type) -> str:
    text = _text(cell, type_)
    return "null" if text is None else text
