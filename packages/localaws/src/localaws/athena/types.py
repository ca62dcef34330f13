"""Trino's types as far as the engine knows them: their names, Hive's spelling, DuckDB's, and coercion."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from localaws.athena.errors import QueryError, not_supported


@dataclass(frozen=True)
class Type:
    """A Trino type.

    name: Trino's base name; args: precision and scale of a decimal, length of a varchar (none: unbounded),
    fractional digits of a timestamp; fields: names and types of a row, or an array's element, or a map's key and
    value (named ``""``); fresh: a json that is the direct result of json_parse(), which Trino skips in a direct cast.
    An unsupported type of the catalog has Hive's name, and queries cannot read it.
    """

    name: str
    args: tuple[int, ...] = ()
    fields: tuple[tuple[str, "Type"], ...] = ()
    fresh: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self.name == "row":
            return f"row({', '.join(f'{name} {type_}' for name, type_ in self.fields)})"
        if self.name in ("array", "map"):
            return f"{self.name}({', '.join(str(type_) for _, type_ in self.fields)})"
        if self.name == "timestamp with time zone":
            return f"timestamp({self.args[0]}) with time zone"
        return f"{self.name}({', '.join(map(str, self.args))})" if self.args else self.name

    @property
    def is_integer(self) -> bool:
        return self.name in _INTEGERS

    @property
    def is_float(self) -> bool:
        return self.name == "double"

    @property
    def is_numeric(self) -> bool:
        return self.is_integer or self.name in ("decimal", "double")

    @property
    def duck(self) -> str:
        """DuckDB's spelling."""
        if self.name == "row":
            return "STRUCT(" + ", ".join(f'"{name}" {type_.duck}' for name, type_ in self.fields) + ")"
        if self.name == "array":
            return f"{self.fields[0][1].duck}[]"
        if self.name == "map":
            (_, key), (_, value) = self.fields
            return f"MAP({key.duck}, {value.duck})"
        if self.name == "decimal":
            return f"DECIMAL({self.args[0]}, {self.args[1]})"
        if self.name == "unknown":
            return "INTEGER"
        if self.name not in _DUCK:
            raise not_supported(f"a value of type {self}")
        return _DUCK[self.name]

    @property
    def hive(self) -> str:
        """Hive's spelling, as the Glue catalog has it."""
        if self.name == "row":
            return "struct<" + ",".join(f"{name}:{type_.hive}" for name, type_ in self.fields) + ">"
        if self.name == "array":
            return f"array<{self.fields[0][1].hive}>"
        if self.name == "map":
            return f"map<{self.fields[0][1].hive},{self.fields[1][1].hive}>"
        if self.name == "decimal":
            return f"decimal({self.args[0]},{self.args[1]})"
        if self.name == "varchar":
            return f"varchar({self.args[0]})" if self.args else "string"
        if self.name in ("timestamp with time zone", "unknown", "json"):
            raise QueryError("NOT_SUPPORTED", f"Unsupported Hive type: {self}")
        return {"integer": "int", "varbinary": "binary"}.get(self.name, self.name)


_INTEGERS = ("tinyint", "smallint", "integer", "bigint")
_INTEGER_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_DUCK = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "varchar": "VARCHAR",
    "varbinary": "BLOB",
    "json": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}

BOOLEAN = Type("boolean")
INTEGER = Type("integer")
BIGINT = Type("bigint")
DOUBLE = Type("double")
VARCHAR = Type("varchar")
VARBINARY = Type("varbinary")
DATE = Type("date")
TIMESTAMP = Type("timestamp", (3,))
TIMESTAMP_TZ = Type("timestamp with time zone", (3,))
JSON = Type("json")
UNKNOWN = Type("unknown")


def decimal(precision: int, scale: int) -> Type:
    return Type("decimal", (precision, scale))


def array(element: Type) -> Type:
    return Type("array", fields=(("", element),))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", fields=(("", key), ("", value)))


def common(left: Type, right: Type) -> Type | None:
    """The narrowest type that both coerce to without a cast, as in Trino; None if there is none."""
    if left == right:
        return left if left.fresh else right
    if right == UNKNOWN:
        return left
    if left == UNKNOWN:
        return right
    if left.is_numeric and right.is_numeric:
        return _common_numeric(left, right)
    if left.name == right.name == "varchar":
        return Type("varchar", (max(left.args[0], right.args[0]),)) if left.args and right.args else VARCHAR
    if {left.name, right.name} <= {"date", "timestamp"}:
        return Type("timestamp", max(left.args, right.args))
    if left.name == right.name == "array":
        element = common(left.fields[0][1], right.fields[0][1])
        return array(element) if element else None
    return None


def _common_numeric(left: Type, right: Type) -> Type:
    if left.is_integer and right.is_integer:
        return max(left, right, key=lambda type_: _INTEGERS.index(type_.name))
    if left.is_float or right.is_float:
        return DOUBLE
    (p1, s1), (p2, s2) = as_decimal(left).args, as_decimal(right).args
    scale = max(s1, s2)
    return decimal(min(38, max(p1 - s1, p2 - s2) + scale), scale)


def as_decimal(type_: Type) -> Type:
    """The decimal that holds every value of an integer type; a decimal itself."""
    return decimal(_INTEGER_DIGITS[type_.name], 0) if type_.is_integer else type_


_HIVE_TOKEN = re.compile(r"[<>(),:]|[^<>(),:\s]+")
_FROM_HIVE = {"int": INTEGER, "string": VARCHAR, "binary": VARBINARY, "timestamp": TIMESTAMP} | {
    name: Type(name) for name in ("boolean", "tinyint", "smallint", "bigint", "double", "date")
}


def from_hive(text: str) -> Type:
    """The type that the Glue catalog spells ``text``, e.g. ``struct<s_01:double>``."""
    tokens = iter(_HIVE_TOKEN.findall(text.lower()))
    try:
        type_ = _parse(next(tokens), tokens)
        if next(tokens, None) is None:
            return type_
    except (LookupError, StopIteration, ValueError):
        pass
    return Type(text)


def _parse(word: str, tokens: Iterator[str]) -> Type:
    """The type that begins with ``word``. Raises LookupError, StopIteration or ValueError for others."""
    if word in ("varchar", "decimal"):
        _expect("(", tokens)
        numbers = []
        while (token := next(tokens)) != ")":
            numbers += [] if token == "," else [int(token)]
        return Type(word, tuple(numbers))
    if word == "array":
        _expect("<", tokens)
        element = _parse(next(tokens), tokens)
        _expect(">", tokens)
        return array(element)
    if word == "map":
        _expect("<", tokens)
        key = _parse(next(tokens), tokens)
        _expect(",", tokens)
        value = _parse(next(tokens), tokens)
        _expect(">", tokens)
        return map_of(key, value)
    if word == "struct":
        _expect("<", tokens)
        fields, after = [], ","
        while after == ",":
            name = next(tokens)
            _expect(":", tokens)
            fields.append((name, _parse(next(tokens), tokens)))
            after = next(tokens)
        if after != ">":
            raise ValueError(after)
        return Type("row", fields=tuple(fields))
    return _FROM_HIVE[word]


def _expect(token: str, tokens: Iterator[str]) -> None:
    actual = next(tokens)
    if actual != token:
        raise ValueError(actual)
