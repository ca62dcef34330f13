"""json_parse, json_format and casts: those from and to json, and by way of `operators` all others.

DuckDB handles plain JSON (see `json_text`); the functions of `json_text` handle all other values.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from localaws.athena.duck import operators
from localaws.athena.duck.json_text import MARK, PLAIN_DOUBLES, PLAIN_OBJECT, PLAIN_SCALAR, plain_row
from localaws.athena.duck.operators import Value, bound, named, quote
from localaws.athena.duck.scope import Scope, may_be_constant
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import BIGINT, DOUBLE, JSON, UNKNOWN, VARBINARY, VARCHAR, Type, map_of


def _otherwise(tried: bool) -> str:
    return "or_null" if tried else "or_error"


def json_parse(arguments: Sequence[Value], tried: bool = False) -> Value:
    (text,) = arguments
    if text.type.name != "varchar":
        raise not_supported(f"json_parse({text.type})")
    return Value(
        bound(
            text.sql,
            lambda text: (
                f"CASE WHEN regexp_full_match({text}, {quote(PLAIN_SCALAR)}) THEN {text}"
                f" ELSE json_parse_{_otherwise(tried)}({text}) END"
            ),
        ),
        replace(JSON, fresh=True),
        parsed=text.sql,
    )


def _small(text: str) -> str:
    """DuckDB's text for a plain number below 0.001 in Java's notation: 4.1E-4 for 0.00041."""
    digits = f"ltrim({text}, '-0.')"
    sign = f"if(starts_with({text}, '-'), '-', '')"
    zeros = f"length({text}) - length({digits}) - length({sign}) - 2"
    fraction = f"if(length({digits}) > 1, substr({digits}, 2), '0')"
    return f"{sign} || left({digits}, 1) || '.' || {fraction} || 'E-' || ({zeros} + 1)"


def settled(value: Value, node: exp.Expr, scope: Scope) -> Value:
    """The value of a call. Trino evaluates json_parse() of a literal, maybe of other constants, before the query."""
    if not value.parsed or not may_be_constant(node, scope):
        return value
    is_literal = isinstance(node.args["expressions"][0], exp.Literal)
    return replace(value, parsed="", type=JSON if is_literal else value.type)


def json_format(arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    if value.type != JSON:
        raise not_supported(f"json_format({value.type})")
    return Value(
        bound(
            value.sql,
            lambda text: (
                # Distinguished by the first characters: most numbers; numbers below 0.001; other scalars; marked texts.
                f"CASE WHEN {text} >= '0.001' AND {text} < '{{' OR {text} = '0' THEN {text}"
                f" WHEN {text} >= '0.000' AND {text} < '0.001' OR {text} >= '-0.000' AND {text} < '-0.001'"
                f" THEN {_small(text)}"
                f" WHEN {text} > ' ' AND {text} < '{{' THEN {text}"
                f" WHEN starts_with({text}, {quote(MARK)}) THEN substr({text}, 2) ELSE json_canonical({text}) END"
            ),
        ),
        VARCHAR,
    )


def cast(value: Value, to: Type, tried: bool = False) -> Value:
    """``CAST(value AS to)``, with Trino's rounding, range checks and text forms. tried: NULL if the cast fails."""
    source = value.type
    if source == to and source.name in ("json", "map"):
        return Value(f"({value.sql})", source)
    if source == VARBINARY != to:
        raise QueryError("TYPE_MISMATCH", f"Cannot cast {source} to {to}")
    if source == UNKNOWN or "json" not in (source.name, to.name):
        return operators.cast(value, to, tried)
    if to == JSON:
        return _to_json(value)
    if to == VARCHAR:
        return Value(bound(value.sql, lambda text: _as_text(text, tried)), to)
    if to in (DOUBLE, BIGINT):
        return Value(bound(value.sql, lambda text: _as_number(text, to, tried)), to)
    if to.name in ("map", "row") and value.type.fresh and not value.parsed:
        # Trino might or might not merge the cast with the json_parse()
        raise not_supported(f"CAST(json AS {to}) apart from json_parse()")
    if to in (map_of(VARCHAR, JSON), map_of(VARCHAR, DOUBLE)):
        return _as_map(value, to, tried)
    if to.name == "row":
        return _as_row(value, to, tried)
    raise not_supported(f"CAST(json AS {to})")


def _to_json(value: Value) -> Value:
    for value_type, name in ((JSON, "json_of_entries"), (DOUBLE, "json_of_doubles")):
        if value.type == map_of(VARCHAR, value_type):
            return Value(f"{name}({value.sql})", JSON)
    if value.type.name == "timestamp with time zone":
        raise QueryError("TYPE_MISMATCH", f"Cannot cast {value.type} to json")
    raise not_supported(f"CAST({value.type} AS json)")


