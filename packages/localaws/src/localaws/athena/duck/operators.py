"""Values with Trino's types, and operators and casts with the same results as in Trino.

A combination of types without a branch here is refused. The translation accounts for differences between DuckDB's
operators and Trino's (https://trino.io/docs/current/functions.html).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import duckdb

from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import (
    BIGINT,
    BOOLEAN,
    TIMESTAMP_TZ,
    UNKNOWN,
    VARCHAR,
    Type,
    as_decimal,
    common,
    decimal,
)


@dataclass(frozen=True)
class Value:
    """A translated expression: DuckDB's text and Trino's type.

    zone: the text of the zone of a timestamp with time zone; literal: the content of a literal; parsed, encoded:
    DuckDB's text for the argument of json_parse() or to_utf8(), if the value is its result; entries: of a map that was
    made from a list of entries, DuckDB's text for this list.
    """

    sql: str
    type: Type
    zone: str = ""
    literal: str | None = None
    parsed: str = ""
    encoded: str = ""
    entries: str = ""


NULL = Value("NULL", UNKNOWN)


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def fail(code: str, message: str) -> str:
    """DuckDB's text for an expression that fails the query when it is evaluated."""
    return f"error({quote(f'{code}: {message}')})"


UNSUPPORTED_ERROR = "error('NOT_SUPPORTED"  # the beginning of the text that `unsupported` returns


def unsupported(what: str) -> str:
    """DuckDB's text for a value that the engine is not known to handle as Trino does."""
    error = not_supported(what)
    return f"error({quote(str(error))})"


def unsupported_call(name: str, arguments: Sequence[Value]) -> QueryError:
    """The error for a call of a function with these arguments that has no translation."""
    return not_supported(f"{name}({', '.join(str(argument.type) for argument in arguments)})")


def coerce(value: Value, to: Type) -> Value:
    """The value as a type that it coerces to without a cast."""
    if value.type == to or value.type.name == to.name == "varchar":
        return Value(value.sql, to, literal=value.literal)
    if value.type.name == "decimal" and to.is_float and value.type.args[0] > 15:
        raise not_supported(f"{value.type} as double")  # more digits than a double can hold
    return Value(f"CAST({value.sql} AS {to.duck})", to, literal=value.literal)


_SIMPLE = re.compile(r'(\w+|"[^"]+")(\.(\w+|"[^"]+"))*')


def is_simple(value: Value) -> bool:
    """Whether a value is a literal or a name, so that its text can be inserted into another without parentheses."""
    return value.literal is not None or _SIMPLE.fullmatch(value.sql) is not None


def bound(sql: str, body: Callable[[str], str]) -> str:
    """DuckDB's text of ``body`` applied to a value, which is computed only once even if the body uses it repeatedly."""
    return body(sql) if _SIMPLE.fullmatch(sql) else named(sql, '"$b"', body('"$b"'))


def named(sql: str, name: str, body: str) -> str:
    """DuckDB's text of a body that refers to a value by a name. The name is quoted and has a $, unlike any column."""
    return f"list_transform([{sql}], lambda {name}: {body})[1]"


def in_file(sql: str, type_: Type) -> str:
    """DuckDB's text for a column in the type that the files of a table have."""
    if _has_map(type_.fields[1][1] if type_.name == "map" else type_):
        raise not_supported(f"a column of type {type_} in a file")
    return f"CAST({sql} AS {type_.duck})"


def _has_map(type_: Type) -> bool:
    return type_.name in ("map", "json") or any(_has_map(inner) for _, inner in type_.fields)


def check_key(type_: Type, clause: str) -> None:
    """Raises QueryError for json and maps, because DuckDB can distinguish values that are equal in Trino."""
    if _has_map(type_):
        raise not_supported(f"{clause} of {type_}")


