"""Translates a Trino query into DuckDB's SQL, name by name and type by type.

Every construct is translated on purpose: one that has no branch here, or an argument of one that a branch does not
read, is refused. So the engine never runs what it does not understand.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import sqlglot
from sqlglot import exp
from sqlglot.dialects.trino import Trino
from trino_query_parser import TrinoSyntaxError, parse_statement

from localaws.athena.catalog import Column, Table
from localaws.athena.duck import functions
from localaws.athena.duck.functions import Value, coerce, common_type, quote
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    common,
    decimal,
)


class _TrinoAsWritten(Trino):
    """Trino's syntax with every function left under the name it was written with."""

    class Parser(Trino.Parser):
        FUNCTIONS: dict[str, Callable[..., exp.Expression]] = {}


def parse(sql: str) -> exp.Expression:
    """The statement's tree. Raises QueryError SYNTAX_ERROR for what Trino's own grammar refuses."""
    try:
        parse_statement(sql)
    except TrinoSyntaxError as error:
        raise QueryError("SYNTAX_ERROR", str(error)) from None
    try:
        return sqlglot.parse_one(sql, read=_TrinoAsWritten)
    except sqlglot.ParseError as error:
        raise not_supported(f"this syntax ({str(error).splitlines()[0]})") from None


class Source(Protocol):
    """Where relations come from."""

    def table(self, database: str | None, name: str, where: str) -> Table:
        """The table or view. Raises QueryError TABLE_NOT_FOUND, beginning with ``where`` (``line 1:15: ``)."""

    def scan(self, table: Table, alias: str, conditions: list[str], hidden_path: bool) -> str:
        """DuckDB's text for a table's rows under ``alias``.

        conditions: DuckDB's texts over partition keys alone, all of which must hold; hidden_path: with ``$path``.
        """


@dataclass(frozen=True)
class Field:
    """A column of a relation in scope: the name it has, the relation's alias, Trino's type, DuckDB's text."""

    name: str
    relation: str
    type: Type
    sql: str
    hidden: bool = False


@dataclass
class Scope:
    """What an expression may name. groups: texts of the grouping keys, once the query aggregates."""

    fields: list[Field]
    groups: set[str] | None = None
    in_aggregate: bool = False
    aggregates: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Query:
    """A translated query: DuckDB's text, and its columns by the names they are given."""

    sql: str
    columns: tuple[Column, ...]
    ordered: bool = False


