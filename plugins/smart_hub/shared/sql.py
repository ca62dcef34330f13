"""SQL statements: one per file under ``include/sql``, with ``{{ name }}`` placeholders.

Standard library only: the Lambda functions carry this module too.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
# Names, dates, numbers, S3 locations. No quote, blank, semicolon or comment can be spelled with these.
_SAFE_VALUE = re.compile(r"[A-Za-z0-9_./:=-]+")


class Text(str):
    """A value with any characters, rendered as a quoted string literal."""


class SqlValueError(ValueError):
    """A placeholder without a value, a value without a placeholder, or a value that is not safe in SQL."""


def render(text: str, values: dict[str, str | int]) -> str:
    """One statement's text with its values filled in, comment lines left out.

    Values are inserted into identifiers and string literals unchanged, so only letters, digits and ``_./:=-`` are
    allowed, except in a Text. Raises SqlValueError if placeholders and values do not match, or if a value has other
    characters.
    """
    statement = _without_comments(text)
    wanted = placeholders(text)
    if wanted != set(values):
        raise SqlValueError(f"placeholders are {sorted(wanted)}, values given are {sorted(values)}")
    for name, value in values.items():
        if not isinstance(value, Text) and (not _SAFE_VALUE.fullmatch(str(value)) or "--" in str(value)):
            raise SqlValueError(f"{name}: {value!r} holds characters that have no place in a name, date or location")
    return _PLACEHOLDER.sub(lambda match: _spelled(values[match.group(1)]), statement)


def _spelled(value: str | int) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, Text) else str(value)


def render_from(text: str, known: Mapping[str, str | int]) -> str:
    """As ``render``, with those of the known values that the statement wants."""
    return render(text, {name: known[name] for name in placeholders(text) & known.keys()})


def placeholders(text: str) -> set[str]:
    """Names of the values that a statement wants."""
    return set(_PLACEHOLDER.findall(_without_comments(text)))


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip()


def statement(folder: Path, name: str, **values: str | int) -> str:
    """The statement of ``<folder>/<name>.sql`` with its values filled in (see ``render``)."""
    path = folder / f"{name}.sql"
    try:
        return render(path.read_text(encoding="utf-8"), values)
    except SqlValueError as error:
        raise SqlValueError(f"{name}.sql: {error}") from error
