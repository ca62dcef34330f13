"""Runs one statement on DuckDB: SELECT, CREATE TABLE AS, CREATE VIEW, INSERT INTO."""

import re
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_httpfs  # type: ignore[import-untyped]
from sqlglot import exp

from localaws.athena.catalog import Catalog, Column
from localaws.athena.duck import binary, create, json_text
from localaws.athena.duck.compiler import Compiler
from localaws.athena.duck.insert import insert
from localaws.athena.duck.operators import quote
from localaws.athena.duck.scan import TableSource
from localaws.athena.duck.scope import Query
from localaws.athena.duck.syntax import parse
from localaws.athena.engine import Outcome
from localaws.athena.errors import SCAN_LIMIT, Cancelled, QueryError, not_supported
from localaws.athena.text import java_double
from localaws.athena.types import Type
from localaws.service import REGION

_HTTPFS = next(Path(duckdb_extension_httpfs.__file__).parent.glob("extensions/*/httpfs.duckdb_extension"))
MEMORY_BYTES = 2 * 10**9
_ROWS_AT_ONCE = 10_000
_INTERRUPT_SECONDS = 0.02


@dataclass(frozen=True)
class DuckEngine:
    """threads and memory (bytes): limits of each statement, which spills to a folder below ``spill``.

    files_of_bucket: the number of files of a table's only bucket. Athena guarantees "one or more".
    """

    spill: Path
    threads: int = 2
    memory: int = MEMORY_BYTES
    files_of_bucket: int = 1

    def statement(self, sql: str, database: str, clients: Any, max_bytes: int | None = None) -> "DuckStatement":
        return DuckStatement(self, sql, database, clients, max_bytes)


class DuckStatement:
    """One statement with its own DuckDB, so that statements share only objects and the catalog."""

    def __init__(self, engine: DuckEngine, sql: str, database: str, clients: Any, max_bytes: int | None) -> None:
        self.engine = engine
        self.sql = sql.rstrip().rstrip(";").rstrip()
        self.database = database
        self.clients = clients
        self.max_bytes = max_bytes
        self.scanned_bytes = 0
        self.connection: duckdb.DuckDBPyConnection | None = None
        self.cancelled = threading.Event()
        self.ended = threading.Event()

    def cancel(self) -> None:
        """Returns when the statement has ended."""
        self.cancelled.set()
        while not self.ended.wait(_INTERRUPT_SECONDS):  # DuckDB ignores an interrupt between two queries
            with suppress(duckdb.ConnectionException):
                if self.connection is not None:
                    self.connection.interrupt()

    def run(self) -> Outcome:
        try:
            self.engine.spill.mkdir(parents=True, exist_ok=True)
            with (
                tempfile.TemporaryDirectory(dir=self.engine.spill) as spill,
                connect(self.engine, self.clients, spill) as self.connection,
            ):
                return self._run(self.connection)
        except duckdb.Error as error:
            self._check_cancelled()
            raise as_query_error(error) from error
        finally:
            self.ended.set()

    def _check_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def _run(self, connection: duckdb.DuckDBPyConnection) -> Outcome:
        self._check_cancelled()
        node = parse(self.sql)
        catalog = Catalog(self.clients.client("glue"))
        s3 = self.clients.client("s3")
        source = TableSource(connection, catalog, s3)
        if isinstance(node, exp.Insert):
            insert(
                connection,
                catalog,
                s3,
                node,
                self.database,
                partial(self._compile, source=source),
                self._check_cancelled,
            )
            return Outcome(scanned_bytes=self.scanned_bytes)
        if not isinstance(node, exp.Create):
            query = self._compile(node, source)
            return replace(self._select(connection, query), scanned_bytes=self.scanned_bytes)
        target = create.Target.of(node, self.database)
        query = self._compile(node.expression, source, target)
        if node.kind == "VIEW":
            create.view(catalog, target, query, self.sql, bool(node.args.get("replace")))
        else:
            files = self.engine.files_of_bucket
            create.table(connection, catalog, s3, target, query, self._check_cancelled, files)
        return Outcome(scanned_bytes=self.scanned_bytes, statement_type="DDL")

    def _compile(self, node: exp.Expr, source: TableSource, target: create.Target | None = None) -> Query:
        views = (str(target),) if target is not None and target.properties is None else ()
        query = Compiler(source, self.sql, self.database, views).query(node)
        json_text.register(source.connection, query.sql)
        binary.register(source.connection, query.sql)
        self.scanned_bytes = source.scanned_bytes(query.sql)
        source.read_whole(self.engine.memory)
        if self.max_bytes is not None and self.scanned_bytes > self.max_bytes:
            raise Cancelled(SCAN_LIMIT)
        return query

    def _select(self, connection: duckdb.DuckDBPyConnection, query: Query) -> Outcome:
        self._check_cancelled()
        result = connection.execute(query.sql)
        types = [column.type for column in query.columns]
        rows: list[tuple[str | None, ...]] = []
        while batch := result.fetchmany(_ROWS_AT_ONCE):
            self._check_cancelled()
            rows += [tuple(as_text(cell, type_) for cell, type_ in zip(row, types, strict=True)) for row in batch]
        columns = (Column(column.name or f"_col{number}", column.type) for number, column in enumerate(query.columns))
        return Outcome(tuple(columns), rows)


