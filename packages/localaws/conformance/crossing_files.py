"""Files cross over: what one engine wrote is read by the other, and by pyarrow, cell by cell."""

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

# What is written: a name, properties besides the location, a query over the sample tables.
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
    """Each table is written by each engine, then read by both and by pyarrow; what Trino reads is right."""
    findings: list[Finding] = []
    for name, (properties, query) in WRITTEN.items():
        for writer in ENGINES:
            findings += _cross(judge, writer, f"cross_{name}_by_{writer}", properties, query)
    _check_int96(judge, f"s3://{BUCKET}/crossing/cross_times_by_{TRINO}/")
    return findings


def _check_int96(judge: Judge, location: str) -> None:
    """Trino's timestamps are such as readers have trouble with; were they not, these files would prove less."""
    for key in judge.keys(location):
        content = judge.environment.clients.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        column = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(2)
        assert (column.path_in_schema, column.physical_type) == ("ts", "INT96"), column
        assert not (column.statistics and column.statistics.has_min_max), column


def _cross(judge: Judge, writer: str, name: str, properties: str, query: str) -> Iterator[Finding]:
    location = f"s3://{BUCKET}/crossing/{name}/"
    with_ = ", ".join(filter(None, [f"external_location = '{location}'", properties]))
    statement = f"CREATE TABLE {name} WITH ({with_}) AS {query}"
    topic = f"written by {'Trino' if writer == TRINO else 'DuckDB'}"
    made = Answer.of(judge.ask(writer, statement))
    if made.outcome is None:
        verdict = Verdict.UNSUPPORTED if writer == DUCKDB and made.code else Verdict.BROKEN
        yield Finding(topic, statement, verdict, made, made)
        return
    reading = f'SELECT * FROM {writer}."{name}"'
    by_trino, by_duckdb = judge.ask(TRINO, reading), judge.ask(DUCKDB, reading)
    yield judged(topic, f"{statement} -- read by DuckDB", Answer.of(by_duckdb), Answer.of(by_trino))
    # What was asked for, too, is what stands there: Trino reads both.
    asked = judge.ask(TRINO, query)
    yield _same_rows(topic, f"{statement} -- against its query", Answer.of(by_trino), Answer.of(asked))
    clients = judge.environment.clients
    catalog = Catalog(clients.client("glue"))
    table = catalog.find(writer, name)
    assert table is not None
    by_pyarrow = _by_pyarrow(judge, catalog, table)
    yield judged(topic, f"{statement} -- read by pyarrow", by_pyarrow, Answer.of(by_trino))


def _same_rows(topic: str, statement: str, found: Answer, asked: Answer) -> Finding:
    """Names and types of what was written may be wider than those of the query: their values count."""
    columns = found.outcome.columns if found.outcome else ()
    if asked.outcome is not None and found.outcome is not None:
        asked = Answer(Outcome(columns, asked.outcome.rows), None)
    return judged(topic, statement, found, asked)


def _by_pyarrow(judge: Judge, catalog: Catalog, table: Table) -> Answer:
    s3 = judge.environment.clients.client("s3")
    folders = catalog.partitions(table) if table.keys else None
    rows: list[Sequence[str | None]] = []
    for values, location in (
        [(one.values, one.location) for one in folders] if folders is not None else [((), table.location)]
    ):
        for key in judge.keys(location):
            content = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            found = pq.read_table(io.BytesIO(content), coerce_int96_timestamp_unit="ms")
            rows += [(*row, *values) for row in _rows(found, table.columns)]
    future: Future[Outcome] = Future()
    future.set_result(Outcome((*table.columns, *table.keys), rows))
    return Answer.of(future)


def _rows(found: pa.Table, columns: Sequence[Column]) -> Iterator[tuple[str | None, ...]]:
    cells = [found.column(column.name).to_pylist() for column in columns]
    for row in zip(*cells, strict=True):
        yield tuple(_text(cell, column.type) for cell, column in zip(row, columns, strict=True))


def _text(cell: Any, of: Type) -> str | None:
    """A value of pyarrow's as Athena's result files write it."""
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
    if of.name == "map":
        (_, key), (_, value) = of.fields
        return "{" + ", ".join(f"{_inner(one, key)}={_inner(it, value)}" for one, it in cell) + "}"
    if isinstance(cell, list):
        return "[" + ", ".join(_inner(one, of.fields[0][1]) for one in cell) + "]"
    if isinstance(cell, dict):
        return "{" + ", ".join(f"{name}={_inner(cell[name], one)}" for name, one in of.fields) + "}"
    assert isinstance(cell, (int, str, date)), cell
    return str(cell)


def _inner(cell: Any, of: Type) -> str:
    text = _text(cell, of)
    return "null" if text is None else text
