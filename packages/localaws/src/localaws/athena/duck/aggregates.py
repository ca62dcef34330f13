"""Translates calls of aggregates and window functions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from localaws.athena.duck.operators import (
    COMPARABLE,
    Value,
    coerce,
    fail,
    partition_key,
    sort_key,
    unsupported,
    unsupported_call,
)
from localaws.athena.duck.scope import Scope
from localaws.athena.duck.signatures import check, of_kind
from localaws.athena.duck.syntax import only, shown
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import BIGINT, BOOLEAN, DOUBLE, array, decimal


class Aggregates(ABC):
    """The part of the translation of expressions that handles aggregates and window functions."""

    @abstractmethod
    def expression(self, node: exp.Expr, scope: Scope) -> Value:
        """Translates an expression. Raises QueryError with the position of the error in the statement."""

    @abstractmethod
    def boolean(self, node: exp.Expr, scope: Scope, what: str) -> Value:
        """Translates a condition; ``what`` names it in the error for another type."""

    def sort_keys(self, order: exp.Expr, key: Callable[[exp.Expr], Value]) -> str:
        """The keys of an ORDER BY, each translated by ``key``."""
        only(order, "this", "expressions")
        texts = []
        for ordered in order.expressions:
            only(ordered, "this", "desc", "nulls_first")
            descending, nulls_first = bool(ordered.args.get("desc")), bool(ordered.args.get("nulls_first"))
            texts.append(sort_key(key(ordered.this), descending, nulls_first))
        return ", ".join(texts)

    def filtered(self, node: exp.Filter, scope: Scope) -> Value:
        only(node, "this", "expression")
        if not is_aggregate(node.this):
            if isinstance(node.this, exp.Anonymous) and node.this.name.lower() in of_kind("scalar"):
                raise QueryError("FUNCTION_NOT_AGGREGATE", "Filter is only valid for aggregation functions")
            raise not_supported(shown(node))
        return self.aggregate(node.this, scope, node.expression.this)

    def aggregate(self, node: exp.Anonymous, scope: Scope, condition: exp.Expr | None = None) -> Value:
        if scope.clause:
            raise _misplaced(scope.clause, node)
        if scope.inside == "aggregation":
            raise QueryError("NESTED_AGGREGATION", f"Cannot nest aggregations inside aggregation: {shown(node)}")
        inner = scope.ungrouped("aggregation")
        suffix = ""
        if condition is not None:
            suffix = f" FILTER (WHERE {self.boolean(condition, inner, 'FILTER clause').sql})"
        return self._call_aggregate(node, inner, suffix)

    def _call_aggregate(self, node: exp.Anonymous, scope: Scope, suffix: str) -> Value:
        arguments, distinct, order = list(node.expressions), False, ""
        if len(arguments) == 1 and isinstance(arguments[0], exp.Order):
            ordered = arguments[0]
            keys = [self.expression(one.this, scope).sql for one in ordered.expressions]
            order = self.sort_keys(ordered, lambda one: self.expression(one, scope))
            arguments = [ordered.this]
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            only(arguments[0], "expressions")
            arguments, distinct = list(arguments[0].expressions), True
        if len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            only(arguments[0])
            arguments = []
            if node.name.lower() != "count":
                raise not_supported(shown(node))
        values = [self.expression(one, scope) for one in arguments]
        if distinct and suffix.startswith(" OVER"):
            raise not_supported("DISTINCT in a window function")
        if order and keys != [value.sql for value in values]:
            raise not_supported(shown(node))
        return aggregate(node.name.lower(), values, distinct, suffix, order)

    def window(self, node: exp.Window, scope: Scope) -> Value:
        only(node, "this", "partition_by", "order", "over")
        call = node.this
        if scope.clause:
            raise _misplaced(scope.clause, call)
        if scope.inside:
            raise QueryError("NESTED_WINDOW", f"Cannot nest window functions inside {scope.inside}")
        name = call.name.lower()
        if not isinstance(call, exp.Anonymous):
            raise not_supported(f"the window function {shown(call)}")
        if name not in of_kind("aggregate") | of_kind("window"):
            if name not in of_kind("scalar"):
                raise QueryError("FUNCTION_NOT_FOUND", f"Function '{name}' not registered")
            raise QueryError("FUNCTION_NOT_WINDOW", f"Not a window function: {name}")
        # Its arguments and keys are evaluated after the grouping, so they can contain aggregates.
        inner = replace(scope, inside="window specification")
        parts = []
        if node.args.get("partition_by"):
            keys = (partition_key(self.expression(one, inner)) for one in node.args["partition_by"])
            parts.append("PARTITION BY " + ", ".join(keys))
        if node.args.get("order"):
            parts.append("ORDER BY " + self.sort_keys(node.args["order"], lambda one: self.expression(one, inner)))
        over = f" OVER ({' '.join(parts)})"
        if name in of_kind("aggregate"):
            return self._call_aggregate(call, inner, over)
        return window_function(name, [self.expression(one, inner) for one in call.expressions], over)


def is_aggregate(node: exp.Expr) -> bool:
    """Whether a node calls an aggregate, but not as a window function."""
    if not isinstance(node, exp.Anonymous) or node.name.lower() not in of_kind("aggregate"):
        return False
    call = node.parent if isinstance(node.parent, exp.Filter) and node.parent.this is node else node
    return not (isinstance(call.parent, exp.Window) and call.parent.this is call)


def _misplaced(clause: str, call: exp.Expr) -> QueryError:
    return QueryError(
        "EXPRESSION_NOT_SCALAR",
        f"{clause} cannot contain aggregations, window functions or grouping operations: [{shown(call)}]",
    )


AGGREGATES = frozenset({"array_agg", "count", "count_if", "bool_and", "bool_or", "sum", "avg", "min", "max"})
# Window functions that are not aggregates, with their numbers of arguments.
WINDOW_FUNCTIONS = {"dense_rank": 0, "first_value": 1, "rank": 0, "row_number": 0}


def window_function(name: str, arguments: Sequence[Value], over: str) -> Value:
    """A window function that is not an aggregate. over: DuckDB's OVER clause."""
    check(name, [argument.type for argument in arguments])
    if WINDOW_FUNCTIONS.get(name) != len(arguments):
        raise unsupported_call(name, arguments)
    if name != "first_value":
        return Value(f"CAST({name}(){over} AS BIGINT)", BIGINT)
    if "ORDER BY" not in over:  # its result would be undefined
        raise unsupported_call(name, arguments)
    return Value(f"first_value({arguments[0].sql}){over}", arguments[0].type)


