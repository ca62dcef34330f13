"""Differences between the answers of two engines."""

from collections.abc import Sequence
from concurrent.futures import Future

import pytest

pytest.importorskip("sqlglot")  # in the environment of the local AWS

from conformance.compare import Answer, TrinoUnavailable, Verdict, is_ordered, judged, rows_differ
from localaws.athena.catalog import Column
from localaws.athena.engine import Outcome
from localaws.athena.errors import QueryError
from localaws.athena.types import BIGINT, DOUBLE, VARCHAR, Type, array

pytestmark = pytest.mark.unit


def answered(rows: Sequence[Sequence[str | None]], type_: Type = VARCHAR) -> Answer:
    future: Future[Outcome] = Future()
    future.set_result(Outcome((Column("a", type_),), rows))
    return Answer.wait(future)


def failed(error: Exception) -> Answer:
    future: Future[Outcome] = Future()
    future.set_exception(error)
    return Answer.wait(future)


REFUSED = failed(QueryError("NOT_SUPPORTED", "no"))


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (answered([("x",)]), answered([("x",)]), Verdict.SAME),
        (answered([("x",)]), answered([("y",)]), Verdict.WRONG),
        (answered([("x",)]), answered([(None,)]), Verdict.WRONG),
        (answered([("",)]), answered([(None,)]), Verdict.WRONG),
        (answered([("x",)]), answered([("x",), ("x",)]), Verdict.WRONG),
        (answered([("1",)], BIGINT), answered([("1",)]), Verdict.WRONG),
        (answered([("x",)]), failed(QueryError("TYPE_MISMATCH", "no")), Verdict.LENIENT),
        (REFUSED, answered([("x",)]), Verdict.UNSUPPORTED),
        (REFUSED, failed(QueryError("TYPE_MISMATCH", "no")), Verdict.BOTH_REFUSE),
        (failed(KeyError("a defect")), failed(QueryError("TYPE_MISMATCH", "no")), Verdict.BROKEN),
    ],
)
def test_the_verdict_on_two_answers(ours: Answer, theirs: Answer, verdict: Verdict) -> None:
    assert judged("topic", "SELECT a", ours, theirs).verdict == verdict


def test_without_an_answer_of_trino_there_is_no_verdict() -> None:
    unreachable = failed(QueryError("GENERIC_INTERNAL_ERROR", "Trino at http://127.0.0.1:1 does not answer"))
    with pytest.raises(TrinoUnavailable):
        judged("topic", "SELECT a", REFUSED, unreachable)


def test_order_matters_with_an_order_by() -> None:
    ours, theirs = answered([("x",), ("y",)]), answered([("y",), ("x",)])
    assert judged("topic", "SELECT a FROM t", ours, theirs).verdict == Verdict.SAME
    assert judged("topic", "SELECT a FROM t ORDER BY a", ours, theirs).verdict == Verdict.WRONG


@pytest.mark.parametrize(
    ("statement", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a LIMIT 3", True),
        ("(SELECT 1) UNION (SELECT 2) ORDER BY 1", True),
        ("SELECT rank() OVER (ORDER BY a) FROM t", False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a)", False),
        ("SELECT 'ORDER BY'", False),
        ("SELECT 'not closed", False),
    ],
)
def test_an_order_by_counts_at_the_outermost_level(statement: str, ordered: bool) -> None:
    assert is_ordered(statement) == ordered


@pytest.mark.parametrize(
    ("ours", "theirs", "type_", "equal"),
    [
        ("0.1", "0.10000000000000002", DOUBLE, True),
        ("0.1", "0.1000000003", DOUBLE, False),
        ("0.1", "0.10000000000000002", VARCHAR, False),
        ("1.0E300", "1.0000000000000002E300", DOUBLE, True),
        ("0.0", "-0.0", DOUBLE, False),
        ("NaN", "NaN", DOUBLE, True),
        ("NaN", "0.0", DOUBLE, False),
        ("Infinity", "-Infinity", DOUBLE, False),
        ("Infinity", "1.0E308", DOUBLE, False),
        ("[0.1, null]", "[0.10000000000000002, null]", array(DOUBLE), True),
        ("[0.1, null]", "[0.1, 0.1]", array(DOUBLE), False),
        ("[1, 2]", "[1, 3]", array(BIGINT), False),
    ],
)
def test_doubles_are_equal_to_nine_digits(ours: str, theirs: str, type_: Type, equal: bool) -> None:
    assert (rows_differ([(ours,)], [(theirs,)], [type_], ordered=True) == "") == equal


def test_rows_without_order_are_paired_by_their_exact_cells() -> None:
    ours = [("b", "1.0000000000000002"), ("a", "1.0"), ("a", None)]
    theirs = [("a", "1.0"), ("a", None), ("b", "1.0")]
    assert rows_differ(ours, theirs, [VARCHAR, DOUBLE], ordered=False) == ""