class Compiler:
    """Translates one statement. text: the statement as it came, for line and column of what is at fault."""

    def __init__(self, source: Source, text: str) -> None:
        self.source = source
        self.text = text
        self.aliases = 0

    # Queries

    def query(self, node: exp.Expression, ctes: dict[str, Query] | None = None) -> Query:
        """A SELECT, a set operation or a parenthesised one, with its WITH, ORDER BY, OFFSET and LIMIT."""
        ctes = dict(ctes or {})
        if isinstance(node, exp.Subquery):
            _only(node, "this")
            return self.query(node.this, ctes)
        with_ = node.args.get("with_")
        if with_ is not None:
            _only(with_, "expressions")
            for cte in with_.expressions:
                _only(cte, "this", "alias")
                inner = self.query(cte.this, ctes)
                ctes[_name(cte.args["alias"].this)] = _renamed(inner, cte.args["alias"], "CTE")
        if isinstance(node, exp.Select):
            return self._select(node, ctes)
        if isinstance(node, exp.Union):
            return self._union(node, ctes)
        raise not_supported(type(node).__name__.upper())

    def _union(self, node: exp.Union, ctes: dict[str, Query]) -> Query:
        _only(node, "this", "expression", "distinct", "with_", "order", "limit", "offset")
        left, right = self.query(node.this, ctes), self.query(node.expression, ctes)
        if len(left.columns) != len(right.columns):
            raise QueryError("TYPE_MISMATCH", "UNION query has different number of fields")
        columns = []
        for ours, theirs in zip(left.columns, right.columns, strict=True):
            to = common(ours.type, theirs.type)
            if to is None:
                raise QueryError(
                    "TYPE_MISMATCH",
                    f"column {len(columns) + 1} in UNION query has incompatible types: {ours.type}, {theirs.type}",
                )
            columns.append(Column(ours.name, to))
        word = "UNION" if node.args.get("distinct") else "UNION ALL"
        sql = f" {word} ".join(f"({_as_types(side, columns)})" for side in (left, right))
        result = Query(f"SELECT * FROM ({sql}) AS u", tuple(columns))
        outputs = [Value(f"#{number}", column.type) for number, column in enumerate(columns, 1)]
        return self._ordered(node, result, outputs, None, False)

    def _select(self, node: exp.Select, ctes: dict[str, Query]) -> Query:
        _only(
            node,
            *("expressions", "from_", "joins", "where", "group", "having"),
            *("distinct", "order", "limit", "offset", "with_"),
        )
        conjuncts = _conjuncts(node.args["where"].this) if node.args.get("where") else []
        from_sql, scope = self._from(node, ctes, conjuncts)
        parts = []
        if conjuncts:
            where = [self._boolean(one, scope, "WHERE clause") for one in conjuncts]
            parts.append("WHERE " + " AND ".join(f"({value.sql})" for value in where))
        group = node.args.get("group")
        if group is not None or self._aggregates(node):
            keys = self._group_keys(node, group, scope)
            scope.groups = {key.sql for key in keys}
            if keys:
                parts.append("GROUP BY " + ", ".join(key.sql for key in keys))
        columns, values = self._outputs(node, scope)
        if node.args.get("having"):
            if scope.groups is None:
                scope.groups = set()
            having = self._boolean(node.args["having"].this, scope, "HAVING clause")
            parts.append(f"HAVING {having.sql}")
        distinct = node.args.get("distinct")
        if distinct is not None:
            _only(distinct)
        for value in values:
            if value.type.name == "timestamp with time zone":
                raise not_supported("a column of type timestamp with time zone")
        texts = (f"{value.sql} AS c{number}" for number, value in enumerate(values, 1))
        head = "SELECT DISTINCT" if distinct else "SELECT"
        sql = " ".join([head, ", ".join(texts), from_sql, *parts])
        return self._ordered(node, Query(sql, tuple(columns)), values, scope, distinct is not None)

    def _ordered(
        self, node: exp.Expression, query: Query, values: list[Value], scope: Scope | None, distinct: bool
    ) -> Query:
        """The query with the node's ORDER BY, OFFSET and LIMIT."""
        sql = query.sql
        order = node.args.get("order")
        if order is not None:
            keys = []
            for ordered in order.expressions:
                _only(ordered, "this", "desc", "nulls_first")
                key = self._sort_key(ordered.this, query.columns, values, scope, distinct)
                direction = "DESC" if ordered.args.get("desc") else "ASC"
                nulls = "FIRST" if self._nulls_first(ordered) else "LAST"
                keys.append(f"{key} {direction} NULLS {nulls}")
            sql += " ORDER BY " + ", ".join(keys)
        for word in ("limit", "offset"):
            clause = node.args.get(word)
            if clause is not None:
                _only(clause, "expression")
                if not (isinstance(clause.expression, exp.Literal) and clause.expression.this.isdigit()):
                    raise not_supported(f"{word.upper()} {clause.expression.sql()}")
                sql += f" {word.upper()} {clause.expression.this}"
        bounded = node.args.get("limit") is not None or node.args.get("offset") is not None
        return Query(sql, query.columns, ordered=order is not None and bounded)

    def _nulls_first(self, ordered: exp.Ordered) -> bool:
        # Trino puts NULLs last in both directions unless told otherwise; sqlglot says only what was written.
        return bool(ordered.args.get("nulls_first"))

    def _sort_key(
        self,
        node: exp.Expression,
        columns: Iterable[Column],
        values: list[Value],
        scope: Scope | None,
        distinct: bool,
    ) -> str:
        if isinstance(node, exp.Literal) and not node.is_string:
            number = int(node.this) if node.this.isdigit() else 0
            if not 1 <= number <= len(values):
                raise QueryError("INVALID_COLUMN_REFERENCE", f"ORDER BY position {node.this} is not in select list")
            return f"c{number}" if scope else values[number - 1].sql.replace("#", "c")
        if isinstance(node, exp.Column) and not node.table:
            places = [n for n, column in enumerate(columns, 1) if column.name == _name(node.this)]
            if len(places) == 1:
                return f"c{places[0]}"
            if len(places) > 1:
                raise QueryError("AMBIGUOUS_NAME", f"{self._where(node)}Column '{node.name}' is ambiguous")
        if scope is None or distinct:
            raise not_supported("ORDER BY an expression that is not a column of the result")
        return self.expression(node, scope).sql

    def _group_keys(self, node: exp.Select, group: exp.Expression | None, scope: Scope) -> list[Value]:
        if group is None:
            return []
        _only(group, "expressions")
        keys = []
        for key in group.expressions:
            if isinstance(key, exp.Literal) and not key.is_string:
                number = int(key.this) if key.this.isdigit() else 0
                if not 1 <= number <= len(node.expressions):
                    raise QueryError(
                        "INVALID_COLUMN_REFERENCE", f"GROUP BY position {key.this} is not in select list"
                    )
                key = node.expressions[number - 1].unalias()
                if isinstance(key, exp.Star) or self._aggregates(key):
                    raise QueryError("EXPRESSION_NOT_SCALAR", "GROUP BY clause cannot contain aggregations")
            keys.append(self.expression(key, scope))
        return keys

    def _aggregates(self, node: exp.Expression) -> bool:
        """Whether the select list or HAVING of a query calls an aggregate outside of a window."""
        nodes = [*node.expressions, node.args.get("having")] if isinstance(node, exp.Select) else [node]
        return any(
            call.name.lower() in functions.AGGREGATES
            and not isinstance(call.parent, exp.Window)
            and not (isinstance(call.parent, exp.Filter) and isinstance(call.parent.parent, exp.Window))
            and call.find_ancestor(exp.Select) is (node if isinstance(node, exp.Select) else node.find_ancestor(exp.Select))
            for part in nodes
            if part is not None
            for call in part.find_all(exp.Anonymous)
        )

    def _outputs(self, node: exp.Select, scope: Scope) -> tuple[list[Column], list[Value]]:
        columns, values = [], []
        for number, item in enumerate(node.expressions):
            if isinstance(item, exp.Star) or isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                star = item if isinstance(item, exp.Star) else item.this
                _only(star)
                relation = item.table.lower() if isinstance(item, exp.Column) else None
                fields = [
                    one for one in scope.fields if not one.hidden and (relation is None or one.relation == relation)
                ]
                if not fields:
                    raise QueryError("COLUMN_NOT_FOUND", f"{self._where(item)}SELECT * has no columns to expand")
                for one in fields:
                    columns.append(Column(one.name, one.type))
                    values.append(self._grouped(Value(one.sql, one.type), scope, item))
                continue
            value = self.expression(item.unalias(), scope)
            if isinstance(item, exp.Alias):
                _only(item, "this", "alias")
                name = item.alias
            elif isinstance(item, exp.Column):
                name = item.name.lower()
            else:
                name = f"_col{number}"
            columns.append(Column(name, value.type))
            values.append(value)
        return columns, values

    # Relations

    def _from(
        self, node: exp.Select, ctes: dict[str, Query], conjuncts: list[exp.Expression]
    ) -> tuple[str, Scope]:
        from_ = node.args.get("from_")
        if from_ is None:
            return "", Scope([])
        _only(from_, "this")
        sql, scope = self._relation(from_.this, ctes, conjuncts)
        texts = [f"FROM {sql}"]
        for join in node.args.get("joins") or []:
            _only(join, "this", "side", "kind", "on")
            side, kind, on = join.side.upper(), join.kind.upper(), join.args.get("on")
            if isinstance(join.this, exp.Unnest):
                if kind != "CROSS":
                    raise not_supported(f"{side} {kind} JOIN UNNEST".strip())
                sql, scope = self._unnest(join.this, scope, " ".join(texts))
                texts = [sql]
                continue
            # Conditions on the outer side's keys do not prune the side that may be missing.
            sql, joined = self._relation(join.this, ctes, conjuncts if not side else [])
            if side in ("RIGHT", "FULL"):
                raise not_supported(f"{side} JOIN")
            for one in joined.fields:
                if any(other.relation == one.relation != "" for other in scope.fields):
                    raise not_supported(f"two relations by the name {one.relation}")
            scope = Scope(scope.fields + joined.fields)
            if on is None:
                if side or kind not in ("", "CROSS"):
                    raise not_supported(f"{side} {kind} JOIN without ON".strip())
                texts.append(f"CROSS JOIN {sql}")
            else:
                condition = self._boolean(on, scope, "JOIN ON clause")
                texts.append(f"{side or 'INNER'} JOIN {sql} ON {condition.sql}")
        return " ".join(texts), scope

    def _relation(
        self, node: exp.Expression, ctes: dict[str, Query], conjuncts: list[exp.Expression]
    ) -> tuple[str, Scope]:
        """DuckDB's text of one relation of FROM, and what it brings into scope."""
        self.aliases += 1
        alias = f"t{self.aliases}"
        if isinstance(node, exp.Unnest):
            return self._unnest(node, Scope([]), "")
        if isinstance(node, exp.Subquery):
            _only(node, "this", "alias")
            query = self.query(node.this, ctes)
            return self._derived(query, node.args.get("alias"), alias, "")
        if not isinstance(node, exp.Table):
            raise not_supported(f"{type(node).__name__.upper()} in FROM")
        _only(node, "this", "db", "catalog", "alias")
        name, database = _name(node.this), node.db.lower() or None
        if node.catalog and node.catalog.lower() != "awsdatacatalog":
            raise QueryError("CATALOG_NOT_FOUND", f"{self._where(node.this)}Catalog '{node.catalog}' not found")
        if database is None and name in ctes:
            return self._derived(ctes[name], node.args.get("alias"), alias, name)
        table = self.source.table(database, name, self._where(node.this))
        if table.view_sql is not None:
            view = Compiler(self.source, table.view_sql).query(parse(table.view_sql))
            declared = [(column.name, column.type) for column in table.columns]
            if [(column.name.lower(), column.type) for column in view.columns] != declared:
                raise QueryError("VIEW_IS_STALE", f"{self._where(node.this)}View '{table}' is stale or in invalid state")
            return self._derived(view, node.args.get("alias"), alias, name)
        return self._table(table, node, alias, conjuncts)

    def _table(
        self, table: Table, node: exp.Table, alias: str, conjuncts: list[exp.Expression]
    ) -> tuple[str, Scope]:
        relation = _alias(node.args.get("alias"), table.name)
        columns = [*table.columns, *table.keys]
        path = any(column.name == "$path" for column in node.find_ancestor(exp.Select).find_all(exp.Column))
        fields = [Field(column.name, relation, column.type, f'{alias}."{column.name}"') for column in columns]
        if path:
            fields.append(Field("$path", relation, VARCHAR, f'{alias}."$path"', hidden=True))
        keys = Scope([one for one in fields if one.name in {key.name for key in table.keys}])
        conditions = [
            self._boolean(one, keys, "WHERE clause").sql for one in conjuncts if self._reads_only(one, keys, table, relation)
        ]
        return self.source.scan(table, alias, conditions, path), Scope(fields)

    def _reads_only(self, node: exp.Expression, keys: Scope, table: Table, relation: str) -> bool:
        """Whether a condition is over this relation's partition keys alone, and nothing that needs a scan."""
        if node.find(exp.Select):
            return False
        names = {one.name for one in keys.fields}
        columns = list(node.find_all(exp.Column))
        own = {column.name for column in table.columns}
        return bool(columns) and all(
            column.name.lower() in names - own and column.table.lower() == relation
            or column.name.lower() in names - own and not column.table
            for column in columns
        )

    def _derived(
        self, query: Query, alias_node: exp.TableAlias | None, alias: str, name: str
    ) -> tuple[str, Scope]:
        query = _renamed(query, alias_node, "subquery")
        relation = _alias(alias_node, name)
        fields = [
            Field(column.name.lower(), relation, column.type, f"{alias}.c{number}")
            for number, column in enumerate(query.columns, 1)
        ]
        return f"({query.sql}) AS {alias}", Scope(fields)

    def _unnest(self, node: exp.Unnest, left: Scope, left_sql: str) -> tuple[str, Scope]:
        """The rows of ``left_sql``, each once for every place of the arrays; shorter arrays end in NULLs."""
        _only(node, "expressions", "alias")
        self.aliases += 1
        alias = f"t{self.aliases}"
        arrays = [self.expression(one, left) for one in node.expressions]
        for value in arrays:
            if value.type.name != "array" or value.type.fields[0][1].name == "row":
                raise not_supported(f"UNNEST of {value.type}")
        table_alias = node.args.get("alias")
        names = [_name(one) for one in table_alias.columns] if table_alias is not None else []
        names = names or [f"_col{number}" for number in range(len(arrays))]
        if len(names) != len(arrays):
            raise QueryError(
                "MISMATCHED_COLUMN_ALIASES",
                f"Column alias list has {len(names)} entries but UNNEST has {len(arrays)} columns",
            )
        # In DuckDB several unnest() of one select list walk side by side; a lateral join would cost far more.
        texts = [f"{one.sql} AS f{number}" for number, one in enumerate(left.fields, 1)]
        texts += [f"unnest({value.sql}) AS c{number}" for number, value in enumerate(arrays, 1)]
        fields = [
            Field(one.name, one.relation, one.type, f"{alias}.f{number}", one.hidden)
            for number, one in enumerate(left.fields, 1)
        ]
        fields += [
            Field(name, _alias(table_alias, ""), value.type.fields[0][1], f"{alias}.c{number}")
            for number, (name, value) in enumerate(zip(names, arrays, strict=True), 1)
        ]
        sql = f"(SELECT {', '.join(texts)} {left_sql}) AS {alias}"
        return (f"FROM {sql}" if left_sql else sql), Scope(fields)

    # Expressions

    def expression(self, node: exp.Expression, scope: Scope) -> Value:
        """One expression; with grouping, one that is a grouping key or made of such and of aggregates."""
        value = self._translate(node, scope)
        return value

    def _boolean(self, node: exp.Expression, scope: Scope, what: str) -> Value:
        value = self.expression(node, scope)
        if value.type not in (BOOLEAN, UNKNOWN):
            raise QueryError("TYPE_MISMATCH", f"{what} must evaluate to a boolean: actual type {value.type}")
        return value

    def _translate(self, node: exp.Expression, scope: Scope) -> Value:
        if scope.groups:  # a whole expression may be a grouping key: its parts then need not be
            free = Scope(scope.fields)
            if not self._aggregates(node) and not node.find(exp.Window, exp.Select):
                key = self._translate(node, free)
                if key.sql in scope.groups:
                    return key
        method = _TRANSLATIONS.get(type(node))
        if method is None:
            raise not_supported(f"{type(node).__name__.upper()} ({node.sql(dialect='trino')[:60]})")
        return method(self, node, scope)

    def _grouped(self, value: Value, scope: Scope, node: exp.Expression) -> Value:
        if scope.groups is not None and not scope.in_aggregate and value.sql not in scope.groups:
            raise QueryError(
                "EXPRESSION_NOT_AGGREGATE",
                f"{self._where(node)}'{node.sql(dialect='trino')}' must be an aggregate expression or appear in"
                " GROUP BY clause",
            )
        return value

    def _column(self, node: exp.Column, scope: Scope) -> Value:
        _only(node, "this", "table")
        name, relation = _name(node.this), node.table.lower()
        found = [
            one for one in scope.fields if one.name == name and (not relation or one.relation == relation)
        ]
        if len(found) > 1:
            raise QueryError("AMBIGUOUS_NAME", f"{self._where(node)}Column '{node.name}' is ambiguous")
        if found:
            return self._grouped(Value(found[0].sql, found[0].type), scope, node)
        rows = [one for one in scope.fields if relation and one.name == relation and one.type.name == "row"]
        for of in rows[:1] if len(rows) == 1 else []:
            for field_name, field_type in of.type.fields:
                if field_name == name:
                    return self._grouped(Value(f'struct_extract({of.sql}, {quote(name)})', field_type), scope, node)
        dotted = f"{relation}.{name}" if relation else name
        raise QueryError("COLUMN_NOT_FOUND", f"{self._where(node)}Column '{dotted}' cannot be resolved")

    def _literal(self, node: exp.Literal, scope: Scope) -> Value:
        text = node.this
        if node.is_string:
            return Value(quote(text), Type("varchar", (len(text),)), constant=True)
        if text.isdigit():
            of = INTEGER if int(text) < 2**31 else BIGINT
            if int(text) >= 2**63:
                raise QueryError("NUMERIC_VALUE_OUT_OF_RANGE", f"Invalid numeric literal: {text}")
        elif "e" in text.lower():
            of = DOUBLE
        else:
            whole, _, fraction = text.partition(".")
            digits = whole.lstrip("0") + fraction
            of = decimal(max(len(digits), 1), len(fraction))
        return Value(f"CAST({quote(text)} AS {of.duck})", of, constant=True)

    def _cast(self, node: exp.Cast, scope: Scope) -> Value:
        _only(node, "this", "to", "safe")
        value, to = self.expression(node.this, scope), _type(node.args["to"])
        if isinstance(node.this, exp.Literal) and to.name == "timestamp" and not node.args["to"].expressions:
            digits = re.search(r"\.(\d+)$", node.this.this)  # TIMESTAMP '…' has as many as are written
            to = Type("timestamp", (len(digits.group(1)),)) if digits else TIMESTAMP
        return functions.cast(value, to, try_cast=isinstance(node, exp.TryCast))

    def _call(self, node: exp.Anonymous, scope: Scope) -> Value:
        _only(node, "this", "expressions")
        name = node.name.lower()
        if name in functions.AGGREGATES:
            return self._aggregate(node, scope, None, lambda call: call)
        if name in functions.RANKINGS:
            raise QueryError("INVALID_WINDOW_FRAME", f"{self._where(node)}Window function {name} requires an OVER clause")
        if name == "grouping":
            raise not_supported("grouping()")
        try:
            return functions.scalar(name, [self.expression(one, scope) for one in node.expressions])
        except QueryError as error:
            if error.code != "FUNCTION_NOT_FOUND" or "line " in str(error):
                raise
            text = str(error).removeprefix("FUNCTION_NOT_FOUND: ")
            raise QueryError("FUNCTION_NOT_FOUND", f"{self._where(node)}{text}") from None

    def _aggregate(
        self, node: exp.Anonymous, scope: Scope, condition: exp.Expression | None, over: Callable[[str], str]
    ) -> Value:
        if scope.in_aggregate:
            raise QueryError("NESTED_AGGREGATION", f"{self._where(node)}Cannot nest aggregations")
        if scope.groups is None and over("") == "":
            raise QueryError("EXPRESSION_NOT_SCALAR", f"{self._where(node)}{node.name} must not be used here")
        # Under a window the arguments are what the query groups by; otherwise they are its rows.
        inner = Scope(scope.fields, in_aggregate=True) if over("") == "" else scope
        arguments, distinct = list(node.expressions), False
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            _only(arguments[0], "expressions")
            arguments, distinct = list(arguments[0].expressions), True
        if len(arguments) > 1:
            raise not_supported(f"{node.name} of more than one argument")
        star = not arguments or isinstance(arguments[0], exp.Star)
        argument = None if star else self.expression(arguments[0], inner)
        suffix = "" if condition is None else f" FILTER (WHERE {self._boolean(condition, inner, 'FILTER').sql})"
        return functions.aggregate(node.name.lower(), argument, distinct, lambda call: f"{call}{suffix}{over('')}")

    def _filter(self, node: exp.Filter, scope: Scope) -> Value:
        _only(node, "this", "expression")
        if not isinstance(node.this, exp.Anonymous) or node.this.name.lower() not in functions.AGGREGATES:
            raise not_supported("FILTER on what is no aggregate")
        return self._aggregate(node.this, scope, node.expression.this, lambda call: call)

    def _window(self, node: exp.Window, scope: Scope) -> Value:
        _only(node, "this", "partition_by", "order", "over")
        call = node.this
        if scope.in_aggregate:
            raise QueryError("NESTED_WINDOW", f"{self._where(call)}Cannot nest window functions inside aggregations")
        if not isinstance(call, exp.Anonymous) or call.name.lower() not in functions.AGGREGATES | functions.RANKINGS:
            raise not_supported(f"the window function {call.sql(dialect='trino')}")
        parts = []
        if node.args.get("partition_by"):
            keys = (self.expression(one, scope).sql for one in node.args["partition_by"])
            parts.append("PARTITION BY " + ", ".join(keys))
        order = node.args.get("order")
        if order is not None:
            keys_sql = []
            for ordered in order.expressions:
                _only(ordered, "this", "desc", "nulls_first")
                direction = "DESC" if ordered.args.get("desc") else "ASC"
                nulls = "FIRST" if self._nulls_first(ordered) else "LAST"
                keys_sql.append(f"{self.expression(ordered.this, scope).sql} {direction} NULLS {nulls}")
            parts.append("ORDER BY " + ", ".join(keys_sql))
        over = f" OVER ({' '.join(parts)})"
        return self._aggregate(call, scope, None, lambda text: f"{text}{over}")

    def _subquery(self, node: exp.Subquery, scope: Scope) -> Value:
        """A scalar subquery that reads nothing of the query around it."""
        _only(node, "this")
        query = self.query(node.this)
        if len(query.columns) != 1:
            raise QueryError("NOT_SUPPORTED", "Multiple columns returned by subquery are not yet supported")
        return Value(f"({query.sql})", query.columns[0].type)

    def _in(self, node: exp.In, scope: Scope) -> Value:
        _only(node, "this", "expressions")
        value = self.expression(node.this, scope)
        tests = [functions.comparison("=", value, self.expression(one, scope)) for one in node.expressions]
        return Value("(" + " OR ".join(test.sql for test in tests) + ")", BOOLEAN, constant=value.constant)

    def _between(self, node: exp.Between, scope: Scope) -> Value:
        _only(node, "this", "low", "high")
        value = self.expression(node.this, scope)
        low = functions.comparison(">=", value, self.expression(node.args["low"], scope))
        high = functions.comparison("<=", value, self.expression(node.args["high"], scope))
        return Value(f"({low.sql} AND {high.sql})", BOOLEAN, constant=value.constant)

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        _only(node, "this", "ifs", "default")
        operand = self.expression(node.this, scope) if node.this else None
        tests, results = [], []
        for branch in node.args["ifs"]:
            _only(branch, "this", "true")
            if operand is None:
                tests.append(self._boolean(branch.this, scope, "CASE WHEN clause"))
            else:
                tests.append(functions.comparison("=", operand, self.expression(branch.this, scope)))
            results.append(self.expression(branch.args["true"], scope))
        default = node.args.get("default")
        results.append(self.expression(default, scope) if default else Value("NULL", UNKNOWN, constant=True))
        to = common_type("CASE", [result.type for result in results])
        texts = [coerce(result, to).sql for result in results]
        whens = " ".join(f"WHEN {test.sql} THEN {text}" for test, text in zip(tests, texts[:-1], strict=True))
        return Value(f"CASE {whens} ELSE {texts[-1]} END", to, constant=all(v.constant for v in tests + results))

    def _if(self, node: exp.If, scope: Scope) -> Value:
        _only(node, "this", "true", "false")
        branch = exp.If(this=node.this.copy(), true=node.args["true"].copy())
        default = node.args.get("false")
        case = exp.Case(ifs=[branch], default=default.copy() if default else None)
        case.parent = node.parent
        return self._case(case, scope)

    def _is(self, node: exp.Is, scope: Scope) -> Value:
        _only(node, "this", "expression")
        if not isinstance(node.expression, exp.Null):
            raise not_supported(node.sql(dialect="trino"))
        value = self.expression(node.this, scope)
        return Value(f"({value.sql} IS NULL)", BOOLEAN, constant=value.constant)

    def _like(self, node: exp.Like, scope: Scope) -> Value:
        _only(node, "this", "expression")
        value, pattern = self.expression(node.this, scope), self.expression(node.expression, scope)
        if value.type.name != "varchar" or pattern.type.name != "varchar":
            raise functions.mismatch("LIKE", value.type, pattern.type)
        return Value(f"({value.sql} LIKE {pattern.sql})", BOOLEAN, constant=value.constant)

    def _concat(self, node: exp.DPipe, scope: Scope) -> Value:
        _only(node, "this", "expression", "safe")
        return functions.concat([self.expression(node.this, scope), self.expression(node.expression, scope)])

    def _array(self, node: exp.Array, scope: Scope) -> Value:
        _only(node, "expressions", "bracket_notation")
        values = [self.expression(one, scope) for one in node.expressions]
        if not values:
            raise not_supported("an empty array")
        element = common_type("ARRAY", [value.type for value in values])
        texts = ", ".join(coerce(value, element).sql for value in values)
        return Value(f"[{texts}]", array(element), constant=all(value.constant for value in values))

    def _logical(self, node: exp.And | exp.Or, scope: Scope) -> Value:
        _only(node, "this", "expression")
        word = "AND" if isinstance(node, exp.And) else "OR"
        values = [self._boolean(one, scope, "Logical expression term") for one in (node.this, node.expression)]
        return Value(f"({values[0].sql} {word} {values[1].sql})", BOOLEAN, constant=all(v.constant for v in values))

    def _not(self, node: exp.Not, scope: Scope) -> Value:
        _only(node, "this")
        value = self._boolean(node.this, scope, "Value of logical NOT expression")
        return Value(f"(NOT {value.sql})", BOOLEAN, constant=value.constant)

    def _negate(self, node: exp.Neg, scope: Scope) -> Value:
        _only(node, "this")
        value = self.expression(node.this, scope)
        if not value.type.is_numeric:
            raise QueryError("TYPE_MISMATCH", f"Cannot negate {value.type}")
        return Value(f"(-{value.sql})", value.type, constant=value.constant)

    def _paren(self, node: exp.Paren, scope: Scope) -> Value:
        _only(node, "this")
        return self.expression(node.this, scope)

    def _constant(self, node: exp.Expression, scope: Scope) -> Value:
        if isinstance(node, exp.Null):
            return Value("NULL", UNKNOWN, constant=True)
        return Value("TRUE" if node.this else "FALSE", BOOLEAN, constant=True)

    def _binary(self, node: exp.Binary, scope: Scope) -> Value:
        _only(node, "this", "expression", "typed", "safe")
        left, right = self.expression(node.this, scope), self.expression(node.expression, scope)
        operator = _OPERATORS[type(node)]
        translate = functions.arithmetic if operator in "+-*/%" else functions.comparison
        return translate(operator, left, right)

    def _where(self, node: exp.Expression) -> str:
        """``line 1:8: ``, where the first word of the node stands in the statement."""
        starts = [one.meta["start"] for one in node.walk() if "start" in one.meta]
        if not starts:
            return ""
        before = self.text[: min(starts)]
        return f"line {before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "


_OPERATORS = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}

_TRANSLATIONS: dict[type, Callable[..., Value]] = {
    exp.Column: Compiler._column,
    exp.Literal: Compiler._literal,
    exp.Cast: Compiler._cast,
    exp.TryCast: Compiler._cast,
    exp.Anonymous: Compiler._call,
    exp.Filter: Compiler._filter,
    exp.Window: Compiler._window,
    exp.Subquery: Compiler._subquery,
    exp.In: Compiler._in,
    exp.Between: Compiler._between,
    exp.Case: Compiler._case,
    exp.If: Compiler._if,
    exp.Is: Compiler._is,
    exp.Like: Compiler._like,
    exp.DPipe: Compiler._concat,
    exp.Array: Compiler._array,
    exp.And: Compiler._logical,
    exp.Or: Compiler._logical,
    exp.Not: Compiler._not,
    exp.Neg: Compiler._negate,
    exp.Paren: Compiler._paren,
    exp.Null: Compiler._constant,
    exp.Boolean: Compiler._constant,
    **dict.fromkeys(_OPERATORS, Compiler._binary),
}

_TYPES = {
    "BOOLEAN": BOOLEAN,
    "INT": INTEGER,
    "BIGINT": BIGINT,
    "SMALLINT": Type("smallint"),
    "TINYINT": Type("tinyint"),
    "DOUBLE": DOUBLE,
    "VARCHAR": VARCHAR,
    "DATE": DATE,
    "TIMESTAMP": TIMESTAMP,
}