def connect(engine: DuckEngine, clients: Any, spill: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that reads and writes objects of S3."""
    connection = duckdb.connect(
        config={
            "threads": engine.threads,
            "memory_limit": f"{engine.memory}B",
            "temp_directory": spill,
            # Trino, too, has no order except with ORDER BY; without it, DuckDB needs less time and memory.
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # Checking its signature takes longer than most statements; the lock has the package's hash.
            "allow_unsigned_extensions": True,
        }
    )
    connection.execute(f"LOAD {quote(str(_HTTPFS))}")
    connection.execute("SET TimeZone = 'UTC'")
    # As on Athena, the right side of a join is in memory: DuckDB cannot estimate the rows of text files.
    connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
    # A statement reads an object's head and footer once, however often it names the table.
    connection.execute("SET enable_http_metadata_cache = true; SET parquet_metadata_cache = true")
    token = f", SESSION_TOKEN {quote(clients.session_token)}" if clients.session_token else ""
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID {quote(clients.access_key_id)}{token},"
        f" SECRET {quote(clients.secret_access_key)}, REGION {quote(REGION)}, ENDPOINT {quote(clients.endpoint.removeprefix('http://'))},"
        " URL_STYLE 'path', USE_SSL false)"
    )
    return connection


_OWN_ERROR = re.compile(r"\b([A-Z][A-Z_]{4,}): (.*)")
# DuckDB's error repeats the line before the reason.
_LINE_TOO_LONG = re.compile(r"^Maximum line size of (\d+) bytes exceeded.*?^ *file = (\S+)$", re.DOTALL | re.MULTILINE)
_FORBIDDEN = re.compile(r"(?:http://[^/]+|s3:/)/([^\s?':]+).*\b403\b", re.DOTALL)  # when reading, or when writing
_CODES: list[tuple[type[duckdb.Error], str, str]] = [
    (duckdb.InvalidInputException, "More than one row returned", "SUBQUERY_MULTIPLE_ROWS"),
    (duckdb.OutOfRangeException, "", "NUMERIC_VALUE_OUT_OF_RANGE"),
    (duckdb.OutOfMemoryException, "", "EXCEEDED_LOCAL_MEMORY_LIMIT"),
    (duckdb.HTTPException, "", "HIVE_CANNOT_OPEN_SPLIT"),
    (duckdb.IOException, "", "HIVE_CANNOT_OPEN_SPLIT"),
]


def as_query_error(error: duckdb.Error) -> QueryError:
    """A runtime error with Trino's code; NOT_SUPPORTED if Trino is not known to fail, too."""
    text = str(error).strip()
    own = _OWN_ERROR.search(text)
    if own:
        return QueryError(own[1], own[2])
    if too_long := _LINE_TOO_LONG.search(text):
        return not_supported(f"a line of more than {too_long[1]} bytes, in {too_long[2]},")
    if denied := _FORBIDDEN.search(text):
        return QueryError("PERMISSION_DENIED", f"Permission denied on S3 path: s3://{denied[1]}")
    line = text.splitlines()[0]
    for kind, words, code in _CODES:
        if isinstance(error, kind) and words in text:
            return QueryError(code, line)
    return not_supported(line)


def as_text(cell: Any, type_: Type) -> str | None:
    """A value as Athena's result files write it."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if type_.is_float:
        return java_double(cell)
    if isinstance(cell, datetime):
        text = cell.isoformat(sep=" ", timespec="milliseconds")
        return text[: 20 + type_.args[0]] if type_.args[0] else text[:19]
    if type_.name == "json":
        return json_text.canonical(cell)
    if isinstance(cell, (int, str, date)):
        return str(cell)
    if isinstance(cell, bytes):
        return cell.hex(" ")
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if type_.name == "array":
        return "[" + ", ".join(_inner(one, type_.fields[0][1]) for one in cell) + "]"
    if type_.name == "map":
        (_, key), (_, value) = type_.fields
        return "{" + ", ".join(f"{_inner(one, key)}={_inner(cell[one], value)}" for one in cell) + "}"
    if type_.name == "row":
        return "{" + ", ".join(f"{name}={_inner(cell[name], one)}" for name, one in type_.fields) + "}"
    raise not_supported(f"a result of type {type_}")


def _inner(cell: Any, type_: Type) -> str:
    text = as_text(cell, type_)
    return "null" if text is None else text
