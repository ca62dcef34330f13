"""CREATE TABLE AS and CREATE VIEW: write objects and entries of the catalog."""

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from localaws.athena.catalog import PARQUET, Catalog, Column, Values, folder
from localaws.athena.duck.operators import in_file
from localaws.athena.duck.scan import objects
from localaws.athena.duck.scope import Query
from localaws.athena.duck.syntax import only, shown, tokens
from localaws.athena.duck.write import COMPRESSIONS, FILES, MAX_WRITERS, Writer, check_keys, too_many_writers
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import Type


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
        """Raises QueryError for a property that is not covered, and for an invalid value."""
        options: dict[str, Any] = {}
        for one in node.expressions if node is not None else []:
            name, value = _property(one)
            if name in options:
                raise QueryError("DUPLICATE_PROPERTY", f"Duplicate property: {name}")
            options[name] = value
        values = {"format": "PARQUET", "external_location": "", "write_compression": "GZIP", **options}
        location = values.pop("external_location")
        if not re.fullmatch(r"s3://[a-z0-9.-]+/.+", location):
            raise not_supported(f"external_location = '{location}'" if location else "a CTAS without external_location")
        table_format, compression = values.pop("format").upper(), values.pop("write_compression").upper()
        if table_format != "PARQUET" or compression not in COMPRESSIONS:
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
        if properties.bucket_count > 1 and properties.partitioned_by:
            raise not_supported("several buckets within partitions")
        if properties.bucket_count > MAX_WRITERS:
            raise too_many_writers()
        return properties

    def split(self, columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
        """The columns in the files, and the partition keys, which must be the last columns of the query."""
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
        if not all(_can_be_bucketed(column.type) for column in columns if column.name in self.bucketed_by):
            raise QueryError("NOT_SUPPORTED", "Cannot create a table bucketed on an unsupported type")
        if set(self.bucketed_by) & set(self.partitioned_by):
            raise not_supported("buckets by a partition's column")
        check_keys(columns[count:])
        return list(columns[:count]), list(columns[count:])


@dataclass(frozen=True)
class Target:
    """The table (with properties) or view (without) that a statement creates."""

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
    """Creates the view, with its original text. Raises QueryError TABLE_ALREADY_EXISTS."""
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

    files_of_bucket: the number of files of the only bucket of a table; each of several buckets is one file.
    Raises QueryError; then nothing is registered, but objects can remain, as on Athena.
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
    writer = Writer(connection, s3, properties.compression)
    partitions = _write(writer, query, properties, columns, keys, files_of_bucket)
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
    try:
        catalog.register(target.database, target.name, partitions)
    except QueryError:
        catalog.glue.delete_table(DatabaseName=target.database, Name=target.name)
        raise


def _write(
    writer: Writer,
    query: Query,
    properties: CtasProperties,
    columns: Sequence[Column],
    keys: Sequence[Column],
    files_of_bucket: int,
) -> dict[Values, str]:
    """Writes the query's rows; returns the partitions' locations."""
    location = properties.location
    texts = (
        f'{in_file(f"q.c{number}", column.type)} AS "{column.name}"'
        for number, column in enumerate([*columns, *keys], 1)
    )
    rows = f"SELECT {', '.join(texts)} FROM ({query.written}) AS q"
    if keys and properties.bucketed_by:
        rows = writer.held(rows)
        places = {values: folder(location, keys, values) for values in writer.values(rows, keys)}
        writer.partitions(rows, keys, places)
        return places
    if keys:
        return writer.folders(rows, location, keys)
    files = files_of_bucket if properties.bucketed_by else FILES
    if properties.bucket_count < 2 and files > 1:
        writer.files(rows, location, files)
    else:
        writer.buckets(rows, location, properties.bucketed_by, properties.bucket_count)
    return {}


def _checked(columns: Sequence[Column]) -> list[Column]:
    """The columns, if a catalog can have their names and types. Raises QueryError."""
    seen: set[str] = set()
    for number, column in enumerate(columns, 1):
        name = column.name.lower()
        if not name:
            raise QueryError("MISSING_COLUMN_NAME", f"line 1:1: Column name not specified at position {number}")
        if name in seen:
            raise QueryError("DUPLICATE_COLUMN_NAME", f"line 1:1: Column name '{name}' specified more than once")
        if column.type.name == "unknown":
            raise QueryError("COLUMN_TYPE_UNKNOWN", f"line 1:1: Column type is unknown: {name}")
        _ = column.type.hive  # raises QueryError for a type that tables cannot have
        seen.add(name)
    return [replace(column, name=column.name.lower()) for column in columns]


def _hive_columns(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [{"Name": column.name, "Type": column.type.hive} for column in columns]


def _already_exists(target: Target) -> QueryError:
    return QueryError("TABLE_ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{target}' already exists")


def _property(node: exp.Expr) -> tuple[str, Any]:
    """Name and value of one property: a string, or several."""
    if isinstance(node, exp.FileFormatProperty):
        return "format", node.this.name
    if isinstance(node, exp.PartitionedByProperty):
        return "partitioned_by", _strings(node.this)
    value = node.args.get("value")
    if not isinstance(node, exp.Property) or not isinstance(value, (exp.Literal, exp.Array)):
        raise not_supported(shown(node))
    return node.name.lower(), _strings(value) if isinstance(value, exp.Array) else value.this


_BUCKETED = ("boolean", "tinyint", "smallint", "integer", "bigint", "double", "varchar", "date", "array", "map")


def _can_be_bucketed(type_: Type) -> bool:
    return type_.name in _BUCKETED and all(_can_be_bucketed(inner) for _, inner in type_.fields)


def _strings(node: exp.Expr) -> tuple[str, ...]:
    if not isinstance(node, exp.Array) or not all(isinstance(one, exp.Literal) for one in node.expressions):
        raise not_supported(shown(node))
    return tuple(one.this.lower() for one in node.expressions)
