"""The results of the demo's runs, queried from Athena: a table for people, JSON for scripts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from rich.box import SIMPLE
from rich.table import Table

from ops.airflow_api import Run
from ops.settings import LaptopSettings
from smart_hub.shared.athena import AthenaRunner
from smart_hub.shared.layout import RESULTS_PREFIX, results_prefix, run_name
from smart_hub.shared.sql import statement

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

QUERY_SECONDS = 120
BATCH = 50  # maximum number of ids in a request of BatchGetQueryExecution
COLUMNS = ("Day", "Hubs", "Readings", "Values", "Rejected", "kWh", "Cost", "Peak", "Time")


@dataclass(frozen=True)
class Figures:
    """Figures that add up over days."""

    readings_used: int = 0
    readings_rejected: int = 0
    values_published: int = 0
    values_rejected: int = 0
    kwh: float = 0.0
    cost_dollars: float = 0.0
    peak_cost_dollars: float = 0.0
    athena_queries: int = 0
    athena_bytes_scanned: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class DayResult:
    """One run of the demo. `hubs` is None if its day is not published."""

    day: str
    state: str
    seconds: float
    hubs: int | None = None
    figures: Figures = field(default_factory=Figures)


def client(settings: LaptopSettings) -> AthenaClient:
    return boto3.client("athena", **settings.aws_client)


def days(athena: AthenaClient, settings: LaptopSettings, runs: Sequence[Run]) -> list[DayResult]:
    """The result of each run, in the same order. `runs` must not be empty.

    Raises QueryFailed or QueryTimedOut if the query fails.
    """
    now = datetime.now(UTC)
    dates = [run.day for run in runs]
    published = _published(athena, settings, min(dates), max(dates))
    results = []
    for run, queries in zip(runs, _queries(athena, settings, runs), strict=True):
        day = published.get(run.day, DayResult(run.day, "", 0))
        seconds = round(run.seconds(now), 1)
        results.append(replace(day, state=run.state, seconds=seconds, figures=day.figures + queries))
    return results


def _published(athena: AthenaClient, settings: LaptopSettings, first: str, last: str) -> dict[str, DayResult]:
    """The published days from `first` to `last`, with empty state and seconds."""
    deadline = time.monotonic() + QUERY_SECONDS
    queries = AthenaRunner(
        client=athena,
        workgroup=settings.stack,
        database=settings.database,
        output=f"s3://{settings.data_bucket}/{RESULTS_PREFIX}demo/",
        version=uuid4().hex,
        seconds_left=lambda: deadline - time.monotonic(),
    )
    published = {}
    for row in queries.rows(statement(Path(__file__).parent, "demo_results", first=first, last=last)):
        day, hubs, *numbers = (field or "0" for field in row.values())
        figures = Figures(*map(int, numbers[:4]), *map(float, numbers[4:]))
        published[day] = DayResult(day, "", 0, int(hubs), figures)
    return published


def _queries(athena: AthenaClient, settings: LaptopSettings, runs: Sequence[Run]) -> list[Figures]:
    """For each run, the number of its queries in the workgroup and the bytes that they scanned."""
    folders = [f"/{results_prefix(run_name(run.day, run.run_id))}" for run in runs]
    results = [Figures()] * len(runs)
    for page in athena.get_paginator("list_query_executions").paginate(WorkGroup=settings.stack):
        ids = page["QueryExecutionIds"]
        for start in range(0, len(ids), BATCH):
            batch = athena.batch_get_query_execution(QueryExecutionIds=ids[start : start + BATCH])
            for query in batch["QueryExecutions"]:
                output = query.get("ResultConfiguration", {}).get("OutputLocation", "")
                scanned = query.get("Statistics", {}).get("DataScannedInBytes", 0)
                for number, folder in enumerate(folders):
                    if folder in output:
                        results[number] += Figures(athena_queries=1, athena_bytes_scanned=scanned)
    return results


def total(days: Iterable[DayResult]) -> Figures:
    return sum((day.figures for day in days), Figures())


def table(days: Sequence[DayResult]) -> Table:
    """A row for each day and one for the total, at most 80 characters wide."""
    result = Table(
        title="Results",
        title_justify="left",
        box=SIMPLE,
        padding=0,
        show_edge=False,
        show_footer=len(days) > 1,
    )
    totals = ["Total", "", *_cells(total(days)), ""]
    for header, footer in zip(COLUMNS, totals, strict=True):
        result.add_column(
            header,
            footer,
            justify="left" if header == "Day" else "right",
            no_wrap=True,
            min_width=5 if header == "Time" else None,  # the same table for a slow run
        )
    for day in days:
        figures = ["-"] * (len(COLUMNS) - 2) if day.hubs is None else [f"{day.hubs:,}", *_cells(day.figures)]
        result.add_row(day.day, *figures, f"{day.seconds:.0f} s")
    return result


def _cells(figures: Figures) -> list[str]:
    dollars = figures.cost_dollars
    return [
        f"{figures.readings_used:,}",
        f"{figures.values_published:,}",
        f"{figures.readings_rejected + figures.values_rejected:,}",
        _amount(figures.kwh),
        f"${_amount(dollars)}",
        f"{figures.peak_cost_dollars / dollars:.1%}" if dollars else "-",
    ]


def _amount(number: float) -> str:
    """The number with decimals, unless that takes more than nine characters."""
    return f"{number:,.2f}" if abs(number) < 100_000 else f"{number:,.0f}"


def document(days: Iterable[DayResult]) -> dict[str, Any]:
    """The exact figures for scripts, as a JSON document: a flat object for each day, and the total."""
    days = list(days)
    return {
        "days": [
            {"day": day.day, "state": day.state, "seconds": day.seconds, "hubs": day.hubs, **asdict(day.figures)}
            for day in days
        ],
        "total": asdict(total(days)),
    }
