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

from ops import airflow_api, demo, demo_results, progress
from ops.airflow_api import Dag, Run, Task
from ops.demo_results import DayResult, Figures
from ops.progress import Cell
from ops.settings import ROOT, LaptopSettings, UserError

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
        (["--source", "no/such/folder"], "/no/such/folder is not a folder"),
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


def test_a_link_to_a_folder_has_usage(tmp_path: Path) -> None:
    (tmp_path / "usage" / "dt=2019-12-21").mkdir(parents=True)
    (tmp_path / "usage" / "dt=2019-12-21" / "nowhere").symlink_to(tmp_path / "nothing")
    with pytest.raises(UserError, match="no usage of 2019-12-21"):
        demo.check_folder(tmp_path, ["2019-12-21"])

    (tmp_path / "usage" / "dt=2019-12-21" / "elsewhere").symlink_to(tmp_path)
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
    assert demo.last_error(tmp_path / "attempt=2.log") == "there is no log"


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


def test_queries_are_counted_for_the_run_whose_folder_their_results_are_in(monkeypatch: pytest.MonkeyPatch) -> None:
    # given two runs, of which the first published its day; two queries of the first run, one of neither
    settings = LaptopSettings()
    runs = [run("2019-12-21"), run("2019-12-22", "failed")]
    published = {"2019-12-21": DayResult("2019-12-21", "", 0, 6, Figures(readings_used=1728))}
    monkeypatch.setattr(demo_results, "_published", lambda athena, settings, first, last: published)
    athena = demo_results.client(settings)

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

        days = demo_results.days(athena, settings, runs)

    assert days == [
        DayResult(
            "2019-12-21", "success", 0, 6, Figures(readings_used=1728, athena_queries=2, athena_bytes_scanned=120)
        ),
        DayResult("2019-12-22", "failed", 0),
    ]


PUBLISHED = DayResult(
    "2019-12-21", "success", 22.4, 6, Figures(1728, 2, 17280, 3, 241.513, 30.5449, 15.98, 16, 1_104_000)
)
FAILED = DayResult("2019-12-22", "failed", 3.0, figures=Figures(athena_queries=2))


def shown(days: list[DayResult]) -> list[str]:
    """The lines of the results table on a terminal with 80 columns."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(demo_results.table(days))
    return console.export_text().splitlines()


def test_the_table_of_results_has_a_row_for_each_day_and_their_total() -> None:
    lines = [" ".join(line.split()) for line in shown([PUBLISHED, FAILED])]

    assert [line for line in lines if line.strip("─ ")] == [
        "Results",
        "Day Hubs Readings Values Rejected kWh Cost Peak Time",
        "2019-12-21 6 1,728 17,280 5 241.51 $30.54 52.3% 22 s",
        "2019-12-22 - - - - - - - 3 s",
        "Total 1,728 17,280 5 241.51 $30.54 52.3%",
    ]


def test_a_month_of_a_thousand_hubs_fits_on_80_columns() -> None:
    # given 31 days of a thousand hubs with ten channels each, with usage as in the sample
    figures = Figures(288_000, 2_000, 2_880_000, 3_000, 40_252.1, 5_090.8, 2_662.5, 22, 119_000_000)
    days = [DayResult(f"2019-12-{number:02}", "success", 25.2, 1_000, figures) for number in range(1, 32)]

    lines = shown(days)

    assert not [line for line in lines if "…" in line]
    assert [line.split() for line in lines if line.startswith(("2019-12-31", "Total"))] == [
        ["2019-12-31", "1,000", "288,000", "2,880,000", "5,000", "40,252.10", "$5,090.80", "52.3%", "25", "s"],
        ["Total", "8,928,000", "89,280,000", "155,000", "1,247,815", "$157,815", "52.3%"],
    ]


def test_scripts_get_the_exact_figures_as_json() -> None:
    document = json.loads(json.dumps(demo_results.document([PUBLISHED, FAILED])))

    assert document["days"][0] == {
        "day": "2019-12-21",
        "state": "success",
        "seconds": 22.4,
        "hubs": 6,
        "readings_used": 1728,
        "readings_rejected": 2,
        "values_published": 17280,
        "values_rejected": 3,
        "kwh": 241.513,
        "cost_dollars": 30.5449,
        "peak_cost_dollars": 15.98,
        "athena_queries": 16,
        "athena_bytes_scanned": 1104000,
    }
    assert document["days"][1]["hubs"] is None
    assert document["total"]["athena_queries"] == 18


def test_a_terminal_shows_the_runs_that_work_and_how_many_wait() -> None:
    # given two active runs of a month; in the first, one step is running and one waits for a retry
    cells = {"copy": Cell("success", 3), "crawl": Cell("running", 4), "convert": Cell("retrying", 1)}
    working = {
        run("2019-12-01", "running", started=NOW - timedelta(seconds=9)): cells,
        run("2019-12-02", "running", started=NOW): dict.fromkeys(cells, Cell()),
    }
    console = Console(width=80, record=True, file=io.StringIO())

    console.print(progress.table(working, 29, NOW))

    assert [line.split() for line in console.export_text().splitlines()] == [
        ["Day", "Steps", "In", "progress", "Time"],
        ["2019-12-01", "✔▶↻", "crawl", "4", "s,", "convert", "1", "s", "9", "s"],
        ["2019-12-02", "···", "0", "s"],
        ["29", "more", "days", "to", "run"],
    ]
