"""Hive's part of Athena's SQL: partitions, DROP, SHOW, DESCRIBE. The same for every query engine.

Syntax: https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from localaws.athena.catalog import Catalog, Column, Table
from localaws.athena.engine import Outcome
from localaws.athena.errors import QueryError, ddl_not_supported
from localaws.athena.types import VARCHAR

_NAME = r"`?(?P<{0}>[A-Za-z_][\w]*)`?"
_TABLE = rf"(?:{_NAME.format('database')}\.)?{_NAME.format('table')}"
_SPEC = r"PARTITION\s*\((?P<spec>[^()]*)\)"
_LOCATION = r"'(?P<location>s3://[^']+)'"
_COMMENTS = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_KEY_VALUE = r"\s*`?(\w+)`?\s*=\s*('[^'\\]*'|-?\d+(?:\.\d+)?)\s*"
_KEY_VALUES = re.compile(rf"{_KEY_VALUE}(?:,{_KEY_VALUE})*")


@dataclass(frozen=True)
class Ddl:
    """One statement on a caller's catalog; ``run`` and ``cancel`` are those of `engine.Running`."""

    action: Callable[[Catalog, str, dict[str, str]], Outcome]
    catalog: Catalog
    database: str
    parts: dict[str, str]

    def run(self) -> Outcome:
        database = (self.parts.get("database") or self.database).lower()
        return self.action(self.catalog, database, self.parts)

    def cancel(self) -> None:
        """A change of the catalog is one request, which cannot be stopped."""


def find(sql: str, database: str, glue: Any) -> Ddl | None:
    """The statement, if it is Hive's DDL; None for statements of the engine.

    Raises QueryError for DDL that is not covered.
    """
    text = _COMMENTS.sub("", sql, count=1).rstrip("; \t\r\n")
    for pattern, action in _STATEMENTS:
        match = re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL)
        if match:
            return Ddl(action, Catalog(glue), database, {k: v for k, v in match.groupdict().items() if v is not None})
    word = text.split(None, 1)[0].upper() if text else ""
    if word in ("ALTER", "DROP", "SHOW", "DESCRIBE", "DESC", "MSCK") or re.match(
        r"CREATE\s+(EXTERNAL|DATABASE|SCHEMA)", text, re.IGNORECASE
    ):
        raise ddl_not_supported(f"the statement {text.splitlines()[0][:80]!r}")
    return None


def _table(catalog: Catalog, database: str, parts: dict[str, str]) -> Table:
    table = catalog.find(database, parts["table"].lower())
    if table is None:
        raise QueryError("FAILED", f"SemanticException [Error 10001]: Table not found {database}.{parts['table']}")
    return table


def _values(table: Table, spec: str) -> list[str]:
    """The partition's values in the order of the table's keys; `spec` has them in any order.

    Raises QueryError unless each key has one value, a string or a number.
    """
    named = [(key.lower(), value.strip("'")) for key, value in re.findall(rf"{_KEY_VALUE}(?:,|$)", spec)]
    keys = [key.name for key in table.keys]
    if not _KEY_VALUES.fullmatch(spec) or sorted(key for key, _ in named) != sorted(keys):
        raise ddl_not_supported(f"PARTITION ({spec.strip()}) of a table with the partition keys {', '.join(keys)}")
    values = dict(named)
    for key in table.keys:
        if key.type.name == "date":
            try:
                date.fromisoformat(values[key.name])
            except ValueError:
                raise QueryError("FAILED", f"SemanticException: not a date: {key.name}='{values[key.name]}'") from None
    return [values[key] for key in keys]


