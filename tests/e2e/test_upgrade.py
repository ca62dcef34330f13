"""Follows docs/upgrade.md: runs two days of version 1.0, from the git history, then this version on the same state.

Takes some minutes; `make test-reruns` runs it.
"""

import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.environment import PYTHON, airflow_environment, inherited
from ops.settings import LaptopSettings
from smart_hub.shared.layout import CONTRACT, INSIGHT_TABLES, PUBLISHED_TABLES, REFERENCE_TABLES
from tests.chaos.kit import Damage, Kit
from tests.e2e.environment import DAYS, ROOT, SECONDS, Environment
from tests.ports import free_ports

pytestmark = pytest.mark.long

VERSION_1 = "4f001073745ba41c48d67addd42363ab7f668d98"
FIRST, SECOND = DAYS
SENSORS = [f"s_{number:02}" for number in range(1, 11)]  # of version 1.0
ROLL_BACK = "smart_hub_roll_back"
# Tables that Athena cannot query in either version, because their files are XML.
UNREADABLE = {"raw_rates"}
# The check that each task of this version's DAGs runs first.
FIRST_CHECK = """
from pathlib import Path
from smart_hub.operators.base import SmartHubOperator
from smart_hub.core.settings import Settings
SmartHubOperator(task_id="first", settings=Settings.from_environment(dags=Path("dags"))).check_settings()
"""

Rows = list[tuple[str, ...]]
Counts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Before:
    """The data that version 1.0 published, and the error of this version's DAGs on its stack.

    counts: see `counts`; rows: those of the cost tables and of `usage`, by table and day.
    """

    counts: Counts
    rows: dict[tuple[str, str], Rows]
    said: subprocess.CompletedProcess[str]


