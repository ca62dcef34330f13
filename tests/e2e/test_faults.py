"""A few faults of the kit (`make chaos` has them all): the day stays right, and the run ends well by itself."""

from collections.abc import Iterator

import pytest

from tests.chaos.faults import all_faults
from tests.chaos.kit import Damage, Kit, Outcome, Reader, Trial
from tests.e2e.environment import DAYS, ROOT, Environment

FEW = [
    fault
    for fault in all_faults()
    if (fault.name, fault.task)
    in {
        ("worker process killed", "publish"),
        ("CTAS dies and leaves its files", "step_5_transform"),
        ("compaction writes two files", "step_6_compact"),
    }
]


@pytest.fixture(scope="module")
def reader(environment: Environment, first: str) -> Iterator[Reader]:
    reader = Reader(environment, DAYS)
    reader.start()
    yield reader
    reader.stop()


@pytest.fixture(scope="module")
def outcomes(environment: Environment, reader: Reader) -> list[Outcome]:
    """All at once, on the two days of the sample."""
    kit = Kit(environment, ROOT / "include" / "data")
    kit.up()
    trials = [Trial(fault, DAYS[number % len(DAYS)], f"fault-{number}") for number, fault in enumerate(FEW)]
    return sorted(kit.endure(trials), key=lambda outcome: FEW.index(outcome.fault))


def test_each_fault_strikes_and_a_retry_makes_it_good(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == 3
    assert [(outcome.fault.name, outcome.struck, outcome.ended) for outcome in outcomes] == [
        (fault.name, 1, "retried") for fault in FEW
    ]


def test_no_row_is_lost_doubled_or_wrong(outcomes: list[Outcome]) -> None:
    assert [outcome.damage for outcome in outcomes] == [Damage()] * len(FEW)


def test_readers_see_whole_days_all_the_while(outcomes: list[Outcome], reader: Reader) -> None:
    assert reader.answers > 0
    assert reader.wrong == []
