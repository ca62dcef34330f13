"""Scalar functions with the same results as in Trino, and their translations.

Why a call fails: `signatures.check` raises Trino's own error if Trino has no such function, or none for these
arguments. A function, or a combination of argument types, that is in neither `_SCALARS` nor `_FORMS` has no
translation: NOT_SUPPORTED, with the wording of `errors.not_supported`. `aggregates.py` does the same for aggregates and
window functions, with `AGGREGATES` and `WINDOW_FUNCTIONS`. The translations account for differences between DuckDB's
functions and Trino's (https://trino.io/docs/current/functions.html).
"""

from collections.abc import Callable, Sequence
from functools import partial

from localaws.athena.duck import binary, json_casts, maps, texts
from localaws.athena.duck.json_casts import cast
from localaws.athena.duck.operators import (
    COMPARABLE,
    Value,
    coerce,
    common_type,
    comparison,
    quote,
    unsupported,
    unsupported_call,
    zoned,
)
from localaws.athena.duck.patterns import Pattern
from localaws.athena.duck.signatures import check
from localaws.athena.errors import QueryError
from localaws.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TIMESTAMP,
    TIMESTAMP_TZ,
    VARBINARY,
    VARCHAR,
    Type,
    common,
)

_ASCII = "CASE WHEN strlen({0}) = length({0}) THEN {1}({0}) WHEN {0} IS NOT NULL THEN " + unsupported(
    "the case of letters beyond ASCII"
)

_ROUND = "CASE WHEN {{0}} = 0 THEN CAST(0 AS DOUBLE) ELSE {} END"  # Trino drops the sign of -0.0

# Arguments, result, DuckDB's text. "integers": any integer type; "numbers": any number, as double; a result of None:
# the type of the first argument.
_SCALARS: dict[str, list[tuple[tuple[str, ...], Type | None, str]]] = {
    "abs": [(("double",), None, "abs({0})"), (("integers",), None, "abs({0})")],
    "ceil": [(("double",), None, "ceil({0})"), (("integers",), None, "({0})")],
    "floor": [(("double",), None, "floor({0})"), (("integers",), None, "({0})")],
    "round": [
        (("double",), None, _ROUND.format("round({0})")),
        (("double", "integer"), None, _ROUND.format("round({0}, {1})")),
        (("integers",), None, "({0})"),
    ],
    "sqrt": [(("numbers",), DOUBLE, "CASE WHEN {0} < 0 THEN CAST('nan' AS DOUBLE) ELSE sqrt({0}) END")],
    "is_nan": [(("numbers",), BOOLEAN, "isnan({0})")],
    "is_finite": [(("numbers",), BOOLEAN, "isfinite({0})")],
    "is_infinite": [(("numbers",), BOOLEAN, "isinf({0})")],
    "length": [(("varchar",), BIGINT, "length({0})"), (("varbinary",), BIGINT, "octet_length({0})")],
    "lower": [(("varchar",), None, _ASCII.format("{0}", "lower") + " END")],
    "upper": [(("varchar",), None, _ASCII.format("{0}", "upper") + " END")],
    "md5": [(("varbinary",), VARBINARY, "unhex(md5({0}))")],
    "sha1": [(("varbinary",), VARBINARY, "unhex(sha1({0}))")],
    "sha256": [(("varbinary",), VARBINARY, "unhex(sha256({0}))")],
    "to_base64": [(("varbinary",), VARCHAR, "to_base64({0})")],
    "to_hex": [(("varbinary",), VARCHAR, "hex({0})")],
    "year": [(("date",), BIGINT, "year({0})"), (("timestamp",), BIGINT, "year({0})")],
    "month": [(("date",), BIGINT, "month({0})"), (("timestamp",), BIGINT, "month({0})")],
    "day": [(("date",), BIGINT, "day({0})"), (("timestamp",), BIGINT, "day({0})")],
    "day_of_week": [(("date",), BIGINT, "isodow({0})"), (("timestamp",), BIGINT, "isodow({0})")],
    "hour": [(("timestamp",), BIGINT, "hour({0})")],
    "minute": [(("timestamp",), BIGINT, "minute({0})")],
    "second": [(("timestamp",), BIGINT, "second({0})")],
}


