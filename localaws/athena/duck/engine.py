"""Runs one statement on DuckDB: SELECT, CREATE TABLE AS, CREATE VIEW."""

import base64
import json
import re
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_httpfs
import pyarrow as pa
from sqlglot import exp

from localaws.athena.catalog import Catalog, Column
from localaws.athena.duck.compiler import Compiler, Query, parse
from localaws.athena.duck.functions import quote
from localaws.athena.duck.scan import PARQUET, TableSource, add_function, objects
from localaws.athena.engine import Outcome
from localaws.athena.errors import Cancelled, QueryError, not_supported
from localaws.athena.types import Type

# Athena's limit of partitions × buckets that one CTAS writes.
_MOST_WRITERS = 100

_HTTPFS = next(Path(duckdb_extension_httpfs.__file__).parent.glob("extensions/*/httpfs.duckdb_extension"))
_OWN_ERROR = re.compile(r"\b([A-Z][A-Z_]{4,}: .*)", re.DOTALL)


@dataclass(frozen=True)
class DuckEngine:
    """threads and memory bound every statement by itself; what does not fit spills to ``spill``."""

    spill: Path
    threads: int = 2
    memory: str = "2GB"

    def statement(self, sql: str, database: str, store: Any) -> "DuckStatement":
        return DuckStatement(self, sql, database, store)


