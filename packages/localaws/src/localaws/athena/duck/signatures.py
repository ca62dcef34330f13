"""Trino's functions, from its SHOW FUNCTIONS, and the calls that Trino certainly refuses."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from localaws.athena.errors import QueryError
from localaws.athena.types import UNKNOWN, Type, common

FILE = Path(__file__).with_name("trino_functions.tsv")

# Trino's names of functions that it parses as special syntax.
_SYNTAX = frozenset(
    {"coalesce", "nullif", "try", "row", "grouping", "extract", "trim", "substring", "position", "normalize"}
    | {"listagg", "format", "json_array", "json_exists", "json_object", "json_query", "json_value"}
)
# Functions with any number of arguments, which are listed with one or two.
VARIADIC = frozenset({"concat", "concat_ws", "greatest", "least", "map_concat"})

# The types that a type coerces to (io.trino.type.TypeCoercion).
_COERCIONS = {
    "tinyint": "smallint integer bigint decimal real double",
    "smallint": "integer bigint decimal real double",
    "integer": "bigint decimal real double",
    "bigint": "decimal real double",
    "decimal": "real double",
    "date": "timestamp",
    "varchar": "char joniregexp jsonpath codepoints color",
}
_CONCRETE = frozenset(
    {"boolean", "tinyint", "smallint", "integer", "bigint", "decimal", "real", "double", "varchar", "char", "varbinary"}
    | {"date", "time", "timestamp", "interval", "json", "joniregexp", "jsonpath", "codepoints", "color", "uuid"}
    | {"ipaddress", "unknown", "array", "map", "row", "function", "hyperloglog", "qdigest", "tdigest", "setdigest"}
)


class Signature(NamedTuple):
    """One line of the list; its types are as Trino writes them, e.g. ``decimal(p,s)``, ``array(T)``."""

    name: str
    result: str
    arguments: tuple[str, ...]
    kind: str


@cache
def signatures() -> dict[str, list[Signature]]:
    """All signatures by name."""
    by_name: dict[str, list[Signature]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines()[1:]:
        name, result, arguments, kind, _ = line.split("\t")
        by_name.setdefault(name, []).append(Signature(name, result, _parts(arguments), kind))
    return by_name


@cache
def of_kind(kind: str) -> frozenset[str]:
    """The names of all functions of a kind: scalar, aggregate, window, table."""
    return frozenset(name for name, all_of_it in signatures().items() if any(one.kind == kind for one in all_of_it))


def check(name: str, types: Sequence[Type]) -> None:
    """Raises QueryError FUNCTION_NOT_FOUND if Trino certainly has no such function, or none for these arguments.

    That is not certain with type variables, and with types that the engine does not cover.
    """
    if name in _SYNTAX:
        return
    overloads = [one for one in signatures().get(name, []) if one.kind != "table"]
    if not overloads:
        raise QueryError("FUNCTION_NOT_FOUND", f"Function '{name}' not registered")
    if name not in VARIADIC and not any(_may_take(one.arguments, types) for one in overloads):
        arguments = ", ".join(str(type_) for type_ in types)
        raise QueryError("FUNCTION_NOT_FOUND", f"Unexpected parameters ({arguments}) for function {name}")


def _may_take(parameter: Sequence[str], argument: Sequence[Type]) -> bool:
    bound: dict[str, Type] = {}
    return len(parameter) == len(argument) and all(
        _may_be(*pair, bound) for pair in zip(parameter, argument, strict=True)
    )


def _may_be(parameter: str, argument: Type, bound: dict[str, Type]) -> bool:
    """Whether a type can be coerced to the required one; ``bound``: the known values of type variables."""
    base = base_of(parameter)
    if argument == UNKNOWN:
        return True
    if base not in _CONCRETE:
        joined = common(bound.get(parameter, argument), argument)
        if joined is not None:
            bound[parameter] = joined
        return joined is not None or argument.name in ("array", "row")
    source = argument.name.removesuffix(" with time zone")
    if base == source == "array":
        (element,) = _parts(parameter[len("array(") : -1])
        return _may_be(element, argument.fields[0][1], bound)
    if base == "timestamp" and argument.name.endswith("time zone"):
        return parameter.endswith("time zone")
    return base == source or base in _COERCIONS.get(source, "").split()


def base_of(written: str) -> str:
    """``decimal`` of ``decimal(p,s)``, ``interval`` of ``interval day to second``."""
    return re.split(r"[( ]", written, maxsplit=1)[0]


def _parts(text: str) -> tuple[str, ...]:
    """The parts between commas outside of parentheses."""
    depth, parts = 0, [""] if text else []
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(part.strip() for part in parts)
