"""Every way to start a run, all at the same time and with faults, on the real scheduler.

Each run finds its usage day or fails with the reason; the day is correct after the faults (`make chaos` has all).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.faults import Fault, all_faults
from tests.chaos.kit import Damage, Kit, Reader, Trial, TrialResult
from tests.e2e.environment import DAYS, ROOT, Environment

DAY, OTHER_DAY = DAYS
RUNS: dict[str, dict[str, Any]] = {
    "parameter": {},
    "logical_date": {"logical_date": f"{DAY}T12:00:00Z", "conf": {}},
    "early_in_the_utc_day": {"logical_date": f"{DAY}T00:10:00Z", "conf": {}},
    "partition_key": {"partition_key": DAY, "conf": {}},
    "parameter_before_logical_date": {"logical_date": f"{OTHER_DAY}T00:00:00Z"},
}
STRUCK = {
    "parameter": ("worker process killed", "publish"),
    "logical_date": ("CTAS fails and leaves its files", "step_5_transform"),
    "partition_key": ("compaction writes two files", "step_6_compact"),
}
FAULTS = {(fault.name, fault.task): fault for fault in all_faults()}
NO_FAULT = Fault("none", "", ())
NO_DAY = "no_day"


def files(environment: Environment, day: str) -> list[tuple[str, ...]]:
    """The published objects of a day, each with its rows."""
    return environment.select(f"SELECT \"$path\", count(*) FROM usage_cost WHERE dt = DATE '{day}' GROUP BY 1")


@pytest.fixture(scope="module")
def before(environment: Environment, first: str) -> dict[str, list[tuple[str, ...]]]:
    """The files that the demo published."""
    return {day: files(environment, day) for day in DAYS}


@pytest.fixture(scope="module")
def reader(environment: Environment, first: str) -> Iterator[Reader]:
    reader = Reader(environment, DAYS)
    reader.start()
    yield reader
    reader.stop()


@pytest.fixture(scope="module")
def outcomes(environment: Environment, before: Any, reader: Reader) -> dict[str, TrialResult]:
    """All runs, started at once as by the UI's trigger form, after they have ended; by run id."""
    body = {"dag_run_id": NO_DAY, "logical_date": None}
    environment.airflow.post("/dagRuns", json=body).raise_for_status()
    kit = Kit(environment, ROOT / "include" / "data")
    trials = [
        Trial(FAULTS[STRUCK[run_id]] if run_id in STRUCK else NO_FAULT, DAY, run_id, request)
        for run_id, request in RUNS.items()
    ]
    return {outcome.run_id: outcome for outcome in kit.run_trials(trials)}


@pytest.mark.parametrize("run_id", RUNS)
def test_a_run_publishes_its_usage_day(environment: Environment, outcomes: dict[str, TrialResult], run_id: str) -> None:
    assert outcomes[run_id].recovery in ("absorbed", "retried")
    published = environment.airflow.get(
        f"/dagRuns/{run_id}/taskInstances/publish/xcomEntries/return_value", params={"deserialize": True}
    ).json()["value"]
    assert f"/warehouse/usage_cost/dt={DAY}/version=" in published["usage_cost"]


@pytest.mark.parametrize("run_id", STRUCK)
def test_a_retry_succeeds_after_a_fault(outcomes: dict[str, TrialResult], run_id: str) -> None:
    assert (outcomes[run_id].injections, outcomes[run_id].recovery) == (1, "retried")


def test_no_row_is_lost_doubled_or_wrong(outcomes: dict[str, TrialResult]) -> None:
    assert {outcome.damage for outcome in outcomes.values()} == {Damage()}


def test_readers_see_whole_days_all_the_while(outcomes: dict[str, TrialResult], reader: Reader) -> None:
    assert reader.answers > 0
    assert reader.wrong == []


def test_runs_of_one_day_beside_each_other_leave_one_object_with_the_same_rows(
    environment: Environment, before: dict[str, list[tuple[str, ...]]], outcomes: Any
) -> None:
    # given a day published once, when five runs have published it again at the same time
    ((path, rows),) = files(environment, DAY)

    # expect as many rows, of one run alone, in a new object; the other day untouched
    assert rows == before[DAY][0][1]
    assert path != before[DAY][0][0]
    assert files(environment, OTHER_DAY) == before[OTHER_DAY]


def test_a_run_without_a_day_fails_at_once_and_says_so(
    environment: Environment, outcomes: dict[str, TrialResult]
) -> None:
    assert environment.finished(NO_DAY)["state"] == "failed"
    task = environment.airflow.get(f"/dagRuns/{NO_DAY}/taskInstances/step_1_copy_raw_data").json()
    assert (task["state"], task["try_number"]) == ("failed", 1)
    logs = environment.local / "airflow" / "logs" / "dag_id=smart_hub_usage" / f"run_id={NO_DAY}"
    log = (logs / "task_id=step_1_copy_raw_data" / "attempt=1.log").read_text()
    assert "this run has no usage day: start one with the parameter usage_date" in log


def test_a_day_that_is_no_date_is_refused_by_the_form(environment: Environment, first: str) -> None:
    answer = environment.airflow.post("/dagRuns", json={"logical_date": None, "conf": {"usage_date": "2019-13-45"}})

    assert answer.status_code == 400
