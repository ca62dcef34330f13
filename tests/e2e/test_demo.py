"""`make demo`, twice, in an environment of its own: the real services, the real DAG, the sample days."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
DAYS = ["2019-12-21", "2019-12-22"]
SECONDS = 600  # for a demo on a busy machine; a cold one takes a tenth of it on an idle one


@dataclass(frozen=True)
class Environment:
    """A laptop environment in a folder and on ports of its own."""

    local: Path
    airflow_port: int
    aws_port: int

    def make(self, target: str, **settings: str) -> subprocess.CompletedProcess[str]:
        own = {
            "SMART_HUB_LOCAL": str(self.local),
            "AIRFLOW_PORT": str(self.airflow_port),
            "AWS_PORT": str(self.aws_port),
        }
        users = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(
            ["make", target, *(f"{name}={value}" for name, value in settings.items())],
            cwd=ROOT,
            env={**users, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )

    def runs(self) -> list[dict[str, Any]]:
        """The runs of the DAG that Airflow knows."""
        url = f"http://127.0.0.1:{self.airflow_port}/api/v2/dags/smart_hub_usage/dagRuns"
        return list(httpx.get(url, trust_env=False).raise_for_status().json()["dag_runs"])

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.aws_port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def select(self, statement: str) -> list[tuple[str, ...]]:
        """The rows of a query on Athena, without the header."""
        athena = self.client("athena")
        query = athena.start_query_execution(
            QueryString=statement,
            WorkGroup="smart-hub",
            QueryExecutionContext={"Database": "smart_hub"},
            ResultConfiguration={
                "OutputLocation": "s3://smart-hub-data-000000000000-us-east-1/athena-results/test/"
            },
        )["QueryExecutionId"]
        deadline = time.monotonic() + 60
        while (status := _status(athena, query))["State"] in ("QUEUED", "RUNNING"):
            assert time.monotonic() < deadline, statement
            time.sleep(0.05)
        assert status["State"] == "SUCCEEDED", status
        pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=query)
        rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
        return [tuple(field.get("VarCharValue", "") for field in row) for row in rows[1:]]


def _status(athena: Any, query: str) -> Mapping[str, str]:
    status: Mapping[str, str] = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
    return status


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    made = Environment(tmp_path_factory.mktemp("demo") / "local", *free_ports())
    yield made
    down = made.make("down")
    assert down.returncode == 0, down.stdout
    # nothing of it is left, not even what a service started
    left = [
        p.info for p in psutil.process_iter(["pid", "cmdline"]) if str(made.local) in str(p.info["cmdline"])
    ]
    assert left == []


@pytest.fixture(scope="module")
def first(environment: Environment) -> str:
    done = environment.make("demo")
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def published(environment: Environment, first: str) -> list[tuple[str, ...]]:
    """Per hub and day what the first demo published."""
    return environment.select(SUMMARY)


@pytest.fixture(scope="module")
def second(environment: Environment, published: list[tuple[str, ...]]) -> str:
    done = environment.make("demo")
    assert done.returncode == 0, done.stdout
    return done.stdout


# Sums of decimals: those of doubles depend on the order of the rows.
SUMMARY = """
SELECT cast(dt AS varchar), loc_id, count(*), count(DISTINCT sensor), sum(cast(kwh AS decimal(18, 9))),
    sum(cast(cost AS decimal(18, 9)))
FROM usage_cost GROUP BY dt, loc_id ORDER BY dt, loc_id
"""


def test_the_demo_makes_one_run_a_day_and_no_other(environment: Environment, first: str) -> None:
    assert [(run["partition_key"], run["state"]) for run in environment.runs()] == [
        (day, "success") for day in DAYS
    ]


def test_each_hub_has_ten_values_an_interval_each_day(published: list[tuple[str, ...]]) -> None:
    hubs = {loc_id for _, loc_id, *_ in published}

    # 288 intervals of five minutes, ten sensors
    assert [row[:4] for row in published] == [
        (day, hub, "2880", "10") for day in DAYS for hub in sorted(hubs)
    ]
    assert len(hubs) > 1


def test_each_day_is_one_object(environment: Environment, first: str) -> None:
    partitions = environment.client("glue").get_partitions(DatabaseName="smart_hub", TableName="usage_cost")
    locations = {one["Values"][0]: one["StorageDescriptor"]["Location"] for one in partitions["Partitions"]}

    assert sorted(locations) == DAYS
    s3 = environment.client("s3")
    for location in locations.values():
        bucket, prefix = location.removeprefix("s3://").split("/", 1)
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        assert len(listed) == 1, listed


def test_the_table_shows_what_athena_has(
    environment: Environment, first: str, published: list[tuple[str, ...]]
) -> None:
    rows = {
        label.strip(): [number.strip() for number in numbers.split("│")]
        for label, numbers in re.findall(r"^│([^│]+)│(.+)│$", first, re.MULTILINE)
    }
    by_day = [[row for row in published if row[0] == day] for day in DAYS]

    assert rows["hubs"] == [str(len(hubs)) for hubs in by_day]
    assert rows["values published, a row each"] == [f"{2880 * len(hubs):,}" for hubs in by_day]
    for label, column, unit in (("kWh", 4, 1), ("cost", 5, 100)):
        for shown, hubs in zip(rows[label], by_day, strict=True):
            total = sum(float(row[column]) for row in hubs) / unit
            assert float(shown.strip("$").replace(",", "")) == pytest.approx(total, abs=0.006)


def test_a_second_demo_replaces_the_runs_and_publishes_the_same(
    environment: Environment, first: str, published: list[tuple[str, ...]], second: str
) -> None:
    runs = environment.runs()

    assert [(run["partition_key"], run["state"]) for run in runs] == [(day, "success") for day in DAYS]
    assert "Starting" not in second  # the services were left as they were
    assert environment.select(SUMMARY) == published


def test_a_prefix_on_s3_is_a_source_too(environment: Environment, second: str) -> None:
    # given the first day on S3, in a bucket that is not the pipeline's
    s3 = environment.client("s3")
    s3.create_bucket(Bucket="source-of-the-test")
    data = ROOT / "include" / "data"
    for path in data.rglob("*"):
        if path.is_file() and f"dt={DAYS[1]}" not in str(path):
            s3.upload_file(str(path), "source-of-the-test", f"raw/{path.relative_to(data)}")

    missing = environment.make("demo", SOURCE="s3://source-of-the-test/raw")
    done = environment.make("demo", SOURCE="s3://source-of-the-test/raw", TO=DAYS[0])

    assert missing.returncode != 0
    assert f"no usage of {DAYS[1]}" in missing.stdout
    assert done.returncode == 0, done.stdout
    assert [run["partition_key"] for run in environment.runs()] == [DAYS[0]]
