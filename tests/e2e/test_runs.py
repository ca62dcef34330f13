"""Every way in which a run can come about, with the real scheduler: each finds its usage day, or says why not."""

from typing import Any

import pytest

from tests.e2e.environment import Environment

DAY, OTHER_DAY = "2019-12-21", "2019-12-22"
RUNS: dict[str, dict[str, Any]] = {
    "parameter": {"logical_date": None, "conf": {"usage_date": DAY}},
    "logical_date": {"logical_date": f"{DAY}T12:00:00Z"},
    "early_in_the_utc_day": {"logical_date": f"{DAY}T00:10:00Z"},
    "partition_key": {"logical_date": None, "partition_key": DAY},
    "parameter_before_logical_date": {"logical_date": f"{OTHER_DAY}T00:00:00Z", "conf": {"usage_date": DAY}},
}
NO_DAY = "no_day"


def files(environment: Environment, day: str) -> list[tuple[str, ...]]:
    """The published objects of a day, each with its rows."""
    return environment.select(f"SELECT \"$path\", count(*) FROM usage_cost WHERE dt = DATE '{day}' GROUP BY 1")


@pytest.fixture(scope="module")
def before(environment: Environment, first: str) -> dict[str, list[tuple[str, ...]]]:
    """What the demo published; the services work on the sample data, whatever other tests had them work on."""
    up = environment.make("up")
    assert up.returncode == 0, up.stdout
    return {day: files(environment, day) for day in (DAY, OTHER_DAY)}


@pytest.fixture(scope="module")
def ended(environment: Environment, before: Any) -> dict[str, dict[str, Any]]:
    """All runs at once, as the UI's trigger form starts them, once they have ended."""
    for run_id, body in {**RUNS, NO_DAY: {"logical_date": None}}.items():
        answer = environment.airflow.post("/dagRuns", json={"dag_run_id": run_id, **body})
        assert answer.is_success, answer.text
    return {run_id: environment.finished(run_id) for run_id in (*RUNS, NO_DAY)}


@pytest.mark.parametrize("run_id", RUNS)
def test_a_run_publishes_its_usage_day(environment: Environment, ended: dict[str, dict[str, Any]], run_id: str) -> None:
    assert ended[run_id]["state"] == "success"
    published = environment.airflow.get(
        f"/dagRuns/{run_id}/taskInstances/publish/xcomEntries/return_value", params={"deserialize": True}
    ).json()["value"]
    assert f"/warehouse/usage_cost/dt={DAY}/version=" in published["usage_cost"]


def test_runs_of_one_day_beside_each_other_leave_one_object_with_the_same_rows(
    environment: Environment, before: dict[str, list[tuple[str, ...]]], ended: Any
) -> None:
    # given a day published once, when five runs have published it again at the same time
    ((path, rows),) = files(environment, DAY)

    # expect as many rows, of one run alone, in a new object; the other day untouched
    assert rows == before[DAY][0][1]
    assert path != before[DAY][0][0]
    assert files(environment, OTHER_DAY) == before[OTHER_DAY]


def test_a_run_without_a_day_fails_at_once_and_says_so(
    environment: Environment, ended: dict[str, dict[str, Any]]
) -> None:
    assert ended[NO_DAY]["state"] == "failed"
    task = environment.airflow.get(f"/dagRuns/{NO_DAY}/taskInstances/step_1_copy_raw_data").json()
    assert (task["state"], task["try_number"]) == ("failed", 1)
    logs = environment.local / "airflow" / "logs" / "dag_id=smart_hub_usage" / f"run_id={NO_DAY}"
    log = (logs / "task_id=step_1_copy_raw_data" / "attempt=1.log").read_text()
    assert "this run has no usage day: start one with the parameter usage_date" in log


def test_a_day_that_is_no_date_is_refused_by_the_form(environment: Environment, first: str) -> None:
    answer = environment.airflow.post("/dagRuns", json={"logical_date": None, "conf": {"usage_date": "2019-13-45"}})

    assert answer.status_code == 400
