"""What CREATE TABLE AS and CREATE VIEW leave behind: objects and entries of the catalog."""

import base64
import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from localaws.athena.catalog import NULL_PARTITION, Catalog, Column
from localaws.athena.duck.operators import quote
from localaws.athena.duck.scan import objects
from localaws.athena.duck.scope import Query
from localaws.athena.duck.serdes import PARQUET, add_function
from localaws.athena.duck.syntax import only, shown, tokens
from localaws.athena.errors import QueryError, not_supported

# Athena's limit of partitions × buckets that one CTAS writes.
_MOST_WRITERS = 100
# A table without buckets and partitions has so many files; DuckDB's row groups have so many rows.
_FILES = 2
_ROW_GROUP = 122_880
# Types whose text in a folder's name is known, and texts that stand there as they are.
_KEY_TYPES = ("tinyint", "smallint", "integer", "bigint", "varchar", "date")
_KEY_TEXT = re.compile(rf"[\w.-]+|{NULL_PARTITION}", re.ASCII)


@dataclass(frozen=True)
class CtasProperties:
    """The WITH properties of a CREATE TABLE AS that are covered.

    Source: https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html
    """

    location: str
    compression: str
    partitioned_by: tuple[str, ...] = ()
    bucketed_by: tuple[str, ...] = ()
    bucket_count: int = 0

    @classmethod
    def of(cls, node: exp.Expr | None) -> "CtasProperties":
        """Raises QueryError for a property that is not covered, or a value that is none of its."""
        given: dict[str, Any] = {}
        for one in node.expressions if node is not None else []:
            name, value = _property(one)
            if name in given:
                raise QueryError("DUPLICATE_PROPERTY", f"Duplicate property: {name}")
            given[name] = value
        values = {"format": "PARQUET", "external_location": "", "write_compression": "GZIP", **given}
        location = values.pop("external_location")
        if not re.fullmatch(r"s3://[a-z0-9.-]+/.+", location):
            raise not_supported(f"external_location = '{location}'" if location else "a CTAS without external_location")
        table_format, compression = values.pop("format").upper(), values.pop("write_compression").upper()
        if table_format != "PARQUET" or compression not in ("SNAPPY", "GZIP", "ZSTD"):
            raise not_supported(f"format {table_format} with compression {compression}")
        if values.keys() - {"partitioned_by", "bucketed_by", "bucket_count"}:
            raise not_supported(f"the table properties {', '.join(sorted(values))}")
        count = values.get("bucket_count", "0")
        if not isinstance(count, str) or not count.isdecimal():
            raise QueryError("INVALID_TABLE_PROPERTY", f"Invalid value for table property 'bucket_count': {count}")
        values["bucket_count"] = int(count)
        properties = cls(location if location.endswith("/") else f"{location}/", compression, **values)
        if bool(properties.bucketed_by) != bool(properties.bucket_count):
            raise QueryError("INVALID_TABLE_PROPERTY", "bucketed_by and bucket_count must be specified together")
        if properties.bucketed_by and properties.partitioned_by:
            raise not_supported("buckets within partitions")
        if properties.bucket_count > _MOST_WRITERS:
            raise _too_many_writers()
        return properties

    def split(self, columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
        """The columns in the files and those of the partition; the latter must come last in the query."""
        names = [column.name for column in columns]
        for name in self.partitioned_by + self.bucketed_by:
            if name not in names:
                raise QueryError("INVALID_TABLE_PROPERTY", f"Partition or bucket column '{name}' is not in the query")
        count = len(columns) - len(self.partitioned_by)
        if tuple(names[count:]) != self.partitioned_by:
            raise QueryError(
                "HIVE_COLUMN_ORDER_MISMATCH",
                "Partition keys must be the last columns in the table and in the same order as the table"
                f" properties: [{', '.join(self.partitioned_by)}]",
            )
        if not count:
            raise QueryError("INVALID_TABLE_PROPERTY", "Table contains only partition columns")
        for key in columns[count:]:
            if key.type.name not in _KEY_TYPES:
                raise not_supported(f"partitions by {key.type}")
        return list(columns[:count]), list(columns[count:])


@dataclass(frozen=True)
class Target:
    """The table (with properties) or view (without) that a statement makes."""

    database: str
    name: str
    properties: CtasProperties | None

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"

    @classmethod
    def of(cls, node: exp.Create, database: str) -> "Target":
        """Raises QueryError for a CREATE that is not covered."""
        place = node.this
        if node.kind not in ("TABLE", "VIEW") or node.expression is None or not isinstance(place, exp.Table):
            raise not_supported(shown(node))
        only(place, "this", "db")
        only(node, "this", "kind", "expression", "properties" if node.kind == "TABLE" else "replace")
        properties = CtasProperties.of(node.args.get("properties")) if node.kind == "TABLE" else None
        return cls(place.db.lower() or database, place.name.lower(), properties)


def view(catalog: Catalog, target: Target, query: Query, sql: str, replaces: bool) -> None:
    """Makes the view, which keeps the words it was written in. Raises QueryError TABLE_ALREADY_EXISTS."""
    columns = _checked(query.columns)
    definition = {
        "originalSql": _after_as(sql),
        "catalog": "awsdatacatalog",
        "schema": target.database,
        "columns": [{"name": column.name, "type": str(column.type)} for column in columns],
    }
    encoded = base64.b64encode(json.dumps(definition).encode()).decode()
    existing = catalog.find(target.database, target.name)
    if existing is not None and (existing.view_sql is None or not replaces):
        raise _already_exists(target)
    change = catalog.glue.create_table if existing is None else catalog.glue.update_table
    change(
        DatabaseName=target.database,
        TableInput={
            "Name": target.name,
            "TableType": "VIRTUAL_VIEW",
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": f"/* Presto View: {encoded} */",
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {"Columns": _hive_columns(columns), "Location": "", "SerdeInfo": {}},
        },
    )


def _after_as(sql: str) -> str:
    start = next(token.end + 1 for token in tokens(sql) if token.token_type == TokenType.ALIAS)
    return sql[start:].strip()


def table(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    s3: Any,
    target: Target,
    query: Query,
    check_cancelled: Callable[[], None],
    files_of_bucket: int = 1,
) -> None:
    """Writes the query's rows, then registers the table and its partitions.

    files_of_bucket: how many files the only bucket of a table is written to; of several each is one file.
    Raises QueryError, and then nothing is registered; objects may stay behind, as on Athena.
    """
    properties = target.properties
    assert properties is not None
    catalog.require_database(target.database)
    if catalog.find(target.database, target.name) is not None:
        raise _already_exists(target)
    columns, keys = properties.split(_checked(query.columns))
    if any(True for _ in objects(s3, properties.location)):
        raise QueryError(
            "HIVE_PATH_ALREADY_EXISTS",
            f"Target directory for table '{target}' already exists: {properties.location}",
        )
    check_cancelled()
    _write(connection, s3, query, properties, [*columns, *keys], files_of_bucket)
    written = [location for location, _ in objects(s3, properties.location)]
    partitions = _partitions(written, properties.location, keys)
    check_cancelled()
    storage = {
        "Columns": _hive_columns(columns),
        "Location": properties.location,
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": PARQUET, "Parameters": {"serialization.format": "1"}},
        "NumberOfBuckets": properties.bucket_count,
        "BucketColumns": list(properties.bucketed_by),
    }
    catalog.glue.create_table(
        DatabaseName=target.database,
        TableInput={
            "Name": target.name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", "has_encrypted_data": "false"},
            "PartitionKeys": _hive_columns(keys),
            "StorageDescriptor": storage,
        },
    )
    inputs = [
        {
            "Values": list(values),
            "StorageDescriptor": {**storage, "Location": f"{properties.location}{folder}"},
        }
        for folder, values in sorted(partitions.items())
    ]
    if inputs:
        answer = catalog.glue.batch_create_partition(
            DatabaseName=target.database, TableName=target.name, PartitionInputList=inputs
        )
        if answer.get("Errors"):
            catalog.glue.delete_table(DatabaseName=target.database, Name=target.name)
            raise QueryError("HIVE_METASTORE_ERROR", answer["Errors"][0]["ErrorDetail"]["ErrorMessage"])


def _write(
    connection: duckdb.DuckDBPyConnection,
    s3: Any,
    query: Query,
    properties: CtasProperties,
    columns: Sequence[Column],
    files_of_bucket: int,
) -> None:
    """The query's rows as Parquet; a bucket without rows leaves no file."""
    texts = ", ".join(
        f'CAST(q.c{number} AS {column.type.duck}) AS "{column.name}"' for number, column in enumerate(columns, 1)
    )
    select = f"SELECT {texts} FROM ({query.written}) AS q"
    options = f"FORMAT parquet, COMPRESSION {properties.compression}"
    unique = uuid.uuid4().hex[:12]
    if properties.partitioned_by:
        partition_by = ", ".join(f'"{name}"' for name in properties.partitioned_by)
        connection.execute(
            f"COPY ({select}) TO {quote(properties.location.rstrip('/'))}"
            f" ({options}, PARTITION_BY ({partition_by}), FILENAME_PATTERN '{unique}_{{i}}')"
        )
        return
    files = files_of_bucket if properties.bucketed_by else _FILES
    if properties.bucket_count < 2 and files > 1:
        # A row lies in any of the files, as on Athena: nobody shall take them for one, or for the query's order.
        connection.execute(f"SET partitioned_write_flush_threshold = {_ROW_GROUP}")  # bounds what is in memory
        names = f"HIVE_FILE_PATTERN false, FILENAME_PATTERN '000000_0_{unique}_{{i}}'"
        connection.execute(
            f'COPY (SELECT *, row_number() OVER () % {files} AS "$file" FROM ({select}))'
            f' TO {quote(properties.location.rstrip("/"))} ({options}, PARTITION_BY ("$file"), {names})'
        )
        return
    parts = [select] if properties.bucket_count == 1 else _buckets(connection, select, properties)
    for number, rows in enumerate(parts):
        # Named as Hive names buckets, which tells Trino whose rows are in a file where another bucket has none.
        target = f"{properties.location}{number:06}_0_{unique}.parquet"
        if connection.execute(f"COPY ({rows}) TO {quote(target)} ({options})").fetchone() == (0,):
            bucket, _, key = target.removeprefix("s3://").partition("/")
            s3.delete_object(Bucket=bucket, Key=key)


def _buckets(connection: duckdb.DuckDBPyConnection, select: str, properties: CtasProperties) -> list[str]:
    """The rows of each bucket."""
    name, count = f'"{properties.bucketed_by[0]}"', properties.bucket_count
    connection.execute(f"CREATE TEMP TABLE rows AS {select}")
    described = connection.execute(f"DESCRIBE SELECT {name} FROM rows").fetchone()
    if len(properties.bucketed_by) > 1 or described is None or described[1] != "VARCHAR":
        raise not_supported("several buckets by other than one string")
    bucket_of = add_function(connection, lambda text: hive_bucket(text, count), "INTEGER", pa.int32())
    connection.execute(
        f"CREATE TEMP TABLE buckets AS SELECT {name} AS value, coalesce({bucket_of}({name}), 0) AS bucket"
        f" FROM (SELECT DISTINCT {name} FROM rows)"
    )
    return [
        f"SELECT rows.* FROM rows JOIN buckets ON rows.{name} IS NOT DISTINCT FROM value WHERE bucket = {bucket}"
        for bucket in range(count)
    ]


def hive_bucket(text: str, count: int) -> int:
    """Hive's bucket of a string: its hash 31·h + byte in 32 bits, without the sign, modulo their number."""
    number = 0
    for byte in text.encode():
        number = (31 * number + (byte - 256 if byte > 127 else byte)) & 0xFFFFFFFF
    return (number & 0x7FFFFFFF) % count


def _partitions(written: Sequence[str], location: str, keys: Sequence[Column]) -> dict[str, tuple[str, ...]]:
    """The folders written, ``dt=2019-12-21``, and the partition values that they stand for."""
    found = {}
    for place in written if keys else ():
        folder = place.removeprefix(location).rpartition("/")[0]
        values = tuple(part.partition("=")[2] for part in folder.split("/"))
        if len(values) != len(keys) or not all(map(_KEY_TEXT.fullmatch, values)):
            raise not_supported(f"the partition {folder}")
        found[folder] = values
    if len(found) > _MOST_WRITERS:
        raise _too_many_writers()
    return found


def _checked(columns: Sequence[Column]) -> list[Column]:
    """The columns by names that a catalog can have."""
    seen: set[str] = set()
    for number, column in enumerate(columns, 1):
        name = column.name.lower()
        if not name:
            raise QueryError("MISSING_COLUMN_NAME", f"line 1:1: Column name not specified at position {number}")
        if name in seen:
            raise QueryError("DUPLICATE_COLUMN_NAME", f"line 1:1: Column name '{name}' specified more than once")
        if column.type.name == "unknown":
            raise QueryError("COLUMN_TYPE_UNKNOWN", f"line 1:1: Column type is unknown: {name}")
        seen.add(name)
    return [replace(column, name=column.name.lower()) for column in columns]


def _hive_columns(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [{"Name": column.name, "Type": column.type.hive} for column in columns]


def _already_exists(target: Target) -> QueryError:
    return QueryError("TABLE_ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{target}' already exists")


def _too_many_writers() -> QueryError:
    return QueryError(
        "HIVE_TOO_MANY_OPEN_PARTITIONS",
        f"Exceeded limit of {_MOST_WRITERS} open writers for partitions/buckets.",
    )


def _property(node: exp.Expr) -> tuple[str, Any]:
    """Name and value of one property: a text, or several."""
    if isinstance(node, exp.FileFormatProperty):
        return "format", node.this.name
    if isinstance(node, exp.PartitionedByProperty):
        return "partitioned_by", _strings(node.this)
    value = node.args.get("value")
    if not isinstance(node, exp.Property) or not isinstance(value, (exp.Literal, exp.Array)):
        raise not_supported(shown(node))
    return node.name.lower(), _strings(value) if isinstance(value, exp.Array) else value.this


def _strings(node: exp.Expr) -> tuple[str, ...]:
    if not isinstance(node, exp.Array) or not all(isinstance(one, exp.Literal) for one in node.expressions):
        raise not_supported(shown(node))
    return tuple(one.this.lower() for one in node.expressions)
