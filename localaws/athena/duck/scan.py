"""Reading registered partitions in place: Parquet, JSON lines, CSV and plain lines, by the rules of their SerDes."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow as pa

from localaws.athena.catalog import Catalog, Column, Partition, Table
from localaws.athena.duck.functions import quote
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import VARCHAR, Type

PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
OPENX_JSON = "org.openx.data.jsonserde.JsonSerDe"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
TEXT = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

# The longest line that is read; Athena has no such limit below its memory.
_LONGEST_LINE_BYTES = 64 * 1024 * 1024


class TableSource:
    """The tables of one query: finds them, lists their objects, counts the bytes that a query of them scans."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalog: Catalog, s3: Any, database: str) -> None:
        self.connection = connection
        self.catalog = catalog
        self.s3 = s3
        self.database = database
        self.scanned_bytes = 0

    def table(self, database: str | None, name: str, where: str) -> Table:
        table = self.catalog.find(database or self.database, name)
        if table is None:
            raise QueryError(
                "TABLE_NOT_FOUND", f"{where}Table 'awsdatacatalog.{database or self.database}.{name}' does not exist"
            )
        return table

    def scan(self, table: Table, alias: str, conditions: list[str], hidden_path: bool) -> str:
        """DuckDB's text for the rows of the partitions that meet all conditions, as relation ``alias``."""
        if table.parameters.get("classification") == "xml":
            raise QueryError("HIVE_INVALID_METADATA", f"Hive metadata for table {table.name} is invalid: XML is not read")
        if table.serde not in _READERS:
            raise not_supported(f"a table of SerDe {table.serde}")
        partitions = self._pruned(table, alias, conditions)
        files = [(*file, partition) for partition in partitions for file in objects(self.s3, partition.location)]
        self.scanned_bytes += sum(size for _, size, _ in files)
        columns = [*table.columns, *table.keys]
        if not files:
            nulls = ", ".join(f'CAST(NULL AS {column.type.duck}) AS "{column.name}"' for column in columns)
            path = ', CAST(NULL AS VARCHAR) AS "$path"' if hidden_path else ""
            return f"(SELECT {nulls}{path} WHERE FALSE) AS {alias}"
        rows = _READERS[table.serde](self.connection, table, [location for location, _, _ in files])
        texts = [f'r."{column.name}"' for column in table.columns]
        joins = ""
        if table.keys and len(partitions) == 1:
            values = zip(table.keys, partitions[0].values, strict=True)
            texts += [f'{_key_value(key, value)} AS "{key.name}"' for key, value in values]
        elif table.keys:
            names = ", ".join(f'"{key.name}"' for key in table.keys)
            values_sql = ", ".join(
                f"({quote(location)}, {', '.join(_key_value(*one) for one in zip(table.keys, of.values, strict=True))})"
                for location, _, of in files
            )
            joins = f' INNER JOIN (VALUES {values_sql}) AS p("$file", {names}) ON r."$path" = p."$file"'
            texts += [f'p."{key.name}"' for key in table.keys]
        if hidden_path:
            texts.append('r."$path"')
        return f"(SELECT {', '.join(texts)} FROM ({rows}) AS r{joins}) AS {alias}"

    def _pruned(self, table: Table, alias: str, conditions: list[str]) -> list[Partition]:
        if not table.keys:
            return [Partition((), table.location)]
        partitions = self.catalog.partitions(table)
        if not conditions or not partitions:
            return partitions
        rows = ", ".join(
            f"({number}, {', '.join(_key_value(*one) for one in zip(table.keys, partition.values, strict=True))})"
            for number, partition in enumerate(partitions)
        )
        names = ", ".join(f'"{key.name}"' for key in table.keys)
        met = self.connection.execute(
            f'SELECT "$number" FROM (VALUES {rows}) AS {alias}("$number", {names}) WHERE {" AND ".join(conditions)}'
        ).fetchall()
        return [partitions[number] for (number,) in sorted(met)]


def add_function(
    connection: duckdb.DuckDBPyConnection, name: str, of: Callable[[str], Any], result: pa.DataType
) -> None:
    """Makes a function of one string known to DuckDB, which hands it whole vectors."""

    def over_vector(texts: pa.Array) -> pa.Array:
        return pa.array([None if text is None else of(text) for text in texts.to_pylist()], result)

    duck = {pa.string(): "VARCHAR", pa.int32(): "INTEGER"}.get(result, "VARCHAR[]")
    connection.create_function(name, over_vector, ["VARCHAR"], duck, type="arrow", null_handling="special")


