"""Days again and again, with the real scheduler: by backfill and by hand, in either order, cleared, late, rolled back.

Takes many minutes; `make test-reruns` runs it.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from generator.__main__ import main as generate
from generator.hubs import CHANNELS
from tests.chaos.kit import Damage, Kit, Reader
from tests.e2e.environment import Environment
from tests.ports import free_ports

pytestmark = pytest.mark.long

DAYS = [str(date(2019, 12, 1) + timedelta(days=number)) for number in range(10)]
HUBS = 2
VALUES = 288 * len(CHANNELS)  # of a hub and day: each channel every five minutes

# What a Clear of a task, with all that is downstream, comes to in a run that had finished: these find what they need,
CLEARED_TO_SUCCESS = {
    "step_1_copy_raw_data",
    "step_2_crawl.usage",
    "step_2_crawl.mappings",
    "step_2_crawl.locations",
    "step_2_crawl.rates",
    "step_3_convert",
    "publish",
    "refresh_quicksight",  # skipped, as before
    "step_7_clean_up",
}
# and these name the task at which what step 7 has removed is made.
CLEARED_TO_ADVICE = {
    "step_4_convert_rates": "step_5_transform",
    "step_5_transform": "step_5_transform",
    "step_6_compact": "step_6_compact",
    "audit": "audit",
    "insights.daily_device_cost": "insights.daily_device_cost",
    "insights.hourly_load": "insights.hourly_load",
    "insights.peak_shift": "insights.peak_shift",
    "insights.hub_day_summary": "insights.hub_day_summary",
}
ADVICE = "clear the run from step_3_convert, with its downstream tasks"

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Services of their own on a source of their own; no day was run yet."""
    folder = tmp_path_factory.mktemp("reruns")
    source = folder / "source"
    assert generate(["--hubs", str(HUBS), "--from", DAYS[0], "--to", DAYS[-1], "--out", str(source)]) == 0
    made = Kit(Environment(folder / "local", *free_ports()), source)
    made.up()
    yield made
    down = made.environment.make("down")
    assert down.returncode == 0, down.stdout


def published(kit: Kit) -> dict[str, Rows]:
    """All rows of all days, each day's in one order."""
    return {
        day: sorted(kit.published(day), key=lambda row: (row["loc_id"], row["sensor"], row["ts_utc"])) for day in DAYS
    }


def damages(kit: Kit) -> dict[str, Damage]:
    return {day: damage for day in DAYS if (damage := kit.damage(day))}


# Ten days, in both orders


@pytest.fixture(scope="module")
def forwards(kit: Kit) -> dict[str, Rows]:
    """All days by a backfill, and a manual run of each, all at the same time."""
    kit.pause(True)
    kit.backfill(DAYS[0], DAYS[-1])
    for day in DAYS:
        kit.start(f"forwards-{day}", day)
    kit.pause(False)
    assert set(kit.ended().values()) == {"success"}
    return published(kit)


@pytest.fixture(scope="module")
def backwards(kit: Kit, forwards: Any) -> dict[str, Rows]:
    """The same days from the last to the first: by hand, then by a backfill beside it."""
    kit.pause(True)
    for day in reversed(DAYS):
        kit.start(f"backwards-{day}", day)
    kit.backfill(DAYS[0], DAYS[-1], run_backwards=True, reprocess_behavior="completed")
    kit.pause(False)
    assert set(kit.ended().values()) == {"success"}
    return published(kit)


def test_all_days_equal_an_independent_computation(kit: Kit, forwards: dict[str, Rows]) -> None:
    assert {day: len(rows) for day, rows in forwards.items()} == dict.fromkeys(DAYS, HUBS * VALUES)
    assert damages(kit) == {}


def test_the_order_of_the_runs_makes_no_difference(
    kit: Kit, forwards: dict[str, Rows], backwards: dict[str, Rows]
) -> None:
    assert len(kit.dag.runs()) == 4 * len(DAYS)
    assert backwards == forwards


def test_nothing_intermediate_is_left(kit: Kit, backwards: Any) -> None:
    tables = kit.environment.client("glue").get_tables(DatabaseName="smart_hub")["TableList"]
    assert [table["Name"] for table in tables if table["Name"].startswith("staging_")] == []
    assert kit.keys("staging/") == []


# Cleared after it had finished


@pytest.fixture(scope="module")
def cleared(kit: Kit, backwards: Any) -> dict[str, tuple[str, str]]:
    """Each task cleared with its downstream tasks, each in a run of its own; task -> the run and its state then.

    All at once, while a reader asks for all days.
    """
    runs = [run.run_id for run in kit.dag.runs()]
    where = dict(zip([*CLEARED_TO_SUCCESS, *CLEARED_TO_ADVICE], runs, strict=False))
    assert len(where) == len(CLEARED_TO_SUCCESS) + len(CLEARED_TO_ADVICE)
    reader = Reader(kit.environment, DAYS)
    reader.start()
    kit.pause(True)
    for task_id, run_id in where.items():
        kit.clear(run_id, task_id)
    kit.pause(False)
    states = kit.ended()
    reader.stop()
    assert reader.wrong == []
    assert reader.answers > 0
    return {task_id: (run_id, states[run_id]) for task_id, run_id in where.items()}


