"""`make demo`, twice, in a separate environment: the real services, the real DAG, the sample days.

The user's AWS, proxy and certificate settings, in variables and in files, point to another server.
"""

import json
import re
import shlex
import socket
import subprocess
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from generator.hubs import CHANNELS
from tests.docs.pages import PAGES, blocks
from tests.e2e import independent
from tests.e2e.environment import DAYS, ROOT, Environment
from tests.e2e.watch import Watch

VALUES = 288 * len(CHANNELS)  # of a hub and day: each channel every five minutes


@pytest.fixture(scope="session")
def published(environment: Environment, first: str) -> list[tuple[str, ...]]:
    """Per hub and day what the first demo published."""
    return environment.select(SUMMARY)


@pytest.fixture(scope="session")
def second(
    environment: Environment, published: list[tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The results of another demo in JSON, and its messages."""
    file = tmp_path_factory.mktemp("second") / "results.json"
    done = environment.run("sh", "-c", f"make -s demo ARGS=--json >'{file}'")
    assert done.returncode == 0, done.stdout
    return {"messages": done.stdout, **json.loads(file.read_text())}


# Sums of decimals: those of doubles depend on the order of the rows.
SUMMARY = """
SELECT cast(dt AS varchar), loc_id, count(*), count(DISTINCT sensor), sum(cast(kwh AS decimal(18, 9))),
    sum(cast(cost AS decimal(18, 9)))
FROM usage_cost GROUP BY dt, loc_id ORDER BY dt, loc_id
"""


def test_the_demo_makes_one_run_a_day_and_no_other(environment: Environment, first: str) -> None:
    assert [(run["partition_key"], run["state"]) for run in environment.runs()] == [(day, "success") for day in DAYS]


def test_each_hub_has_all_its_values_each_day(published: list[tuple[str, ...]]) -> None:
    hubs = {loc_id for _, loc_id, *_ in published}

    whole = (str(VALUES), str(len(CHANNELS)))
    assert [row[:4] for row in published] == [(day, hub, *whole) for day in DAYS for hub in sorted(hubs)]
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
    shown = {line.split()[0]: line.split() for line in first.splitlines() if line.startswith((*DAYS, "Total "))}

    for day in DAYS:
        hubs = [row for row in published if row[0] == day]
        assert shown[day][1] == str(len(hubs))
        assert shown[day][3] == f"{VALUES * len(hubs):,}"
        for text, column, unit in ((shown[day][5], 4, 1), (shown[day][6], 5, 100)):
            total = sum(float(row[column]) for row in hubs) / unit
            assert float(text.strip("$").replace(",", "")) == pytest.approx(total, abs=0.006)
    assert shown["Total"][2] == f"{VALUES * len(published):,}"


def test_no_process_asks_for_another_host_than_the_loopback(first: str, watch: Watch) -> None:
    hosts = watch.hosts()

    assert set(hosts) == {"127.0.0.1"}
    # expect that a process of each kind was watched: command, services, functions and job
    for program in ("ops.demo", "ops.deploy", "airflow scheduler", "-m localaws", "rates_xml_to_parquet", "worker"):
        assert any(program in command for command in hosts["127.0.0.1"]), program


def test_nothing_goes_by_the_users_proxies_and_endpoints(
    first: str, second: dict[str, Any], elsewhere: socket.socket
) -> None:
    with pytest.raises(BlockingIOError):  # no connection was made
        elsewhere.accept()


@pytest.mark.parametrize("day", DAYS)
def test_every_row_equals_an_independent_computation(environment: Environment, first: str, day: str) -> None:
    # given what plain Python makes of the raw files
    expected = independent.costs(ROOT / "include" / "data", day)

    # when all published rows of the day are read
    rows = environment.select(
        "SELECT loc_id, sensor, ts_utc, device, location, ts, tz, type, state, kwh, cents_per_kwh, cost"
        f" FROM usage_cost WHERE dt = DATE '{day}'"
    )

    # expect the same keys, and for each the same texts and numbers
    assert len(rows) == len(expected)
    for loc_id, sensor, ts_utc, device, room, ts, tz, kind, state, *numbers in rows:
        cost = expected[loc_id, sensor, datetime.fromisoformat(ts_utc)]
        assert (device, room, datetime.fromisoformat(ts), tz, kind, state) == (
            (cost.device, cost.room, cost.wall_clock, cost.tz, cost.type, cost.state)
        )
        kwh, cents_per_kwh, cents = map(Decimal, numbers)
        assert (kwh, cents_per_kwh) == (cost.kwh, cost.cents_per_kwh)
        assert float(cents) == pytest.approx(float(cost.cents), rel=1e-12)


def test_unusable_lines_are_rejected_with_a_reason(environment: Environment, first: str) -> None:
    # the second sample day has a line that was cut off, and one of a hub that no locations file knows
    assert environment.select(
        "SELECT cast(dt AS varchar), reason, loc_id IS NULL FROM usage_rejects ORDER BY reason"
    ) == [("2019-12-22", "malformed", "true"), ("2019-12-22", "unknown_hub", "false")]


def test_the_readme_shows_this_table(first: str) -> None:
    # given the lines of the table without the seconds, which vary between runs
    shown, made = (
        re.findall(r"^(Day .*?|\d{4}-\d\d-\d\d +\d+ .*?|─+|Total .*?)(?: +\d+ s| +Time)? *$", text, re.MULTILINE)
        for text in (PAGES["README.md"], first)
    )

    assert len(made) == 6
    assert shown == made


def test_the_readmes_report_is_one_file(environment: Environment, first: str, tmp_path: Path) -> None:
    # given the command of README.md and docs/page.md, and the size that the page tells
    shown = [block for page in ("README.md", "docs/page.md") for block in blocks(PAGES[page], "sh")]
    (command,) = {
        tuple(shlex.split(line, comments=True))
        for block in shown
        for line in block.splitlines()
        if line.startswith("make report ")
    }
    settings = dict(word.split("=") for word in command[2:])

    done = environment.make("report", **settings, ARGS=f"--out {tmp_path}/report.html")

    assert done.returncode == 0, done.stdout
    (megabytes,) = re.findall(r"self-contained\s+file \((\d+) MB", PAGES["docs/page.md"])
    assert (tmp_path / "report.html").stat().st_size / 1e6 == pytest.approx(int(megabytes), abs=0.5)


def test_the_readmes_way_to_look_around_is_one(environment: Environment, first: str) -> None:
    (script,) = [block for block in blocks(PAGES["README.md"], "sh") if "start_query_execution" in block]
    (statement,) = blocks(PAGES["README.md"], "sql")

    here = f"http://127.0.0.1:{environment.aws_port}"
    done = subprocess.run(
        ["sh", "-euc", script.replace("http://127.0.0.1:4566", here)], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"\t{VALUES}\t") == 12  # six hubs, two days
    assert len(environment.select(statement)) == 2


def test_nothing_intermediate_is_left(environment: Environment, first: str) -> None:
    tables = environment.client("glue").get_tables(DatabaseName="smart_hub")["TableList"]
    listed = environment.client("s3").list_objects_v2(Bucket="smart-hub-data-000000000000-us-east-1", Prefix="staging/")

    assert [table["Name"] for table in tables if table["Name"].startswith("staging_")] == []
    assert listed["KeyCount"] == 0


def test_a_second_demo_replaces_the_runs_and_publishes_the_same(
    environment: Environment, first: str, published: list[tuple[str, ...]], second: dict[str, Any]
) -> None:
    runs = environment.runs()

    assert [(run["partition_key"], run["state"]) for run in runs] == [(day, "success") for day in DAYS]
    assert "Starting" not in second["messages"]  # the services were not restarted
    assert environment.select(SUMMARY) == published
    assert [(day["day"], day["values_published"]) for day in second["days"]] == [
        (day, VALUES * sum(row[0] == day for row in published)) for day in DAYS
    ]
