"""Measures days of the pipeline by step, without the scheduler, on their own local AWS."""

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from benchmarks import bill, copied_design, measure
from benchmarks.measure import Meter, ResourceUsage
from ops import processes, services
from ops.environment import airflow_environment, inherited
from ops.settings import ROOT, LaptopSettings
from smart_hub.shared.layout import PUBLISHED_TABLES, RESULTS_PREFIX, VERSION_PATTERN, day_prefix, raw_key

# The steps of the tasks: the seven, and those between them.
STEPS = {
    "step_1_copy_raw_data": "1 copy raw data",
    "step_2_crawl": "2 crawl",
    "step_3_convert": "3 convert",
    "step_4_convert_rates": "4 convert rates",
    "step_5_transform": "5 transform",
    "step_6_compact": "6 compact",
    "audit": "audit",
    "insights": "insights",
    "publish": "publish",
    "step_7_clean_up": "7 clean up",
}
FUNCTIONS = {"convert": "3 convert", "transform": "5 transform", "compact": "6 compact"}
RETENTION_DAYS = 365
_STAGING = re.compile(rf"CREATE TABLE staging_(\w+)_{VERSION_PATTERN.pattern}\b")
# Identifies the query for repeated readings; the other query that reads data and creates no table is the audit.
_REPEATED_READINGS = "AS repeated\n"
# Methods of S3 requests in the request log: those at the price of a PUT, and the others. DELETE is free.
PUTS, GETS = ("PUT", "POST", "LIST"), ("GET", "HEAD")


@dataclass
class StepUsage:
    """Wall-clock and CPU seconds; operator_cpu: the share of `cpu` spent in the process of the operators."""

    wall: float = 0.0
    cpu: float = 0.0
    operator_cpu: float = 0.0


@dataclass
class MeasuredDay:
    """One day of the pipeline.

    scanned_bytes: by name, of the queries that read data; query_count: all queries; requests: by kind; stored_bytes:
    by data set.
    """

    day: str
    steps: dict[str, StepUsage] = field(default_factory=dict)
    scanned_bytes: dict[str, int] = field(default_factory=dict)
    query_count: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    stored_bytes: dict[str, int] = field(default_factory=dict)
    crawls: int = 0
    job_runs: int = 0

    def total(self, *, seven: bool) -> StepUsage:
        """The sum of the seven steps, or of all steps including audit, insights and publish."""
        steps = [step for name, step in self.steps.items() if name[0].isdigit() or not seven]
        return StepUsage(*(sum(getattr(step, one) for step in steps) for one in ("wall", "cpu", "operator_cpu")))

    def as_bill(self, hubs: int) -> bill.BilledDay:
        return bill.BilledDay(
            hubs=hubs,
            queries={name: bill.Queries(1, scanned) for name, scanned in self.scanned_bytes.items()},
            functions={
                name: bill.Invocations(1, self.steps[step].wall, bill.MEMORY_MB) for name, step in FUNCTIONS.items()
            },
            crawls=self.crawls,
            job_runs=self.job_runs,
            job_seconds=self.steps["4 convert rates"].wall if self.job_runs else 0,
            puts=sum(self.requests.get(one, 0) for one in PUTS),
            gets=sum(self.requests.get(one, 0) for one in GETS),
            catalog_requests=self.requests.get("catalog", 0),
            stored={name: bill.StoredData(size, RETENTION_DAYS) for name, size in self.stored_bytes.items()},
        )