class DuckStatement:
    """One statement with a database of its own, so that nothing but objects and catalog is shared."""

    def __init__(self, engine: DuckEngine, sql: str, database: str, store: Any) -> None:
        self.sql = sql.strip().rstrip(";").strip()
        self.database = database
        self.store = store
        self.catalog = Catalog(store.client("glue"))
        self.connection = _connect(engine, store)
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()
        self.connection.interrupt()

    def run(self) -> Outcome:
        try:
            node = parse(self.sql)
            if isinstance(node, exp.Create) and node.kind == "TABLE":
                return self._create_table(node)
            if isinstance(node, exp.Create) and node.kind == "VIEW":
                return self._create_view(node)
            return self._select(node)
        except duckdb.InterruptException:
            raise Cancelled from None
        except duckdb.Error as error:
            if self.cancelled.is_set():
                raise Cancelled from None
            raise _as_query_error(error) from error
        finally:
            self.connection.close()

    def _compile(self, node: exp.Expression) -> tuple[Query, TableSource]:
        source = TableSource(self.connection, self.catalog, self.store.client("s3"), self.database)
        return Compiler(source, self.sql).query(node), source

    def _select(self, node: exp.Expression) -> Outcome:
        query, source = self._compile(node)
        result = self.connection.execute(query.sql)
        types = [column.type for column in query.columns]
        rows = []
        while batch := result.fetchmany(10_000):
            if self.cancelled.is_set():
                raise Cancelled
            rows += [tuple(as_text(cell, of) for cell, of in zip(row, types, strict=True)) for row in batch]
        return Outcome(query.columns, rows, source.scanned_bytes)

    def _create_view(self, node: exp.Create) -> Outcome:
        _known(node, "this", "kind", "replace", "expression")
        database, name = self._target(node.this)
        query, _ = self._compile(node.expression)
        _check_names(query.columns)
        text = node.expression.sql(dialect="trino")
        # The view keeps the words it was written in, from AS on.
        written = re.search(r"\bVIEW\b.*?\bAS\b\s+(.*)", self.sql, re.IGNORECASE | re.DOTALL)
        view = {
            "originalSql": written.group(1) if written else text,
            "catalog": "awsdatacatalog",
            "schema": database,
            "columns": [{"name": column.name, "type": str(column.type)} for column in query.columns],
        }
        encoded = base64.b64encode(json.dumps(view).encode()).decode()
        table_input = {
            "Name": name,
            "TableType": "VIRTUAL_VIEW",
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": f"/* Presto View: {encoded} */",
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {"Columns": _hive_columns(query.columns), "Location": "", "SerdeInfo": {}},
        }
        existing = self.catalog.find(database, name)
        if existing is not None and (existing.view_sql is None or not node.args.get("replace")):
            raise QueryError("TABLE_ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{existing}' already exists")
        change = self.catalog.glue.create_table if existing is None else self.catalog.glue.update_table
        change(DatabaseName=database, TableInput=table_input)
        return Outcome(statement_type="DDL")

    def _target(self, node: exp.Expression) -> tuple[str, str]:
        if not isinstance(node, exp.Table):
            raise not_supported(node.sql(dialect="trino")[:60])
        _known(node, "this", "db")
        return node.db.lower() or self.database, node.name.lower()

    def _create_table(self, node: exp.Create) -> Outcome:
        _known(node, "this", "kind", "expression", "properties", "exists")
        if node.expression is None or node.args.get("exists"):
            raise not_supported("CREATE TABLE other than CREATE TABLE … AS SELECT")
        database, name = self._target(node.this)
        properties = CtasProperties.of(node.args.get("properties"))
        self.catalog.require_database(database)
        if self.catalog.find(database, name) is not None:
            raise QueryError("TABLE_ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{database}.{name}' already exists")
        query, source = self._compile(node.expression)
        select = node.expression
        if select.args.get("order") and not (select.args.get("limit") or select.args.get("offset")):
            select.set("order", None)  # dropped on Athena too: rows come out in any order
            query, source = self._compile(select)
        _check_names(query.columns)
        columns, keys = properties.split(query.columns)
        if any(True for _ in objects(self.store.client("s3"), properties.location)):
            raise QueryError(
                "HIVE_PATH_ALREADY_EXISTS",
                f"Target directory for table '{database}.{name}' already exists: {properties.location}.",
            )
        written = self._write(query, properties, keys)
        table = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", "has_encrypted_data": "false"},
            "PartitionKeys": _hive_columns(keys),
            "StorageDescriptor": {
                "Columns": _hive_columns(columns),
                "Location": properties.location,
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": PARQUET, "Parameters": {"serialization.format": "1"}},
                "NumberOfBuckets": properties.bucket_count if properties.bucketed_by else 0,
                "BucketColumns": list(properties.bucketed_by),
            },
        }
        self.catalog.glue.create_table(DatabaseName=database, TableInput=table)
        self._register(database, name, table["StorageDescriptor"], keys, written, properties.location)
        return Outcome(scanned_bytes=source.scanned_bytes, statement_type="DDL")

    def _write(self, query: Query, properties: "CtasProperties", keys: Sequence[Column]) -> set[tuple[str, ...]]:
        """Writes the query's rows; gives the values of the partitions written."""
        names = {column.name: f"c{number}" for number, column in enumerate(query.columns, 1)}
        key_names = {key.name for key in keys}
        ordered = [column for column in query.columns if column.name not in key_names] + list(keys)
        texts = ", ".join(f'q.{names[column.name]} AS "{column.name}"' for column in ordered)
        select = f"SELECT {texts} FROM ({query.sql}) AS q"
        options = f"FORMAT parquet, COMPRESSION {properties.compression}"
        unique = uuid.uuid4().hex[:12]
        if keys:
            partition_by = ", ".join(f'"{key.name}"' for key in keys)
            self.connection.execute(
                f"COPY ({select}) TO {quote(properties.location.rstrip('/'))} ({options}, PARTITION_BY ({partition_by}),"
                f" FILENAME_PATTERN '{unique}_{{i}}')"
            )
            return self._written_partitions(properties.location, keys)
        if properties.bucket_count > 1:
            self._write_buckets(select, options, properties, unique)
        else:
            (rows,) = self.connection.execute(
                f"COPY ({select}) TO {quote(f'{properties.location}{unique}_00000.parquet')} ({options})"
            ).fetchone() or (0,)
            if not rows:  # as on Athena, an empty result leaves no file behind
                self._delete(f"{properties.location}{unique}_00000.parquet")
        return set()

    def _write_buckets(self, select: str, options: str, properties: "CtasProperties", unique: str) -> None:
        if len(properties.bucketed_by) != 1:
            raise not_supported("more than one bucket by other than one column")
        column = f'"{properties.bucketed_by[0]}"'
        count = properties.bucket_count
        add_function(self.connection, "hive_bucket", lambda text: hive_bucket(text, count), pa.int32())
        self.connection.execute(f"CREATE TEMP TABLE staged AS {select}")
        described = self.connection.execute(f"DESCRIBE SELECT {column} FROM staged").fetchone()
        if described is None or described[1] != "VARCHAR":
            raise not_supported("buckets by another type than varchar")
        self.connection.execute(
            f"CREATE TEMP TABLE buckets AS SELECT {column} AS k, hive_bucket({column}) AS b"
            f" FROM (SELECT DISTINCT {column} FROM staged)"
        )
        for bucket in range(properties.bucket_count):
            target = f"{properties.location}{unique}_{bucket:05}.parquet"
            rows = f"SELECT * FROM staged WHERE {column} IN (SELECT k FROM buckets WHERE b = {bucket})"
            self.connection.execute(f"COPY ({rows}) TO {quote(target)} ({options})")

    def _written_partitions(self, location: str, keys: Sequence[Column]) -> set[tuple[str, ...]]:
        found = set()
        for written, _ in objects(self.store.client("s3"), location):
            folders = written.removeprefix(location).split("/")[:-1]
            values = tuple(folder.partition("=")[2] for folder in folders)
            if len(values) != len(keys) or any(not re.fullmatch(r"[\w .-]+", value) for value in values):
                raise not_supported(f"the partition {'/'.join(folders)}")
            found.add(values)
        if len(found) > _MOST_WRITERS:
            raise QueryError(
                "HIVE_TOO_MANY_OPEN_PARTITIONS",
                f"Exceeded limit of {_MOST_WRITERS} open writers for partitions/buckets.",
            )
        return found

    def _register(
        self,
        database: str,
        table: str,
        storage: dict[str, Any],
        keys: Sequence[Column],
        partitions: set[tuple[str, ...]],
        location: str,
    ) -> None:
        if not partitions:
            return
        inputs = []
        for values in sorted(partitions):
            folder = "/".join(f"{key.name}={value}" for key, value in zip(keys, values, strict=True))
            inputs.append({"Values": list(values), "StorageDescriptor": {**storage, "Location": f"{location}{folder}"}})
        self.catalog.glue.batch_create_partition(DatabaseName=database, TableName=table, PartitionInputList=inputs)

    def _delete(self, location: str) -> None:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        self.store.client("s3").delete_object(Bucket=bucket, Key=key)


