"""Functions, casts and operators that the engine answers as Trino does, each with its DuckDB spelling.

A name or a combination of types that stands in no table here is refused. Names and types are Trino's
(https://trino.io/docs/current/functions.html); where DuckDB's own function differs, the spelling says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TIMESTAMP,
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
    """A translated expression: DuckDB's text and Trino's type. zone: the zone's text of a timestamp with time zone.

    constant: it reads no column.
    """

    sql: str
    type: Type
    zone: str = ""
    constant: bool = False


def fail(code: str, message: str) -> str:
    """DuckDB's text for an expression that fails the query when it is evaluated."""
    return f"error({quote(f'{code}: {message}')})"


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def coerce(value: Value, to: Type) -> Value:
    """The value as a type that it coerces to without a cast."""
    if value.type == to:
        return value
    if value.type.name == "decimal" and to.is_float or value.type.name == to.name == "varchar":
        sql = value.sql if to.name == "varchar" else f"CAST({value.sql} AS DOUBLE)"
    else:
        sql = f"CAST({value.sql} AS {to.duck})"
    return Value(sql, to, constant=value.constant)


def mismatch(operator: str, left: Type, right: Type) -> QueryError:
    return QueryError("TYPE_MISMATCH", f"Cannot apply operator: {left} {operator} {right}")


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    """``+ - * / %`` on numbers: integers overflow and divide as in Java, decimals widen, doubles are IEEE."""
    to = common(left.type, right.type)
    if to is None or not to.is_numeric:
        if {left.type.name, right.type.name} & {"date", "timestamp"}:
            raise not_supported(f"{left.type} {operator} {right.type}")
        raise mismatch(operator, left.type, right.type)
    constant = left.constant and right.constant
    if to.name == "decimal":
        return _decimal_arithmetic(operator, left, right, constant)
    a, b = coerce(left, to).sql, coerce(right, to).sql
    if operator in "/%" and to.is_integer:
        zero = fail("DIVISION_BY_ZERO", "Division by zero")
        duck = "//" if operator == "/" else "%"
        return Value(f"CASE WHEN {b} = 0 THEN {zero} ELSE ({a} {duck} {b}) END", to, constant=constant)
    if operator == "%":
        raise not_supported(f"{to} % {to}")
    return Value(f"({a} {operator} {b})", to, constant=constant)


def _decimal_arithmetic(operator: str, left: Value, right: Value, constant: bool) -> Value:
    (p1, s1), (p2, s2) = as_decimal(left.type).args, as_decimal(right.type).args
    if operator == "*":
        to = decimal(p1 + p2, s1 + s2)
    elif operator in "+-":
        scale = max(s1, s2)
        to = decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)
    else:
        raise not_supported(f"{left.type} {operator} {right.type}")
    if to.args[0] > 38:
        raise not_supported(f"a decimal of more than 38 digits ({left.type} {operator} {right.type})")
    if operator == "*":
        a, b = coerce(left, as_decimal(left.type)).sql, coerce(right, as_decimal(right.type)).sql
    else:
        a, b = coerce(left, to).sql, coerce(right, to).sql
    return Value(f"CAST({a} {operator} {b} AS {to.duck})", to, constant=constant)


def comparison(operator: str, left: Value, right: Value) -> Value:
    """``= <> < <= > >=``. NaN equals nothing and stands in no order, unlike in DuckDB."""
    to = common(left.type, right.type)
    if to is None:
        raise mismatch(operator, left.type, right.type)
    if to.name not in _COMPARABLE:
        raise not_supported(f"{left.type} {operator} {right.type}")
    a, b = coerce(left, to).sql, coerce(right, to).sql
    plain = f"({a} {operator} {b})"
    unsure = [sql for sql, value in ((a, left), (b, right)) if to.is_float and not value.constant]
    if unsure:
        nan = " OR ".join(f"isnan({sql})" for sql in unsure)
        null = " OR ".join(f"{sql} IS NULL" for sql in unsure)
        plain = f"CASE WHEN {null} THEN NULL WHEN {nan} THEN {operator == '<>'} ELSE {plain} END"
    return Value(plain, BOOLEAN, constant=left.constant and right.constant)


_COMPARABLE = {
    "boolean",
    "tinyint",
    "smallint",
    "integer",
    "bigint",
    "decimal",
    "double",
    "varchar",
    "date",
    "timestamp",
    "unknown",
}