@dataclass(frozen=True)
class CopiedDay:
    """A day of the widely copied design. result: the JSON that benchmarks.copied_design prints."""

    hubs: int
    usage: ResourceUsage
    result: dict[str, Any]
    requests: Counter[str]
    raw_bytes: int
    output_bytes: int

    def as_bill(self) -> bill.BilledDay:
        scanned, seconds = self.result["scanned"], self.result["seconds"]
        tables = {"temporary table": self.output_bytes, "final table": self.output_bytes}
        return bill.widely_copied(
            self.hubs,
            conversions={f"conversion {number}": size for number, size in enumerate(scanned["convert"], 1)},
            insert_bytes=sum(scanned["insert"]) / len(scanned["insert"]),
            rewrite_bytes=sum(scanned["rewrite"]),
            function_seconds={
                "convert": seconds["convert"],
                "insert": seconds["insert"] / self.hubs,
                "rewrite": seconds["rewrite"],
            },
            puts=sum(self.requests.get(one, 0) for one in PUTS),
            gets=sum(self.requests.get(one, 0) for one in GETS),
            catalog_requests=self.requests.get("catalog", 0),
            stored={
                name: bill.StoredData(size, RETENTION_DAYS)
                for name, size in {"raw_usage": self.raw_bytes, **tables}.items()
            },
        )


@contextmanager
def local_aws(settings: LaptopSettings) -> Iterator[list[int]]:
    """Runs a local AWS with the stack and the query engine of the settings; yields the pids of both."""
    shutil.rmtree(settings.local, ignore_errors=True)
    try:
        services.up(settings, lambda line: None, with_airflow=False)
        yield [process.pid for process in processes.recorded(settings.run).values()]
    finally:
        services.down(settings, lambda line: None)
        shutil.rmtree(settings.local, ignore_errors=True)


def run(
    settings: LaptopSettings, days: Sequence[str], out: Path | None = None
) -> tuple[list[MeasuredDay], ResourceUsage]:
    """Runs days of the settings' source; the first one meets an empty environment.

    out: folder for a copy of the last day's published file. Returns the days and the usage of all of them together.
    """
    with local_aws(settings) as pids:
        steps = settings.local / "steps.jsonl"
        pid_list = ",".join(map(str, pids))
        command = [sys.executable, "-m", "benchmarks.pipeline", "--pids", pid_list, "--out", str(steps), *days]
        environment = inherited(settings) | airflow_environment(settings)
        log = _RequestLog(settings)
        with Meter([*pids]) as aws:
            operators = measure.run(command, environment, cwd=ROOT)
        measured = _days(steps.read_text(), settings, log)
        if out is not None:
            _download(settings, days[-1], out)
    return measured, _total(operators.usage, aws.usage)


def run_copied(settings: LaptopSettings, source: Path, hubs: int, day: str, out: Path, python: Path) -> CopiedDay:
    """Runs a day of the widely copied design on its own local AWS.

    out: folder for a copy of the final table's files; python: the interpreter of the design's environment.
    """
    with local_aws(settings) as pids:
        log = _RequestLog(settings)
        arguments: list[str | Path] = ["--source", source, "--day", day, "--endpoint", settings.aws_url, "--out", out]
        with Meter(pids) as aws:
            design = measure.run([python, "-m", "benchmarks.copied_design", *arguments], cwd=ROOT)
        requests = log.count(copied_design.NAME)
    sizes = [
        sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in (source / "usage" / f"dt={day}", out)
    ]
    return CopiedDay(hubs, _total(design.usage, aws.usage), json.loads(design.output), requests, *sizes)


def _total(client: ResourceUsage, aws: ResourceUsage) -> ResourceUsage:
    return ResourceUsage(client.wall, client.cpu + aws.cpu, client.peak_mb + aws.peak_mb)


def _days(output: str, settings: LaptopSettings, log: "_RequestLog") -> list[MeasuredDay]:
    by_name: dict[str, MeasuredDay] = {}
    for line in output.splitlines():
        task_run = json.loads(line)
        day = by_name.setdefault(task_run["day"], MeasuredDay(task_run["day"]))
        task = task_run["task"].split(".")[0]
        step = day.steps.setdefault(STEPS[task], StepUsage())
        step.wall += task_run["wall"]
        step.cpu += task_run["operator_cpu"] + task_run["aws_cpu"]
        step.operator_cpu += task_run["operator_cpu"]
        day.crawls += task == "step_2_crawl" and task_run["executed"]
        day.job_runs += task == "step_4_convert_rates" and task_run["executed"]
    days = list(by_name.values())
    log.count_by_day(days)
    _count_queries(settings, days)
    _measure_storage(settings, days)
    return days