def _type(node: exp.DataType) -> Type:
    name = node.this.name
    arguments = tuple(int(one.this.this) for one in node.expressions if isinstance(one, exp.DataTypeParam))
    if name == "DECIMAL":
        return decimal(*(arguments + (0,))[:2]) if arguments else decimal(38, 0)
    if name == "TIMESTAMP" and arguments and arguments[0] > 3:
        raise not_supported(f"timestamp({arguments[0]})")
    if name not in _TYPES or len(arguments) != len(node.expressions):
        raise not_supported(f"the type {node.sql(dialect='trino')}")
    if arguments and name not in ("VARCHAR", "TIMESTAMP"):
        raise not_supported(f"the type {node.sql(dialect='trino')}")
    return Type(_TYPES[name].name, arguments) if arguments else _TYPES[name]


def _only(node: exp.Expression, *known: str) -> None:
    """Refuses a node that carries anything but the arguments which its translation reads."""
    for name, value in node.args.items():
        if name not in known and value not in (None, False, [], ""):
            raise not_supported(f"{name.strip('_').upper()} ({node.sql(dialect='trino')[:60]})")


def _conjuncts(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.Paren):
        return _conjuncts(node.this)
    if isinstance(node, exp.And):
        return _conjuncts(node.this) + _conjuncts(node.expression)
    return [node]


def _name(node: exp.Expression) -> str:
    return node.name.lower()


def _alias(node: exp.TableAlias | None, name: str) -> str:
    return _name(node.this) if node is not None and node.this is not None else name


def _renamed(query: Query, alias: exp.TableAlias | None, what: str) -> Query:
    """The query with the columns that ``AS t (a, b)`` names."""
    names = [one.name for one in alias.columns] if alias is not None else []
    if not names:
        return query
    if len(names) != len(query.columns):
        raise QueryError(
            "MISMATCHED_COLUMN_ALIASES",
            f"Column alias list has {len(names)} entries but {what} has {len(query.columns)} columns",
        )
    columns = tuple(Column(name, column.type) for name, column in zip(names, query.columns, strict=True))
    return Query(query.sql, columns, query.ordered)


def _as_types(query: Query, columns: list[Column]) -> str:
    """The query's text with each column coerced."""
    texts = ", ".join(
        f"{coerce(Value(f'q.c{number}', own.type), to.type).sql} AS c{number}"
        for number, (own, to) in enumerate(zip(query.columns, columns, strict=True), 1)
    )
    return f"SELECT {texts} FROM ({query.sql}) AS q"
