"""String functions that have other names in DuckDB, or other results for some arguments."""

from collections.abc import Callable, Sequence

from localaws.athena.duck.operators import Value, quote, unsupported_call
from localaws.athena.duck.patterns import Pattern
from localaws.athena.types import BIGINT, BOOLEAN, VARCHAR, Type, array


def _check_texts(name: str, arguments: Sequence[Value]) -> None:
    if any(argument.type.name != "varchar" for argument in arguments):
        raise unsupported_call(name, arguments)


_MAX_LENGTH = 2**31 - 1


def _as_long_as(length: int) -> Type:
    return VARCHAR if length >= _MAX_LENGTH else Type("varchar", (length,))


def _length(value: Value) -> int:
    return value.type.args[0] if value.type.args else _MAX_LENGTH


def replace(arguments: Sequence[Value]) -> Value:
    """Replaces the second text with the third; without a third, removes it."""
    _check_texts("replace", arguments)
    text, searched = arguments[:2]
    if not searched.literal or len(arguments) > 3:
        raise unsupported_call("replace", arguments)
    by = arguments[2].sql if len(arguments) == 3 else "''"
    max_length = _length(text) + _length(arguments[2]) * (_length(text) + 1) if len(arguments) == 3 else _length(text)
    return Value(f"replace({text.sql}, {searched.sql}, {by})", _as_long_as(max_length))


def split(arguments: Sequence[Value]) -> Value:
    _check_texts("split", arguments)
    text, between = arguments
    if not between.literal:
        raise unsupported_call("split", arguments)
    return Value(f"string_split({text.sql}, {between.sql})", array(text.type))


def substr(arguments: Sequence[Value]) -> Value:
    """A substring; positions are counted from the first character only."""
    text, *bounds = arguments
    numbers = [int(one.literal or -1) if one.type.is_integer else -1 for one in bounds]
    if text.type.name != "varchar" or len(bounds) > 2 or numbers[0] < 1 or numbers[-1] < 0:
        raise unsupported_call("substr", arguments)
    return Value(f"substr({', '.join([text.sql, *map(str, numbers)])})", text.type)


# Java's white space characters.
_WHITE = "".join(map(chr, [*range(9, 14), *range(28, 33), 0x1680, *range(0x2000, 0x2007), 0x2008, 0x2009, 0x200A]))
_WHITE += "\u2028\u2029\u205f\u3000"


def _trimming(name: str) -> Callable[[Sequence[Value]], Value]:
    def trim(arguments: Sequence[Value]) -> Value:
        _check_texts(name, arguments)
        (text,) = arguments
        return Value(f"{name}({text.sql}, {quote(_WHITE)})", text.type)

    return trim


def starts_with(arguments: Sequence[Value]) -> Value:
    _check_texts("starts_with", arguments)
    return Value(f"starts_with({arguments[0].sql}, {arguments[1].sql})", BOOLEAN)


def strpos(arguments: Sequence[Value]) -> Value:
    _check_texts("strpos", arguments)
    text, searched = arguments
    if not searched.literal:
        raise unsupported_call("strpos", arguments)
    return Value(f"CAST(strpos({text.sql}, {searched.sql}) AS BIGINT)", BIGINT)


def _pattern(name: str, arguments: Sequence[Value]) -> Pattern:
    """The pattern of a function that finds all matches. It must not match an empty string, nor contain ``$``."""
    _check_texts(name, arguments)
    if arguments[1].literal is None:
        raise unsupported_call(name, arguments)
    pattern = Pattern(arguments[1].literal, captures=False)
    if pattern.may_be_empty or pattern.has_end:
        raise unsupported_call(name, arguments)
    return pattern


def regexp_like(arguments: Sequence[Value]) -> Value:
    text, pattern = arguments
    if text.type.name != "varchar" or pattern.type.name != "varchar" or pattern.literal is None:
        raise unsupported_call("regexp_like", arguments)
    return Value(f"regexp_matches({text.sql}, {quote(Pattern(pattern.literal, captures=False).duck)})", BOOLEAN)


def regexp_replace(arguments: Sequence[Value]) -> Value:
    """Replaces all matches with the third text; without a third, removes them."""
    pattern = _pattern("regexp_replace", arguments)
    text, by = arguments[0], arguments[2] if len(arguments) > 2 else Value("''", Type("varchar", (0,)), literal="")
    if len(arguments) > 3 or by.literal is None or "$" in by.literal or "\\" in by.literal:
        raise unsupported_call("regexp_replace", arguments)
    x, y = _length(text), _length(by)
    max_length = x + max(x * y // 2, y) * (x + 1) if len(arguments) > 2 else x
    return Value(f"regexp_replace({text.sql}, {quote(pattern.duck)}, {by.sql}, 'g')", _as_long_as(max_length))


def regexp_count(arguments: Sequence[Value]) -> Value:
    pattern = _pattern("regexp_count", arguments)
    return Value(f"CAST(len(regexp_extract_all({arguments[0].sql}, {quote(pattern.duck)})) AS BIGINT)", BIGINT)


FORMS: dict[str, tuple[int, Callable[[Sequence[Value]], Value]]] = {
    "ltrim": (1, _trimming("ltrim")),
    "regexp_count": (2, regexp_count),
    "regexp_like": (2, regexp_like),
    "regexp_replace": (0, regexp_replace),
    "replace": (0, replace),
    "rtrim": (1, _trimming("rtrim")),
    "split": (2, split),
    "starts_with": (2, starts_with),
    "strpos": (2, strpos),
    "substr": (0, substr),
    "trim": (1, _trimming("trim")),
}