_NUMBER_TEXT = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_TIMESTAMP_TEXT = r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?"


def cast(value: Value, to: Type, try_cast: bool = False) -> Value:
    """``CAST(value AS to)``, with Trino's rounding, range checks and text forms."""
    source = value.type
    if try_cast and source != to:
        raise not_supported("TRY_CAST")
    if source == to and to != TIMESTAMP_TZ:
        return value
    if source == UNKNOWN:
        return Value(f"CAST(NULL AS {to.duck})", to, constant=True)
    sql = value.sql
    if source.name == "varchar":
        duck = _cast_text(sql, to)
    elif source.is_numeric and to.is_numeric:
        duck = _cast_number(sql, source, to)
    elif to == VARCHAR and source.name in _AS_TEXT:
        duck = _AS_TEXT[source.name].format(sql)
    elif source == TIMESTAMP_TZ and to.name == "timestamp":
        duck = f"timezone({value.zone}, {sql})"
    elif {source.name, to.name} <= {"date", "timestamp"} and (to.name == "date" or source.args <= to.args):
        duck = f"CAST({sql} AS {to.duck})"
    else:
        raise not_supported(f"CAST({source} AS {to})")
    return Value(duck, to, constant=value.constant)


_AS_TEXT = {
    "boolean": "CAST({} AS VARCHAR)",
    "tinyint": "CAST({} AS VARCHAR)",
    "smallint": "CAST({} AS VARCHAR)",
    "integer": "CAST({} AS VARCHAR)",
    "bigint": "CAST({} AS VARCHAR)",
    "decimal": "CAST({} AS VARCHAR)",
    "date": "CAST({} AS VARCHAR)",
    "timestamp": "strftime({}, '%Y-%m-%d %H:%M:%S.%g')",
}


def _cast_text(sql: str, to: Type) -> str:
    if to.name == "varchar":
        return sql if not to.args else f"left({sql}, {to.args[0]})"
    patterns = {"date": r"\s*\d{4}-\d{2}-\d{2}\s*", "timestamp": _TIMESTAMP_TEXT, "double": _NUMBER_TEXT}
    pattern = r"[+-]?[0-9]+" if to.is_integer else patterns.get(to.name)
    if pattern is None:
        raise not_supported(f"CAST(varchar AS {to})")
    message = f"'INVALID_CAST_ARGUMENT: Cannot cast ''' || {sql} || ''' to {to.name.upper()}'"
    return (
        f"CASE WHEN {sql} IS NULL OR regexp_full_match({sql}, {quote(pattern)}) THEN CAST({sql} AS {to.duck})"
        f" ELSE error({message}) END"
    )


def _cast_number(sql: str, source: Type, to: Type) -> str:
    if source.is_float and to.is_integer:
        return f"CAST(round({sql}) AS {to.duck})"  # half away from zero; DuckDB's cast rounds half to even
    if source.is_float and to.name == "decimal":
        return f"CAST(CAST({sql} AS VARCHAR) AS {to.duck})"  # of its shortest decimal text, half up
    return f"CAST({sql} AS {to.duck})"


Signature = tuple[tuple[Type | str, ...], Type | str, str]

