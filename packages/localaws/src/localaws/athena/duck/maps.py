"""Functions of maps and of array elements."""

from collections.abc import Callable, Sequence

from localaws.athena.duck.operators import Value, is_simple
from localaws.athena.errors import not_supported
from localaws.athena.types import BIGINT, Type, array


def entries(value: Value) -> str:
    """DuckDB's text for the entries of a map as a list, or for the elements of an array."""
    return value.entries or (f"map_entries({value.sql})" if value.type.name == "map" else value.sql)


def from_entries(sql: str, type_: Type) -> Value:
    """A map of the type ``of``, from DuckDB's text for a list of its entries."""
    return Value(f"CAST(map_from_entries({sql}) AS {type_.duck})", type_, entries=sql)


def element_at(arguments: Sequence[Value]) -> Value:
    """NULL if there is no such element."""
    values, key = arguments
    if values.type.name == "map":
        (_, key_type), (_, type_) = values.type.fields
        if key_type.name != "varchar" or key.type.name != "varchar" or not is_simple(key):
            raise not_supported(f"element_at({values.type}, {key.type})")
        return Value(f"map_extract_value({values.sql}, {key.sql})", type_)
    if values.type.name == "array" and key.type.is_integer and int(key.literal or 0) > 0:
        return Value(f"{values.sql}[{key.literal}]", values.type.fields[0][1])
    raise not_supported(f"element_at({values.type}, {key.type})")


def cardinality(arguments: Sequence[Value]) -> Value:
    (values,) = arguments
    if values.type.name not in ("array", "map"):
        raise not_supported(f"cardinality({values.type})")
    name = "cardinality" if values.type.name == "map" else "len"
    return Value(f"CAST({name}({values.sql}) AS BIGINT)", BIGINT)


def _part(name: str, arguments: Sequence[Value]) -> Value:
    (values,) = arguments
    if values.type.name != "map":
        raise not_supported(f"map_{name}s({values.type})")
    type_ = values.type.fields[name == "value"][1]
    return Value(f"map_{name}s({values.sql})", array(type_))


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