def _add_partition(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    table = _table(catalog, database, parts)
    values = _values(table, parts["spec"])
    glue = catalog.glue
    storage = glue.get_table(DatabaseName=database, Name=table.name)["Table"]["StorageDescriptor"]
    folder = "/".join(f"{key.name}={value}" for key, value in zip(table.keys, values, strict=True))
    location = parts.get("location", f"{table.location}{folder}/")
    try:
        glue.create_partition(
            DatabaseName=database,
            TableName=table.name,
            PartitionInput={"Values": values, "StorageDescriptor": {**storage, "Location": location}},
        )
    except glue.exceptions.AlreadyExistsException:
        if "if_not_exists" not in parts:
            raise QueryError("FAILED", "AlreadyExistsException: Partition already exists.") from None
    return Outcome(statement_type="DDL")


def _set_location(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    table = _table(catalog, database, parts)
    values = _values(table, parts["spec"])
    glue = catalog.glue
    try:
        partition = glue.get_partition(DatabaseName=database, TableName=table.name, PartitionValues=values)["Partition"]
    except glue.exceptions.EntityNotFoundException:
        raise QueryError(
            "FAILED", f"SemanticException [Error 10006]: Partition not found ({parts['spec'].strip()})"
        ) from None
    changed = {name: partition[name] for name in ("Parameters", "LastAccessTime") if name in partition}
    storage = {**partition["StorageDescriptor"], "Location": parts["location"]}
    answer = glue.batch_update_partition(
        DatabaseName=database,
        TableName=table.name,
        Entries=[
            {
                "PartitionValueList": values,
                "PartitionInput": {**changed, "Values": values, "StorageDescriptor": storage},
            }
        ],
    )
    if answer.get("Errors"):
        raise QueryError("FAILED", f"MetaException: {answer['Errors'][0]['ErrorDetail']['ErrorMessage']}")
    return Outcome(statement_type="DDL")


def _drop_partition(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    table = _table(catalog, database, parts)
    values = _values(table, parts["spec"])
    try:
        catalog.glue.delete_partition(DatabaseName=database, TableName=table.name, PartitionValues=values)
    except catalog.glue.exceptions.EntityNotFoundException:
        if "if_exists" not in parts:
            raise QueryError(
                "FAILED", f"SemanticException [Error 10006]: Partition not found ({parts['spec'].strip()})"
            ) from None
    return Outcome(statement_type="DDL")


def _drop(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    table = catalog.find(database, parts["table"].lower())
    if table is None:
        if "if_exists" in parts:
            return Outcome(statement_type="DDL")
        raise QueryError("FAILED", f"SemanticException [Error 10001]: Table not found {parts['table']}")
    if (table.view_sql is not None) != (parts["kind"].upper() == "VIEW"):
        raise QueryError("FAILED", f"SemanticException: {table} is not a {parts['kind'].lower()}")
    # The tables are external: their objects stay.
    catalog.glue.delete_table(DatabaseName=database, Name=table.name)
    return Outcome(statement_type="DDL")


def _show_tables(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    catalog.require_database(database)
    pages = catalog.glue.get_paginator("get_tables").paginate(DatabaseName=database)
    return _listing("tab_name", sorted(table["Name"] for page in pages for table in page["TableList"]))


def _show_databases(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    pages = catalog.glue.get_paginator("get_databases").paginate()
    return _listing("database_name", sorted(one["Name"] for page in pages for one in page["DatabaseList"]))


def _show_partitions(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    table = _table(catalog, database, parts)
    if not table.keys:
        raise QueryError("FAILED", f"SemanticException: Table {table.name} is not a partitioned table")
    return _listing(
        "partition",
        sorted(
            "/".join(f"{key.name}={value}" for key, value in zip(table.keys, partition.values, strict=True))
            for partition in catalog.partitions(table)
        ),
    )


def _show_columns(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    table = _table(catalog, database, parts)
    return _listing("field", [column.name for column in (*table.columns, *table.keys)])


def _describe(catalog: Catalog, database: str, parts: dict[str, str]) -> Outcome:
    table = _table(catalog, database, parts)
    lines = [(column.name, column.type.hive, column.comment) for column in (*table.columns, *table.keys)]
    if table.keys:
        lines += [
            ("", "", ""),
            ("# Partition Information", "", ""),
            ("# col_name", "data_type", "comment"),
            ("", "", ""),
        ]
        lines += [(key.name, key.type.hive, key.comment) for key in table.keys]
    names = ("col_name", "data_type", "comment")
    return Outcome(tuple(Column(name, VARCHAR) for name in names), lines, statement_type="UTILITY")


def _listing(name: str, lines: list[str]) -> Outcome:
    return Outcome((Column(name, VARCHAR),), [(line,) for line in lines], statement_type="UTILITY")


_IF_EXISTS = r"(?P<if_exists>IF\s+EXISTS\s+)?"
_STATEMENTS: list[tuple[str, Callable[[Catalog, str, dict[str, str]], Outcome]]] = [
    (
        rf"ALTER\s+TABLE\s+{_TABLE}\s+ADD\s+(?P<if_not_exists>IF\s+NOT\s+EXISTS\s+)?{_SPEC}(?:\s+LOCATION\s+{_LOCATION})?",
        _add_partition,
    ),
    (rf"ALTER\s+TABLE\s+{_TABLE}\s+{_SPEC}\s+SET\s+LOCATION\s+{_LOCATION}", _set_location),
    (rf"ALTER\s+TABLE\s+{_TABLE}\s+DROP\s+{_IF_EXISTS}{_SPEC}", _drop_partition),
    (rf"DROP\s+(?P<kind>TABLE|VIEW)\s+{_IF_EXISTS}{_TABLE}", _drop),
    (rf"SHOW\s+TABLES(?:\s+IN\s+{_NAME.format('database')})?", _show_tables),
    (r"SHOW\s+(?:DATABASES|SCHEMAS)", _show_databases),
    (rf"SHOW\s+PARTITIONS\s+{_TABLE}", _show_partitions),
    (rf"SHOW\s+COLUMNS\s+(?:FROM|IN)\s+{_TABLE}", _show_columns),
    (rf"(?:DESCRIBE|DESC)\s+{_TABLE}", _describe),
]
