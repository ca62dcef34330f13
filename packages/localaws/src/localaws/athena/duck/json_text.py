"""Trino's JSON values as texts, and casts of the values that DuckDB's own parser might read differently.

In DuckDB, a value of type json is a text of one of two kinds: Trino's text after a mark, or plain text as DuckDB writes
it. Plain text equals Trino's text, except for duplicate keys of an object and doubles below 0.001. Trino sorts the keys
only in json_parse(); the parts of an object keep its order. If a text is cast directly, as in
CAST(json_parse(…) AS map(…)), Trino skips json_parse().
Sources: Trino 476's io.trino.util.JsonUtil and JsonTypeUtil, which read and write with Jackson.
"""

import json
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from itertools import accumulate
from typing import Any, NoReturn

import duckdb
import pyarrow as pa

from localaws.athena.duck.serdes import add_function
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.text import java_double
from localaws.athena.types import BIGINT, DOUBLE, INTEGER, JSON, VARCHAR, Type, from_hive, map_of

MARK = "\x01"  # JSON cannot begin with it

# RE2 patterns of the texts that DuckDB's parser reads like Jackson. null is not included: DuckDB reads it as NULL.
# Doubles have at most 15 digits and are from 0.000001 to 9999999: their shortest text has no exponent.
_STRING = r'"[^"\\\x00-\x1f\x{10000}-\x{10FFFF}]*"'
_WHOLE = r"-?[1-9][0-9]{0,17}|0"
_AS_WRITTEN = r"-?(?:0\.0|[1-9][0-9]{0,6}\.(?:[0-9]{0,7}[1-9]|0)|0\.0{0,5}[1-9](?:[0-9]{0,12}[1-9])?)"
_DECIMAL = r"-?(?:0\.0{1,12}|[1-9][0-9]{0,6}\.[0-9]{1,8}|0\.0{0,5}[1-9][0-9]{0,13}|[1-9](?:\.[0-9]{1,13})?[eE]-0?[56])"
PLAIN_SCALAR = f"{_STRING}|{_WHOLE}|{_AS_WRITTEN}|true|false"


_BLANK = r"[ \t\r\n]*"


def _object_of_members(member: str) -> str:
    return rf"{_BLANK}\{{{_BLANK}(?:(?:{member}){_BLANK}(?:,{_BLANK}(?:{member}){_BLANK})*)?\}}{_BLANK}"


def _object(value: str) -> str:
    return _object_of_members(f"{_STRING}{_BLANK}:{_BLANK}(?:{value})")


_SCALAR = f"{_STRING}|{_WHOLE}|{_DECIMAL}|true|false"
PLAIN_OBJECT = _object(f"{_SCALAR}|{_object(_SCALAR)}")
# The value of a double is the same with any number of digits. -0 is not included: in Trino it is a whole number, 0.
_DOUBLE = r"0|-?(?:0\.[0-9]{1,20}|[1-9][0-9]{0,14}(?:\.[0-9]{1,20})?)(?:[eE][+-]?[0-9]{1,2})?"
PLAIN_DOUBLES = _object(_DOUBLE)
_PLAIN_FIELDS = {
    VARCHAR: _STRING,
    INTEGER: r"-?[1-9][0-9]{0,8}|0",
    BIGINT: _WHOLE,
    DOUBLE: _DOUBLE,
    map_of(VARCHAR, DOUBLE): PLAIN_DOUBLES,
}


def plain_row(fields: Sequence[tuple[str, Type]]) -> str:
    """The RE2 pattern of an object that DuckDB's parser reads like Jackson: some of these fields, in any order.

    Raises QueryError for an unsupported field.
    """
    for name, type_ in fields:
        if type_ not in _PLAIN_FIELDS or not re.fullmatch("[a-z_][a-z0-9_]*", name):
            raise not_supported(f"CAST(json AS row({name} {type_}))")
    return _object_of_members(
        "|".join(f'"{name}"{_BLANK}:{_BLANK}(?:{_PLAIN_FIELDS[type_]})' for name, type_ in fields)
    )


_MAX_DEPTH = 800  # nesting of brackets that Python can read
_MAX_DEPTH_DIRECT = 1001  # nesting that Trino can cast directly; json_parse() fails only at some thousands


class Number(str):
    """A number in Trino's notation."""