@dataclass(frozen=True)
class CtasProperties:
    """The WITH properties of a CREATE TABLE AS that are covered.

    Source: https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html
    """

    location: str
    compression: str
    partitioned_by: tuple[str, ...]
    bucketed_by: tuple[str, ...]
    bucket_count: int

    @classmethod
    def of(cls, node: exp.Expression | None) -> "CtasProperties":
        values: dict[str, Any] = {}
        for one in node.expressions if node is not None else []:
            if isinstance(one, exp.FileFormatProperty):
                values["format"] = one.this.name
            elif isinstance(one, exp.PartitionedByProperty):
                values["partitioned_by"] = _strings(one.this)
            elif isinstance(one, exp.Property) and isinstance(one.args.get("value"), (exp.Literal, exp.Array)):
                value = one.args["value"]
                name = one.name.lower()
                values[name] = _strings(value) if isinstance(value, exp.Array) else value.this
            else:
                raise not_supported(one.sql(dialect="trino"))
        known = {"format", "write_compression", "external_location", "partitioned_by", "bucketed_by", "bucket_count"}
        if values.keys() - known:
            raise not_supported(f"the table property {min(values.keys() - known)}")
        if values.get("format", "PARQUET").upper() != "PARQUET":
            raise not_supported(f"format = '{values['format']}'")
        location = values.get("external_location", "")
        if not re.fullmatch(r"s3://[a-z0-9.-]+/.+", location):
            raise not_supported(f"external_location = '{location}'" if location else "a CTAS without external_location")
        compression = values.get("write_compression", "GZIP").upper()
        if compression not in ("SNAPPY", "GZIP", "ZSTD"):
            raise not_supported(f"write_compression = '{compression}'")
        bucketed_by, count = values.get("bucketed_by", ()), int(values.get("bucket_count", 0))
        if bool(bucketed_by) != bool(count):
            raise QueryError(
                "INVALID_TABLE_PROPERTY", "bucketed_by and bucket_count must be specified together"
            )
        if count > _MOST_WRITERS:
            raise QueryError(
                "HIVE_TOO_MANY_OPEN_PARTITIONS",
                f"Exceeded limit of {_MOST_WRITERS} open writers for partitions/buckets.",
            )
        if bucketed_by and values.get("partitioned_by"):
            raise not_supported("buckets within partitions")
        return cls(
            location=location if location.endswith("/") else f"{location}/",
            compression=compression,
            partitioned_by=values.get("partitioned_by", ()),
            bucketed_by=bucketed_by,
            bucket_count=count,
        )

    def split(self, columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
        """The columns in the files and those of the partition; the latter must come last in the query."""
        names = [column.name.lower() for column in columns]
        for name in self.partitioned_by + self.bucketed_by:
            if name.lower() not in names:
                raise QueryError("INVALID_TABLE_PROPERTY", f"Partition or bucket column '{name}' is not in the query")
        count = len(columns) - len(self.partitioned_by)
        if tuple(names[count:]) != tuple(name.lower() for name in self.partitioned_by):
            raise QueryError(
                "HIVE_COLUMN_ORDER_MISMATCH",
                "Partition keys must be the last columns in the table and in the same order as the table properties:"
                f" [{', '.join(self.partitioned_by)}]",
            )
        if not count:
            raise QueryError("INVALID_TABLE_PROPERTY", "Table contains only partition columns")
        return list(columns[:count]), list(columns[count:])


def hive_bucket(text: str, count: int) -> int:
    """Hive's bucket of a string: its hash 31·h + byte in 32 bits, without the sign, modulo the number of buckets."""
    number = 0
    for byte in text.encode():
        number = (31 * number + (byte - 256 if byte > 127 else byte)) & 0xFFFFFFFF
    return (number & 0x7FFFFFFF) % count


def as_text(cell: Any, of: Type) -> str | None:
    """A value as Athena's result files write it."""
    if cell is None:
        return None
    if of.is_float:
        return java_double(cell)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="milliseconds")
    if isinstance(cell, (int, str, date)):
        return str(cell)
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if of.name == "array":
        return "[" + ", ".join(as_text(one, of.fields[0][1]) or "null" for one in cell) + "]"
    if of.name == "row":
        return "{" + ", ".join(f"{name}={as_text(cell[name], one) or 'null'}" for name, one in of.fields) + "}"
    raise not_supported(f"a result of type {of}")


