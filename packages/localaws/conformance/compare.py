"""Compares the answers of two engines to one statement. Trino is right by definition."""

import enum
import math
import re
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from botocore.exceptions import ClientError
from sqlglot import TokenType
from sqlglot.dialects.trino import Trino
from sqlglot.errors import TokenError

from localaws.athena.engine import Outcome
from localaws.athena.errors import QueryError
from localaws.athena.types import Type

RELATIVE_TOLERANCE = 1e-9
_NUMBER = re.compile(r"(-?(?:\d+\.\d+(?:E-?\d+)?|Infinity|NaN))")

Row = Sequence[str | None]


class Verdict(enum.Enum):
    SAME = "same"
    BOTH_REFUSE = "both refuse"
    UNSUPPORTED = "unsupported"  # DuckDB refuses what Trino answers
    WRONG = "WRONG"  # the answers differ
    LENIENT = "LENIENT"  # DuckDB answers what Trino refuses
    BROKEN = "BROKEN"  # the DuckDB engine fails by a defect, not by an error of the statement

    @property
    def fails(self) -> bool:
        return self in (Verdict.WRONG, Verdict.LENIENT, Verdict.BROKEN)


@dataclass(frozen=True)
class Answer:
    """The answer of an engine to a statement: an outcome or an error."""

    outcome: Outcome | None
    error: BaseException | None

    @classmethod
    def wait(cls, future: "Future[Outcome]") -> "Answer":
        error = future.exception()
        return cls(None if error else future.result(), error)

    @property
    def code(self) -> str:
        """The code of the error in Athena's API; "" for an outcome and for a defect."""
        if isinstance(self.error, ClientError):  # an error of the catalog or S3
            return "GENERIC_INTERNAL_ERROR"
        return self.error.code if isinstance(self.error, QueryError) else ""

    def __str__(self) -> str:
        if self.outcome is None:
            words = str(self.error).strip() or repr(self.error)
            return words if isinstance(self.error, QueryError) else f"{type(self.error).__name__}: {words}"
        columns = ", ".join(f"{column.name} {column.type}" for column in self.outcome.columns)
        rows = "; ".join(str(list(row)) for row in self.outcome.rows[:5])
        more = "; …" if len(self.outcome.rows) > 5 else ""
        return f"({columns}) {rows}{more}"


@dataclass(frozen=True)
class Finding:
    """One comparison. difference: of the answers, if any; no answers if no statement was run."""

    topic: str
    statement: str
    verdict: Verdict
    duckdb: Answer | None = None
    trino: Answer | None = None
    difference: str = ""


class TrinoUnavailable(Exception):
    """The Trino server does not respond, or is not ready."""


def judged(topic: str, statement: str, duckdb: Answer, trino: Answer) -> Finding:
    """The finding for two answers. Raises TrinoUnavailable if there is no answer of Trino."""
    if trino.error is not None and (not trino.code or trino.code in ("NO_NODES_AVAILABLE", "SERVER_STARTING_UP")):
        raise TrinoUnavailable(f"{statement}: {trino}") from trino.error
    if trino.code == "GENERIC_INTERNAL_ERROR" and "does not answer" in str(trino.error):
        raise TrinoUnavailable(str(trino.error)) from trino.error
    difference = ""
    if duckdb.error is not None and not duckdb.code:
        verdict = Verdict.BROKEN
    elif duckdb.outcome is None:
        verdict = Verdict.UNSUPPORTED if trino.outcome else Verdict.BOTH_REFUSE
    elif trino.outcome is None:
        verdict = Verdict.LENIENT
    else:
        difference = outcomes_differ(duckdb.outcome, trino.outcome, is_ordered(statement))
        verdict = Verdict.WRONG if difference else Verdict.SAME
    return Finding(topic, statement, verdict, duckdb, trino, difference)


def is_ordered(statement: str) -> bool:
    """Whether the order of the rows is part of the answer: an ORDER BY at the outermost level."""
    try:
        tokens = Trino().tokenize(statement)
    except TokenError:
        return False
    depth = 0
    for token in tokens:
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if token.token_type == TokenType.ORDER_BY and depth == 0:
            return True
    return False


def outcomes_differ(duckdb: Outcome, trino: Outcome, ordered: bool) -> str:
    """The difference of two outcomes, as ``DuckDB's <> Trino's``; "" if they are equal."""
    columns = [[(one.name, one.type) for one in outcome.columns] for outcome in (duckdb, trino)]
    if columns[0] != columns[1]:
        texts = (", ".join(f"{name} {type_}" for name, type_ in one) for one in columns)
        return "columns " + " <> ".join(texts)
    if duckdb.statement_type != trino.statement_type:
        return f"statement type {duckdb.statement_type} <> {trino.statement_type}"
    return rows_differ(duckdb.rows, trino.rows, [column.type for column in duckdb.columns], ordered)


def rows_differ(duckdb: Sequence[Row], trino: Sequence[Row], types: Sequence[Type], ordered: bool) -> str:
    """The difference of two results. Unordered rows are compared as multisets, doubles with a tolerance of 1e-9."""
    if len(duckdb) != len(trino):
        return f"{len(duckdb)} rows <> {len(trino)} rows"
    floats = [has_floats(type_) for type_ in types]
    if not ordered:
        duckdb, trino = (sorted(rows, key=lambda row: _sort_key(row, floats)) for rows in (duckdb, trino))
    for number, (left_row, right_row) in enumerate(zip(duckdb, trino, strict=True), 1):
        for left, right, is_float in zip(left_row, right_row, floats, strict=True):
            if left != right and not (is_float and _close(left, right)):
                return f"row {number}: {list(left_row)} <> {list(right_row)}"
    return ""


def has_floats(type_: Type) -> bool:
    return type_.name in ("double", "float") or any(has_floats(inner) for _, inner in type_.fields)


def _sort_key(row: Row, floats: Sequence[bool]) -> tuple[object, ...]:
    """Exact cells first, so that rows with doubles that differ in the last digit have the same order."""
    exact = tuple((cell is not None, cell or "") for cell, is_float in zip(row, floats, strict=True) if not is_float)
    close = tuple(_number(cell) for cell, is_float in zip(row, floats, strict=True) if is_float)
    return exact, close


def _number(cell: str | None) -> tuple[int, float, str]:
    if cell is None or cell == "NaN":
        return 2 + (cell is None), 0.0, ""
    match = _NUMBER.fullmatch(cell)
    return (0, float(cell), "") if match else (1, 0.0, cell)


def _close(duckdb: str | None, trino: str | None) -> bool:
    if duckdb is None or trino is None:
        return False
    left_parts, right_parts = _NUMBER.split(duckdb), _NUMBER.split(trino)
    if len(left_parts) != len(right_parts) or left_parts[::2] != right_parts[::2]:
        return False
    pairs = zip(left_parts[1::2], right_parts[1::2], strict=True)
    return all(left == right or _is_close(float(left), float(right)) for left, right in pairs)


def _is_close(left: float, right: float) -> bool:
    if not (left or right):
        return False  # 0.0 and -0.0 differ
    return math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE)