class Repeating(dict[str, Any]):
    """An object with duplicate keys. names: all its keys, as often as they occur."""

    def __init__(self, members: dict[str, Any], names: list[str]) -> None:
        super().__init__(members)
        self.names = names


class NotJson(Exception):
    """The text is not JSON."""


class NotCast(Exception):
    """The value cannot be cast to the type."""


def _double(text: str) -> Any:
    number = float(text)
    return Number(java_double(number)) if abs(number) != float("inf") else java_double(number)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


_decoder = partial(
    json.JSONDecoder,
    parse_float=_double,
    parse_int=lambda text: Number("0" if text == "-0" else text),
    parse_constant=_no_constant,
)
_DECODER = _decoder()


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeating(found, [key for key, _ in pairs])


_AT_ONCE = _decoder(object_pairs_hook=_object_of)
_KEYS = re.compile(r'("[^"]*")[ \t\r\n]*:')
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def parsed(text: str, decoder: json.JSONDecoder = _DECODER) -> Any:
    """The parsed value, with numbers as `Number`.

    Raises NotJson, or in a direct cast NotCast, for a text that is not JSON, and QueryError for an unsupported value.
    """
    failure = NotCast if decoder is _AT_ONCE else NotJson
    depth = _depth(text)
    if decoder is _AT_ONCE and depth > _MAX_DEPTH_DIRECT:
        keys = _KEYS.findall(text)
        if len(set(keys)) == len(keys) and "\\" not in text:  # a duplicate key can override a value
            raise failure(text)
    if depth > _MAX_DEPTH:
        raise not_supported(f"JSON of more than {_MAX_DEPTH} brackets in one another")
    try:
        return decoder.decode(text)
    except ValueError:
        raise failure(text) from None


def _depth(text: str) -> int:
    if text.count("[") + text.count("{") <= _MAX_DEPTH:
        return 0
    steps = (1 if one in "[{" else -1 if one in "]}" else 0 for one in _BRACKETS.findall(text))
    return max(accumulate(steps), default=0)


def of_value(text: str) -> Any:
    """The parsed value of a text of either kind."""
    return _DECODER.decode(text.removeprefix(MARK))


_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_BEYOND = re.compile("[\ud800-\udfff\U00010000-\U0010ffff]")


def _escape(match: re.Match[str]) -> str:
    return _SHORT.get(match[0]) or f"\\u{ord(match[0]):04X}"


def _units(match: re.Match[str]) -> str:
    """The escapes of a character outside the Basic Multilingual Plane, or of a lone surrogate."""
    units = match[0].encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _quoted(text: str, bytewise: bool) -> str:
    """A string in JSON. bytewise: escape surrogates, as Jackson does when it writes bytes instead of a string."""
    quoted = f'"{_ESCAPED.sub(_escape, text)}"'
    if text.isascii():
        return quoted
    return _BEYOND.sub(_units, quoted) if bytewise else _encodable(quoted)


def _encodable(text: str) -> str:
    """Java's UTF-8 encoder replaces a lone surrogate with a question mark."""
    return text.encode("utf-8", "replace").decode()


def _in_order(value: Any) -> Any:
    """A value with all keys sorted by their UTF-16 code units."""
    if isinstance(value, list):
        return list(map(_in_order, value))
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return dict(zip(keys, map(_in_order, map(value.__getitem__, keys)), strict=True))


def written(value: Any, bytewise: bool = True) -> str:
    """Trino's text of a value, without sorting its keys."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return _quoted(value, bytewise)
    parts: list[str] = []  # loops, because comprehensions would add a call per level and reach Python's recursion limit
    if isinstance(value, dict):
        for key, one in value.items():
            parts.append(f"{_quoted(key, bytewise)}:{written(one, bytewise)}")
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        for one in value:
            parts.append(written(one, bytewise))
        return "[" + ",".join(parts) + "]"
    return "null" if value is None else "true" if value else "false"


def canonical(text: str) -> str:
    """The result of json_format for a value's text."""
    return text[1:] if text.startswith(MARK) else written(of_value(text))


def _parse(text: str) -> str:
    return MARK + written(_in_order(parsed(text)))


def _entries(value: Any, convert: Callable[[Any], Any]) -> dict[str, Any] | None:
    """A JSON object as a map. Raises NotCast for another value, and for duplicate keys."""
    if value is None:
        return None
    if not isinstance(value, dict) or isinstance(value, Repeating):
        raise NotCast(value)
    entries = {_encodable(key): convert(one) for key, one in value.items()}
    if len(entries) < len(value):
        raise NotCast(value)
    return entries


