"""Translates calls of aggregates and window functions."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from localaws.athena.duck import functions
from localaws.athena.duck.operators import Value, partition_key, sort_key
from localaws.athena.duck.scope import Scope
from localaws.athena.duck.signatures import of_kind
from localaws.athena.duck.syntax import only, shown
from localaws.athena.errors import QueryError, not_supported


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
        return functions.aggregate(node.name.lower(), values, distinct, suffix, order)

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
        return functions.ranking(name, [self.expression(one, inner) for one in call.expressions], over)


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
