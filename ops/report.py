"""What the demo's runs made, from Athena itself."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from rich.table import Table

from ops.airflow_api import Run
from ops.settings import Settings, UserError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

STATEMENT = Path(__file__).with_name("report.sql")
BATCH = 50  # query executions that BatchGetQueryExecution takes at once


@dataclass(frozen=True)
class Day:
    """A published day, as ops/report.sql gives it."""

    day: str
    hubs: int
    readings_used: int
    readings_rejected: int
    published: int
    values_rejected: int
    kwh: float
    dollars: float
    peak_share: float


@dataclass(frozen=True)
class Queries:
    """What Athena did for one run."""

    count: int = 0
    scanned: int = 0  # bytes


def client(settings: Settings) -> AthenaClient:
    return boto3.client("athena", **settings.aws_client)


def days(athena: AthenaClient, settings: Settings, first: str, last: str) -> dict[str, Day]:
    """The published days from `first` to `last`. Raises UserError when Athena fails the query."""
    statement = STATEMENT.read_text().replace("{{ first }}", first).replace("{{ last }}", last)
    query = athena.start_query_execution(
        QueryString=statement,
        WorkGroup=settings.stack,
        QueryExecutionContext={"Database": settings.stack.replace("-", "_")},
        ResultConfiguration={"OutputLocation": f"s3://{settings.data_bucket}/athena-results/demo/"},
    )["QueryExecutionId"]
    while (
        status := athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
    ) and status["State"] in ("QUEUED", "RUNNING"):
        time.sleep(0.1)
    if status["State"] != "SUCCEEDED":
        raise UserError(f"{STATEMENT.name}: {status.get('StateChangeReason', status['State'])}")
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"][1:]
    found = (_day([field.get("VarCharValue", "") for field in row["Data"]]) for row in rows)
    return {day.day: day for day in found}


def _day(fields: Sequence[str]) -> Day:
    day, *counts = fields[:6]
    return Day(day, *map(int, counts), *map(float, fields[6:]))


def run_label(run: Run) -> str:
    """The run's folder under athena-results/: its day and twelve digits of its id's hash."""
    return f"{run.day}-{hashlib.sha256(run.run_id.encode()).hexdigest()[:12]}"


def queries(athena: AthenaClient, settings: Settings, runs: Iterable[Run]) -> dict[str, Queries]:
    """Per run id, how many queries the workgroup ran for it and the bytes they scanned."""
    folders = {run.run_id: f"/athena-results/{run_label(run)}/" for run in runs}
    found = dict.fromkeys(folders, Queries())
    for page in athena.get_paginator("list_query_executions").paginate(WorkGroup=settings.stack):
        ids = page["QueryExecutionIds"]
        for start in range(0, len(ids), BATCH):
            batch = athena.batch_get_query_execution(QueryExecutionIds=ids[start : start + BATCH])
            for query in batch["QueryExecutions"]:
                output = query.get("ResultConfiguration", {}).get("OutputLocation", "")
                for run_id, folder in folders.items():
                    if folder in output:
                        scanned = query.get("Statistics", {}).get("DataScannedInBytes", 0)
                        sums = found[run_id]
                        found[run_id] = Queries(sums.count + 1, sums.scanned + scanned)
    return found


def table(
    runs: Sequence[Run], found: dict[str, Day], worked: dict[str, Queries], took: dict[str, float]
) -> Table:
    """A column a run: what its day holds and what the run cost; `took` is in seconds, by run id."""
    result = Table("", *(run.day or run.run_id for run in runs), title="What came out", title_justify="left")
    for column in result.columns[1:]:
        column.justify = "right"
    made = [found.get(run.day or "") for run in runs]
    for label, text in {
        "hubs": "{0.hubs:,}",
        "readings used": "{0.readings_used:,}",
        "readings rejected": "{0.readings_rejected:,}",
        "values published, a row each": "{0.published:,}",
        "values rejected": "{0.values_rejected:,}",
        "kWh": "{0.kwh:,.2f}",
        "cost": "${0.dollars:,.2f}",
        "of it at peak rate": "{0.peak_share:.1%}",
    }.items():
        result.add_row(label, *(text.format(day) if day else "-" for day in made))
    result.add_row("Athena queries", *(f"{worked[run.run_id].count}" for run in runs))
    result.add_row("MB they scanned", *(f"{worked[run.run_id].scanned / 1e6:,.2f}" for run in runs))
    result.add_row("seconds", *(f"{took[run.run_id]:.0f}" for run in runs))
    return result