def _row(value: Any, fields: Sequence[tuple[str, Type]]) -> dict[str, Any] | None:
    """A JSON object, by the names of its members without their case, or an array, by position, as a row."""
    if value is None:
        return None
    if isinstance(value, list) and len(value) == len(fields):
        members = [(name, one) for (name, _), one in zip(fields, value, strict=True)]
    elif isinstance(value, dict):
        names = value.names if isinstance(value, Repeating) else value
        lower = [key.lower() for key in names]
        if any(lower.count(name) > 1 for name, _ in fields):
            raise NotCast(value)
        members = [(key.lower(), one) for key, one in value.items()]
    else:
        raise NotCast(value)
    types = dict(fields)
    values = {name: _FIELDS[types[name]](one) for name, one in members if name in types}
    return {name: values.get(name) for name in types}


def _as_json(value: Any) -> str:
    return MARK + written(value, bytewise=False)


# As in `operators`: texts that both Java and Python read as a number, and texts that perhaps only Java does.
_BLANKS = "\t\n\x0b\f\r "
_DOUBLE_TEXT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?|NaN|-?Infinity")
_MAYBE_DOUBLE_TEXT = re.compile(r"[+-]NaN|\+Infinity|[+-]?0[xX].*|.*[\x00-\x08\x0e-\x1f].*", re.DOTALL)
_BIGINT_TEXT = re.compile(r"[+-]?[0-9]+")
_MAYBE_BIGINT_TEXT = re.compile(r".*[\x00-\x08\x0e-\x1f].*|.*[^\D0-9].*", re.DOTALL)


def _as_double(value: Any) -> float | None:
    if value is None or isinstance(value, (bool, Number)):
        return None if value is None else float(value)
    return float(_as_number(value, _DOUBLE_TEXT, _MAYBE_DOUBLE_TEXT, "double").rstrip("dDfF"))


def _as_bigint(value: Any) -> int | None:
    if value is None or isinstance(value, bool):
        return None if value is None else int(value)
    if isinstance(value, Number):
        number = Decimal(value if value.lstrip("-").isdigit() else float(value)).to_integral_value(ROUND_HALF_UP)
    else:
        number = Decimal(_as_number(value, _BIGINT_TEXT, _MAYBE_BIGINT_TEXT, "bigint"))
    if not -(2**63) <= number < 2**63:
        raise NotCast(value)
    return int(number)


def _as_number(value: Any, certain: re.Pattern[str], doubtful: re.Pattern[str], to: str) -> str:
    if not isinstance(value, str):
        raise NotCast(value)
    text = value.strip(_BLANKS)
    if certain.fullmatch(text):
        return text
    if doubtful.fullmatch(value.lstrip(_BLANKS)):
        raise not_supported(f"the cast of this text to {to}")
    raise NotCast(value)


def _as_integer(value: Any) -> int | None:
    number = _as_bigint(value)
    if number is not None and not -(2**31) <= number < 2**31:
        raise NotCast(value)
    return number


_E_DIGITS = 15
_MIN_SHORTEST, _MAX_SHORTEST = (
    1e-9,
    1e15,
)  # outside this range, Trino writes some doubles with more digits than necessary


def _as_varchar(value: Any) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        if value is None:
            return None
        raise NotCast(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, Number):
        return _encodable(value)
    if value.lstrip("-").isdigit():
        return str(value)
    return _scientific(float(value))


def _scientific(number: float) -> str:
    """A double in the notation of Trino's cast, with one digit before the point: ``2.5E0``."""
    if number == 0:
        return "-0E0" if str(number).startswith("-") else "0E0"
    text = f"{number:.{_E_DIGITS - 1}e}"
    if float(text) != number or not _MIN_SHORTEST <= abs(number) < _MAX_SHORTEST:
        raise not_supported("a double of so many digits as varchar")
    digits, _, exponent = text.partition("e")
    whole, _, fraction = digits.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}E{int(exponent)}"


def _of_map(entries: Sequence[tuple[str, Any]], convert: Callable[[Any], Any]) -> str:
    return MARK + written(_in_order({key: convert(value) for key, value in entries}))


class _Raw(Number):
    """A text that is already JSON."""


def _raw(text: str | None) -> Any:
    return None if text is None else _Raw(canonical(text))


