"""Reads objects in place: Parquet, JSON lines, CSV and plain lines, by the rules of their SerDes."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import accumulate, count
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from localaws.athena.catalog import OPEN_CSV, OPENX_JSON, PARQUET, TEXT, Table
from localaws.athena.duck.operators import quote, unsupported
from localaws.athena.duck.packed import PACKED, check_name, write_text
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import VARCHAR, Type

# DuckDB's buffers. A line can be as long as a quarter of the buffer; in Athena, only memory limits a line.
_BUFFER_BYTES, _LARGE_BUFFER_BYTES = 64 * 1024 * 1024, 256 * 1024 * 1024
_NO_DELIMITER = "\x01\x02\x02\x01"  # DuckDB requires a delimiter; this one is not expected in any line
_LINE_END = r"\n"
_function_numbers = count()
_text_numbers = count()


def add_function(
    connection: duckdb.DuckDBPyConnection,
    function: Callable[[Any], Any],
    duck: str,
    result: pa.DataType,
    name: str = "",
    takes: str = "VARCHAR",
) -> str:
    """Registers a function of one value with DuckDB, which calls it with whole vectors; returns its name in DuckDB.

    takes, duck: DuckDB's types of the argument and of the result; NULL stays NULL.
    """

    def over_vector(values: pa.Array) -> pa.Array:
        return pa.array([None if value is None else function(value) for value in values.to_pylist()], result)

    name = name or f"python_{next(_function_numbers)}"
    called = name
    if duck == "VARCHAR":  # DuckDB 1.5's coalesce() would read such texts after they are freed: it gets copies
        called = f"{name}_uncopied"
    connection.create_function(
        called,
        over_vector,
        [takes],
        duck,
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
        side_effects=True,  # otherwise DuckDB would compute it again for each condition on its value
    )
    if called != name:
        connection.execute(f'CREATE TEMP MACRO "{name}"(value) AS "{called}"(value) || \'\'')
    return name


def _list(locations: list[str]) -> str:
    return "[" + ", ".join(quote(location) for location in locations) + "]"


def _parquet(connection: duckdb.DuckDBPyConnection, table: Table, locations: list[str]) -> str:
    """Columns by name, missing ones NULL; a file's type must be the declared one or coerce to it."""
    elements = connection.execute(
        "SELECT lower(name), duckdb_type, file_name, num_children, coalesce(converted_type, '')"
        f" FROM parquet_schema({_list(locations)})"
    ).fetchall()
    schemas = list(_top_level(elements))
    texts = []
    for column in table.columns:
        candidates = [(type_, file) for name, type_, file in schemas if name == column.name]
        for type_, file in candidates:
            # an array, a row, or a map with nested values; or bytes for a text
            if type_ is None or {type_, column.type.duck} == {"BLOB", "VARCHAR"}:
                raise not_supported(f"the column {column.name} of type {column.type} in Parquet")
            if not _readable(str(type_), column.type):
                raise QueryError(
                    "HIVE_BAD_DATA",
                    f"Field {column.name}'s type {type_} in parquet file {file} is incompatible with type"
                    f" {column.type} defined in table schema",
                )
        name = f'"{column.name}"' if candidates else "NULL"
        if candidates and column.type.name == "timestamp":  # Trino rounds to milliseconds
            name = f"CASE WHEN epoch_us({name}) % 1000 = 0 OR {name} IS NULL THEN {name} ELSE {_FINE_TIME} END"
        texts.append(f'CAST({name} AS {column.type.duck}) AS "{column.name}"')
    reader = f"read_parquet({_list(locations)}, union_by_name=true, filename='$path', hive_partitioning=false)"
    return f'SELECT {", ".join(texts)}, "$path" FROM {reader}'