def common_type(types: Sequence[Type], what: str) -> Type:
    """The type that all coerce to. Raises QueryError TYPE_MISMATCH, whose message names ``what``."""
    to = types[0]
    for type_ in types[1:]:
        joined = common(to, type_)
        if joined is None:
            raise QueryError("TYPE_MISMATCH", f"All {what} must be the same type or coercible: {to} vs {type_}")
        to = joined
    return to


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    """``+ - * / %`` on numbers: integers overflow and divide as in Java, decimals widen, doubles are IEEE."""
    to = common(left.type, right.type)
    if {left.type.name, right.type.name} & {"date", "timestamp", "unknown"}:
        raise not_supported(f"{left.type} {operator} {right.type}")
    if to is None or not to.is_numeric:
        raise QueryError("TYPE_MISMATCH", f"Cannot apply operator: {left.type} {operator} {right.type}")
    if to.name == "decimal":
        return _decimal_arithmetic(operator, left, right)
    a, b = coerce(left, to).sql, coerce(right, to).sql
    if operator in "/%" and to.is_integer:
        zero = fail("DIVISION_BY_ZERO", "Division by zero")
        duck = "//" if operator == "/" else "%"
        return Value(f"CASE WHEN {b} = 0 AND {a} IS NOT NULL THEN {zero} ELSE {a} {duck} {b} END", to)
    if operator == "%":
        raise not_supported(f"{to} % {to}")
    return Value(f"({a} {operator} {b})", to)


def _decimal_arithmetic(operator: str, left: Value, right: Value) -> Value:
    (p1, s1), (p2, s2) = as_decimal(left.type).args, as_decimal(right.type).args
    if operator == "*":
        to = decimal(p1 + p2, s1 + s2)
        a, b = coerce(left, as_decimal(left.type)).sql, coerce(right, as_decimal(right.type)).sql
    elif operator in "+-":
        scale = max(s1, s2)
        to = decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)
        a, b = coerce(left, to).sql, coerce(right, to).sql
    else:
        raise not_supported(f"{left.type} {operator} {right.type}")
    if to.args[0] > 38:
        raise not_supported(f"a decimal of more than 38 digits ({left.type} {operator} {right.type})")
    return Value(f"CAST({a} {operator} {b} AS {to.duck})", to)


def negated(value: Value) -> Value:
    if value.type == UNKNOWN:
        raise not_supported("- NULL")
    if not value.type.is_numeric:
        raise QueryError("TYPE_MISMATCH", f"Cannot negate {value.type}")
    return Value(f"(-{value.sql})", value.type)


COMPARABLE = frozenset(
    {"boolean", "tinyint", "smallint", "integer", "bigint", "decimal", "double"}
    | {"varchar", "varbinary", "date", "timestamp"}
)


def comparison(operator: str, left: Value, right: Value) -> Value:
    """``= <> < <= > >=``. Unlike in DuckDB, all comparisons with NaN but <> are false."""
    to = common(left.type, right.type)
    if to is None:
        raise QueryError("TYPE_MISMATCH", f"Cannot apply operator: {left.type} {operator} {right.type}")
    if to != UNKNOWN and to.name not in COMPARABLE:
        raise not_supported(f"{left.type} {operator} {right.type}")
    a, b = coerce(left, to), coerce(right, to)
    plain = f"({a.sql} {operator} {b.sql})"
    unsure = [value.sql for value in (a, b) if to.is_float and value.literal is None]
    if unsure:
        null = " OR ".join(f"{sql} IS NULL" for sql in unsure)
        nan = " OR ".join(f"isnan({sql})" for sql in unsure)
        plain = f"CASE WHEN {null} THEN NULL WHEN {nan} THEN {operator == '<>'} ELSE {plain} END"
    return Value(plain, BOOLEAN)


def distinct(left: Value, right: Value) -> str:
    """DuckDB's text of ``left IS DISTINCT FROM right``: here NULL equals NULL, and NaN equals NaN."""
    to = common(left.type, right.type)
    if to is None:
        raise QueryError("TYPE_MISMATCH", f"Cannot check if {left.type} is identical to {right.type}")
    if to != UNKNOWN and to.name not in COMPARABLE:
        raise not_supported(f"{left.type} IS DISTINCT FROM {right.type}")
    return f"{coerce(left, to).sql} IS DISTINCT FROM {coerce(right, to).sql}"


def sort_key(value: Value, descending: bool, nulls_first: bool) -> str:
    """One key of an ORDER BY. By default, NULLs are last in both directions."""
    if value.type.name not in COMPARABLE:
        raise not_supported(f"ORDER BY of {value.type}")
    if value.type.is_float and nulls_first:
        raise not_supported("NULLS FIRST of a double")  # here NaN is the smallest value in Trino, but not in DuckDB
    direction, nulls = "DESC" if descending else "ASC", "FIRST" if nulls_first else "LAST"
    return f"{partition_key(value)} {direction} NULLS {nulls}"


def partition_key(value: Value) -> str:
    """One key of a PARTITION BY. If a plain column were the key, DuckDB would return -0.0 as 0.0."""
    check_key(value.type, "PARTITION BY")
    return f"({value.sql} + 0e0)" if value.type.is_float else value.sql