def _number(value: float | None) -> Any:
    if value is None or value != value or abs(value) == float("inf"):
        return None if value is None else java_double(value)
    return Number(java_double(value))


_FIELDS: dict[Type, Callable[[Any], Any]] = {
    VARCHAR: _as_varchar,
    INTEGER: _as_integer,
    BIGINT: _as_bigint,
    DOUBLE: _as_double,
    map_of(VARCHAR, DOUBLE): partial(_entries, convert=_as_double),
}


def _nested(value: Any) -> Any:
    """The JSON that DuckDB's from_json() reads as a row, a map or one of their values; JSON has no NaN and infinity."""
    if isinstance(value, dict):
        return {key: _nested(one) for key, one in value.items()}
    return value if value is None else str(value)


def _as_nested(value: dict[str, Any] | None) -> str | None:
    return value if value is None else written(_nested(value))


_TO_TEXT = "VARCHAR", pa.string()
# Functions of a text by name, with DuckDB's and Arrow's types of the result. DuckDB has two variants of each: on an
# error, `<name>_or_null` returns NULL, as TRY does, and `<name>_or_error` fails. Maps and rows are returned as JSON,
# because DuckDB 1.5 can read the texts in a nested result of a function after they are freed.
_FALLIBLE: dict[str, tuple[Callable[[str], Any], tuple[str, pa.DataType]]] = {
    "json_parse": (_parse, _TO_TEXT),
    "json_parse_entries": (lambda text: _as_nested(_entries(parsed(text, _AT_ONCE), _as_json)), _TO_TEXT),
    "json_entries": (lambda text: _as_nested(_entries(of_value(text), _as_json)), _TO_TEXT),
    "json_parse_doubles": (lambda text: _as_nested(_entries(parsed(text, _AT_ONCE), _as_double)), _TO_TEXT),
    "json_doubles": (lambda text: _as_nested(_entries(of_value(text), _as_double)), _TO_TEXT),
    "json_varchar": (lambda text: _as_varchar(of_value(text)), _TO_TEXT),
    "json_double": (lambda text: _as_double(of_value(text)), ("DOUBLE", pa.float64())),
    "json_bigint": (lambda text: _as_bigint(of_value(text)), ("BIGINT", pa.int64())),
}


def _or_null(function: Callable[[str], Any], text: str) -> Any:
    try:
        return function(text)
    except (NotJson, NotCast):
        return None


def _or_error(function: Callable[[str], Any], text: str) -> Any:
    try:
        return function(text)
    except NotJson:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"Cannot convert value to JSON: '{text[:10_000]}'") from None
    except NotCast:
        raise QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast JSON: {text.removeprefix(MARK)[:10_000]}") from None


# A cast to a row calls a function that is named after the type: "json_parse struct<a:int>_or_null"(…).
_ROW_CALL = re.compile(r'"((json|json_parse) (struct<[^"]*>))_or_(?:null|error)"\(')


def _to_row(read: Callable[[str], Any], fields: Sequence[tuple[str, Type]], text: str) -> str | None:
    return _as_nested(_row(read(text), fields))


def register(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Registers the functions of this module that a statement calls with DuckDB."""
    functions = dict(_FALLIBLE)
    for name, source, of_row in _ROW_CALL.findall(sql):
        read = of_value if source == "json" else partial(parsed, decoder=_AT_ONCE)
        functions[name] = partial(_to_row, read, from_hive(of_row).fields), _TO_TEXT
    for name, (function, (duck, arrow)) in functions.items():
        for suffix, guarded in (("or_null", _or_null), ("or_error", _or_error)):
            if f"{name}_{suffix}(" in sql or f'"{name}_{suffix}"(' in sql:
                add_function(connection, partial(guarded, function), duck, arrow, name=f"{name}_{suffix}")
    if "json_canonical(" in sql:
        add_function(connection, canonical, *_TO_TEXT, name="json_canonical")
    if "json_of_entries(" in sql:
        of_entries = partial(_of_map, convert=_raw)
        add_function(connection, of_entries, *_TO_TEXT, name="json_of_entries", takes=map_of(VARCHAR, JSON).duck)
    if "json_of_doubles(" in sql:
        of_doubles = partial(_of_map, convert=_number)
        add_function(connection, of_doubles, *_TO_TEXT, name="json_of_doubles", takes=map_of(VARCHAR, DOUBLE).duck)