def scalar(name: str, arguments: Sequence[Value]) -> Value:
    """A call of a scalar function."""
    check(name, [argument.type for argument in arguments])
    if name in _FORMS:
        count, translate = _FORMS[name]
        if len(arguments) == count if count else len(arguments) > 1:
            return translate(arguments)
    for parameters, result, duck in _SCALARS.get(name, []):
        bound = _bind(parameters, arguments)
        if bound is not None:
            to = result or arguments[0].type
            sql = duck.format(*bound)
            return Value(f"CAST({sql} AS {to.duck})" if to == BIGINT else sql, to)
    raise unsupported_call(name, arguments)


def _bind(parameters: Sequence[str], arguments: Sequence[Value]) -> list[str] | None:
    """The arguments' texts if they fit a signature. Other signatures of Trino's do not cause a coercion."""
    if len(parameters) != len(arguments):
        return None
    texts = []
    for place, argument in zip(parameters, arguments, strict=True):
        if place == "numbers" and argument.type.is_numeric:
            texts.append(coerce(argument, DOUBLE).sql)
        elif place == argument.type.name or (place == "integers" and argument.type.is_integer):
            texts.append(argument.sql)
        else:
            return None
    return texts


def _coalesce(arguments: Sequence[Value]) -> Value:
    to = common_type([argument.type for argument in arguments], "COALESCE operands")
    return Value(f"coalesce({', '.join(coerce(argument, to).sql for argument in arguments)})", to)


def _nullif(arguments: Sequence[Value]) -> Value:
    value, other = arguments
    if common(value.type, other.type) is None:
        raise QueryError("TYPE_MISMATCH", f"Types are not comparable with NULLIF: {value.type} vs {other.type}")
    equal = comparison("=", value, other)
    return Value(f"CASE WHEN {equal.sql} THEN NULL ELSE {value.sql} END", value.type)


def concat(arguments: Sequence[Value]) -> Value:
    """``||`` and concat() of strings, or of binary values."""
    if all(argument.type == VARBINARY for argument in arguments):
        return Value(f"({' || '.join(argument.sql for argument in arguments)})", VARBINARY)
    if any(argument.type.name != "varchar" for argument in arguments):
        if any(argument.type.name in ("array", "unknown") for argument in arguments):
            raise unsupported_call("concat", arguments)
        types = ", ".join(str(argument.type) for argument in arguments)
        raise QueryError("FUNCTION_NOT_FOUND", f"Unexpected parameters ({types}) for function concat")
    literals = [argument.literal for argument in arguments if argument.literal is not None]
    joined = "".join(literals) if len(literals) == len(arguments) else None
    return Value(f"({' || '.join(argument.sql for argument in arguments)})", VARCHAR, literal=joined)


def _date(arguments: Sequence[Value]) -> Value:
    value = cast(arguments[0], DATE)
    return Value(f"({value.sql})", DATE)


_UNITS = {
    "date": ("day", "week", "month", "quarter", "year"),
    "timestamp": ("second", "minute", "hour", "day", "week", "month", "quarter", "year"),
}


def _date_trunc(arguments: Sequence[Value]) -> Value:
    unit, value = arguments
    name = (unit.literal or "").lower()
    if unit.type.name != "varchar" or name not in _UNITS.get(value.type.name, ()):
        raise unsupported_call("date_trunc", arguments)
    return Value(f"CAST(date_trunc('{name}', {value.sql}) AS {value.type.duck})", value.type)


# Seconds to the year 5138; Trino's limit is higher, and so are years with five digits.
_LAST_SECOND = 10**11


# The range of Trino's type: 2^51 milliseconds.
_MAX_SECONDS = 2**51 // 1000


