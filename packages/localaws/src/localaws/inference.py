"""The schema that a crawler infers if it does not inherit the table's; JSON lines only.

A file whose numbers happen to be whole gets other types than the next file: a reason for InheritFromTable.
"""

import json
from collections.abc import Iterable
from typing import Any

_INT = range(-(2**31), 2**31)
_BIGINT = range(-(2**63), 2**63)
_NUMBERS = ("int", "bigint", "double")

# An inferred type: a Hive type, or the fields of a struct.
Inferred = str | dict[str, "Inferred"]


class CannotInfer(ValueError):
    """AWS's type for the records is not known here; the message names the field."""


def columns_of(lines: Iterable[bytes]) -> list[dict[str, str]]:
    """Name and Hive type of each field of JSON objects, one a line, in the order in which fields first appear.

    Raises CannotInfer for anything but objects of numbers, strings, booleans and objects of these, and for a field
    with values of different kinds.
    """
    fields: dict[str, Inferred] = {}
    for number, line in enumerate(filter(bytes.strip, lines), 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise CannotInfer(f"line {number} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise CannotInfer(f"line {number} is not a JSON object")
        _merge(fields, record, "")
    return [{"Name": name, "Type": _hive_type(inferred)} for name, inferred in fields.items()]


def _merge(fields: dict[str, Inferred], record: dict[str, Any], path: str) -> None:
    for key, value in record.items():
        name, where = key.lower(), f"{path}{key}"
        if value is None:
            continue
        if isinstance(value, dict):
            members = fields.setdefault(name, {})
            if isinstance(members, str):
                raise CannotInfer(f"{where} is {members} in one record and an object in another")
            _merge(members, value, f"{where}.")
        else:
            inferred = _type(value, where)
            fields[name] = _wider(fields.get(name, inferred), inferred, where)


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


def _wider(one: Inferred, other: str, where: str) -> str:
    if one == other:
        return other
    if one in _NUMBERS and other in _NUMBERS:
        return max(str(one), other, key=_NUMBERS.index)
    raise CannotInfer(
        f"{where} is {'an object' if isinstance(one, dict) else one} in one record and {other} in another"
    )


def _hive_type(inferred: Inferred) -> str:
    if isinstance(inferred, str):
        return inferred
    return f"struct<{','.join(f'{name}:{_hive_type(member)}' for name, member in inferred.items())}>"
