"""Translates Trino's queries into DuckDB's: SELECT and its clauses, set operations, relations."""

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from localaws.athena.catalog import Column, Table
from localaws.athena.duck.aggregates import is_aggregate
from localaws.athena.duck.expressions import Expressions
from localaws.athena.duck.maps import entries
from localaws.athena.duck.operators import Value, check_key, coerce
from localaws.athena.duck.scope import Field, Query, Scope, Source, may_be_constant
from localaws.athena.duck.syntax import conjuncts, location, name_of, only, own_nodes, parse, shown
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import VARCHAR, common

CATALOG = "awsdatacatalog"


class Compiler(Expressions):
    """Translates the queries of one statement.

    database: the database of unqualified names; views: those being expanded, which must not recur.
    """

    def __init__(self, source: Source, text: str, database: str, views: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.source = source
        self.database = database
        self.views = views
        self.ctes: dict[str, Query] = {}
        self.aliases = 0

    def subquery(self, node: exp.Expr, scope: Scope) -> Query:
        return self.query(node, scope)

    def query(self, node: exp.Expr, outer: Scope | None = None) -> Query:
        """A SELECT, a set operation or a parenthesised one, with its WITH, ORDER BY, OFFSET and LIMIT."""
        visible = self.ctes
        try:
            if node.args.get("with_") is not None:
                self._with(node.args["with_"], outer)
            if isinstance(node, exp.Subquery):
                only(node, "this")
                return self.query(node.this, outer)
            if isinstance(node, exp.Select):
                return self._select(node, outer)
            if isinstance(node, exp.Union):
                return self._union(node, outer)
            if isinstance(node, exp.Values):
                return self._values(node, outer)
            raise not_supported(type(node).__name__.upper())
        finally:
            self.ctes = visible

    def _with(self, node: exp.With, outer: Scope | None) -> None:
        only(node, "expressions")
        names = set()
        for cte in node.expressions:
            only(cte, "this", "alias")
            alias = cte.args["alias"]
            name = name_of(alias.this)
            if name in names:
                raise QueryError(
                    "DUPLICATE_NAMED_QUERY",
                    f"{location(alias.this, self.text)}WITH query name '{name}' specified more than once",
                )
            names.add(name)
            query = self.query(cte.this, outer)
            self.ctes = {**self.ctes, name: query.renamed([one.name for one in alias.columns])}

    def _union(self, node: exp.Union, outer: Scope | None) -> Query:
        only(node, "this", "expression", "distinct", "with_", "order", "limit", "offset")
        left, right = self.query(node.this, outer), self.query(node.expression, outer)
        if len(left.columns) != len(right.columns):
            raise QueryError(
                "TYPE_MISMATCH",
                f"UNION query has different number of fields: {len(left.columns)}, {len(right.columns)}",
            )
        columns: list[Column] = []
        for ours, theirs in zip(left.columns, right.columns, strict=True):
            to = common(ours.type, theirs.type)
            if to is None:
                raise QueryError(
                    "TYPE_MISMATCH",
                    f"column {len(columns) + 1} in UNION query has incompatible types: {ours.type}, {theirs.type}",
                )
            if node.args.get("distinct"):
                check_key(to, "UNION")
            columns.append(Column(ours.name, to))
        word = "UNION" if node.args.get("distinct") else "UNION ALL"
        sides = f" {word} ".join(f"({side.coerced(columns).sql})" for side in (left, right))
        query = Query(f"SELECT * FROM ({sides}) AS u", tuple(columns), constants=left.constants | right.constants)
        return self._ordered(node, query, Scope(query.fields("", "u"), outer), distinct=False)

    def _values(self, node: exp.Values, outer: Scope | None) -> Query:
        only(node, "expressions")
        rows = []
        for row in node.expressions:
            if not isinstance(row, exp.Tuple) or any(map(is_aggregate, row.walk())):
                raise not_supported(f"VALUES {shown(row)}")
            rows.append([self.expression(one, Scope((), outer, clause="VALUES")) for one in row.expressions])
        types = [value.type for value in rows[0]]
        for row in rows[1:]:
            if len(row) != len(types):
                message = f"Values rows have mismatched sizes: {len(types)} vs {len(row)}"
                raise QueryError("TYPE_MISMATCH", f"{location(node, self.text)}{message}")
            for number, value in enumerate(row):
                to = common(types[number], value.type)
                if to is None:
                    sides = (", ".join(str(type_.type) for type_ in side) for side in (rows[0], row))
                    message = "Values rows have mismatched types: row({}) vs row({})".format(*sides)
                    raise QueryError("TYPE_MISMATCH", f"{location(node, self.text)}{message}")
                types[number] = to
        texts = (", ".join(coerce(*type_).sql for type_ in zip(row, types, strict=True)) for row in rows)
        names = ", ".join(f"c{number}" for number in range(1, len(types) + 1))
        columns = tuple(Column("", type_) for type_ in types)
        body = f"SELECT * FROM (VALUES {', '.join(f'({text})' for text in texts)}) AS v ({names})"
        return Query(body, columns, constants=frozenset(range(1, len(types) + 1)))

    def _select(self, node: exp.Select, outer: Scope | None) -> Query:
        only(
            node,
            *("expressions", "from_", "joins", "where", "group", "having"),
            *("distinct", "order", "limit", "offset", "with_"),
        )
        conditions = conjuncts(node.args["where"].this) if node.args.get("where") else []
        from_sql, fields = self._from(node, conditions, outer)
        scope = Scope(fields, outer)
        parts = [from_sql]
        if conditions:
            where = replace(scope, clause="WHERE clause")
            texts = (self.boolean(one, where, "WHERE clause").sql for one in conditions)
            parts.append("WHERE " + " AND ".join(texts))
        group, having, order = (node.args.get(name) for name in ("group", "having", "order"))
        places = [*node.expressions, having, order]
        if group or having or any(is_aggregate(one) for place in places if place for one in own_nodes(place)):
            keys = self._group_keys(node, group, scope) if group else []
            scope = replace(scope, groups=frozenset(keys))
            if keys:
                parts.append("GROUP BY " + ", ".join(keys))
        columns, values, constants = self._outputs(node, scope)
        if having:
            inside = replace(scope, inside="HAVING clause")
            parts.append("HAVING " + self.boolean(having.this, inside, "HAVING clause").sql)
        distinct = node.args.get("distinct")
        if distinct:
            only(distinct)
        for column in columns:
            if column.type.name == "timestamp with time zone":
                raise not_supported("a column of type timestamp with time zone")
            if distinct:
                check_key(column.type, "DISTINCT")
        select = ", ".join(f"{value.sql} AS c{number}" for number, value in enumerate(values, 1))
        body = " ".join([f"SELECT {'DISTINCT ' if distinct else ''}{select}", *parts])
        outputs = (Field(column.name, "", value.type, value.sql) for column, value in zip(columns, values, strict=True))
        scope = replace(scope, outputs=tuple(outputs))
        return self._ordered(node, Query(body, tuple(columns), constants=constants), scope, bool(distinct))

    def _ordered(self, node: exp.Expr, query: Query, scope: Scope, distinct: bool) -> Query:
        """The query with the node's ORDER BY, OFFSET and LIMIT."""
        order, bounds = "", ""
        if node.args.get("order"):
            keys = self.sort_keys(node.args["order"], lambda key: self._order_key(key, query, scope, distinct))
            order = f" ORDER BY {keys}"
        for word in ("limit", "offset"):
            clause = node.args.get(word)
            if clause is not None:
                only(clause, "expression")
                number = clause.expression
                if not (isinstance(number, exp.Literal) and number.this.isdigit() and int(number.this) < 2**63):
                    raise not_supported(f"{word.upper()} {shown(number)}")
                bounds += f" {word.upper()} {number.this}"
        return replace(query, order=order, bounds=bounds)

    def _order_key(self, node: exp.Expr, query: Query, scope: Scope, distinct: bool) -> Value:
        """One key. Names refer to columns of the result first, then to those of FROM."""
        position = _position(node)
        if position is not None:
            self._check_position(node, position, len(query.columns), "ORDER BY")
            return Value(f"c{position}", query.columns[position - 1].type)
        value = self.expression(node, scope)
        texts = [one.sql for one in scope.outputs]
        if value.sql in texts:
            return Value(f"c{texts.index(value.sql) + 1}", value.type)
        if distinct:
            raise QueryError(
                "EXPRESSION_NOT_IN_DISTINCT",
                "line 1:1: For SELECT DISTINCT, ORDER BY expressions must appear in select list",
            )
        if not node.find(exp.Column, exp.Query, exp.Anonymous):
            raise not_supported(f"ORDER BY {shown(node)}, which is the same for all rows")
        return value

    def _group_keys(self, node: exp.Select, group: exp.Expr, scope: Scope) -> list[str]:
        only(group, "expressions")
        scope = replace(scope, clause="GROUP BY clause")
        keys = []
        for key in group.expressions:
            position = _position(key)
            if position is not None:
                # `*` and `t.*`; the star of count(*) is not a column
                if any(isinstance(star.parent, (exp.Select, exp.Column)) for star in node.find_all(exp.Star)):
                    raise not_supported("GROUP BY a position beside *")
                self._check_position(key, position, len(node.expressions), "GROUP BY")
                key = node.expressions[position - 1].unalias()
            value = self.expression(key, scope)
            check_key(value.type, "GROUP BY")
            keys.append(value.sql)
        return keys

    def _check_position(self, node: exp.Expr, position: int, count: int, clause: str) -> None:
        if not 1 <= position <= count:
            raise QueryError(
                "INVALID_COLUMN_REFERENCE",
                f"{location(node, self.text)}{clause} position {position} is not in select list",
            )

    def _outputs(self, node: exp.Select, scope: Scope) -> tuple[list[Column], list[Value], frozenset[int]]:
        """The columns, their values, and the numbers of those that can be constant (see may_be_constant)."""
        columns, values, constants = [], [], set()
        for item in node.expressions:
            if item.is_star:
                for one in self._expanded(item, scope):
                    columns.append(Column(one.name, one.type))
                    values.append(Value(one.sql, one.type))
                    constants |= {len(columns)} if one.constant else set()
                continue
            if isinstance(item, exp.Alias):
                only(item, "this", "alias")
            value = self.expression(item.unalias(), scope)
            named = item.unnest()  # a column in parentheses keeps its name
            name = named.alias_or_name if isinstance(named, (exp.Alias, exp.Column)) else ""
            columns.append(Column(name, value.type))
            values.append(value)
            constants |= {len(columns)} if may_be_constant(item, scope) else set()
        return columns, values, frozenset(constants)

    def _expanded(self, item: exp.Expr, scope: Scope) -> list[Field]:
        """The columns that ``*`` or ``t.*`` stands for."""
        only(item if isinstance(item, exp.Star) else item.this)
        relation = item.table.lower() if isinstance(item, exp.Column) else ""
        where = location(item, self.text)
        if relation and not any(one.relation == relation for one in scope.fields):
            if scope.structs(relation):
                raise not_supported(f"{relation}.* of a row")
            raise QueryError("TABLE_NOT_FOUND", f"{where}Unable to resolve reference {relation}")
        if not scope.fields:
            raise QueryError("COLUMN_NOT_FOUND", f"{where}SELECT * not allowed in queries without FROM clause")
        fields = [one for one in scope.fields if not one.hidden and relation in ("", one.relation)]
        for one in fields:
            if scope.groups is not None and one.sql not in scope.groups:
                raise QueryError(
                    "EXPRESSION_NOT_AGGREGATE",
                    f"{where}'{one.name}' must be an aggregate expression or appear in GROUP BY clause",
                )
        return fields

    # Relations

    def _from(
        self, node: exp.Select, conditions: Sequence[exp.Expr], outer: Scope | None
    ) -> tuple[str, tuple[Field, ...]]:
        """DuckDB's FROM clause, and its scope; the conditions of WHERE prune partitions."""
        from_ = node.args.get("from_")
        if from_ is None:
            return "", ()
        only(from_, "this")
        sql, fields = self._relation(from_.this, conditions, outer)
        sql = f"FROM {sql}"
        for join in node.args.get("joins") or []:
            only(join, "this", "side", "kind", "on")
            side, kind, on = join.side.upper(), join.kind.upper(), join.args.get("on")
            if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER", "CROSS"):
                raise not_supported(f"{side} {kind} JOIN")
            if isinstance(join.this, exp.Unnest):
                if side or on is not None:
                    raise not_supported("JOIN UNNEST other than CROSS JOIN UNNEST")
                sql, fields = self._unnest(join.this, fields, sql, outer)
                sql = f"FROM {sql}"
                continue
            # WHERE must not prune the side whose missing rows become NULLs: it sees these NULLs, too.
            joined, more = self._relation(join.this, [] if side else conditions, outer)
            taken = {one.relation for one in fields} & {one.relation for one in more} - {""}
            if taken:
                raise not_supported(f"two relations by the name {min(taken)}")
            fields += more
            if on is None:
                sql += f" CROSS JOIN {joined}"
                continue
            condition = self.boolean(on, Scope(fields, outer, clause="JOIN clause"), "JOIN ON clause")
            sql += f" {side or 'INNER'} JOIN {joined} ON {condition.sql}"
        return sql, fields

    def _relation(
        self, node: exp.Expr, conditions: Sequence[exp.Expr], outer: Scope | None
    ) -> tuple[str, tuple[Field, ...]]:
        if isinstance(node, exp.Unnest):
            return self._unnest(node, (), "", outer)
        if isinstance(node, exp.Subquery):
            only(node, "this", "alias")
            return self._derived(self.query(node.this, outer), node, "")
        if not isinstance(node, exp.Table):
            raise not_supported(f"{type(node).__name__.upper()} in FROM")
        only(node, "this", "db", "catalog", "alias")
        name, where = name_of(node.this), location(node, self.text)
        if node.catalog and node.catalog.lower() != CATALOG:
            raise QueryError("CATALOG_NOT_FOUND", f"{where}Catalog '{node.catalog}' not found")
        if not node.db and name in self.ctes:
            return self._derived(self.ctes[name], node, name)
        database = node.db.lower() or self.database
        try:
            table = self.source.table(database, name)
        except QueryError as error:
            raise error.at(where) from None
        if table is None:
            raise QueryError("TABLE_NOT_FOUND", f"{where}Table '{CATALOG}.{database}.{name}' does not exist")
        if table.view_sql is not None:
            return self._derived(self._view(table, where), node, name)
        return self._table(table, node, conditions)

    def _view(self, view: Table, where: str) -> Query:
        """The query of a view, in the view's own database, with the columns that the catalog has."""
        if str(view) in self.views:
            raise QueryError("VIEW_IS_RECURSIVE", f"{where}View '{CATALOG}.{view}' is recursive")
        text = view.view_sql or ""
        compiler = Compiler(self.source, text, view.view_database, (*self.views, str(view)))
        try:
            query = compiler.query(parse(text))
        except QueryError as error:
            if error.code in ("NOT_SUPPORTED", "INVALID_VIEW", "VIEW_IS_RECURSIVE"):
                raise
            message = f"{where}Failed analyzing stored view '{CATALOG}.{view}': {error.message}"
            raise QueryError("INVALID_VIEW", message) from None
        fits = len(query.columns) == len(view.columns) and all(
            own.name.lower() == declared.name and common(own.type, declared.type) == declared.type
            for own, declared in zip(query.columns, view.columns, strict=True)
        )
        if not fits:
            raise QueryError("VIEW_IS_STALE", f"{where}View '{CATALOG}.{view}' is stale or in invalid state")
        return query.coerced(view.columns)

    def _alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    def _derived(self, query: Query, node: exp.Expr, name: str) -> tuple[str, tuple[Field, ...]]:
        alias, written = self._alias(), node.args.get("alias")
        names = [one.name for one in written.columns] if written is not None else []
        query = query.renamed(names)
        return f"({query.sql}) AS {alias}", query.fields(_named(written, name), alias)

    def _table(self, table: Table, node: exp.Table, conditions: Sequence[exp.Expr]) -> tuple[str, tuple[Field, ...]]:
        alias, written = self._alias(), node.args.get("alias")
        if written is not None and written.columns:
            raise not_supported("a table with other names for its columns")
        relation = _named(written, table.name)
        fields = tuple(
            Field(column.name, relation, column.type, f'{alias}."{column.name}"')
            for column in (*table.columns, *table.keys)
        )
        select = node.find_ancestor(exp.Select)
        path = select is not None and any(name_of(one) == "$path" for one in select.find_all(exp.Identifier))
        names = {key.name for key in table.keys}
        keys = Scope(tuple(one for one in fields if one.name in names))
        texts = [self.boolean(one, keys, "WHERE clause").sql for one in conditions if _reads_only(one, names, relation)]
        sql = self.source.scan(table, alias, texts, path)
        if path:
            fields += (Field("$path", relation, VARCHAR, f'{alias}."$path"', hidden=True),)
        return sql, fields

    def _unnest(
        self, node: exp.Unnest, left: tuple[Field, ...], left_sql: str, outer: Scope | None
    ) -> tuple[str, tuple[Field, ...]]:
        """The rows of ``left_sql``, repeated for each element of the arrays and maps; shorter ones end in NULLs."""
        only(node, "expressions", "alias")
        alias, written = self._alias(), node.args.get("alias")
        lists = [self.expression(one, Scope(left, outer, clause="UNNEST")) for one in node.expressions]
        for value in lists:
            if value.type.name not in ("array", "map") or value.type.fields[0][1].name == "row":
                raise not_supported(f"UNNEST of {value.type}")
        # DuckDB advances all unnest() of a select list together; a lateral join would be much slower.
        texts = [f"{one.sql} AS f{number}" for number, one in enumerate(left, 1)]
        texts += [f"unnest({entries(value)}) AS u{number}" for number, value in enumerate(lists, 1)]
        parts = []
        for number, value in enumerate(lists, 1):
            place = f"{alias}.u{number}"
            parts += [place] if value.type.name == "array" else [f"{place}.key", f"{place}.value"]
        columns = tuple(Column("", type_) for value in lists for _, type_ in value.type.fields)
        names = [one.name for one in written.columns] if written is not None else []
        columns = Query("", columns).renamed(names).columns
        relation = _named(written, "")
        fields = tuple(replace(one, sql=f"{alias}.f{number}") for number, one in enumerate(left, 1))
        fields += tuple(Field(one.name, relation, one.type, sql) for one, sql in zip(columns, parts, strict=True))
        return f"(SELECT {', '.join(texts)} {left_sql}) AS {alias}", fields


def _position(node: exp.Expr) -> int | None:
    """The position that a key is: ``2``, ``-1``; None for other keys."""
    sign = -1 if isinstance(node, exp.Neg) else 1
    literal = node.this if isinstance(node, exp.Neg) else node
    if isinstance(literal, exp.Literal) and not literal.is_string and literal.this.isdigit():
        return sign * int(literal.this)
    return None


def _named(alias: exp.TableAlias | None, name: str) -> str:
    return name_of(alias.this) if alias is not None and alias.this is not None else name


def _reads_only(node: exp.Expr, keys: set[str], relation: str) -> bool:
    """Whether a condition reads only partition keys of this relation, so that it needs no scan."""
    columns = list(node.find_all(exp.Column))
    return (
        bool(columns)
        and not node.find(exp.Query)
        and all(name_of(column.this) in keys and column.table.lower() in ("", relation) for column in columns)
    )