def objects(s3: Any, location: str) -> Iterator[tuple[str, int]]:
    """Location and size of each object under a folder that Hive reads: not those that begin with ``_`` or ``.``."""
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            below = item["Key"][len(prefix) :]
            if item["Size"] and not any(part.startswith(("_", ".")) for part in below.split("/")):
                yield f"s3://{bucket}/{item['Key']}", item["Size"]


def _key_value(key: Column, value: str) -> str:
    if value == "__HIVE_DEFAULT_PARTITION__":
        return f"CAST(NULL AS {key.type.duck})"
    return f"CAST({quote(value)} AS {key.type.duck})"


def _list(locations: list[str]) -> str:
    return "[" + ", ".join(quote(location) for location in locations) + "]"


def _parquet(connection: duckdb.DuckDBPyConnection, table: Table, locations: list[str]) -> str:
    """Columns by name, missing ones NULL; a file's type must be the declared one or coerce to it."""
    reader = f"read_parquet({_list(locations)}, union_by_name=true, filename=true, hive_partitioning=false)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()
    found = {name.lower(): (name, of) for name, of, *_ in described}
    texts = []
    for column in table.columns:
        if column.name not in found:
            texts.append(f'CAST(NULL AS {column.type.duck}) AS "{column.name}"')
            continue
        name, of = found[column.name]
        if not _readable(of, column.type):
            raise QueryError(
                "HIVE_BAD_DATA",
                f"Field {column.name}'s type {of} in parquet file {locations[0]} is incompatible with type"
                f" {column.type} defined in table schema",
            )
        texts.append(f'CAST("{name}" AS {column.type.duck}) AS "{column.name}"')
    return f'SELECT {", ".join(texts)}, filename AS "$path" FROM {reader}'


def _readable(duck: str, declared: Type) -> bool:
    if duck == declared.duck or declared.name == "timestamp" and duck.startswith("TIMESTAMP"):
        return duck != "TIMESTAMP WITH TIME ZONE"
    integers = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT"]
    return declared.duck in integers and duck in integers[: integers.index(declared.duck)]


def _lines(locations: list[str], extra: str = "") -> str:
    """Every line of the files, as Hadoop's text input splits them, with its file."""
    return (
        f"SELECT coalesce(line, '') AS line, filename AS \"$path\" FROM read_csv({_list(locations)},"
        " columns={'line': 'VARCHAR'}, auto_detect=false, header=false, delim='\\x01', quote='', escape='',"
        f" strict_mode=false, null_padding=false, filename=true, hive_partitioning=false,"
        f" max_line_size={_LONGEST_LINE_BYTES}, buffer_size={4 * _LONGEST_LINE_BYTES}{extra})"
    )


def _text(connection: duckdb.DuckDBPyConnection, table: Table, locations: list[str]) -> str:
    delimiter = table.serde_parameters.get("field.delim", "\x01")
    if len(table.columns) != 1 or delimiter not in ("\x01", "\\001") or table.columns[0].type != VARCHAR:
        raise not_supported(f"{table}, a text table of more than one string column")
    return f'SELECT line AS "{table.columns[0].name}", "$path" FROM ({_lines(locations)})'


def _csv(connection: duckdb.DuckDBPyConnection, table: Table, locations: list[str]) -> str:
    """OpenCSV: all columns are strings, an empty field is the empty string, a line break ends the row."""
    separator = table.serde_parameters.get("separatorChar", ",")
    quoting = table.serde_parameters.get("quoteChar", '"')
    if separator != "," or quoting != '"' or any(column.type != VARCHAR for column in table.columns):
        raise not_supported(f"{table}, a CSV table that has other separators or types than strings")
    skip = int(table.parameters.get("skip.header.line.count", "0"))
    name = f"opencsv_{table.database}_{table.name}"
    add_function(connection, name, lambda line: opencsv_line(line, len(table.columns)), pa.list_(pa.string()))
    texts = ", ".join(f'f[{number}] AS "{column.name}"' for number, column in enumerate(table.columns, 1))
    rows = f'SELECT {name}(line) AS f, "$path" FROM ({_lines(locations, f", skip={skip}")})'
    return f'SELECT {texts}, "$path" FROM ({rows})'