# Arguments, result, DuckDB's text. "T" stands for any one type, the same throughout the signature.
_SCALARS: dict[str, list[Signature]] = {
    "abs": [((DOUBLE,), DOUBLE, "abs({0})"), ((BIGINT,), BIGINT, "abs({0})"), ((INTEGER,), INTEGER, "abs({0})")],
    "ceil": [((DOUBLE,), DOUBLE, "ceil({0})")],
    "ceiling": [((DOUBLE,), DOUBLE, "ceil({0})")],
    "floor": [((DOUBLE,), DOUBLE, "floor({0})")],
    "round": [((DOUBLE,), DOUBLE, "round({0})"), ((DOUBLE, INTEGER), DOUBLE, "round({0}, {1})")],
    "sqrt": [((DOUBLE,), DOUBLE, "CASE WHEN {0} < 0 THEN CAST('nan' AS DOUBLE) ELSE sqrt({0}) END")],
    "is_nan": [((DOUBLE,), BOOLEAN, "isnan({0})")],
    "is_finite": [((DOUBLE,), BOOLEAN, "isfinite({0})")],
    "is_infinite": [((DOUBLE,), BOOLEAN, "isinf({0})")],
    "nullif": [(("T", "T"), "T", "nullif({0}, {1})")],
    "length": [((VARCHAR,), BIGINT, "length({0})")],
    "lower": [((VARCHAR,), VARCHAR, "lower({0})")],
    "upper": [((VARCHAR,), VARCHAR, "upper({0})")],
    "year": [((DATE,), BIGINT, "year({0})"), ((TIMESTAMP,), BIGINT, "year({0})")],
    "month": [((DATE,), BIGINT, "month({0})"), ((TIMESTAMP,), BIGINT, "month({0})")],
    "day": [((DATE,), BIGINT, "day({0})"), ((TIMESTAMP,), BIGINT, "day({0})")],
    "hour": [((TIMESTAMP,), BIGINT, "hour({0})")],
    "minute": [((TIMESTAMP,), BIGINT, "minute({0})")],
    "second": [((TIMESTAMP,), BIGINT, "second({0})")],
    "day_of_week": [((DATE,), BIGINT, "isodow({0})"), ((TIMESTAMP,), BIGINT, "isodow({0})")],
}


def scalar(name: str, arguments: Sequence[Value]) -> Value:
    """A call of a scalar function that is no special form."""
    constant = all(argument.constant for argument in arguments)
    if name == "concat" and len(arguments) > 1:
        return concat(arguments)
    if name == "date":
        return cast(arguments[0], DATE) if len(arguments) == 1 else _no_overload(name, arguments)
    if name == "date_trunc" and len(arguments) == 2:
        return _date_trunc(*arguments)
    if name == "coalesce" and len(arguments) > 1:
        to = common_type("COALESCE", [argument.type for argument in arguments])
        texts = ", ".join(coerce(argument, to).sql for argument in arguments)
        return Value(f"coalesce({texts})", to, constant=constant)
    if name == "from_unixtime" and len(arguments) == 2:
        return _from_unixtime(*arguments)
    if name == "cardinality" and len(arguments) == 1 and arguments[0].type.name == "array":
        return Value(f"CAST(len({arguments[0].sql}) AS BIGINT)", BIGINT, constant=constant)
    if name not in _SCALARS:
        raise unknown_function(name)
    for exact in (True, False):
        for wanted, result, duck in _SCALARS[name]:
            bound = _bind(wanted, arguments, exact)
            if bound is not None:
                generic, texts = bound
                to = generic if isinstance(result, str) else result
                sql = f"CAST({duck.format(*texts)} AS {to.duck})" if to == BIGINT else duck.format(*texts)
                return Value(sql, to, constant=constant)
    return _no_overload(name, arguments)


def unknown_function(name: str) -> QueryError:
    # A name that Trino has and one that nobody has look alike from here; both are failures.
    return QueryError("FUNCTION_NOT_FOUND", f"Function '{name}' is not registered in the local DuckDB engine")


def _no_overload(name: str, arguments: Sequence[Value]) -> Value:
    types = ", ".join(str(argument.type) for argument in arguments)
    raise QueryError("FUNCTION_NOT_FOUND", f"Unexpected parameters ({types}) for function {name}")


def _bind(
    wanted: Sequence[Type | str], arguments: Sequence[Value], exact: bool
) -> tuple[Type, list[str]] | None:
    """The generic type and the arguments' texts when they fit a signature, as they are or as wider numbers."""
    if len(wanted) != len(arguments):
        return None
    generic = UNKNOWN
    for place, argument in zip(wanted, arguments, strict=True):
        if isinstance(place, str):
            joined = common(generic, argument.type)
            if joined is None or joined.is_float:  # of doubles, NaN's part is not known to be Trino's
                return None
            generic = joined
    texts = []
    for place, argument in zip(wanted, arguments, strict=True):
        to = generic if isinstance(place, str) else place
        widens = not exact and argument.type.is_numeric and common(argument.type, to) == to
        if argument.type.name != to.name and not widens:
            return None
        texts.append(coerce(argument, to).sql)
    return generic, texts


def common_type(what: str, types: Sequence[Type]) -> Type:
    to = types[0]
    for of in types[1:]:
        joined = common(to, of)
        if joined is None:
            raise QueryError("TYPE_MISMATCH", f"All {what} operands must be the same type or coercible: {to}, {of}")
        to = joined
    return to


