"""The targets of BENCHMARKS.md as ratios within one run, which do not depend on the machine.

The limits leave room for noise: only a clear regression fails.
"""

import statistics
from pathlib import Path

import pytest

from benchmarks.__main__ import DAY, FIRST_DAY, Benchmark
from benchmarks.data_plane import GETS, PUTS, MeasuredDay
from benchmarks.data_plane import run as run_days
from benchmarks.measure import ResourceUsage

FEW, MANY = 50, 500


class MeasuredRuns:
    """Days of the pipeline at two sizes, and the DuckDB query at the larger size before and after them."""

    def __init__(self, folder: Path) -> None:
        benchmark = Benchmark(folder, [FEW, MANY], repeat=1)
        self.one_query: list[ResourceUsage] = []
        self.days: dict[int, tuple[MeasuredDay, MeasuredDay]] = {}
        digests = set()

        def query() -> None:
            usage, digest = benchmark.baseline("duckdb", MANY)
            self.one_query.append(usage)
            digests.add(digest)

        query()
        for hubs in (FEW, MANY):
            with benchmark.empty_folder("published") as out:
                settings = benchmark.settings(source=str(benchmark.source(hubs)))
                (first, another), _ = run_days(settings, [FIRST_DAY, DAY], out)
                self.days[hubs] = (first, another)
                if hubs == MANY:
                    digests.add(benchmark.digest(sorted(out.iterdir())))
        query()
        self.digests = digests


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> MeasuredRuns:
    return MeasuredRuns(tmp_path_factory.mktemp("bench"))


def test_the_pipeline_and_the_query_write_the_same_rows(measured: MeasuredRuns) -> None:
    assert len(measured.digests) == 1


def test_the_seven_steps_take_less_than_three_times_the_cpu_of_one_query(measured: MeasuredRuns) -> None:
    # about 2 times at 500 hubs: a day's constant part has twice the weight that it has at 1,000
    one_query = statistics.mean(usage.cpu for usage in measured.one_query)
    assert measured.days[MANY][1].total(seven=True).cpu < 3 * one_query


def test_cpu_grows_more_slowly_than_the_hubs(measured: MeasuredRuns) -> None:
    few, many = (measured.days[hubs][1].total(seven=False).cpu for hubs in (FEW, MANY))
    assert many < 0.8 * (MANY / FEW) * few


def test_the_number_of_queries_does_not_depend_on_the_hubs(measured: MeasuredRuns) -> None:
    assert [day.query_count for days in measured.days.values() for day in days] == [25, 23] * 2


def test_the_number_of_requests_grows_little_with_the_hubs(measured: MeasuredRuns) -> None:
    few, many = (measured.days[hubs][1].requests for hubs in (FEW, MANY))
    for kinds in (PUTS, ("catalog",)):
        assert sum(many.get(kind, 0) for kind in kinds) < 1.3 * sum(few.get(kind, 0) for kind in kinds)
    # DuckDB reads a file by row groups; 500 hubs have twelve
    assert sum(many.get(kind, 0) for kind in GETS) < 3 * sum(few.get(kind, 0) for kind in GETS)


@pytest.mark.parametrize("day", [0, 1], ids=["first day", "another day"])
def test_bytes_scanned_are_bounded_by_bytes_stored(measured: MeasuredRuns, day: int) -> None:
    scanned, stored = (getattr(measured.days[MANY][day], name) for name in ("scanned_bytes", "stored_bytes"))
    parquet = sum(size for name, size in stored.items() if name != "raw_usage")
    staged = scanned["compact"]  # the step reads every column of the staged prices
    assert sum(scanned.values()) < 1.1 * stored["raw_usage"] + 3 * (parquet + staged)