def _top_level(
    elements: list[tuple[str, str | None, str, int | None, str]],
) -> Iterator[tuple[str, str | None, str]]:
    """Name, type and file of each top-level column. elements: those of Parquet schemas, each before its children.

    The type of a nested column is None, except for a map of primitive keys and values.
    """
    seen = set()
    nested = 0  # elements to come that are parts of a column
    for place, (name, type_, file, parts, kind) in enumerate(elements):
        if file not in seen:
            seen.add(file)
            continue
        if nested:
            nested -= 1
        elif kind == "MAP":
            (*_, own, _), (*_, entry, _), *key_and_value = elements[place : place + 4]
            types = [str(one[1]) for one in key_and_value if one[1] is not None]
            yield name, f"MAP({', '.join(types)})" if (own, entry, len(types)) == (1, 2, 2) else None, file
        else:
            yield name, type_, file
        nested += parts or 0


_FINE_TIME = unsupported("a timestamp finer than milliseconds")


def _readable(duck: str, declared: Type) -> bool:
    if duck in (declared.duck, declared.duck.replace(" ", "")):
        return True
    integers = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT"]
    return declared.duck in integers and duck in integers[: integers.index(declared.duck)]


def _lines(connection: duckdb.DuckDBPyConnection, locations: list[str], skip: int = 0) -> str:
    """DuckDB's text for all lines of the files, with their files. Raises QueryError for a damaged compressed file.

    Each object is fetched once, because its bytes are read twice. The copies stay in DuckDB's spill folder until the
    statement ends.
    """
    for location in locations:
        check_name(location)
    copies = {_copy(connection, location): location for location in locations}
    plain = [path for path, location in copies.items() if not location.endswith(PACKED)]
    other = set(_other_texts(connection, plain) if plain else []) | copies.keys() - set(plain)
    texts = {path: location for path, location in copies.items() if path not in other}
    rewritten = {}
    for path in sorted(other):
        text = f"{path}.txt"
        if write_text(copies[path], Path(path).read_bytes(), Path(text), _LARGE_BUFFER_BYTES // 4):
            rewritten[text] = copies[path]
    readers = [_reader(texts, _BUFFER_BYTES, skip)] if texts else []
    readers += [_reader(rewritten, _LARGE_BUFFER_BYTES, skip)] if rewritten else []
    return " UNION ALL ".join(readers) or "SELECT '' AS line, '' AS \"$path\" WHERE FALSE"


def _copy(connection: duckdb.DuckDBPyConnection, location: str) -> str:
    """The path of a copy of a file."""
    row = connection.execute("SELECT current_setting('temp_directory')").fetchone()
    assert row is not None
    Path(row[0]).mkdir(parents=True, exist_ok=True)
    # DuckDB's errors have the name of the copy, so it contains that of the original. DuckDB would compress a .gz.
    path = f"{row[0]}/{next(_text_numbers)}-{location.rpartition('/')[2][-100:]}.copy"
    connection.execute(f"COPY (SELECT content FROM read_blob({quote(location)})) TO {quote(path)} (FORMAT blob)")
    return path


def _other_texts(connection: duckdb.DuckDBPyConnection, plain: list[str]) -> list[str]:
    """The files that are not UTF-8 or have other line ends than LF: DuckDB would lose lines of them."""
    row = connection.execute(
        f"SELECT filename FROM (SELECT filename, TRY(decode(content)) AS text FROM read_blob({_list(plain)}))"
        " WHERE text IS NULL OR contains(text, chr(13))"
    ).fetchall()
    return [path for (path,) in row]


def _reader(copies: dict[str, str], buffer: int, skip: int) -> str:
    """DuckDB's text for the lines of files. copies: the path of each file's copy, and the file's location."""
    names = ", ".join(f"({quote(path)}, {quote(location)})" for path, location in copies.items())
    reader = (
        f"read_csv({_list(list(copies))},"
        f" columns={{'line': 'VARCHAR'}}, auto_detect=false, header=false, delim={quote(_NO_DELIMITER)},"
        " compression='none', quote='', escape='', strict_mode=false, null_padding=false, filename='path',"
        f" hive_partitioning=false, new_line={quote(_LINE_END)},"
        f" max_line_size={buffer // 4}, buffer_size={buffer}, skip={skip})"
    )
    return (
        f"SELECT coalesce(t.line, '') AS line, n.location AS \"$path\" FROM {reader} AS t"
        f" INNER JOIN (VALUES {names}) AS n(path, location) ON t.path = n.path"
    )


def _text(connection: duckdb.DuckDBPyConnection, table: Table, locations: list[str]) -> str:
    delimiter = table.serde_parameters.get("field.delim", "\x01")
    if len(table.columns) != 1 or delimiter not in ("\x01", "\\001") or table.columns[0].type != VARCHAR:
        raise not_supported(f"{table}, a text table of more than one string column")
    line = "nullif(split_part(line, '\x01', 1), '\\N')"  # the text after a delimiter belongs to no column
    return f'SELECT {line} AS "{table.columns[0].name}", "$path" FROM ({_lines(connection, locations)})'


def _csv(connection: duckdb.DuckDBPyConnection, table: Table, locations: list[str]) -> str:
    """OpenCSV: all columns are strings, an empty field is the empty string, a line break ends the row."""
    separator = table.serde_parameters.get("separatorChar", ",")
    quoting = table.serde_parameters.get("quoteChar", '"')
    if separator != "," or quoting != '"' or any(column.type != VARCHAR for column in table.columns):
        raise not_supported(f"{table}, a CSV table that has other separators or types than strings")
    skip = int(table.parameters.get("skip.header.line.count", "0"))
    split = add_function(
        connection, lambda line: opencsv_line(line, len(table.columns)), "VARCHAR[]", pa.list_(pa.string())
    )
    texts = ", ".join(f'f[{number}] AS "{column.name}"' for number, column in enumerate(table.columns, 1))
    rows = f'SELECT {split}(line) AS f, "$path" FROM ({_lines(connection, locations, skip)})'
    return f'SELECT {texts}, "$path" FROM ({rows})'


_CSV_FIELD = r'(?:"(?:[^"\\]|"")*"|[^",\\]*)'
_CSV_LINE = re.compile(rf"{_CSV_FIELD}(?:,{_CSV_FIELD})*")


def opencsv_line(line: str, width: int) -> list[str | None]:
    """The fields of one line: short rows end in NULLs, surplus fields vanish.

    Raises QueryError for a line with a backslash or with quotes that do not enclose whole fields: OpenCSV has
    rules of its own for those.
    """
    if not _CSV_LINE.fullmatch(line):
        raise not_supported(f"the CSV line {line[:80]!r}")
    fields: list[str | None] = list(next(csv.reader([line]), []))
    return (fields + [None] * width)[:width]


def _json(connection: duckdb.DuckDBPyConnection, table: Table, locations: list[str]) -> str:
    """OpenX JSON with ``ignore.malformed.json``: a line that is not JSON is a row of NULLs.

    DuckDB's parser reads lines of plain JSON with the columns in declared order; all other lines are first converted
    by the SerDe's rules (``openx_line``).
    """
    if table.serde_parameters.get("ignore.malformed.json") != "true":
        raise not_supported(f"{table}, a JSON table without ignore.malformed.json")
    fields = tuple((column.name, column.type) for column in table.columns)
    structure = json.dumps({name: _structure(type_) for name, type_ in fields})
    plain = quote(_plain_pattern(fields))
    read = add_function(connection, lambda line: openx_line(line, fields), "VARCHAR", pa.string())
    parsed = (
        f"SELECT from_json(CASE WHEN regexp_full_match(line, {plain}) THEN line ELSE {read}(line) END,"
        f' {quote(structure)}) AS j, "$path" FROM ({_lines(connection, locations)})'
    )
    texts = ", ".join(f'j."{column.name}" AS "{column.name}"' for column in table.columns)
    return f'SELECT {texts}, "$path" FROM ({parsed})'


def _structure(type_: Type) -> Any:
    return {name: _structure(inner) for name, inner in type_.fields} if type_.name == "row" else type_.duck


_PLAIN = {
    "varchar": r'"[^"\\\x00-\x1f]*"',
    "bigint": r"-?(?:0|[1-9][0-9]{0,17})",
    "double": r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,17})?",
}


