"""Translates Trino's expressions into DuckDB's, name by name and type by type.

Every construct is translated explicitly. A construct without a branch here is refused, and so is an argument that
a branch does not read. So the engine never runs a construct that it does not cover.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

from sqlglot import exp

from localaws.athena.duck import functions
from localaws.athena.duck.aggregates import Aggregates, is_aggregate
from localaws.athena.duck.json_casts import cast, settled
from localaws.athena.duck.lambdas import TAKE_LAMBDAS, Lambdas
from localaws.athena.duck.operators import (
    NULL,
    Value,
    arithmetic,
    coerce,
    common_type,
    comparison,
    distinct,
    negated,
    quote,
)
from localaws.athena.duck.scope import Field, Query, Scope
from localaws.athena.duck.signatures import of_kind
from localaws.athena.duck.syntax import TypedLiteral, location, name_of, only, own_nodes, shown, type_of
from localaws.athena.duck.tries import Tries
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    UNKNOWN,
    VARBINARY,
    Type,
    array,
    decimal,
)


class Expressions(Aggregates, Lambdas, Tries):
    """Translates the expressions of one statement; errors have line and column of its text."""

    def __init__(self, text: str) -> None:
        self.text = text

    @abstractmethod
    def subquery(self, node: exp.Expr, scope: Scope) -> Query:
        """A query within an expression."""

    def expression(self, node: exp.Expr, scope: Scope) -> Value:
        try:
            if scope.groups and not any(_reads_rows(one) for one in own_nodes(node)):
                whole = self._translated(node, scope.ungrouped())
                if whole.sql in scope.groups:  # the parts of a grouping key need not be grouping keys
                    return replace(whole, encoded="")  # whose text does not contain the key's
            return self._translated(node, scope)
        except QueryError as error:
            raise error.at(location(node, self.text)) from None

    def boolean(self, node: exp.Expr, scope: Scope, what: str) -> Value:
        value = self.expression(node, scope)
        if value.type not in (BOOLEAN, UNKNOWN):
            fault = QueryError("TYPE_MISMATCH", f"{what} must evaluate to a boolean: actual type {value.type}")
            raise fault.at(location(node, self.text))
        return value

    def _translated(self, node: exp.Expr, scope: Scope) -> Value:
        method = _TRANSLATIONS.get(type(node))
        if method is None:
            raise not_supported(f"{type(node).__name__.upper()} ({shown(node)})")
        return method(self, node, scope)

    # Names and literals

    def _column(self, node: exp.Column, scope: Scope) -> Value:
        only(node, "this", "table")
        name, relation = name_of(node.this), node.table.lower()
        if name.startswith("$") and name != "$path":
            raise not_supported(f'the hidden column "{name}"')
        if not relation and scope.parameter(name):  # in another case than in the lambda
            return self.parameter(node.this, scope)
        found = scope.find(name, relation)
        if len(found) > 1:
            raise QueryError("AMBIGUOUS_NAME", f"Column '{node.name}' is ambiguous")
        if found:
            return self._field(found[0], node, scope)
        rows = scope.structs(relation) if relation else []
        if len(rows) == 1:
            for field_name, type_ in rows[0].type.fields:
                if field_name == name:
                    sql = f"struct_extract({rows[0].sql}, {quote(name)})"
                    return self._grouped(Value(sql, type_), (sql, rows[0].sql), node, scope)
        dotted = f"{relation}.{name}" if relation else node.name
        outer = scope.outer
        while outer is not None:
            if outer.find(name, relation) or (relation and outer.structs(relation)):
                raise not_supported(f"a subquery that reads {dotted} of the query around it")
            outer = outer.outer
        raise QueryError("COLUMN_NOT_FOUND", f"Column '{dotted}' cannot be resolved")

    def _field(self, field: Field, node: exp.Column, scope: Scope) -> Value:
        value = Value(field.sql, field.type)
        if field not in scope.outputs:
            return self._grouped(value, (field.sql,), node, scope)
        if scope.inside == "aggregation":
            raise QueryError(
                "COLUMN_NOT_FOUND",
                "Invalid reference to output projection attribute from ORDER BY aggregation",
            )
        if scope.inside:
            raise not_supported("a window in ORDER BY over columns of the result")
        return value

    def _grouped(self, value: Value, keys: Sequence[str], node: exp.Expr, scope: Scope) -> Value:
        if scope.groups is None or scope.groups.intersection(keys):
            return value
        raise QueryError(
            "EXPRESSION_NOT_AGGREGATE",
            f"'{shown(node)}' must be an aggregate expression or appear in GROUP BY clause",
        )

    def _literal(self, node: exp.Literal, scope: Scope, sign: str = "") -> Value:
        text = sign + node.this
        if node.is_string:
            return Value(quote(text), Type("varchar", (len(text),)), literal=text)
        if node.this.isdigit():
            if not -(2**63) <= int(text) < 2**63:
                raise QueryError("SYNTAX_ERROR", f"Invalid numeric literal: {text}")
            type_ = INTEGER if -(2**31) <= int(text) < 2**31 else BIGINT
        elif "e" in text.lower():
            type_ = DOUBLE
        else:
            whole, _, fraction = node.this.partition(".")
            digits = whole.lstrip("0") + fraction
            type_ = decimal(max(len(digits), 1), len(fraction))
            if type_.args[0] > 38:
                raise not_supported(f"the literal {text}")
        return Value(f"CAST({quote(text)} AS {type_.duck})", type_, literal=text)

    def _typed_literal(self, node: TypedLiteral, scope: Scope) -> Value:
        text, type_ = node.this.this, type_of(node.args["to"])
        if type_ == DATE and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            try:
                date.fromisoformat(text)
            except ValueError:
                raise QueryError("INVALID_LITERAL", f"'{text}' is not a valid DATE literal") from None
            return Value(f"DATE {quote(text)}", DATE, literal=text)
        if type_.name == "timestamp" and not node.args["to"].expressions:
            found = re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\.(\d{1,3}))?", text)
            if found:  # its digits decide on the precision
                return Value(f"TIMESTAMP {quote(text)}", Type("timestamp", (len(found[1] or ""),)), literal=text)
        raise not_supported(f"the literal {shown(node.args['to'])} '{text}'")

    def _binary_literal(self, node: exp.HexString, scope: Scope) -> Value:
        only(node, "this")
        if len(node.this) % 2:
            raise QueryError("SYNTAX_ERROR", "Binary literal must contain an even number of digits")
        return Value(f"unhex('{node.this}')", VARBINARY)

    def _null(self, node: exp.Null, scope: Scope) -> Value:
        return NULL

    def _truth(self, node: exp.Boolean, scope: Scope) -> Value:
        return Value("TRUE" if node.this else "FALSE", BOOLEAN)

    def _array(self, node: exp.Array, scope: Scope) -> Value:
        only(node, "expressions", "bracket_notation")
        values = [self.expression(one, scope) for one in node.expressions]
        if not values:
            raise not_supported("an empty array")
        element = common_type([value.type for value in values], "ARRAY elements")
        return Value(f"[{', '.join(coerce(value, element).sql for value in values)}]", array(element))

    # Operators

    def _binary(self, node: exp.Binary, scope: Scope) -> Value:
        only(node, "this", "expression", "typed", "safe")
        left, right = self.expression(node.this, scope), self.expression(node.expression, scope)
        operator = _OPERATORS[type(node)]
        return (arithmetic if operator in "+-*/%" else comparison)(operator, left, right)

    def _negate(self, node: exp.Neg, scope: Scope) -> Value:
        only(node, "this")
        if isinstance(node.this, exp.Literal) and not node.this.is_string:
            return self._literal(node.this, scope, "-")
        return negated(self.expression(node.this, scope))

    def _concat(self, node: exp.DPipe, scope: Scope) -> Value:
        only(node, "this", "expression", "safe")
        return functions.concat([self.expression(node.this, scope), self.expression(node.expression, scope)])

    def _logical(self, node: exp.And | exp.Or, scope: Scope) -> Value:
        only(node, "this", "expression")
        word = "AND" if isinstance(node, exp.And) else "OR"
        left, right = (self.boolean(one, scope, "Logical expression term") for one in (node.this, node.expression))
        return Value(f"({left.sql} {word} {right.sql})", BOOLEAN)

    def _not(self, node: exp.Not, scope: Scope) -> Value:
        only(node, "this")
        return Value(f"(NOT {self.boolean(node.this, scope, 'Value type_ logical NOT expression').sql})", BOOLEAN)

    def _distinct(self, node: exp.NullSafeEQ | exp.NullSafeNEQ, scope: Scope) -> Value:
        only(node, "this", "expression")
        text = distinct(self.expression(node.this, scope), self.expression(node.expression, scope))
        return Value(f"(NOT {text})" if isinstance(node, exp.NullSafeEQ) else f"({text})", BOOLEAN)

    # Grouping keys are compared by their texts, so expressions that differ in Trino must have different texts: hence
    # the parentheses around expressions that could also be written without.

    def _in(self, node: exp.In, scope: Scope) -> Value:
        only(node, "this", "expressions")
        values = [self.expression(one, scope) for one in (node.this, *node.expressions)]
        value, *items = _as_one_type(values, "IN value and list items")
        tests = (comparison("=", value, item).sql for item in items)
        return Value(f"(({' OR '.join(tests)}))", BOOLEAN)

    def _between(self, node: exp.Between, scope: Scope) -> Value:
        only(node, "this", "low", "high")
        values = [self.expression(one, scope) for one in (node.this, node.args["low"], node.args["high"])]
        value, low, high = _as_one_type(values, "value, low and high of BETWEEN")
        tests = comparison(">=", value, low), comparison("<=", value, high)
        return Value(f"(({tests[0].sql} AND {tests[1].sql}))", BOOLEAN)

    def _is(self, node: exp.Is, scope: Scope) -> Value:
        only(node, "this", "expression")
        if not isinstance(node.expression, exp.Null):
            raise not_supported(shown(node))
        return Value(f"({self.expression(node.this, scope).sql} IS NULL)", BOOLEAN)

    def _like(self, node: exp.Like, scope: Scope) -> Value:
        only(node, "this", "expression", "negate")
        value, pattern = self.expression(node.this, scope), self.expression(node.expression, scope)
        if UNKNOWN in (value.type, pattern.type):
            raise not_supported(shown(node))
        for side, what in ((value, "Left side"), (pattern, "Pattern for")):
            if side.type.name != "varchar":
                raise QueryError("TYPE_MISMATCH", f"{what} of LIKE expression must be of type varchar: {side.type}")
        like = f"({value.sql} LIKE {pattern.sql})"
        return Value(f"(NOT {like})" if node.args.get("negate") else like, BOOLEAN)

    def _paren(self, node: exp.Paren, scope: Scope) -> Value:
        only(node, "this")
        return self.expression(node.this, scope)

    def _cast(self, node: exp.Cast, scope: Scope) -> Value:
        only(node, "this", "to", "safe")
        return cast(self.expression(node.this, scope), type_of(node.args["to"]))

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        only(node, "this", "ifs", "default")
        operand = self.expression(node.this, scope) if node.this else None
        tests, results = [], []
        for branch in node.args["ifs"]:
            only(branch, "this", "true")
            if operand is None:
                tests.append(self.boolean(branch.this, scope, "CASE WHEN clause"))
            else:
                value = self.expression(branch.this, scope)
                # Trino simplifies both; if they become the same expression, NULL equals NULL there.
                if (value.sql == operand.sql and value.literal is None) or _column_names(node.this) & _column_names(
                    branch.this
                ):
                    raise not_supported(shown(node))
                tests.append(value)
            results.append(self.expression(branch.args["true"], scope))
        if operand is not None:
            operand, *values = _as_one_type([operand, *tests], "CASE operand and WHEN values")
            tests = [comparison("=", operand, value) for value in values]
        default = node.args.get("default")
        results.append(self.expression(default, scope) if default else NULL)
        to = common_type([result.type for result in results], "CASE results")
        texts = [coerce(result, to).sql for result in results]
        whens = " ".join(f"WHEN {test.sql} THEN {text}" for test, text in zip(tests, texts[:-1], strict=True))
        return Value(f"CASE {whens} ELSE {texts[-1]} END", to)

    def _if(self, node: exp.If, scope: Scope) -> Value:
        only(node, "this", "true", "false")
        test = self.boolean(node.this, scope, "IF condition")
        default = node.args.get("false")
        values = [
            self.expression(node.args["true"], scope),
            self.expression(default, scope) if default else NULL,
        ]
        to = common_type([value.type for value in values], "IF results")
        then, otherwise = (coerce(value, to).sql for value in values)
        return Value(f"if({test.sql}, {then}, {otherwise})", to)

    def _scalar_subquery(self, node: exp.Subquery, scope: Scope) -> Value:
        only(node, "this")
        query = self.subquery(node.this, scope)
        if len(query.columns) != 1:
            raise not_supported("a subquery of several columns")
        return Value(f"({query.sql})", query.columns[0].type)

    # Calls

    def _call(self, node: exp.Anonymous, scope: Scope) -> Value:
        only(node, "this", "expressions")
        name = node.name.lower()
        if name == "try":
            return self.tried_call(node, scope)
        if name in TAKE_LAMBDAS:
            return self.lambda_call(node, scope)
        if name in of_kind("aggregate"):
            return self.aggregate(node, scope)
        if name in of_kind("window"):
            raise QueryError("MISSING_OVER", f"Window function system.builtin.{name} requires an OVER clause")
        value = functions.scalar(name, [self.expression(one, scope) for one in node.expressions])
        return settled(value, node, scope)


def _column_names(node: exp.Expr) -> set[str]:
    return {name_of(column.this) for column in node.find_all(exp.Column)}


def _as_one_type(values: Sequence[Value], what: str) -> list[Value]:
    """The values as their common type, in which Trino compares them."""
    to = common_type([value.type for value in values], what)
    return [coerce(value, to) for value in values]


def _reads_rows(node: exp.Expr) -> bool:
    return is_aggregate(node) or isinstance(node, (exp.Window, exp.Query))


_OPERATORS: dict[type[exp.Expr], str] = {
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

_TRANSLATIONS: dict[type[exp.Expr], Callable[..., Value]] = {
    exp.Column: Expressions._column,
    exp.Identifier: Expressions.parameter,
    exp.Literal: Expressions._literal,
    TypedLiteral: Expressions._typed_literal,
    exp.HexString: Expressions._binary_literal,
    exp.Null: Expressions._null,
    exp.Boolean: Expressions._truth,
    exp.Array: Expressions._array,
    exp.Neg: Expressions._negate,
    exp.DPipe: Expressions._concat,
    exp.And: Expressions._logical,
    exp.Or: Expressions._logical,
    exp.Not: Expressions._not,
    exp.In: Expressions._in,
    exp.Between: Expressions._between,
    exp.Is: Expressions._is,
    exp.Like: Expressions._like,
    exp.Paren: Expressions._paren,
    exp.Cast: Expressions._cast,
    exp.TryCast: Expressions.try_cast,
    exp.NullSafeEQ: Expressions._distinct,
    exp.NullSafeNEQ: Expressions._distinct,
    exp.Case: Expressions._case,
    exp.If: Expressions._if,
    exp.Subquery: Expressions._scalar_subquery,
    exp.Anonymous: Expressions._call,
    exp.Filter: Expressions.filtered,
    exp.Window: Expressions.window,
    **dict.fromkeys(_OPERATORS, Expressions._binary),
}
