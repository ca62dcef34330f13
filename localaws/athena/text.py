"""Athena's result files and how they spell values, the same for every query engine."""

import re
from collections.abc import Sequence
from decimal import Decimal

from localaws.athena.engine import Outcome

_CELL = re.compile(rb'("(?:[^"]|"")*")?(,|\n)')


def as_csv(outcome: Outcome) -> bytes:
    """Every value in quotes, NULL as nothing at all; the first line names the columns."""
    names: Sequence[str | None] = [column.name for column in outcome.columns]
    lines = (",".join(map(_quoted, row)) for row in (names, *outcome.rows))
    return "".join(f"{line}\n" for line in lines).encode()


def _quoted(cell: str | None) -> str:
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


def csv_rows(data: bytes, most: int) -> tuple[list[list[str | None]], int]:
    """The first rows of a CSV file, ``most`` at most, and how many bytes they take."""
    rows: list[list[str | None]] = []
    row: list[str | None] = []
    for match in _CELL.finditer(data):
        cell = match[1]
        row.append(None if cell is None else cell[1:-1].replace(b'""', b'"').decode())
        if match[2] == b"\n":
            rows.append(row)
            row = []
            if len(rows) == most:
                return rows, match.end()
    return rows, len(data)


def as_lines(rows: Sequence[Sequence[str | None]]) -> bytes:
    """The rows of a SHOW or DESCRIBE, a tab between the cells."""
    return "".join("\t".join(cell or "" for cell in row) + "\n" for row in rows).encode()


def line_rows(data: bytes, most: int) -> tuple[list[list[str | None]], int]:
    """The first rows of such a file, ``most`` at most, and how many bytes they take."""
    lines = data.split(b"\n")[:-1][:most]
    return [list(line.decode().split("\t")) for line in lines], sum(len(line) + 1 for line in lines)


def java_double(number: float) -> str:
    """A double as Java's ``Double.toString`` writes it: ``0.5``, ``1.0E-5``, ``1.2345678E7``, ``NaN``."""
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        text = f"{Decimal(repr(number)):f}"
        return text if "." in text else f"{text}.0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    text = "".join(map(str, digits))
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{int(exponent) + len(text) - 1}"
