"""The demo's checks before anything starts, and what it shows of runs, failures and results."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.stub import Stubber
from rich.console import Console

from ops import airflow_api, demo, progress, report
from ops.airflow_api import Dag, Run, Task
from ops.progress import Cell
from ops.settings import ROOT, Settings, UserError

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def task(task_id: str, state: str | None, begin: int | None = None, end: int | None = None) -> Task:
    """A task instance that began and ended so many seconds before NOW."""
    at = [None if ago is None else NOW - timedelta(seconds=ago) for ago in (begin, end)]
    return Task(task_id, state, 1, *at)


def run(day: str, state: str = "success", **more: Any) -> Run:
    fields = {"note": None, "backfill": True, "started": None, "ended": None, **more}
    return Run(f"backfill__{day}", day, state, **fields)


@pytest.mark.service  # a process each
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "2019-12-22", "--to", "2019-12-21"], "FROM=2019-12-22 is after TO=2019-12-21"),
        (["--from", "2019-12-20"], "no usage of 2019-12-20"),
        (["--to", "2019-12-23"], "no usage of 2019-12-23"),
        (["--to", "2019-13-01"], "2019-13-01 is not a day"),
        (["--source", "no/such/folder"], "/no/such/folder is no folder"),
    ],
)
def test_a_wrong_argument_is_an_error_before_anything_starts(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    local = tmp_path / "local"

    done = subprocess.run(
        [sys.executable, "-m", "ops.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "SMART_HUB_LOCAL": str(local)},
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not local.exists()


def test_a_folder_without_files_has_no_usage(tmp_path: Path) -> None:
    (tmp_path / "usage" / "dt=2019-12-21").mkdir(parents=True)
    (tmp_path / "usage" / "dt=2019-12-21" / ".part.json.gz.part").touch()  # what a killed generator leaves

    with pytest.raises(UserError, match="no usage of 2019-12-21"):
        demo.check_folder(tmp_path, ["2019-12-21"])

    (tmp_path / "usage" / "dt=2019-12-21" / "part.json.gz").touch()
    demo.check_folder(tmp_path, ["2019-12-21"])


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], Cell("waiting")),
        ([task("a", None)], Cell("waiting")),
        ([task("a", "scheduled")], Cell("waiting")),
        ([task("a", "running", 5)], Cell("running", 5)),
        # begun with the first task, not over before the last one
        ([task("a", "success", 9, 7), task("b", None)], Cell("running", 9)),
        ([task("a", "success", 9, 7), task("b", "success", 6, 2)], Cell("success", 7)),
        ([task("a", "success", 9, 7), task("b", "skipped", 6, 6)], Cell("success", 3)),
        ([task("a", "skipped", 6, 6)], Cell("skipped", 0)),
        ([task("a", "up_for_retry", 9, 8), task("b", "running", 4)], Cell("retrying", 9)),
        ([task("a", "failed", 9, 8), task("b", "upstream_failed")], Cell("failed", 1)),
        ([task("a", "upstream_failed")], Cell("blocked")),
    ],
)
def test_the_state_of_a_step(tasks: list[Task], expected: Cell) -> None:
    assert progress.cell(tasks, NOW) == expected


def test_the_last_error_of_a_tasks_log(tmp_path: Path) -> None:
    log = tmp_path / "attempt=1.log"
    lines = [
        {"event": "Starting", "level": "info"},
        {"event": "earlier", "level": "error"},
        {
            "event": "Task failed with exception",
            "level": "error",
            "error_detail": [{"exc_type": "RuntimeError", "exc_value": "no partition of 2019-12-21"}],
        },
        {"event": "Leaving", "level": "info"},
    ]

    log.write_text("plain text\n" + "\n".join(map(json.dumps, lines[:2])))
    assert demo.last_error(log) == "earlier"
    log.write_text("plain text\n" + "\n".join(map(json.dumps, lines)))
    assert demo.last_error(log) == "RuntimeError: no partition of 2019-12-21"
    log.write_text("plain text\n" + json.dumps(lines[0]))
    assert demo.last_error(log) == "no error in its log"
    assert demo.last_error(tmp_path / "attempt=2.log") == "it left no log"


@pytest.mark.parametrize(
    "said", ['no "usage" of 2019-12-21', "column 'weekend' of table 'rates' is of another type", "C:\\data\nis full"]
)
def test_the_last_error_is_what_a_function_says(tmp_path: Path, said: str) -> None:
    # given the exception of the provider's operator, as Airflow logs it: what its arguments look like
    payload = json.dumps({"errorMessage": said, "errorType": "RuntimeError"})
    raised = ValueError("Lambda function execution resulted in error", {"Headers": {}, "Payload": payload})
    failed = {"exc_type": "ValueError", "exc_value": str(raised)}
    log = tmp_path / "attempt=1.log"
    log.write_text(json.dumps({"event": "failed", "level": "error", "error_detail": [failed]}))

    assert demo.last_error(log) == f"ValueError: {said}"


def answering(answers: dict[str, Any]) -> Dag:
    """A DAG whose Airflow gives these answers by path."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.path.removeprefix("/api/v2")])

    return Dag("http://airflow", "d", transport=httpx.MockTransport(answer))


