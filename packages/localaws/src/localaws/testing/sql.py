"""Athena's SQL in this process, on DuckDB: tables of a few rows instead of objects and a catalog; no server.

    orders = FakeSource()
    orders.add(table("orders", "id bigint, price decimal(10,2)"), "(1, 9.99), (2, 5)")
    assert rows("SELECT sum(price) FROM orders", orders) == [("14.99",)]

Cells are texts, as in Athena's result files, or None.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
from sqlglot import exp

from localaws.athena import ddl
from localaws.athena.catalog import Column, Table
from localaws.athena.duck import binary, json_text
from localaws.athena.duck.compiler import Compiler
from localaws.athena.duck.engine import as_query_error, as_text
from localaws.athena.duck.syntax import parse
from localaws.athena.errors import QueryError
from localaws.athena.types import from_hive
from localaws.testing.columns import parse_columns

__all__ = ["FakeSource", "QueryError", "Rows", "functions_called", "hive_ddl", "query", "rows", "table"]

Rows = list[tuple[str | None, ...]]


def table(name: str, columns: str, keys: str = "", view: str | None = None, view_database: str = "db") -> Table:
    """A table of database ``db``; columns and keys as ``a int, b string``."""
    return Table("db", name, _columns(columns), _columns(keys), "", "", {}, {}, view, view_database)


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(Column(name, from_hive(type_)) for name, type_ in parse_columns(text))


@dataclass
class FakeSource:
    """Tables by name with their rows.

    pruned: the conditions that the last scan of each table was given to skip partitions.
    """

    tables: dict[str, tuple[Table, str]] = field(default_factory=dict)
    pruned: dict[str, list[str]] = field(default_factory=dict)

    def add(self, table: Table, values: str = "") -> None:
        """values: rows as DuckDB's VALUES has them, columns before partition keys."""
        self.tables[f"{table.database}.{table.name}"] = (table, values)

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


def query(sql: str, source: FakeSource | None = None) -> tuple[list[tuple[str, str]], Rows]:
    """The columns (name, type) and rows of a query in database ``db``. Raises QueryError."""
    compiled = Compiler(source or FakeSource(), sql, "db").query(parse(sql))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            json_text.register(connection, compiled.sql)
            binary.register(connection, compiled.sql)
            cursor = connection.execute(compiled.sql)
            fetched = cursor.fetchall()
        except duckdb.Error as error:
            raise as_query_error(error) from error
        returned = [str(type_[1]) for type_ in cursor.description or []]
    # DuckDB returns the types that Trino would return.
    assert _plain(returned) == _plain([column.type.duck for column in compiled.columns])
    columns = [(column.name or f"_col{n}", str(column.type)) for n, column in enumerate(compiled.columns)]
    types = [column.type for column in compiled.columns]
    return columns, [tuple(as_text(cell, type_) for cell, type_ in zip(row, types, strict=True)) for row in fetched]


def _plain(types: list[str]) -> list[str]:
    return [re.sub(r'[ "]', "", type_) for type_ in types]


def rows(sql: str, source: FakeSource | None = None) -> Rows:
    """The rows of a query in database ``db``. Raises QueryError."""
    return query(sql, source)[1]


def hive_ddl(sql: str) -> dict[str, str] | None:
    """The parts of a statement of Hive's DDL, as ``table`` and ``location``; None for all other statements.

    Raises QueryError for DDL that is not covered.
    """
    statement = ddl.find(sql, "db", glue=None)
    return None if statement is None else statement.parts


def functions_called(sql: str) -> set[str]:
    """The names of all functions that a query calls, in lower case; ``cast`` for any cast. Raises QueryError."""
    tree = parse(sql)
    return {node.name.lower() for node in tree.find_all(exp.Anonymous)} | {"cast" for _ in tree.find_all(exp.Cast)}