def test_every_task_is_tried(kit: Kit) -> None:
    tasks = {task_id for tasks in kit.dag.steps().values() for task_id in tasks}
    assert tasks == CLEARED_TO_SUCCESS | CLEARED_TO_ADVICE.keys()


def test_a_task_cleared_in_a_finished_run_ends_right_or_says_what_to_clear(
    kit: Kit, cleared: dict[str, tuple[str, str]]
) -> None:
    assert {task_id for task_id, (_, state) in cleared.items() if state == "success"} == CLEARED_TO_SUCCESS
    for task_id, failing in CLEARED_TO_ADVICE.items():
        run_id, _ = cleared[task_id]
        (failed,) = [task for task in kit.dag.tasks(run_id) if task.state == "failed"]
        assert failed.task_id == failing
        logs = kit.environment.local / "airflow" / "logs" / "dag_id=smart_hub_usage" / f"run_id={run_id}"
        # at once: with the one try that the Clear has given it
        latest = max((logs / f"task_id={failing}").glob("attempt=*.log"), key=lambda path: path.stat().st_mtime)
        assert latest.name == f"attempt={failed.tries}.log"
        assert failed.tries == 2
        assert ADVICE in latest.read_text()
    assert damages(kit) == {}


def test_who_does_what_it_says_ends_right(kit: Kit, cleared: dict[str, tuple[str, str]]) -> None:
    for task_id in CLEARED_TO_ADVICE:
        run_id, _ = cleared[task_id]
        kit.clear(run_id, "step_3_convert")
    assert set(kit.ended().values()) == {"success"}
    assert damages(kit) == {}


# Late and corrected data


def test_a_file_that_comes_late_changes_its_day_alone(kit: Kit, forwards: Any, tmp_path: Path) -> None:
    # given a file of a third hub's readings of one day, which comes after all days were published
    day = DAYS[4]
    before = published(kit)
    assert generate(["--hubs", str(HUBS + 1), "--from", day, "--to", day, "--out", str(tmp_path)]) == 0
    known = {row["loc_id"] for row in before[day]}
    lines = [
        line
        for path in sorted((tmp_path / "usage" / f"dt={day}").iterdir())
        for line in path.read_text().splitlines()
        if line.startswith("{") and json.loads(line).get("loc_id") not in known
    ]
    assert len(lines) == 288
    for path in tmp_path.rglob("*"):
        if path.is_file() and "usage" not in path.parts:
            target = kit.source / path.relative_to(tmp_path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (kit.source / "usage" / f"dt={day}" / "usage-late.json").write_text("\n".join(lines) + "\n")
    kit.expected.clear()

    # when the day runs again, while a reader asks for the others
    reader = Reader(kit.environment, [one for one in DAYS if one != day])
    reader.start()
    kit.start("late", day)
    states = kit.ended()
    reader.stop()

    # expect it with all three hubs, right to the last value, and the other days as they were
    assert states["late"] == "success"
    assert reader.wrong == []
    after = published(kit)
    assert len(after[day]) == (HUBS + 1) * VALUES
    assert kit.damage(day) == Damage()
    assert {one: rows for one, rows in after.items() if one != day} == {
        one: rows for one, rows in before.items() if one != day
    }


def test_a_day_is_rolled_back_and_forth(kit: Kit, forwards: Any) -> None:
    # given a day whose new version has more hubs than the one before
    day = DAYS[4]
    late = kit.published(day)
    assert len(late) == (HUBS + 1) * VALUES
    # when it is rolled back by the one command, expect the rows from before; a second time, the new ones
    assert len(rolled_back(kit, day)) == HUBS * VALUES
    assert rolled_back(kit, day) == late


def rolled_back(kit: Kit, day: str) -> Rows:
    """The rows of a day after the command of the documentation."""
    command = f'dags trigger smart_hub_roll_back --conf \'{{"usage_date": "{day}"}}\''
    done = kit.environment.make("airflow", ARGS=command)
    assert done.returncode == 0, done.stdout
    url = f"http://127.0.0.1:{kit.environment.airflow_port}/api/v2/dags/smart_hub_roll_back/dagRuns"
    (run_id, *_) = [
        run["dag_run_id"]
        for run in httpx.get(url, params={"order_by": "-id"}, trust_env=False).raise_for_status().json()["dag_runs"]
    ]
    assert kit.environment.finished(run_id, dag_id="smart_hub_roll_back")["state"] == "success"
    return kit.published(day)


# A day without data


def test_a_day_without_a_file_fails_and_says_where_it_looked(kit: Kit, forwards: Any) -> None:
    before = kit.keys("raw/"), kit.keys("warehouse/")
    kit.start("without-data", "2019-11-30")
    assert kit.ended()["without-data"] == "failed"
    logs = kit.environment.local / "airflow" / "logs" / "dag_id=smart_hub_usage" / "run_id=without-data"
    log = (logs / "task_id=step_1_copy_raw_data" / "attempt=1.log").read_text()
    assert f"no file under {kit.source}/usage/dt=2019-11-30/" in log
    assert (kit.keys("raw/"), kit.keys("warehouse/")) == before
