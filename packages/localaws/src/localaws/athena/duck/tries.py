"""Translates TRY and TRY_CAST, which return NULL for the errors that Trino catches."""

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial

from sqlglot import exp

from localaws.athena.duck import functions
from localaws.athena.duck.json_casts import cast, settled
from localaws.athena.duck.lambdas import TAKE_LAMBDAS
from localaws.athena.duck.operators import UNSUPPORTED_ERROR, Value
from localaws.athena.duck.scope import Scope
from localaws.athena.duck.syntax import TypedLiteral, only, shown, type_of
from localaws.athena.errors import QueryError, not_supported

# Expressions that cannot fail unless their parts do.
_NEVER_FAIL = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Null, exp.Boolean, TypedLiteral, exp.DataType, exp.TryCast),
    *(exp.Paren, exp.Case, exp.If, exp.Is, exp.In, exp.Between, exp.And, exp.Or, exp.Not, exp.Lambda),
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.DPipe),
)
_NEVER_FAILING = functions.STRICT | TAKE_LAMBDAS | {"coalesce", "concat", "nullif"}


class Tries(ABC):
    """The part of the translation of expressions that handles TRY and TRY_CAST."""

    @abstractmethod
    def expression(self, node: exp.Expr, scope: Scope) -> Value:
        """Translates an expression. Raises QueryError with the position of the error in the statement."""

    @abstractmethod
    def lambda_call(self, node: exp.Anonymous, scope: Scope, values: Value | None = None) -> Value:
        """Translates a call with a lambda. ``values``: its first argument, if that is already translated."""

    # A TRY is a different grouping key than its argument. The SQL comments make the texts differ.

    def try_cast(self, node: exp.TryCast, scope: Scope) -> Value:
        only(node, "this", "to", "safe")
        value = cast(_apart(self.expression(node.this, scope)), type_of(node.args["to"]), tried=True)
        return replace(value, sql=f"(/* TRY_CAST */ {value.sql})", parsed="")

    def tried_call(self, node: exp.Anonymous, scope: Scope) -> Value:
        """Translates ``TRY(…)``."""
        if len(node.expressions) != 1:
            raise QueryError("SYNTAX_ERROR", "The 'try' function must have exactly one argument")
        value = _apart(self._tried(node.expressions[0], scope))
        return replace(value, sql=f"(/* TRY */ {value.sql})", literal=None)

    def _tried(self, node: exp.Expr, scope: Scope) -> Value:
        """Translates an expression so that it is NULL on errors: each part returns NULL for NULL, or cannot fail."""
        if isinstance(node, exp.Paren):
            only(node, "this")
            return self._tried(node.this, scope)
        if isinstance(node, exp.Cast):
            only(node, "this", "to", "safe")
            value = self._tried(node.this, scope)
            value = _apart(value) if isinstance(node, exp.TryCast) else value
            return cast(value, type_of(node.args["to"]), tried=True)
        name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if name in functions.TRIED or name in functions.STRICT:
            only(node, "this", "expressions")
            translate = functions.TRIED.get(name, partial(functions.scalar, name))
            return settled(translate([self._tried(one, scope) for one in node.expressions]), node, scope)
        if name in TAKE_LAMBDAS and isinstance(node, exp.Anonymous) and len(node.expressions) == 2:
            value = self.lambda_call(node, scope, self._tried(node.expressions[0], scope))
            node = node.expressions[1]
        else:
            value = self.expression(node, scope)
        if _may_fail(node) or "error(" in value.sql.replace(UNSUPPORTED_ERROR, ""):
            raise not_supported(f"TRY({shown(node)})")
        return value


def _apart(value: Value) -> Value:
    """The value, marked so that a cast does not skip its json_parse()."""
    return replace(value, type=replace(value.type, fresh=False), parsed="")


def _may_fail(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        if node.name.lower() == "try":
            return False
        if node.name.lower() not in _NEVER_FAILING:
            return True
    elif type(node) not in _NEVER_FAIL:
        return True
    return any(_may_fail(one) for one in node.iter_expressions())