_CSV_FIELD = r'(?:"(?:[^"\\]|"")*"|[^",\\]*)'
_CSV_LINE = re.compile(rf"{_CSV_FIELD}(?:,{_CSV_FIELD})*")


def opencsv_line(line: str, width: int) -> list[str | None]:
    """The fields of one line: short rows end in NULLs, surplus fields vanish.

    Raises QueryError for a line with a backslash or with quotes that do not enclose whole fields: OpenCSV has rules of
    its own for those.
    """
    if not _CSV_LINE.fullmatch(line):
        raise not_supported(f"the CSV line {line[:80]!r}")
    fields: list[str | None] = list(next(csv.reader([line]), []))
    return (fields + [None] * width)[:width]


def _json(connection: duckdb.DuckDBPyConnection, table: Table, locations: list[str]) -> str:
    """OpenX JSON with ``ignore.malformed.json``: what is no JSON is a row of NULLs.

    A line of the columns in declared order, in the plainest JSON, goes straight to DuckDB's parser; any other is
    first read by the SerDe's own rules (``openx_line``).
    """
    if table.serde_parameters.get("ignore.malformed.json") != "true":
        raise not_supported(f"{table}, a JSON table without ignore.malformed.json")
    fields = tuple((column.name, column.type) for column in table.columns)
    structure = json.dumps({name: _structure(of) for name, of in fields})
    plain = quote(_plain_pattern(fields))
    name = f"openx_{table.database}_{table.name}"
    add_function(connection, name, lambda line: openx_line(line, fields), pa.string())
    parsed = (
        f"SELECT from_json(CASE WHEN regexp_full_match(line, {plain}) THEN line ELSE {name}(line) END,"
        f' {quote(structure)}) AS j, "$path" FROM ({_lines(locations)})'
    )
    texts = ", ".join(f'j."{column.name}" AS "{column.name}"' for column in table.columns)
    return f'SELECT {texts}, "$path" FROM ({parsed})'


def _structure(of: Type) -> Any:
    return {name: _structure(inner) for name, inner in of.fields} if of.name == "row" else of.duck


_PLAIN = {
    "varchar": r'"[^"\\\x00-\x1f]*"',
    "bigint": r"-?(?:0|[1-9][0-9]{0,17})",
    "integer": r"-?(?:0|[1-9][0-9]{0,8})",
    "double": r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,17})?",
}


def _plain_pattern(fields: tuple[tuple[str, Type], ...]) -> str:
    members = []
    for name, of in fields:
        if of.name not in _PLAIN and of.name != "row":
            raise not_supported(f"a JSON column of type {of}")
        inner = _plain_pattern(of.fields) if of.name == "row" else _PLAIN[of.name]
        members.append(f'"{name}":(?:{inner}|null)')
    return r"\{" + ",".join(members) + r"\}"


def openx_line(line: str, fields: tuple[tuple[str, Type], ...]) -> str | None:
    """One line by the OpenX SerDe's rules as JSON of just the declared fields; None where it is no JSON object.

    Text after the object is ignored, keys match in any case and the last of several wins, an array fills a struct by
    position, a number may stand in quotes, a fraction is cut off for an integer, anything else for a number is NULL.
    """
    try:
        document, _ = json.JSONDecoder(object_pairs_hook=_last_of_any_case).raw_decode(line.strip())
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    return json.dumps(_as_row(document, fields))


def _last_of_any_case(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key.lower(): value for key, value in pairs}


def _as_row(value: Any, fields: tuple[tuple[str, Type], ...]) -> dict[str, Any] | None:
    if isinstance(value, list):
        value = {name: item for (name, _), item in zip(fields, value, strict=False)}
    if not isinstance(value, dict):
        return None
    return {name: _as_type(value.get(name), of) for name, of in fields}


def _as_type(value: Any, of: Type) -> Any:
    if of.name == "row":
        return _as_row(value, of.fields)
    if of.name == "varchar":
        return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
        if of.name == "double":
            return str(number)  # as text: JSON has no NaN and no infinity, DuckDB's cast knows both
        whole = value if isinstance(value, int) else int(value) if str(value).lstrip("+-").isdigit() else int(number)
    except (ValueError, OverflowError):
        return None
    return whole if -(2**63) <= whole < 2**63 else None


_READERS = {PARQUET: _parquet, OPENX_JSON: _json, OPEN_CSV: _csv, TEXT: _text}