def test_the_steps_of_a_dag_stand_in_the_order_of_their_first_task() -> None:
    graph = {"copy": ["crawl.b", "crawl.a"], "crawl.a": ["audit"], "crawl.b": ["audit"], "audit": []}
    tasks = [{"task_id": name, "downstream_task_ids": after} for name, after in graph.items()]

    steps = answering({"/dags/d/tasks": {"tasks": tasks}}).steps()

    assert list(steps.items()) == [
        ("copy", ["copy"]),
        ("crawl", ["crawl.a", "crawl.b"]),
        ("audit", ["audit"]),
    ]


def test_a_backfill_of_other_days_that_still_runs_is_not_touched() -> None:
    fields = {"state": "running", "note": None, "start_date": None, "end_date": None}
    theirs = {"dag_run_id": "r", "partition_key": "2019-12-25", "run_type": "backfill", **fields}
    dag = answering({"/dags/d": {}, "/dags/d/dagRuns": {"dag_runs": [theirs], "total_entries": 1}})

    with pytest.raises(UserError, match=r"another backfill is running \(r\)"):
        demo.start(dag, ["2019-12-21"])


def test_a_task_that_does_not_end_is_named_instead_of_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a run that has been failed, and a task of it that goes on
    monkeypatch.setattr(airflow_api, "END_SECONDS", 0)
    fields = {"state": "failed", "note": None, "start_date": None, "end_date": None}
    run = {"dag_run_id": "r", "partition_key": "2019-12-21", "run_type": "backfill", **fields}
    task = {"task_id": "t", "state": "running", "try_number": 1, "start_date": None, "end_date": None}
    dag = answering(
        {
            "/dags/d/dagRuns": {"dag_runs": [run], "total_entries": 1},
            "/dags/d/dagRuns/r/taskInstances": {"task_instances": [task], "total_entries": 1},
        }
    )

    with pytest.raises(UserError, match=r"tasks of r have not ended"):
        dag.delete(lambda run: True)


def test_queries_are_counted_for_the_run_whose_folder_their_results_are_in() -> None:
    # given two runs and, of the workgroup's queries, two of the first, none of the second, one of neither
    settings = Settings()
    first, second = run("2019-12-21"), run("2019-12-22")
    athena = report.client(settings)

    def query(number: int, folder: str, scanned: int) -> dict[str, Any]:
        return {
            "QueryExecutionId": f"q{number}",
            "ResultConfiguration": {"OutputLocation": f"s3://b/athena-results/{folder}/q{number}.csv"},
            "Statistics": {"DataScannedInBytes": scanned},
        }

    # sha256 of "backfill__2019-12-21", by sha256sum
    label = "2019-12-21-60e16616326a"
    queries = [query(1, label, 100), query(2, "demo", 7), query(3, f"{label}/step", 20)]
    with Stubber(athena) as stub:
        ids = [one["QueryExecutionId"] for one in queries]
        stub.add_response("list_query_executions", {"QueryExecutionIds": ids}, {"WorkGroup": "smart-hub"})
        stub.add_response("batch_get_query_execution", {"QueryExecutions": queries}, {"QueryExecutionIds": ids})

        found = report.queries(athena, settings, [first, second])

    assert found == {first.run_id: report.Queries(2, 120), second.run_id: report.Queries()}


def test_the_table_of_results_has_a_dash_for_a_day_that_was_not_published() -> None:
    runs = [run("2019-12-21"), run("2019-12-22", "failed")]
    day = report.Day("2019-12-21", 6, 1728, 2, 17280, 3, 241.513, 30.5449, 0.5234)
    worked = {runs[0].run_id: report.Queries(16, 1_104_000), runs[1].run_id: report.Queries()}
    console = Console(width=80, record=True, file=io.StringIO())

    console.print(report.table(runs, {day.day: day}, worked, {runs[0].run_id: 22.4, runs[1].run_id: 3}))

    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines()]
    assert [row for row in rows if row] == [
        ["hubs", "6", "-"],
        ["readings used", "1,728", "-"],
        ["readings rejected", "2", "-"],
        ["values published, a row each", "17,280", "-"],
        ["values rejected", "3", "-"],
        ["kWh", "241.51", "-"],
        ["cost", "$30.54", "-"],
        ["of it at peak rate", "52.3%", "-"],
        ["Athena queries", "16", "0"],
        ["MB they scanned", "1.10", "0.00"],
        ["seconds", "22", "3"],
    ]
