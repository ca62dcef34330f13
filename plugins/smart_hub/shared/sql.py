"""SQL statements: one per file under ``include/sql``, with placeholders ``${name}`` as in ``string.Template``.

Standard library only, because the Lambda functions use this module too.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

# Names, dates, numbers, S3 locations. No quote, blank, semicolon or comment can be spelled with these.
_SAFE_VALUE = re.compile(r"[A-Za-z0-9_./:=-]+")


class StringLiteral(str):
    """A value with any characters. It is rendered as an SQL string literal, with its quotes."""


class SqlValueError(ValueError):
    """A placeholder has no value, or a value is not safe in SQL."""


class _Statement(Template):
    """Only ``${name}`` is a placeholder: Athena's column ``"$path"`` and regular expressions keep their ``$``."""

    pattern = r"\$(?:\{(?P<braced>\w+)\}|(?P<named>(?!))|(?P<escaped>(?!))|(?P<invalid>(?!)))"  # type: ignore[assignment]


def render(text: str, values: Mapping[str, str | int]) -> str:
    """Returns one statement with its values, without comment lines. Values that it does not use are ignored.

    A value is inserted as it is, so it can have only letters, digits and ``_./:=-``; a StringLiteral can have any
    characters. Raises SqlValueError if a placeholder has no value, or a value other characters.
    """
    statement = _Statement(_without_comments(text))
    rendered = {}
    for name in statement.get_identifiers():
        if name not in values:
            raise SqlValueError(f"${{{name}}} has no value; there are {sorted(values)}")
        rendered[name] = _spelled(name, values[name])
    return statement.substitute(rendered)


def _spelled(name: str, value: str | int) -> str:
    if isinstance(value, StringLiteral):
        return "'" + value.replace("'", "''") + "'"
    if not _SAFE_VALUE.fullmatch(str(value)) or "--" in str(value):
        raise SqlValueError(f"{name}: {value!r} has characters that a name, date, number or location cannot have")
    return str(value)


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip()


def statement(folder: Path, name: str, **values: str | int) -> str:
    """Returns the statement of ``<folder>/<name>.sql`` with its values (see ``render``)."""
    path = folder / f"{name}.sql"
    try:
        return render(path.read_text(encoding="utf-8"), values)
    except SqlValueError as error:
        raise SqlValueError(f"{name}.sql: {error}") from error