def _from_unixtime(arguments: Sequence[Value], tried: bool = False) -> Value:
    seconds, zone = arguments
    if not seconds.type.is_integer or zone.type.name != "varchar":
        raise unsupported_call("from_unixtime", arguments)
    whole = coerce(seconds, BIGINT).sql
    never = f" WHEN {whole} NOT BETWEEN -{_MAX_SECONDS} AND {_MAX_SECONDS} THEN NULL" if tried else ""
    instant = (
        f"CASE WHEN {whole} BETWEEN -{_LAST_SECOND} AND {_LAST_SECOND}"
        f" THEN timezone('UTC', make_timestamp({whole} * 1000000)){never}"
        f" WHEN {whole} IS NOT NULL THEN {unsupported('a time so far away')} END"
    )
    return zoned(instant, zone.sql, unsupported("the time zone of a value"))  # TRY does not catch it


def _unknown_zone(zone: Value, tried: bool) -> str:
    if tried:
        return "NULL"
    return f"error('INVALID_FUNCTION_ARGUMENT: ''' || {zone.sql} || ''' is not a valid time zone')"


def _at_timezone(arguments: Sequence[Value], tried: bool = False) -> Value:
    instant, zone = arguments
    if instant.type != TIMESTAMP_TZ or zone.type.name != "varchar":
        raise unsupported_call("at_timezone", arguments)
    return zoned(instant.sql, zone.sql, _unknown_zone(zone, tried))


# The years for which both have the same offsets; before 1970 their time zone data differ.
_CLOCKS = "BETWEEN TIMESTAMP '1970-01-02 00:00:00' AND TIMESTAMP '2037-12-30 23:59:59.999'"


def _with_timezone(arguments: Sequence[Value], tried: bool = False) -> Value:
    """The instant of a local time; local times that are skipped have the offset before the change."""
    local, zone = arguments
    if local.type.name not in ("date", "timestamp") or zone.type.name != "varchar":
        raise unsupported_call("with_timezone", arguments)
    time = coerce(local, TIMESTAMP).sql

    def with_offset_of(days: int) -> str:
        near = f"({time} + INTERVAL '{days} days')"
        return f"timezone('UTC', {time} - (timezone({zone.sql}, timezone('UTC', {near})) - {near}))"

    before, after = with_offset_of(-1), with_offset_of(1)
    is_before, is_after = (f"timezone({zone.sql}, {instant}) = {time}" for instant in (before, after))
    instant = (
        f"CASE WHEN {time} IS NULL THEN NULL WHEN NOT {time} {_CLOCKS} THEN {unsupported('a local time so far away')}"
        f" WHEN {before} <> {after} AND {is_before} AND {is_after} THEN {unsupported('a local time that comes twice')}"
        f" WHEN {is_after} THEN {after} ELSE {before} END"
    )
    return zoned(instant, zone.sql, _unknown_zone(zone, tried))


def _to_unixtime(arguments: Sequence[Value]) -> Value:
    (instant,) = arguments
    if instant.type != TIMESTAMP_TZ:
        raise unsupported_call("to_unixtime", arguments)
    return Value(f"(epoch_ms({instant.sql}) / 1000e0)", DOUBLE)


# The functions that TRY covers, with their translations there.
TRIED: dict[str, Callable[[Sequence[Value]], Value]] = {
    "at_timezone": partial(_at_timezone, tried=True),
    "from_unixtime": partial(_from_unixtime, tried=True),
    "json_parse": partial(json_casts.json_parse, tried=True),
    "to_unixtime": _to_unixtime,
    "with_timezone": partial(_with_timezone, tried=True),
}
# Functions that return NULL for NULL, and never fail.
STRICT = frozenset({"cardinality", "element_at", "json_format", "map_keys", "map_values", "length", "is_finite"})
STRICT |= texts.FORMS.keys()