class _RequestLog:
    """The requests that the local AWS logs after this object was created."""

    def __init__(self, settings: LaptopSettings) -> None:
        assert settings.request_log is not None
        self._path, self._bucket = settings.request_log, settings.data_bucket
        self._begin = self._path.stat().st_size

    def count_by_day(self, days: Sequence[MeasuredDay]) -> None:
        """Counts the requests of each day. A day begins when its run writes the object ``run_id``."""
        counts: list[Counter[str]] = []
        for kind, path in self._requests(self._bucket):
            if not counts or (kind == "PUT" and path.endswith("/run_id")):
                counts.append(Counter())
            counts[-1][kind] += 1
        # The first task of the first day makes requests before it writes the object.
        first, second, *later = counts
        for day, count in zip(days, [first + second, *later], strict=True):
            day.requests = dict(count)

    def count(self, bucket: str) -> Counter[str]:
        return Counter(kind for kind, _ in self._requests(bucket))

    def _requests(self, bucket: str) -> Iterator[tuple[str, str]]:
        """Yields kind and path of each request: LIST or the method for one to the bucket, or "catalog"."""
        with self._path.open() as log:
            log.seek(self._begin)
            for line in log:
                method, path, query, *_, target = line.strip().split(" ")
                if target.startswith("AWSGlue.") and "Crawl" not in target and "Job" not in target:
                    yield "catalog", path
                elif target == "-" and path.split("/")[1] == bucket:
                    yield "LIST" if "list-type=" in query else method, path


def _client(settings: LaptopSettings, service: str) -> Any:
    return boto3.client(service, **settings.aws_client)  # type: ignore[call-overload]


def _count_queries(settings: LaptopSettings, days: Sequence[MeasuredDay]) -> None:
    """Adds the queries of each day, which are known by the prefix of their results."""
    athena = _client(settings, "athena")
    pages = athena.get_paginator("list_query_executions").paginate(WorkGroup=settings.stack)
    for page in pages:
        for execution in athena.batch_get_query_execution(QueryExecutionIds=page["QueryExecutionIds"])[
            "QueryExecutions"
        ]:
            place = execution["ResultConfiguration"]["OutputLocation"]
            day = next((day for day in days if f"/{RESULTS_PREFIX}{day.day}-" in place), None)
            if day is None:
                continue
            day.query_count += 1
            staging = _STAGING.match(execution["Query"].lstrip())
            if staging or execution["StatementType"] == "DML":
                name = (
                    staging[1]
                    if staging
                    else "repeated_readings"
                    if _REPEATED_READINGS in execution["Query"]
                    else "audit"
                )
                scanned = execution["Statistics"]["DataScannedInBytes"]
                day.scanned_bytes[name] = day.scanned_bytes.get(name, 0) + scanned


def _measure_storage(settings: LaptopSettings, days: Sequence[MeasuredDay]) -> None:
    """Adds the bytes of each day in S3: raw usage and the published tables."""
    s3 = _client(settings, "s3")
    for day in days:
        prefixes = {"raw_usage": raw_key(f"usage/dt={day.day}/")}
        prefixes |= {table: day_prefix(table, day.day) for table in PUBLISHED_TABLES}
        for name, prefix in prefixes.items():
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.data_bucket, Prefix=prefix)
            day.stored_bytes[name] = sum(item["Size"] for page in pages for item in page.get("Contents", []))


def _download(settings: LaptopSettings, day: str, out: Path) -> None:
    s3 = _client(settings, "s3")
    listing = s3.list_objects_v2(Bucket=settings.data_bucket, Prefix=day_prefix("usage_cost", day))
    for number, item in enumerate(listing["Contents"]):
        s3.download_file(settings.data_bucket, item["Key"], str(out / f"{number}.parquet"))