def aggregate(name: str, arguments: Sequence[Value], distinct: bool, suffix: str, order: str = "") -> Value:
    """An aggregate. suffix: DuckDB's text after the call (FILTER, OVER); order: by its one argument."""
    check(name, [argument.type for argument in arguments])
    if name not in AGGREGATES:
        raise unsupported_call(name, arguments)
    if order or name == "array_agg":  # without ORDER BY, the order of its elements is undefined
        if not order or name != "array_agg" or suffix.startswith(" OVER") or arguments[0].type.is_float:
            raise unsupported_call(name, arguments)
        ordered = f"{'DISTINCT ' if distinct else ''}{arguments[0].sql} ORDER BY {order}"
        return Value(f"array_agg({ordered}){suffix}", array(arguments[0].type))
    if name == "count" and not arguments:
        return Value(f"count(*){suffix}", BIGINT)
    if len(arguments) != 1:
        raise unsupported_call(name, arguments)
    (argument,) = arguments
    type_ = argument.type

    def call(function: str, text: str) -> str:
        return f"{function}({'DISTINCT ' if distinct else ''}{text}){suffix}"

    if name == "count" and (type_.name in COMPARABLE or (type_.name in ("array", "json", "map") and not distinct)):
        return Value(call("count", argument.sql), BIGINT)
    if name in ("min", "max") and type_.name in COMPARABLE:
        if not type_.is_float:
            return Value(call(name, argument.sql), type_)
        nan = call("bool_or", f"isnan({argument.sql})")  # its position among the others can differ from Trino's
        return Value(
            f"CASE WHEN {nan} THEN {unsupported(f'{name} over NaN')} ELSE {call(name, argument.sql)} END", type_
        )
    if name == "count_if" and type_ == BOOLEAN and not distinct:
        return Value(f"coalesce(CAST({call(name, argument.sql)} AS BIGINT), 0)", BIGINT)
    if name in ("bool_and", "bool_or") and type_ == BOOLEAN:
        return Value(call(name, argument.sql), BOOLEAN)
    if name == "sum" and type_.name == "decimal":
        return Value(_decimal_sum(call(name, argument.sql), type_.args[1]), decimal(38, type_.args[1]))
    if name == "sum" and type_.is_integer:
        return Value(_integer_sum(argument, call), BIGINT)
    if (name in ("sum", "avg") and type_.is_float) or (name == "avg" and type_.is_integer):
        return Value(call(name, coerce(argument, DOUBLE).sql), DOUBLE)
    raise unsupported_call(name, arguments)


def _decimal_sum(total: str, scale: int) -> str:
    """The sum, with at most 38 digits: DuckDB also returns some sums of 39 digits."""
    digits = "9" * 38
    most = f"{digits[: 38 - scale]}.{digits[:scale]}" if scale else digits
    overflow = fail("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
    return f"CASE WHEN abs({total}) <= {most} THEN {total} WHEN {total} IS NOT NULL THEN {overflow} END"


def _integer_sum(argument: Value, call: Callable[[str, str], str]) -> str:
    """The sum as bigint. Sums that overflow in Trino for some orders of the rows are refused."""
    total = call("sum", argument.sql)
    if argument.type != BIGINT:
        return f"CAST({total} AS BIGINT)"
    most = call("sum", f"abs(CAST({argument.sql} AS HUGEINT))")
    overflow = fail("NUMERIC_VALUE_OUT_OF_RANGE", "bigint addition overflow")
    return (
        f"CASE WHEN {most} <= 9223372036854775807 THEN CAST({total} AS BIGINT)"
        f" WHEN {total} NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN {overflow}"
        f" WHEN {most} IS NOT NULL THEN {unsupported('a sum that may overflow on its way')} END"
    )