# Casts

# By type: texts that Trino and DuckDB read as the same value, with blanks around them, and texts that perhaps only
# Trino reads as a value. All other texts are invalid. Java drops control characters and reads digits of all scripts.
_BLANKS = "\t\n\x0b\f\r "
_CONTROLS = r"(?s:.*[\x00-\x08\x0e-\x1f].*)"
_TEXTS = {
    "integer": (r"[+-]?[0-9]+", rf"{_CONTROLS}|(?s:.*[^\P{{Nd}}0-9].*)"),
    "double": (
        r"([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?|NaN|-?Infinity)",
        rf"{_CONTROLS}|[\t-\r ]*([+-]NaN|\+Infinity|[+-]?0[xX].*)",
    ),
    "date": (
        r"[1-9]\d{3}-\d{1,2}-\d{1,2}",
        rf"{_CONTROLS}|[\t-\r ]*[+-]?[0-9]+-[0-9]+-[0-9]+[\t-\r ]*|(?s:.*[^\x00-\x7f\P{{Nd}}].*|.*[^\P{{Z}} ].*)",
    ),
    "timestamp": (r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?", r"(?s:.*[^A-Za-z].*)"),
}
_NAMES = {"integer": "INT"}


def cast(value: Value, to: Type, tried: bool = False) -> Value:
    """``CAST(value AS to)``, with Trino's rounding, range checks and text forms; tried: NULL if it fails."""
    source, sql = value.type, value.sql
    if source == to:
        duck = f"({sql})"  # another text than the bare value: it is another grouping key
    elif source == UNKNOWN:
        duck = f"CAST(NULL AS {to.duck})"
    elif source.name == "varchar":
        duck = _cast_text(sql, to, tried)
    elif source.is_numeric and to.is_numeric:
        duck = _cast_number(value, to, tried)
    elif to == VARCHAR:
        duck = _as_text(sql, source)
    elif source == TIMESTAMP_TZ and to.name == "timestamp":
        duck = _local_time(value)
    elif {source.name, to.name} <= {"date", "timestamp"} and (to.name == "date" or source.args <= to.args):
        duck = f"CAST({sql} AS {to.duck})"
    else:
        raise not_supported(f"CAST({source} AS {to})")
    return Value(duck, to, zone=value.zone if to == TIMESTAMP_TZ else "")


def _as_text(sql: str, source: Type) -> str:
    if source.is_integer or source.name in ("boolean", "date"):
        return f"CAST({sql} AS VARCHAR)"
    if source.name == "decimal":  # DuckDB writes .5 for 0.5
        return f"regexp_replace(CAST({sql} AS VARCHAR), '^(-?)\\.', '\\1' || '0.')"
    if source.name == "timestamp":
        digits = source.args[0]
        cut = 3 - digits if digits else 4
        return f"left(strftime({sql}, '%Y-%m-%d %H:%M:%S.%g'), {23 - cut})"
    raise not_supported(f"CAST({source} AS varchar)")


def _cast_text(sql: str, to: Type, tried: bool) -> str:
    if to.name == "varchar":
        return f"left({sql}, {to.args[0]})" if to.args else f"({sql})"
    form = "integer" if to.is_integer else to.name
    if form not in _TEXTS:
        raise not_supported(f"CAST(varchar AS {to})")
    certain, doubtful = _TEXTS[form]
    text = sql
    if form != "timestamp":
        certain = rf"[\t-\r ]*{certain}[\t-\r ]*"
        text = f"trim({sql}, {quote(_BLANKS)})"
    if form == "double":
        text = f"rtrim({text}, 'dDfF')"
    name = _NAMES.get(to.name, to.name.upper())
    if tried:
        wrong = "NULL"
    elif to.name == "date":
        wrong = f"error('INVALID_CAST_ARGUMENT: Value cannot be cast to date: ' || {sql})"
    else:
        wrong = f"error('INVALID_CAST_ARGUMENT: Cannot cast ''' || {sql} || ''' to {name}')"
    refused = unsupported(f"the cast of this text to {to}")
    return (
        f"CASE WHEN {sql} IS NULL THEN NULL"
        f" WHEN regexp_full_match({sql}, {quote(certain)})"
        f" THEN coalesce(TRY_CAST({text} AS {to.duck}), {wrong})"
        f" WHEN regexp_full_match({sql}, {quote(doubtful)}) THEN {refused} ELSE {wrong} END"
    )


# Trino casts decimals with more digits in another way.
_SHORT_DECIMAL = 18


# A double's text "$t" without an exponent: casting a text with one to a decimal, DuckDB rounds 5e-05 to 1, and does not
# detect overflows.
_DIGITS, _EXPONENT = (
    """replace(ltrim(split_part("$t", 'e', 1), '-'), '.', '')""",
    "TRY_CAST(split_part(\"$t\", 'e', 2) AS INT)",
)
_WITHOUT_EXPONENT = (
    f"""CASE WHEN NOT contains("$t", 'e') THEN "$t" ELSE if(starts_with("$t", '-'), '-', '') || CASE"""
    f""" WHEN contains("$t", 'e-') THEN '0.' || repeat('0', -1 - {_EXPONENT}) || {_DIGITS}"""
    f" ELSE rpad({_DIGITS}, 1 + {_EXPONENT}, '0') END END"
)


def _cast_number(value: Value, to: Type, tried: bool) -> str:
    sql, source = value.sql, value.type
    if source.name == "decimal" and to.is_float and source.args[0] > _SHORT_DECIMAL:
        return f"CAST(CAST({sql} AS VARCHAR) AS DOUBLE)"  # the double nearest to its text
    if to.is_float or (source.is_integer and common(source, to) == to):
        return coerce(value, to).sql
    in_range = to.is_integer and (source.is_integer or (source.is_float and to != BIGINT))
    code = "NUMERIC_VALUE_OUT_OF_RANGE" if in_range else "INVALID_CAST_ARGUMENT"
    if source.is_float and to.is_integer:
        narrowed = f"round({sql})"  # half away from zero; DuckDB's cast rounds half to even
    elif source.is_float:
        narrowed = named(f"CAST({sql} AS VARCHAR)", '"$t"', _WITHOUT_EXPONENT)  # rounds its shortest text, half up
    else:
        narrowed = sql
    wrong = "NULL" if tried else f"error('{code}: Cannot cast ' || CAST({sql} AS VARCHAR) || ' to {to}')"
    return f"CASE WHEN {sql} IS NOT NULL THEN coalesce(TRY_CAST({narrowed} AS {to.duck}), {wrong}) END"


def _local_time(value: Value) -> str:
    """The local time of a timestamp with time zone."""
    if not value.zone:
        raise not_supported("a timestamp with time zone of this origin")
    return f"timezone({value.zone}, {value.sql})"


def zoned(instant: str, zone: str, unknown: str) -> Value:
    """An instant in a zone, NULL without one. unknown: DuckDB's text for when Trino does not know the zone.

    instant: DuckDB's text of a TIMESTAMPTZ, which is valid only if the zone is known. DuckDB has more names of
    zones than Trino, and takes them in any case.
    """
    known, all_names = _zone_names()
    refused = unsupported("the time zone of a value")
    sql = (
        f"CASE WHEN regexp_full_match({zone}, {quote(known)}) THEN {instant}"
        f" WHEN regexp_full_match({zone}, {quote(_NO_ZONE)})"
        f" AND NOT regexp_full_match({zone}, {quote(f'(?i:{all_names})')}) THEN {unknown}"
        f" WHEN {zone} IS NOT NULL THEN {refused} END"
    )
    return Value(sql, TIMESTAMP_TZ, zone=zone)


_REGIONS = (
    "(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|Brazil|Canada|Chile|Mexico|US)/"
)
# Texts that cannot be an offset (UTC+1, -08:00): if such a text is not the name of a zone either, Trino rejects it.
_NO_ZONE = rf"[ -*,./;-~]+|{_REGIONS}[ -~]*"
# A zone added in 2025, and two that IANA has removed: they are missing in Trino's zone-index.properties.
_UNKNOWN_TO_TRINO = ("America/Coyhaique", "Canada/East-Saskatchewan", "US/Pacific-New")


@cache
def _zone_names() -> tuple[str, str]:
    """Patterns of IANA's zone names by region, whose case counts in Trino, and of all that DuckDB has."""
    with duckdb.connect() as connection:
        names = connection.execute(
            "SELECT DISTINCT name, regexp_full_match(name, ?) FROM pg_timezone_names() ORDER BY 1", [f"{_REGIONS}.*"]
        ).fetchall()
    known = [name for name, regional in names if regional and name not in _UNKNOWN_TO_TRINO]
    return "|".join(["UTC", *known]), "|".join(re.escape(name) for name, _ in names)
