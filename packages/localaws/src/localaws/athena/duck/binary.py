"""Functions of binary values whose results differ in DuckDB, or which DuckDB does not support for some arguments.

Sources: Trino 476's io.trino.operator.scalar.VarbinaryFunctions and io.airlift.slice.SliceUtf8.
"""

import re
from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from localaws.athena.duck.operators import Value, bound, quote, unsupported
from localaws.athena.duck.serdes import add_function
from localaws.athena.errors import not_supported
from localaws.athena.types import VARBINARY, VARCHAR

_REPLACEMENT = "\ufffd"


def to_utf8(arguments: Sequence[Value]) -> Value:
    """The bytes of a text. Refuses U+FFFD: local readers replace invalid bytes with it, whereas Trino keeps them."""
    (text,) = arguments
    if text.type.name != "varchar":
        raise not_supported(f"to_utf8({text.type})")
    unknown = unsupported("to_utf8() of U+FFFD, which may stand for other bytes,")
    sql = bound(
        text.sql,
        lambda operand: f"CASE WHEN contains({operand}, '{_REPLACEMENT}') THEN {unknown} ELSE encode({operand}) END",
    )
    return Value(sql, VARBINARY, encoded=text.sql)


def from_utf8(arguments: Sequence[Value]) -> Value:
    """The text of bytes, with U+FFFD for invalid UTF-8. For the result of to_utf8(), its argument."""
    (value,) = arguments
    if value.type != VARBINARY:
        raise not_supported(f"from_utf8({value.type})")
    if value.encoded:  # another text than the bare value: it is another grouping key
        return Value(f"(/* from_utf8 */ {value.encoded})", VARCHAR)
    return Value(
        bound(value.sql, lambda operand: f"coalesce(TRY(decode({operand})), utf8_replaced({operand}))"), VARCHAR
    )


# A character, or a sequence that is replaced as one: its first byte tells how many continuation bytes can follow.
_CHARACTER = re.compile(
    rb"[\xc0-\xdf][\x80-\xbf]?|[\xe0-\xef][\x80-\xbf]{0,2}|[\xf0-\xf7][\x80-\xbf]{0,3}"
    rb"|[\xf8-\xfb][\x80-\xbf]{0,4}|[\xfc\xfd][\x80-\xbf]{0,5}|[\x80-\xff]"
)


def _character(match: re.Match[bytes]) -> bytes:
    return match[0].decode(errors="ignore").encode() or _REPLACEMENT.encode()


def replaced(value: bytes) -> str:
    """The text of bytes, one U+FFFD for each character that is not UTF-8."""
    return _CHARACTER.sub(_character, value).decode()


def register(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Makes the function of this module known to DuckDB, if a statement calls it."""
    if "utf8_replaced(" in sql:
        add_function(connection, replaced, "VARCHAR", pa.string(), name="utf8_replaced", takes="BLOB")


def _decoding(name: str, pattern: str, duck: Callable[[str], str]) -> Callable[[Sequence[Value]], Value]:
    """The translation of a function that decodes a text to bytes. pattern: RE2 pattern of the valid texts."""

    def decode(arguments: Sequence[Value]) -> Value:
        (text,) = arguments
        if text.type.name != "varchar":
            raise not_supported(f"{name}({text.type})")
        wrong = f"error('INVALID_FUNCTION_ARGUMENT: {name} cannot decode ''' || {{0}} || '''')"
        return Value(
            bound(
                text.sql,
                # The call cannot fail for these rows, but DuckDB can also evaluate it for other rows of the vector.
                lambda operand: (
                    f"CASE WHEN regexp_full_match({operand}, {quote(pattern)}) THEN TRY({duck(operand)})"
                    f" WHEN {operand} IS NOT NULL THEN {wrong.format(operand)} END"
                ),
            ),
            VARBINARY,
        )

    return decode


def _from_base64(operand: str) -> str:
    """Java accepts base64 without padding; DuckDB does not."""
    return f"from_base64({operand} || repeat('=', (4 - length({operand}) % 4) % 4))"


_DIGIT = "[A-Za-z0-9+/]"

FORMS: dict[str, tuple[int, Callable[[Sequence[Value]], Value]]] = {
    "from_base64": (
        1,
        _decoding("from_base64", f"(?:{_DIGIT}{{4}})*(?:{_DIGIT}{{2}}(?:==)?|{_DIGIT}{{3}}=?)?", _from_base64),
    ),
    "from_hex": (1, _decoding("from_hex", "(?:[0-9A-Fa-f]{2})*", lambda operand: f"unhex({operand})")),
    "from_utf8": (1, from_utf8),
    "to_utf8": (1, to_utf8),
}