def version_1(folder: Path) -> Path:
    """A checkout of version 1.0 that uses this version's environments."""
    done = subprocess.run(["git", "-C", ROOT, "archive", VERSION_1], capture_output=True)
    assert done.returncode == 0, (
        f"the git history does not have version 1.0, {VERSION_1}: in a shallow clone, run `git fetch --unshallow`\n"
        f"{done.stderr.decode()}"
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    for lock in (folder / "requirements").glob("*.lock"):
        os.utime(lock, (10**9, 10**9))  # older than the environments, so that make installs nothing
    for name in (".venv", ".venv-localaws", ".venv-uv"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def counts(environment: Environment) -> Counts:
    """The number of rows of each table and view by day, or in total under "". Also selects all columns of each."""
    found: Counts = {}
    for table, types in columns(environment).items():
        if table in UNREADABLE:
            continue
        if "dt" not in types:
            environment.select(f'SELECT * FROM "{table}" LIMIT 5')
            found[table] = {"": int(environment.select(f'SELECT count(*) FROM "{table}"')[0][0])}
            continue
        days = f"dt IN ({', '.join(literal(types['dt'], day) for day in DAYS)})"
        by_day = environment.select(f'SELECT CAST(dt AS varchar), count(*) FROM "{table}" WHERE {days} GROUP BY dt')
        found[table] = {day: int(count) for day, count in by_day}
        for day, count in found[table].items():
            shown = environment.select(f'SELECT * FROM "{table}" WHERE dt = {literal(types["dt"], day)} LIMIT 5')
            assert len(shown) == min(count, 5), (table, day)
    return found


def columns(environment: Environment) -> dict[str, dict[str, str]]:
    """Each table's columns with their types, including the partition columns."""
    pages = environment.client("glue").get_paginator("get_tables").paginate(DatabaseName="smart_hub")
    return {
        table["Name"]: {
            column["Name"]: column["Type"]
            for column in [*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", [])]
        }
        for page in pages
        for table in page["TableList"]
    }


def literal(kind: str, day: str) -> str:
    return f"DATE '{day}'" if kind == "date" else f"'{day}'"


def rows(environment: Environment, table: str, day: str) -> Rows:
    """The rows of a day with all columns, sorted."""
    return sorted(environment.select(f"SELECT * FROM \"{table}\" WHERE dt = DATE '{day}'"))


def costs_and_usage(environment: Environment) -> dict[tuple[str, str], Rows]:
    tables = ("usage_cost", "usage", *INSIGHT_TABLES)
    return {(table, day): rows(environment, table, day) for table in tables for day in DAYS}


def first_check(environment: Environment) -> subprocess.CompletedProcess[str]:
    """The output of the first check of this version's DAGs, run in an Airflow for the environment."""
    settings = LaptopSettings(
        local=environment.local, airflow_port=environment.airflow_port, aws_port=environment.aws_port
    )
    variables = inherited(settings) | airflow_environment(settings)
    variables["PYTHONPATH"] += f"{os.pathsep}{ROOT / 'plugins'}"
    return subprocess.run(
        [PYTHON, "-c", FIRST_CHECK], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=SECONDS
    )


def locations(environment: Environment, day: str) -> dict[str, str]:
    """The location of each table's partition of the day in the catalog."""
    glue = environment.client("glue")
    found = {}
    for table in [*PUBLISHED_TABLES, "usage"]:
        for partition in glue.get_partitions(DatabaseName="smart_hub", TableName=table)["Partitions"]:
            if partition["Values"] == [day]:
                found[table] = str(partition["StorageDescriptor"]["Location"])
    return found


def roll_back(environment: Environment, run_id: str) -> tuple[str, str]:
    """Rolls back the first day; returns the final state of the run and its log."""
    body = {"dag_run_id": run_id, "logical_date": None, "conf": {"usage_date": FIRST}}
    environment.airflow.post(f"../{ROLL_BACK}/dagRuns", json=body).raise_for_status()
    state = str(environment.finished(run_id, ROLL_BACK)["state"])
    folder = environment.local / "airflow" / "logs" / f"dag_id={ROLL_BACK}" / f"run_id={run_id}" / "task_id=roll_back"
    return state, "".join(path.read_text() for path in folder.glob("*.log"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    made = Environment(tmp_path_factory.mktemp("upgrade") / "local", *free_ports())
    yield made
    down = made.make("down")
    assert down.returncode == 0, down.stdout


@pytest.fixture(scope="module")
def before(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Before:
    """Version 1.0's demo of both days, stopped by its own `make down`."""
    old = replace(environment, root=version_1(tmp_path_factory.mktemp("version-1")))
    demo = old.make("demo")
    try:
        assert demo.returncode == 0, demo.stdout
        published = Before(counts(old), costs_and_usage(old), first_check(old))
    finally:
        down = old.make("down")
    assert down.returncode == 0, down.stdout
    return published


@pytest.fixture(scope="module")
def kit(environment: Environment, before: Before) -> Kit:
    """This version, started by `make up` on the state of version 1.0."""
    begun = datetime.now(UTC)
    made = Kit(environment, ROOT / "include" / "data")
    made.up()
    # Until Airflow has parsed these DAGs, it has those of version 1.0.
    deadline = time.monotonic() + SECONDS
    while any(parsed(environment, dag_id) < begun for dag_id in (made.dag.dag_id, ROLL_BACK)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return made


def parsed(environment: Environment, dag_id: str) -> datetime:
    """The time at which Airflow last parsed the DAG."""
    return datetime.fromisoformat(environment.airflow.get(f"../{dag_id}").raise_for_status().json()["last_parsed_time"])


@pytest.fixture(scope="module")
def upgraded(kit: Kit) -> Counts:
    """The row counts of the tables after the upgrade, before any run."""
    return counts(kit.environment)


@pytest.fixture(scope="module")
def again(kit: Kit, upgraded: Counts) -> dict[str, str]:
    """The locations of the first day after this version has run it again."""
    kit.start("again", FIRST)
    assert kit.environment.finished("again")["state"] == "success"
    return locations(kit.environment, FIRST)


def test_dags_of_this_version_refuse_a_stack_of_version_1(before: Before) -> None:
    assert before.said.returncode != 0
    *_, last = before.said.stderr.strip().splitlines()
    assert "AirflowFailException" in last
    assert f"the stack smart-hub is of another version than these DAGs (contract 1, not {CONTRACT})" in last


def test_what_version_1_has_published_answers_as_before(kit: Kit, before: Before, upgraded: Counts) -> None:
    # given both days
    assert [set(before.counts[table]) for table in ("usage_cost", "usage", "raw_usage")] == [set(DAYS)] * 3

    # expect the same rows as before in old tables and views, and none in the new table
    assert {table: upgraded[table] for table in before.counts} == before.counts
    assert costs_and_usage(kit.environment) == before.rows
    assert upgraded["readings"] == {}
    assert first_check(kit.environment).returncode == 0


def test_raw_data_of_version_1_are_text(kit: Kit, upgraded: Counts) -> None:
    for day in DAYS:
        shown = kit.environment.select(f"SELECT data FROM raw_usage WHERE dt = '{day}' AND loc_id IS NOT NULL LIMIT 5")
        assert {channel for (data,) in shown for channel in json.loads(data)} == set(SENSORS)


def test_a_day_that_runs_again_has_the_same_costs(kit: Kit, before: Before, again: dict[str, str]) -> None:
    # expect the same values in all columns, also for the other day, as an independent computation confirms
    assert costs_and_usage(kit.environment) == before.rows
    assert [kit.damage(day) for day in DAYS] == [Damage(), Damage()]


def test_its_readings_are_those_of_version_1(kit: Kit, again: dict[str, str]) -> None:
    select = kit.environment.select
    data = ", ".join(f"element_at(data, '{sensor}')" for sensor in SENSORS)
    readings = select(f"SELECT loc_id, ts, {data} FROM readings WHERE dt = DATE '{FIRST}'")
    usage = select(f"SELECT loc_id, ts, {', '.join(SENSORS)} FROM usage WHERE dt = DATE '{FIRST}'")

    assert sorted(readings) == sorted(usage)
    assert select("SELECT DISTINCT CAST(dt AS varchar), seconds FROM readings") == [(FIRST, "300")]


def test_old_and_new_days_answer_side_by_side(kit: Kit, upgraded: Counts, again: dict[str, str]) -> None:
    # given a new version of the day in each table, except in the table that is no longer published
    old = locations(kit.environment, SECOND)
    assert again.keys() - old.keys() == {"readings"}

    # when
    now = counts(kit.environment)

    # expect
    assert now.keys() == upgraded.keys()
    assert set(now["readings"]) == {FIRST}
    same = {*old, *REFERENCE_TABLES.values(), "raw_usage", "always_on", "provider_load"} - {"usage_rejects"}
    assert {table: now[table] for table in same} == {table: upgraded[table] for table in same}


def test_a_day_is_not_rolled_back_to_version_1(kit: Kit, before: Before, again: dict[str, str]) -> None:
    notes = kit.keys("publications/")

    state, log = roll_back(kit.environment, "to-version-1")

    # expect an error with the reason, and no changes
    assert state == "failed"
    assert f"the previous publication of {FIRST} is by another version of the project" in log
    assert "start a run of the day instead" in log
    assert locations(kit.environment, FIRST) == again
    assert kit.keys("publications/") == notes
    assert costs_and_usage(kit.environment) == before.rows


def test_a_day_is_rolled_back_to_this_version(kit: Kit, before: Before, again: dict[str, str]) -> None:
    # given the day published once more, by clearing version 1.0's run of it
    (run_id,) = [run.run_id for run in kit.dag.runs() if run.day == FIRST and run.backfill]
    kit.clear(run_id, "step_1_copy_raw_data")
    assert kit.environment.finished(run_id)["state"] == "success"
    newer = locations(kit.environment, FIRST)
    assert all(newer[table] != again[table] for table in PUBLISHED_TABLES)

    state, log = roll_back(kit.environment, "to-this-version")

    # expect the day at its previous locations, and all tables to be readable
    assert state == "success", log
    assert locations(kit.environment, FIRST) == again
    assert costs_and_usage(kit.environment) == before.rows
    assert set(counts(kit.environment)["readings"]) == {FIRST}


def test_a_function_refuses_the_event_of_version_1(kit: Kit) -> None:
    event: dict[str, Any] = {
        "day": FIRST,
        "run": f"{FIRST}-0123456789ab",
        "version": "v0123456789abcdef",
        "content": dict.fromkeys(REFERENCE_TABLES, "0" * 64),
        "usage_table": "staging_usage_v0123456789abcdef",
    }

    answer = kit.environment.client("lambda").invoke(FunctionName="smart-hub-transform", Payload=json.dumps(event))

    assert answer["FunctionError"] == "Unhandled"
    said = json.loads(answer["Payload"].read())
    assert said["errorType"] == "InvalidEvent"
    assert "'usage_table'" in said["errorMessage"]
    assert "docs/upgrade.md describes how to deploy both" in said["errorMessage"]
