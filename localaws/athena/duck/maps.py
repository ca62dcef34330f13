"""Functions of maps, which are lists of entries in DuckDB, and of array elements."""

from collections.abc import Callable, Sequence

from localaws.athena.duck.operators import Value, is_simple
from localaws.athena.errors import not_supported
from localaws.athena.types import BIGINT, array


def element_at(arguments: Sequence[Value]) -> Value:
    """NULL if there is no such element."""
    values, key = arguments
    if values.type.name == "map":
        (_, wanted), (_, of) = values.type.fields
        if wanted.name != "varchar" or key.type.name != "varchar" or not is_simple(key):
            raise not_supported(f"element_at({values.type}, {key.type})")
        return Value(f'list_filter({values.sql}, lambda "$e": "$e".key = {key.sql})[1].value', of)
    if values.type.name == "array" and key.type.is_integer and int(key.literal or 0) > 0:
        return Value(f"{values.sql}[{key.literal}]", values.type.fields[0][1])
    raise not_supported(f"element_at({values.type}, {key.type})")


def cardinality(arguments: Sequence[Value]) -> Value:
    (values,) = arguments
    if values.type.name not in ("array", "map"):
        raise not_supported(f"cardinality({values.type})")
    return Value(f"CAST(len({values.sql}) AS BIGINT)", BIGINT)


def _part(name: str, arguments: Sequence[Value]) -> Value:
    (values,) = arguments
    if values.type.name != "map":
        raise not_supported(f"map_{name}s({values.type})")
    of = values.type.fields[name == "value"][1]
    return Value(f'list_transform({values.sql}, lambda "$e": "$e".{name})', array(of))


def map_keys(arguments: Sequence[Value]) -> Value:
    return _part("key", arguments)


def map_values(arguments: Sequence[Value]) -> Value:
    return _part("value", arguments)


FORMS: dict[str, tuple[int, Callable[[Sequence[Value]], Value]]] = {
    "cardinality": (1, cardinality),
    "element_at": (2, element_at),
    "map_keys": (1, map_keys),
    "map_values": (1, map_values),
}