def _plain_pattern(fields: tuple[tuple[str, Type], ...]) -> str:
    members = []
    for name, type_ in fields:
        if type_.name not in _PLAIN and type_.name != "row":
            raise not_supported(f"a JSON column of type {type_}")
        inner = _plain_pattern(type_.fields) if type_.name == "row" else _PLAIN[type_.name]
        members.append(f'"{name}":(?:{inner}|null)')
    return r"\{" + ",".join(members) + r"\}"


def openx_line(line: str, fields: tuple[tuple[str, Type], ...]) -> str | None:
    """JSON of the declared fields only, by the OpenX SerDe's rules; None for a line that is not an object.

    Text after the object is ignored; keys are case-insensitive, and the last of several wins; an array fills a struct
    by position; a number can be in quotes; an integer drops the fraction; other strings for a number are NULL. Raises
    QueryError for an array, and for syntax other than JSON's, some of which the SerDe accepts.
    """
    text = line.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        document, _ = _DECODER.raw_decode(text)
    except ValueError:
        if _is_truncated(text):
            return None
        raise not_supported(f"the JSON line {text[:80]!r}") from None
    if not isinstance(document, dict):
        raise not_supported(f"the JSON line {text[:80]!r}")
    return json.dumps(_as_row(document, fields))


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?')