def _regexp_extract(arguments: Sequence[Value]) -> Value:
    """A group of the first match, if the group takes part in every match."""
    text, pattern, group = arguments
    if text.type.name != "varchar" or pattern.type.name != "varchar" or pattern.literal is None:
        raise unsupported_call("regexp_extract", arguments)
    read = Pattern(pattern.literal)
    number = int(group.literal) if group.type == INTEGER and group.literal is not None else 0
    if not 1 <= number <= len(read.groups) or not read.groups[number - 1]:
        raise unsupported_call("regexp_extract", arguments)
    operands = f"{text.sql}, {quote(read.duck)}"
    return Value(f"CASE WHEN regexp_matches({operands}) THEN regexp_extract({operands}, {number}) END", text.type)


def _slice(arguments: Sequence[Value]) -> Value:
    """A part of an array; positions are counted from the first element only."""
    values, start, length = arguments
    first, count = (int(one.literal or -1) if one.type == INTEGER else -1 for one in (start, length))
    if values.type.name != "array" or first < 1 or count < 0:
        raise unsupported_call("slice", arguments)
    return Value(f"{values.sql}[{first}:{first + count - 1}]", values.type)


def _array_join(arguments: Sequence[Value]) -> Value:
    """The elements that are not NULL as one string."""
    values, between = arguments
    if values.type.name != "array" or values.type.fields[0][1].name != "varchar" or between.literal is None:
        raise unsupported_call("array_join", arguments)
    joined = f"array_to_string({values.sql}, {between.sql})"  # of no elements: NULL
    return Value(f"CASE WHEN {values.sql} IS NOT NULL THEN coalesce({joined}, '') END", VARCHAR)


def _extreme(name: str, arguments: Sequence[Value]) -> Value:
    """greatest() and least(): NULL where any argument is."""
    to = arguments[0].type
    for argument in arguments[1:]:
        joined = common(to, argument.type)
        if joined is None:
            types = ", ".join(str(one.type) for one in arguments)
            raise QueryError("FUNCTION_NOT_FOUND", f"Unexpected parameters ({types}) for function {name}")
        to = joined
    texts = [coerce(argument, to).sql for argument in arguments]
    null = " OR ".join(f"{text} IS NULL" for text in texts)
    if to.name not in COMPARABLE or (to.is_float and len(texts) > 2):
        raise unsupported_call(name, arguments)
    if not to.is_float:
        return Value(f"CASE WHEN {null} THEN NULL ELSE {name}({', '.join(texts)}) END", to)
    one, other = texts
    unsure = (
        f"isnan({one}) OR isnan({other}) OR ({one} = {other} AND CAST({one} AS VARCHAR) <> CAST({other} AS VARCHAR))"
    )
    sign = ">" if name == "greatest" else "<"
    chosen = f"WHEN {other} {sign} {one} THEN {other} ELSE {one} END"
    return Value(
        f"CASE WHEN {null} THEN NULL WHEN {unsure} THEN {unsupported(f'{name} of NaN, or of 0.0 and -0.0')} {chosen}",
        to,
    )


# The number of arguments (0: two or more), and the translation.
_FORMS: dict[str, tuple[int, Callable[[Sequence[Value]], Value]]] = {
    "array_join": (2, _array_join),
    "at_timezone": (2, _at_timezone),
    "coalesce": (0, _coalesce),
    "concat": (0, concat),
    "date": (1, _date),
    "date_trunc": (2, _date_trunc),
    "from_unixtime": (2, _from_unixtime),
    "greatest": (0, partial(_extreme, "greatest")),
    "least": (0, partial(_extreme, "least")),
    "nullif": (2, _nullif),
    "regexp_extract": (3, _regexp_extract),
    "slice": (3, _slice),
    "to_unixtime": (1, _to_unixtime),
    "with_timezone": (2, _with_timezone),
    **binary.FORMS,
    **json_casts.FORMS,
    **maps.FORMS,
    **texts.FORMS,
}
