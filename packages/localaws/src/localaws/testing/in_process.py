"""The translation run in this process: tables of a few rows in place of objects and a catalog."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from localaws.athena.catalog import Column, Table
from localaws.athena.duck import binary, json_text
from localaws.athena.duck.compiler import Compiler
from localaws.athena.duck.engine import as_query_error, as_text
from localaws.athena.duck.syntax import parse
from localaws.athena.types import from_hive

Rows = list[tuple[str | None, ...]]


def table(name: str, columns: str, keys: str = "", view: str | None = None, view_database: str = "db") -> Table:
    """A table of database ``db``; columns and keys as ``a int, b string``."""
    return Table("db", name, _columns(columns), _columns(keys), "", "", {}, {}, view, view_database)


def _columns(text: str) -> tuple[Column, ...]:
    words = [one.split(" ", 1) for one in re.split(r", (?=\w+ )", text) if one]
    return tuple(Column(name, from_hive(of)) for name, of in words)


@dataclass
class FakeSource:
    """Tables by name with the VALUES that they hold; keeps what each scan was asked to prune by."""

    tables: dict[str, tuple[Table, str]] = field(default_factory=dict)
    pruned: dict[str, list[str]] = field(default_factory=dict)

    def add(self, of: Table, values: str = "") -> None:
        self.tables[f"{of.database}.{of.name}"] = (of, values)

    def table(self, database: str, name: str) -> Table | None:
        return self.tables.get(f"{database}.{name}", (None, ""))[0]

    def scan(self, table: Table, alias: str, conditions: Sequence[str], hidden_path: bool) -> str:
        self.pruned[table.name] = list(conditions)
        columns = [*table.columns, *table.keys]
        names = [f'"{column.name}"' for column in columns] + ['"$path"'] * hidden_path
        casts = ", ".join(f'CAST("{column.name}" AS {column.type.duck}) AS "{column.name}"' for column in columns)
        path = ", 's3://b/file' AS \"$path\"" if hidden_path else ""
        values = self.tables[f"{table.database}.{table.name}"][1]
        listed = ", ".join(names[: len(columns)])
        where = " AND ".join(conditions) or "TRUE"
        inner = f"(SELECT {casts}{path} FROM (VALUES {values}) AS v({listed})) AS {alias}"
        return f"(SELECT * FROM {inner} WHERE {where}) AS {alias}"


def answer(sql: str, source: FakeSource | None = None) -> tuple[list[tuple[str, str]], Rows]:
    """Columns (name, type) and rows, as texts, of a query in database ``db``. Raises QueryError."""
    query = Compiler(source or FakeSource(), sql, "db").query(parse(sql))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            json_text.register(connection, query.sql)
            binary.register(connection, query.sql)
            result = connection.execute(query.sql)
            rows = result.fetchall()
        except duckdb.Error as error:
            raise as_query_error(error) from error
        found = [str(of[1]) for of in result.description or []]
    # What DuckDB returns is of the very type that Trino would return.
    assert _plain(found) == _plain([column.type.duck for column in query.columns])
    columns = [(column.name or f"_col{n}", str(column.type)) for n, column in enumerate(query.columns)]
    types = [column.type for column in query.columns]
    return columns, [tuple(as_text(cell, of) for cell, of in zip(row, types, strict=True)) for row in rows]


def _plain(types: list[str]) -> list[str]:
    return [re.sub(r'[ "]', "", of) for of in types]


def rows(sql: str, source: FakeSource | None = None) -> Rows:
    return answer(sql, source)[1]
