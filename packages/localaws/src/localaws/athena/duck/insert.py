"""INSERT INTO: adds objects and new partitions to a table.

Sources: https://docs.aws.amazon.com/athena/latest/ug/insert-into.html, Trino's StatementAnalyzer.visitInsert
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import duckdb
from sqlglot import exp

from localaws.athena.catalog import PARQUET, Catalog, Column, Table, folder
from localaws.athena.duck.json_casts import cast
from localaws.athena.duck.operators import Value, fail, in_file
from localaws.athena.duck.scope import Query
from localaws.athena.duck.syntax import name_of, only, shown
from localaws.athena.duck.write import COMPRESSIONS, FILES, Writer, check_keys
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import Type, common

# For other types, Trino's coercions are not known.
_PLAIN = ("unknown", "boolean", "decimal", "double", "varchar", "varbinary", "date", "timestamp")


def insert(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    s3: Any,
    node: exp.Insert,
    database: str,
    compiled: Callable[[exp.Expr], Query],
    check_cancelled: Callable[[], None],
) -> None:
    """Writes the rows of the statement's query, then registers new partitions.

    Raises QueryError; then nothing is registered, and the written objects are deleted, if the caller can do that.
    """
    only(node, "this", "expression")
    place = node.this.this if isinstance(node.this, exp.Schema) else node.this
    if not isinstance(place, exp.Table) or not isinstance(node.expression, exp.Expr):
        raise not_supported(shown(node))
    only(place, "this", "db")
    database, name = place.db.lower() or database, name_of(place.this)
    try:
        table = catalog.find(database, name)
    except QueryError:  # Trino has the same error for an unknown database
        table = None
    if table is not None and table.view_sql is not None:
        raise QueryError("NOT_SUPPORTED", "line 1:1: Inserting into views is not supported")
    query = compiled(node.expression)
    if table is None:
        raise QueryError("TABLE_NOT_FOUND", f"line 1:1: Table 'awsdatacatalog.{database}.{name}' does not exist")
    columns = [*table.columns, *table.keys]
    rows = _rows(query, columns, _named(node.this, columns))
    writer = Writer(connection, s3, _compression(table))
    rows = writer.held(rows)
    check_cancelled()
    with ExitStack() as failure:
        failure.callback(writer.undo)
        if table.keys:
            values = writer.values(rows, table.keys)
            known = catalog.registered(table, values)
            new = {one: folder(table.location, table.keys, one) for one in values if one not in known}
            writer.partitions(rows, table.keys, known | new)
            check_cancelled()
            catalog.register(table.database, table.name, new)
        else:
            writer.files(rows, table.location, FILES)
            check_cancelled()
        failure.pop_all()


def _compression(table: Table) -> str:
    """The compression of the files. Raises QueryError for a table that cannot be written to."""
    if table.buckets:
        raise QueryError("NOT_SUPPORTED", f"INSERT INTO is not supported on bucketed tables: {table}")
    if table.serde != PARQUET or not table.location.startswith("s3://"):
        raise not_supported(f"INSERT INTO a table of SerDe {table.serde} at '{table.location}'")
    if table.parameters.get("projection.enabled") == "true":
        raise not_supported("INSERT INTO a table of partition projection")
    check_keys(table.keys)
    compression = table.parameters.get("parquet.compression", "GZIP").upper()
    if compression not in COMPRESSIONS:
        raise not_supported(f"compression {compression}")
    return compression


def _named(into: exp.Expr, columns: Sequence[Column]) -> list[str]:
    """The columns that the statement fills: those it names, or all."""
    if not isinstance(into, exp.Schema):
        return [column.name for column in columns]
    known, names = {column.name for column in columns}, []
    for name in map(name_of, into.expressions):
        if name not in known:
            raise QueryError("COLUMN_NOT_FOUND", f"line 1:1: Insert column name does not exist in target table: {name}")
        if name in names:
            raise QueryError(
                "DUPLICATE_COLUMN_NAME", f"line 1:1: Insert column name is specified more than once: {name}"
            )
        names.append(name)
    return names


def _rows(query: Query, columns: Sequence[Column], names: Sequence[str]) -> str:
    """DuckDB's text of the query's rows as the table's columns, with casts; NULL for columns that are not filled."""
    types = {column.name: column.type for column in columns}
    targets, sources = [types[name] for name in names], [column.type for column in query.columns]
    if len(targets) != len(sources) or not all(map(_fits, sources, targets)):
        listed = (", ".join(str(type_).replace(", ", ",") for type_ in side) for side in (targets, sources))
        raise QueryError(
            "TYPE_MISMATCH",
            "line 1:1: Insert query has mismatched column types: Table: [{}], Query: [{}]".format(*listed),
        )
    values = {
        name: _assigned(Value(f"q.c{number}", type_), types[name])
        for number, (name, type_) in enumerate(zip(names, sources, strict=True), 1)
    }
    texts = (
        f'{in_file(values.get(name, f"CAST(NULL AS {type_.duck})"), type_)} AS "{name}"'
        for name, type_ in types.items()
    )
    return f"SELECT {', '.join(texts)} FROM ({query.written}) AS q"


def _fits(source: Type, target: Type) -> bool:
    """Whether a column accepts values of a type: Trino requires that both coerce to a common type."""
    if common(source, target) is not None:
        return True
    for type_ in (source, target):
        if not (type_.name in _PLAIN or type_.is_integer):
            raise not_supported(f"INSERT of {source} into {target}")
    return False


def _assigned(value: Value, to: Type) -> str:
    if value.type.name == to.name == "varchar" and to.args:
        said = f"Cannot truncate non-space characters when casting from {value.type} to {to} on INSERT"
        wrong = f"length(rtrim({value.sql}, ' ')) > {to.args[0]}"
        return f"CASE WHEN {wrong} THEN {fail('INVALID_CAST_ARGUMENT', said)} ELSE left({value.sql}, {to.args[0]}) END"
    return cast(value, to).sql