def java_double(number: float) -> str:
    """A double as Java's ``Double.toString`` writes it: ``0.5``, ``1.0E-5``, ``1.2345678E7``, ``NaN``."""
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        text = f"{Decimal(repr(number)):f}"
        return text if "." in text else f"{text}.0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    text = "".join(map(str, digits))
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{int(exponent) + len(text) - 1}"


def _connect(engine: DuckEngine, store: Any) -> duckdb.DuckDBPyConnection:
    engine.spill.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        config={
            "threads": engine.threads,
            "memory_limit": engine.memory,
            "temp_directory": str(engine.spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    connection.execute(f"LOAD {quote(str(_HTTPFS))}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID {quote(store.access_key_id)}, SECRET {quote(store.secret_access_key)},"
        f" REGION {quote(store.region)}, ENDPOINT {quote(store.endpoint.removeprefix('http://'))},"
        " URL_STYLE 'path', USE_SSL false)"
    )
    return connection


def _as_query_error(error: duckdb.Error) -> QueryError:
    """What went wrong while running, under Trino's code for it."""
    text = str(error).strip()
    own = _OWN_ERROR.search(text)
    if own:
        code, _, message = own.group(1).partition(": ")
        return QueryError(code, message.splitlines()[0])
    first = text.splitlines()[0]
    codes = {
        duckdb.OutOfRangeException: "NUMERIC_VALUE_OUT_OF_RANGE",
        duckdb.ConversionException: "INVALID_CAST_ARGUMENT",
        duckdb.IOException: "HIVE_CANNOT_OPEN_SPLIT",
        duckdb.HTTPException: "HIVE_CANNOT_OPEN_SPLIT",
        duckdb.OutOfMemoryException: "EXCEEDED_LOCAL_MEMORY_LIMIT",
    }
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), "GENERIC_INTERNAL_ERROR")
    return QueryError(code, first)


def _check_names(columns: Sequence[Column]) -> None:
    seen = set()
    for number, column in enumerate(columns):
        if column.name == f"_col{number}":
            raise QueryError("MISSING_COLUMN_NAME", f"line 1:1: Column name not specified at position {number + 1}")
        if column.name.lower() in seen:
            raise QueryError("DUPLICATE_COLUMN_NAME", f"line 1:1: Column name '{column.name}' specified more than once")
        if column.type.name == "unknown":
            raise QueryError("COLUMN_TYPE_UNKNOWN", f"line 1:1: Column type is unknown: {column.name}")
        seen.add(column.name.lower())


def _hive_columns(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [{"Name": column.name.lower(), "Type": column.type.hive} for column in columns]


def _strings(node: exp.Expression) -> tuple[str, ...]:
    if not isinstance(node, exp.Array) or not all(isinstance(one, exp.Literal) for one in node.expressions):
        raise not_supported(node.sql(dialect="trino"))
    return tuple(one.this for one in node.expressions)


def _known(node: exp.Expression, *names: str) -> None:
    extra = [name for name, value in node.args.items() if value and name not in names]
    if extra:
        raise not_supported(f"{extra[0].strip('_').upper()} ({node.sql(dialect='trino')[:60]})")