def _is_truncated(text: str) -> bool:
    """Whether an object certainly does not end; not certain with other quotes or comments than JSON's."""
    bare = _STRING.sub("", text)
    depths = accumulate((char == "{") - (char == "}") for char in bare)
    return all(depths) and not re.search("['/#]", bare)


class _Members(dict[str, Any]):
    """An object's values by lower-cased key; the last of equal keys wins. ``names``: the keys as written."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.names: dict[str, str] = {}
        for key, value in pairs:
            lower = key.lower()
            self.pop(lower, None)  # the key moves to the position of its last occurrence
            self[lower], self.names[lower] = value, key


_DECODER = json.JSONDecoder(object_pairs_hook=_Members, parse_float=Decimal)


def _as_row(value: Any, fields: tuple[tuple[str, Type], ...]) -> dict[str, Any] | None:
    if isinstance(value, list):
        value = {name: item for (name, _), item in zip(fields, value, strict=False)}
    if value is None:
        return None
    if not isinstance(value, dict):
        raise not_supported(f"{str(value)[:40]} for a struct in JSON")
    return {name: _as_type(value.get(name), type_) for name, type_ in fields}


def _as_type(value: Any, type_: Type) -> Any:
    if type_.name == "row":
        return _as_row(value, type_.fields)
    if type_.name == "varchar":
        return value if value is None or isinstance(value, str) else _as_string(value)
    if isinstance(value, str):
        value = _number(value)
    if isinstance(value, (dict, list)):
        raise not_supported(f"{str(value)[:40]} for a number in JSON")
    if value is None or isinstance(value, bool):
        return None
    if type_.name == "double":
        return str(float(value))  # as text: JSON has no NaN and no infinity, but DuckDB's cast supports both
    if not -(2**63) <= value < 2**63:  # also true for NaN
        return None
    return int(value)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "</": "<\\/"}
_ESCAPED = re.compile(r'["\\\x00-\x1f]|</')


def _as_string(value: Any) -> str:
    """The text of a value other than a string in a string column, as org.json and BigDecimal write it."""
    if isinstance(value, _Members):
        members = (f"{_as_quoted(value.names[key])}:{_as_part(one)}" for key, one in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_as_part, value)) + "]"
    if isinstance(value, float):
        raise not_supported(f"{value} for a string in JSON")
    if isinstance(value, Decimal):
        return str(value if value else abs(value))
    return json.dumps(value)


def _as_part(value: Any) -> str:
    return _as_quoted(value) if isinstance(value, str) else _as_string(value)


def _as_quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'


_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_JAVA_NUMBER = re.compile(rf"\s*(?:{_NUMBER}[dDfF]?|[+-]?0[xX].*|[+-]?(?:NaN|Infinity))\s*")


def _number(text: str) -> int | float | None:
    """A number in quotes; None for other strings. Strings that only Java reads as a number are refused."""
    if re.fullmatch(_NUMBER, text):
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    if _JAVA_NUMBER.fullmatch(text):
        raise not_supported(f"the number {text[:40]!r} in JSON")
    return None


READERS = {PARQUET: _parquet, OPENX_JSON: _json, OPEN_CSV: _csv, TEXT: _text}