def _plain_text(text: str) -> str:
    """DuckDB's text for the content of a plain JSON string."""
    return f"substr({text}, 2, length({text}) - 2)"


def _as_text(text: str, tried: bool) -> str:
    return (
        f"CASE WHEN starts_with({text}, '\"') THEN {_plain_text(text)}"
        f" WHEN {text} IN ('true', 'false') OR regexp_full_match({text}, '-?[0-9]+') THEN {text}"
        f" ELSE json_varchar_{_otherwise(tried)}({text}) END"
    )


def _as_number(text: str, to: Type, tried: bool) -> str:
    def cast_string(content: str) -> str:
        return operators.cast(Value(content, VARCHAR), to, tried).sql

    # The cast cannot fail for these rows, but DuckDB can also evaluate it for other rows of the vector.
    number = f"TRY_CAST({text} AS {to.duck})"
    if to == BIGINT:
        double = operators.cast(Value(f"TRY_CAST({text} AS DOUBLE)", DOUBLE), BIGINT, tried).sql
        number = f"CASE WHEN contains({text}, '.') THEN {double} ELSE {number} END"
    return (
        f"CASE WHEN {text} >= '-' AND {text} < ':' THEN {number}"  # a plain number, by its first character
        f" WHEN starts_with({text}, '\"') THEN {bound(_plain_text(text), cast_string)}"
        f" WHEN {text} = 'true' THEN 1 WHEN {text} = 'false' THEN 0"
        f" ELSE json_{to.name}_{_otherwise(tried)}({text}) END"
    )


def _unique(text: str) -> str:
    """DuckDB's text for whether the keys of a map are unique. With few keys, comparing all of them is faster."""
    return (
        f"CASE WHEN cardinality({text}) < 50 THEN len(list_filter(map_keys({text}),"
        f' lambda "$k", "$i": list_position(map_keys({text}), "$k") <> "$i")) = 0'
        f" ELSE list_unique(map_keys({text})) = cardinality({text}) END"
    )


def _as_map(value: Value, to: Type, tried: bool) -> Value:
    """DuckDB's text for the cast of a JSON value to a map. DuckDB itself would keep duplicate keys."""
    of_json = to.fields[1][1] == JSON
    kind = "entries" if of_json else "doubles"
    structure = f'"MAP(VARCHAR, {"JSON" if of_json else "DOUBLE"})"'
    pattern = PLAIN_OBJECT if of_json else PLAIN_DOUBLES

    def read(name: str, is_plain: Callable[[str], str]) -> Callable[[str], str]:
        def cast_text(text: str) -> str:
            plain = f"from_json(CASE WHEN {is_plain(text)} THEN {text} END, {quote(structure)})"
            unique = _unique('"$m"')
            by_duckdb = named(plain, '"$m"', f'CASE WHEN {unique} THEN CAST("$m" AS {to.duck}) END')
            by_function = f"from_json({name}_{kind}_{_otherwise(tried)}({text}), {quote(json.dumps(to.duck))})"
            return f"coalesce({by_duckdb}, {by_function})"

        return cast_text

    matches = lambda text: f"regexp_full_match({text}, {quote(pattern)})"  # noqa: E731
    if value.parsed:  # cast the text directly, without json_parse()
        sql = bound(value.parsed, read("json_parse", matches))
    else:
        sql = bound(value.sql, read("json", (lambda text: f"starts_with({text}, '{{')") if of_json else matches))
    return Value(sql, to)


def _as_row(value: Value, to: Type, tried: bool) -> Value:
    """DuckDB's text for the cast of a JSON value to a row. DuckDB itself would keep duplicate keys."""
    pattern = quote(plain_row(to.fields))
    structure = quote(json.dumps({name: type_.duck for name, type_ in to.fields}))
    fields = [(f'"$r"."{name}"', type_) for name, type_ in to.fields]
    present = " + ".join(f"CAST({field} IS NOT NULL AS INTEGER)" for field, _ in fields)
    unique = " AND ".join(f"({field} IS NULL OR {_unique(field)})" for field, type_ in fields if type_.name == "map")

    def cast_text(text: str) -> str:
        plain = f"from_json(CASE WHEN regexp_full_match({text}, {pattern}) THEN {text} END, {structure})"
        conditions = f"len(json_keys({text})) = {present}" + (f" AND {unique}" if unique else "")
        by_duckdb = named(plain, '"$r"', f'CASE WHEN "$r" IS NOT NULL THEN CASE WHEN {conditions} THEN "$r" END END')
        name = "json_parse" if value.parsed else "json"
        return f'coalesce({by_duckdb}, from_json("{name} {to.hive}_{_otherwise(tried)}"({text}), {structure}))'

    return Value(bound(value.parsed or value.sql, cast_text), to)


FORMS: dict[str, tuple[int, Callable[[Sequence[Value]], Value]]] = {
    "json_format": (1, json_format),
    "json_parse": (1, json_parse),
}
