"""What the demo's runs made, from Athena itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
from rich.table import Table

from ops.airflow_api import Run
from ops.settings import Settings
from smart_hub.athena import Athena
from smart_hub.layout import RESULTS, results_prefix, run_name
from smart_hub.sql import statement

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

SECONDS = 120  # for the query behind the table
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
    """The published days from `first` to `last`. Raises QueryFailed or QueryTimedOut when Athena fails."""
    deadline = time.monotonic() + SECONDS
    queries = Athena(
        client=athena,
        workgroup=settings.stack,
        database=settings.database,
        output=f"s3://{settings.data_bucket}/{RESULTS}demo/",
        version=uuid4().hex,
        seconds_left=lambda: deadline - time.monotonic(),
    )
    rows = queries.rows(statement(Path(__file__).parent, "report", first=first, last=last))
    found = (_day([field or "" for field in row.values()]) for row in rows)
    return {day.day: day for day in found}


def _day(fields: Sequence[str]) -> Day:
    day, *counts = fields[:6]
    return Day(day, *map(int, counts), *map(float, fields[6:]))


def queries(athena: AthenaClient, settings: Settings, runs: Iterable[Run]) -> dict[str, Queries]:
    """Per run id, how many queries the workgroup ran for it and the bytes they scanned."""
    folders = {run.run_id: f"/{results_prefix(run_name(run.day, run.run_id))}" for run in runs if run.day}
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


def table(runs: Sequence[Run], found: dict[str, Day], worked: dict[str, Queries], took: dict[str, float]) -> Table:
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
