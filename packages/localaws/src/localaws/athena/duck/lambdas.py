"""Translates function calls with lambdas, on maps and arrays."""

from abc import ABC, abstractmethod
from dataclasses import replace

from sqlglot import exp

from localaws.athena.duck.aggregates import is_aggregate
from localaws.athena.duck.maps import entries, from_entries
from localaws.athena.duck.operators import COMPARABLE, Value, bound
from localaws.athena.duck.scope import Field, Scope
from localaws.athena.duck.signatures import check
from localaws.athena.duck.syntax import name_of, only, own_nodes, shown
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import BOOLEAN, UNKNOWN, Type, array, map_of

# Functions that take a lambda: the type of the first argument, and the number of the lambda's parameters.
_LAMBDAS = {
    "all_match": ("array", 1),
    "any_match": ("array", 1),
    "filter": ("array", 1),
    "map_filter": ("map", 2),
    "none_match": ("array", 1),
    "transform": ("array", 1),
    "transform_values": ("map", 2),
}
TAKE_LAMBDAS = frozenset(_LAMBDAS)


class Lambdas(ABC):
    """The part of the translation of expressions that handles lambdas."""

    @abstractmethod
    def expression(self, node: exp.Expr, scope: Scope) -> Value:
        """Translates an expression. Raises QueryError with the position of the error in the statement."""

    def lambda_call(self, node: exp.Anonymous, scope: Scope, values: Value | None = None) -> Value:
        """Translates a call with a lambda. ``values``: its first argument, if that is already translated."""
        name = node.name.lower()
        kind, count = _LAMBDAS[name]
        if len(node.expressions) != 2 or not isinstance(node.expressions[1], exp.Lambda):
            raise not_supported(shown(node))
        values, function = values or self.expression(node.expressions[0], scope), node.expressions[1]
        check(name, [values.type, Type("function")])
        names = [name_of(one) for one in function.expressions]
        if values.type.name != kind or len(names) != count or len(set(names)) != count:
            raise not_supported(shown(node))
        parameter = f'"$x{len(scope.parameters)}"'  # a name that no column has, because DuckDB resolves columns first
        places = [parameter] if kind == "array" else [f"{parameter}.key", f"{parameter}.value"]
        named = zip(names, (type_ for _, type_ in values.type.fields), places, strict=True)
        result = self._body(function, scope, tuple(Field(one, "", type_, place) for one, type_, place in named))
        if result.type == UNKNOWN:
            raise not_supported(shown(node))
        if name not in ("transform", "transform_values") and result.type != BOOLEAN:
            raise QueryError("TYPE_MISMATCH", f"{name} must be given a lambda of a boolean, not of {result.type}")
        return _called(name, values, parameter, result)

    def _body(self, function: exp.Lambda, scope: Scope, parameters: tuple[Field, ...]) -> Value:
        only(function, "this", "expressions")
        body = function.this
        if any(is_aggregate(one) or isinstance(one, (exp.Window, exp.Query)) for one in own_nodes(body)):
            raise not_supported(shown(function))
        return self.expression(body, replace(scope, parameters=(*scope.parameters, *parameters)))

    def parameter(self, node: exp.Identifier, scope: Scope) -> Value:
        """Translates a reference to a lambda's parameter."""
        field = scope.parameter(name_of(node))
        if field is None:
            raise not_supported(shown(node))
        return Value(field.sql, field.type)


def _called(name: str, values: Value, parameter: str, result: Value) -> Value:
    if name == "filter":
        return Value(f"list_filter({values.sql}, lambda {parameter}: {result.sql})", values.type)
    if name in ("transform", "transform_values") and result.type.name not in {*COMPARABLE, "json"}:
        raise not_supported(f"{name} to {result.type}")
    if values.type.name == "map":  # random() prevents DuckDB from evaluating the map again for each use of the result
        each = f"if(random() < 2, {entries(values)}, NULL)"
        if name == "map_filter":
            return from_entries(f"list_filter({each}, lambda {parameter}: {result.sql})", values.type)
        entry = f"{{'key': {parameter}.key, 'value': {result.sql}}}"
        to = map_of(values.type.fields[0][1], result.type)
        return from_entries(f"list_transform({each}, lambda {parameter}: {entry})", to)
    each = f"list_transform({values.sql}, lambda {parameter}: {result.sql})"
    if name == "transform":
        return Value(each, array(result.type))
    # One decisive element decides the result; otherwise it is NULL if any element is, otherwise the opposite.
    decisive = "FALSE" if name == "all_match" else "TRUE"
    otherwise = "TRUE" if name != "any_match" else "FALSE"
    decided = "FALSE" if name != "any_match" else "TRUE"
    sql = bound(
        each,
        lambda of: (
            f"CASE WHEN list_contains({of}, {decisive}) THEN {decided}"
            f" WHEN len({of}) > list_count({of}) THEN NULL WHEN {of} IS NOT NULL THEN {otherwise} END"
        ),
    )
    return Value(sql, BOOLEAN)
