"""The parts of a translation: the fields that are visible to an expression, and translated queries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlglot import exp

from localaws.athena.catalog import Column, Table
from localaws.athena.duck.operators import Value, coerce
from localaws.athena.duck.syntax import name_of, own_nodes
from localaws.athena.errors import QueryError
from localaws.athena.types import Type


class Source(Protocol):
    """Where relations come from."""

    def table(self, database: str, name: str) -> Table | None:
        """The table or view; None where there is none. Raises QueryError SCHEMA_NOT_FOUND."""

    def scan(self, table: Table, alias: str, conditions: Sequence[str], hidden_path: bool) -> str:
        """DuckDB's text for a table's rows under ``alias``.

        conditions: DuckDB's texts over partition keys alone, which must all hold; hidden_path: with ``$path``.
        """


@dataclass(frozen=True)
class Field:
    """A column in scope: its name ("" if it has none), its relation's alias, Trino's type, DuckDB's text.

    constant: whether Trino can evaluate it before it runs the query, because it is the same for all rows.
    """

    name: str
    relation: str
    type: Type
    sql: str
    hidden: bool = False
    constant: bool = False


@dataclass(frozen=True)
class Scope:
    """The names that are visible to an expression, and its position.

    outer: the query around a subquery; outputs: the select list, in which ORDER BY looks first; groups: texts of the
    grouping keys, if the query aggregates; clause: the name of a clause in which aggregates are not allowed; inside:
    "aggregation", "window specification" or "HAVING clause", in which windows are not allowed; parameters: the
    parameters of the enclosing lambdas, the innermost last.
    """

    fields: tuple[Field, ...] = ()
    outer: "Scope | None" = None
    outputs: tuple[Field, ...] = ()
    groups: frozenset[str] | None = None
    clause: str = ""
    inside: str = ""
    parameters: tuple[Field, ...] = ()

    def find(self, name: str, relation: str) -> list[Field]:
        """The fields that a name can refer to; relation "" for an unqualified name."""
        if not relation:
            found = [one for one in self.outputs if one.name.lower() == name]
            if found:
                return found
        return [one for one in self.fields if one.name.lower() == name and (not relation or one.relation == relation)]

    def parameter(self, name: str) -> Field | None:
        """The parameter of that name of the innermost enclosing lambda that has one."""
        return next((one for one in reversed(self.parameters) if one.name == name), None)

    def structs(self, name: str) -> list[Field]:
        """The fields of that name that have fields of their own."""
        return [one for one in self.fields if one.name.lower() == name and one.type.name == "row"]

    def ungrouped(self, inside: str = "") -> "Scope":
        return replace(self, groups=None, inside=inside or self.inside)


def may_be_constant(node: exp.Expr, scope: Scope) -> bool:
    """Whether Trino can evaluate an expression before it runs the query, because it reads no column of a table."""
    columns = [one for one in own_nodes(node) if isinstance(one, exp.Column)]
    fields = [field for one in columns for field in scope.find(name_of(one.this), one.table.lower())]
    return len(fields) < len(columns) or all(field.constant for field in fields)


_NO_OFFSET = " OFFSET 0"


@dataclass(frozen=True)
class Query:
    """A translated query. Its columns are ``c1``, ``c2`` … in DuckDB; a column without a name is named "" here.

    constants: the numbers of the columns that Trino can evaluate before it runs the query.
    """

    body: str
    columns: tuple[Column, ...]
    order: str = ""
    bounds: str = ""
    constants: frozenset[int] = frozenset()

    @property
    def sql(self) -> str:
        # An OFFSET of nothing would have DuckDB hand on rows one thread at a time.
        return self.body + self.order + ("" if self.bounds == _NO_OFFSET else self.bounds)

    @property
    def written(self) -> str:
        """The text when it fills a table: Trino drops an ORDER BY there that no LIMIT or OFFSET holds."""
        return self.sql if self.bounds else self.body

    def fields(self, relation: str, alias: str) -> tuple[Field, ...]:
        """The columns as fields of a relation that DuckDB knows as ``alias``."""
        return tuple(
            Field(column.name, relation, column.type, f"{alias}.c{number}", constant=number in self.constants)
            for number, column in enumerate(self.columns, 1)
        )

    def renamed(self, names: Sequence[str]) -> "Query":
        """The query with the columns that ``AS t (a, b)`` names; all keep theirs when it names none."""
        if not names:
            return self
        if len(names) != len(self.columns):
            raise QueryError(
                "MISMATCHED_COLUMN_ALIASES",
                f"Column alias list has {len(names)} entries but relation has {len(self.columns)} columns",
            )
        columns = (Column(name, column.type) for name, column in zip(names, self.columns, strict=True))
        return replace(self, columns=tuple(columns))

    def coerced(self, columns: Sequence[Column]) -> "Query":
        """The query with each column as the type, and under the name, of one of ``columns``."""
        texts = ", ".join(
            f"{coerce(Value(f'q.c{number}', own.type), to.type).sql} AS c{number}"
            for number, (own, to) in enumerate(zip(self.columns, columns, strict=True), 1)
        )
        return Query(f"SELECT {texts} FROM ({self.sql}) AS q", tuple(columns), constants=self.constants)