def concat(arguments: Sequence[Value]) -> Value:
    for argument in arguments:
        if argument.type.name not in ("varchar", "unknown"):
            types = ", ".join(str(argument.type) for argument in arguments)
            raise QueryError("FUNCTION_NOT_FOUND", f"Unexpected parameters ({types}) for function concat")
    sql = " || ".join(coerce(argument, VARCHAR).sql for argument in arguments)
    return Value(f"({sql})", VARCHAR, constant=all(argument.constant for argument in arguments))


def _date_trunc(unit: Value, value: Value) -> Value:
    name = unit.sql.strip("'").lower()
    units = {"date": ("day", "week", "month", "quarter", "year"), "timestamp": ("second", "minute", "hour", "day")}
    known = units["date"] if value.type == DATE else units["date"] + units["timestamp"]
    if not unit.constant or unit.type.name != "varchar" or name not in known:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"{unit.sql} is not a valid {value.type.name.upper()} field")
    if value.type.name not in units:
        return _no_overload("date_trunc", [unit, value])
    sql = f"CAST(date_trunc('{name}', {value.sql}) AS {value.type.duck})"
    return Value(sql, value.type, constant=value.constant)


def _from_unixtime(seconds: Value, zone: Value) -> Value:
    if not seconds.type.is_numeric or zone.type.name != "varchar":
        return _no_overload("from_unixtime", [seconds, zone])
    millis = f"CAST(round({coerce(seconds, DOUBLE).sql} * 1000) AS BIGINT)"
    instant = f"timezone('UTC', make_timestamp({millis} * 1000))"
    return Value(instant, TIMESTAMP_TZ, zone=zone.sql, constant=seconds.constant)


AGGREGATES = frozenset({"count", "count_if", "bool_and", "bool_or", "sum", "avg", "min", "max"})
RANKINGS = frozenset({"row_number", "rank", "dense_rank"})


def aggregate(name: str, argument: Value | None, distinct: bool, wrap: Callable[[str], str]) -> Value:
    """An aggregate or ranking; ``wrap`` adds what follows the call in DuckDB (FILTER, OVER)."""
    prefix = "DISTINCT " if distinct else ""
    if name in RANKINGS:
        return Value(f"CAST({wrap(f'{name}()')} AS BIGINT)", BIGINT)
    if argument is None:
        if name != "count":
            raise QueryError("FUNCTION_NOT_FOUND", f"Unexpected parameters () for function {name}")
        return Value(wrap("count(*)"), BIGINT)
    of = argument.type
    if name == "count":
        if of.name not in _COMPARABLE:
            raise not_supported(f"count of {of}")
        return Value(wrap(f"count({prefix}{argument.sql})"), BIGINT)
    if name in ("min", "max"):
        if of.name not in _COMPARABLE - {"unknown"}:
            raise not_supported(f"{name} of {of}")
        sql = wrap(f"{name}({argument.sql})")
        if of.is_float:  # a NaN's place among the others is not known to be Trino's
            nan = wrap(f"bool_or(isnan({argument.sql}))")
            sql = f"CASE WHEN {nan} THEN {fail('NOT_SUPPORTED', f'{name} over NaN')} ELSE {sql} END"
        return Value(sql, of)
    if name in ("count_if", "bool_and", "bool_or"):
        if of != BOOLEAN or distinct:
            return _no_overload(name, [argument])
        sql = wrap(f"{name}({argument.sql})")
        return Value(f"CAST({sql} AS BIGINT)", BIGINT) if name == "count_if" else Value(sql, BOOLEAN)
    if name == "sum" and of.name == "decimal":
        to = decimal(38, of.args[1])
        return Value(wrap(f"sum({prefix}{argument.sql})"), to)
    if name == "sum" and of.is_integer:
        return Value(f"CAST({wrap(f'sum({prefix}{argument.sql})')} AS BIGINT)", BIGINT)
    if of.is_float or name == "avg" and of.is_integer:
        return Value(wrap(f"{name}({prefix}{coerce(argument, DOUBLE).sql})"), DOUBLE)
    if of.name == "decimal":
        raise not_supported(f"{name} of {of}")
    return _no_overload(name, [argument])
