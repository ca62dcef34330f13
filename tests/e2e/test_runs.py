"""Every way in which a run can come about, with the real scheduler: each finds its usage day, or says why not."""

from typing import Any

import pytest

from tests.e2e.environment import Environment

DAY = "2019-12-21"


@pytest.fixture(scope="module", autouse=True)
def published(first: str) -> None:
    """The demo has run: services are up, the stack stands, reference data are converted."""


def trigger(environment: Environment, run_id: str, **body: Any) -> dict[str, Any]:
    """Starts a run as the UI's trigger form does, waits for its end."""
    answer = environment.airflow.post("/dagRuns", json={"dag_run_id": run_id, **body})
    assert answer.is_success, answer.text
    return environment.finished(run_id)


@pytest.mark.parametrize(
    ("run_id", "body"),
    [
        ("parameter", {"logical_date": None, "conf": {"usage_date": DAY}}),
        ("logical_date", {"logical_date": f"{DAY}T12:00:00Z"}),
        ("early_in_the_utc_day", {"logical_date": f"{DAY}T00:10:00Z"}),
        ("partition_key", {"logical_date": None, "partition_key": DAY}),
        ("parameter_first", {"logical_date": "2019-12-22T00:00:00Z", "conf": {"usage_date": DAY}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_publishes_its_usage_day_anew(
    environment: Environment, run_id: str, body: dict[str, Any]
) -> None:
    # given the day as published
    query = "SELECT DISTINCT \"$path\", count(*) FROM usage_cost WHERE dt = DATE '{}' GROUP BY 1"
    before = {day: environment.select(query.format(day)) for day in (DAY, "2019-12-22")}

    # when a run of this kind has ended
    run = trigger(environment, run_id, **body)

    # expect success, the same number of rows of just that day in a new object, the other day untouched
    assert run["state"] == "success"
    ((path, rows),) = environment.select(query.format(DAY))
    assert rows == before[DAY][0][1]
    assert path != before[DAY][0][0]
    assert environment.select(query.format("2019-12-22")) == before["2019-12-22"]


def test_a_run_without_a_day_fails_at_once_and_says_so(environment: Environment) -> None:
    run = trigger(environment, "no_day", logical_date=None)

    assert run["state"] == "failed"
    tasks = environment.airflow.get("/dagRuns/no_day/taskInstances").json()["task_instances"]
    states = {task["task_id"]: (task["state"], task["try_number"]) for task in tasks}
    assert states["step_1_copy_raw_data"] == ("failed", 1)
    logs = environment.local / "airflow" / "logs" / "dag_id=smart_hub_usage" / "run_id=no_day"
    log = (logs / "task_id=step_1_copy_raw_data" / "attempt=1.log").read_text()
    assert "this run has no usage day: start one with the parameter usage_date" in log


def test_a_day_that_is_no_date_is_refused_by_the_form(environment: Environment) -> None:
    answer = environment.airflow.post(
        "/dagRuns", json={"logical_date": None, "conf": {"usage_date": "2019-13-45"}}
    )

    assert answer.status_code == 400
