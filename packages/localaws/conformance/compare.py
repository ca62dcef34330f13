"""Answers of two engines to one statement, and what to think of them. Trino is right by definition."""

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
    """What an engine gave for a statement: an outcome, or the error that it raised."""

    outcome: Outcome | None
    error: BaseException | None

    @classmethod
    def of(cls, future: "Future[Outcome]") -> "Answer":
        """Waits for it."""
        error = future.exception()
        return cls(None if error else future.result(), error)

    @property
    def code(self) -> str:
        """Of the refusal, as Athena's API tells it; "" for an outcome and for a defect."""
        if isinstance(self.error, ClientError):  # the catalog's or the store's own words
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
    """One comparison. difference: where the answers part, when they do; no answers where no statement was asked."""

    topic: str
    statement: str
    verdict: Verdict
    duckdb: Answer | None = None
    trino: Answer | None = None
    difference: str = ""


class TrinoUnwell(Exception):
    """The judge gave no judgement: the server is gone, or not ready."""


def judged(topic: str, statement: str, duckdb: Answer, trino: Answer) -> Finding:
    """Raises TrinoUnwell when there is no answer of Trino's to compare with."""
    if trino.error is not None and (not trino.code or trino.code in ("NO_NODES_AVAILABLE", "SERVER_STARTING_UP")):
        raise TrinoUnwell(f"{statement}: {trino}") from trino.error
    if trino.code == "GENERIC_INTERNAL_ERROR" and "does not answer" in str(trino.error):
        raise TrinoUnwell(str(trino.error)) from trino.error
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


def outcomes_differ(ours: Outcome, theirs: Outcome, ordered: bool) -> str:
    """Where two outcomes differ, as ``ours <> theirs``; "" where they are equal."""
    columns = [[(one.name, one.type) for one in outcome.columns] for outcome in (ours, theirs)]
    if columns[0] != columns[1]:
        told = (", ".join(f"{name} {of}" for name, of in one) for one in columns)
        return "columns " + " <> ".join(told)
    if ours.statement_type != theirs.statement_type:
        return f"statement type {ours.statement_type} <> {theirs.statement_type}"
    return rows_differ(ours.rows, theirs.rows, [column.type for column in ours.columns], ordered)


def rows_differ(ours: Sequence[Row], theirs: Sequence[Row], types: Sequence[Type], ordered: bool) -> str:
    """Where two results differ; without order, as multisets. Doubles may differ by 1e-9 of themselves."""
    if len(ours) != len(theirs):
        return f"{len(ours)} rows <> {len(theirs)} rows"
    floats = [has_floats(of) for of in types]
    if not ordered:
        ours, theirs = (sorted(rows, key=lambda row: _sort_key(row, floats)) for rows in (ours, theirs))
    for number, (our_row, their_row) in enumerate(zip(ours, theirs, strict=True), 1):
        for our, their, is_float in zip(our_row, their_row, floats, strict=True):
            if our != their and not (is_float and _close(our, their)):
                return f"row {number}: {list(our_row)} <> {list(their_row)}"
    return ""


def has_floats(of: Type) -> bool:
    return of.name in ("double", "float") or any(has_floats(inner) for _, inner in of.fields)


def _sort_key(row: Row, floats: Sequence[bool]) -> tuple[object, ...]:
    """By what must be equal first, so that two doubles that differ in the last digit sort alike."""
    exact = tuple((cell is not None, cell or "") for cell, is_float in zip(row, floats, strict=True) if not is_float)
    close = tuple(_number(cell) for cell, is_float in zip(row, floats, strict=True) if is_float)
    return exact, close


def _number(cell: str | None) -> tuple[int, float, str]:
    if cell is None or cell == "NaN":
        return 2 + (cell is None), 0.0, ""
    found = _NUMBER.fullmatch(cell)
    return (0, float(cell), "") if found else (1, 0.0, cell)


def _close(ours: str | None, theirs: str | None) -> bool:
    if ours is None or theirs is None:
        return False
    our_parts, their_parts = _NUMBER.split(ours), _NUMBER.split(theirs)
    if len(our_parts) != len(their_parts) or our_parts[::2] != their_parts[::2]:
        return False
    pairs = zip(our_parts[1::2], their_parts[1::2], strict=True)
    return all(our == their or _near(float(our), float(their)) for our, their in pairs)


def _near(our: float, their: float) -> bool:
    if not (our or their):
        return False  # 0.0 and -0.0 are two texts
    return math.isclose(our, their, rel_tol=RELATIVE_TOLERANCE)
