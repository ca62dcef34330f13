"""The schema that a crawler makes out for itself where it is not told to inherit the table's: JSON lines alone.

Each file of numbers that happen to be whole gives another type than the next: why declared tables are crawled with
InheritFromTable.
"""

import json
from collections.abc import Iterable
from typing import Any

_INT = range(-(2**31), 2**31)
_BIGINT = range(-(2**63), 2**63)
_NUMBERS = ("int", "bigint", "double")

# A type as found: a Hive name, or of a struct its fields.
Found = str | dict[str, "Found"]


class CannotInfer(ValueError):
    """The records have a shape whose type on AWS is not known here; the message names the field."""


def columns_of(lines: Iterable[bytes]) -> list[dict[str, str]]:
    """Name and Hive type of each field of JSON objects, one a line, in the order in which fields first appear.

    Raises CannotInfer for what is not objects of numbers, strings, booleans and objects of these, and for a field
    that is of one kind here and of another there.
    """
    fields: dict[str, Found] = {}
    for number, line in enumerate(filter(bytes.strip, lines), 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise CannotInfer(f"line {number} is no JSON: {error}") from error
        if not isinstance(record, dict):
            raise CannotInfer(f"line {number} is no JSON object")
        _merge(fields, record, "")
    return [{"Name": name, "Type": _spelled(found)} for name, found in fields.items()]


def _merge(fields: dict[str, Found], record: dict[str, Any], path: str) -> None:
    for key, value in record.items():
        name, where = key.lower(), f"{path}{key}"
        if value is None:
            continue
        if isinstance(value, dict):
            members = fields.setdefault(name, {})
            if isinstance(members, str):
                raise CannotInfer(f"{where} is {members} here and an object there")
            _merge(members, value, f"{where}.")
        else:
            found = _type(value, where)
            fields[name] = _wider(fields.get(name, found), found, where)


def _type(value: Any, where: str) -> str:
    match value:
        case bool():
            return "boolean"
        case int() if value in _BIGINT:
            return "int" if value in _INT else "bigint"
        case float():
            return "double"
        case str():
            return "string"
    raise CannotInfer(f"{where} is {type(value).__name__} {value!r:.40}")


def _wider(one: Found, other: str, where: str) -> str:
    if one == other:
        return other
    if one in _NUMBERS and other in _NUMBERS:
        return max(str(one), other, key=_NUMBERS.index)
    raise CannotInfer(f"{where} is {'an object' if isinstance(one, dict) else one} here and {other} there")


def _spelled(found: Found) -> str:
    if isinstance(found, str):
        return found
    return f"struct<{','.join(f'{name}:{_spelled(member)}' for name, member in found.items())}>"
