"""This pipeline's days on a local AWS of their own, without the scheduler: what they take, step by step, and make."""

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
from benchmarks.measure import Meter, Taken
from ops import processes, services
from ops.environment import airflow_environment, inherited
from ops.settings import ROOT, Settings
from smart_hub.shared.layout import PUBLISHED_TABLES, RESULTS_PREFIX, VERSION_PATTERN, day_prefix, raw_key

# Tasks as the README numbers the steps; the seven, and what stands between them.
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
DAYS_KEPT = 365
_STAGING = re.compile(rf"CREATE TABLE staging_(\w+)_{VERSION_PATTERN.pattern}\b")
# Of the two queries that read data and make no table, the other one is the audit.
_REPEATED = "AS repeated\n"
# Requests to S3 that cost as much as a PUT, by the methods in the log of requests; a DELETE is free.
PUTS, GETS = ("PUT", "POST", "LIST"), ("GET", "HEAD")


@dataclass
class Step:
    """wall and CPU seconds; operators: the part of the CPU seconds that the DAG's own process took."""

    wall: float = 0.0
    cpu: float = 0.0
    operators: float = 0.0


@dataclass
class Day:
    """One day. queries: bytes that each query scanned that read data, by name; statements: all queries."""

    day: str
    steps: dict[str, Step] = field(default_factory=dict)
    queries: dict[str, int] = field(default_factory=dict)
    statements: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    crawls: int = 0
    job_runs: int = 0

    def total(self, *, seven: bool) -> Step:
        """Of the seven steps alone, or with audit, insights and publish."""
        wanted = [step for name, step in self.steps.items() if name[0].isdigit() or not seven]
        return Step(*(sum(getattr(step, one) for step in wanted) for one in ("wall", "cpu", "operators")))

    def as_bill(self, hubs: int) -> bill.Day:
        return bill.Day(
            hubs=hubs,
            queries={name: bill.Queries(1, scanned) for name, scanned in self.queries.items()},
            functions={
                name: bill.Invocations(1, self.steps[step].wall, bill.MEMORY_MB) for name, step in FUNCTIONS.items()
            },
            crawls=self.crawls,
            job_runs=self.job_runs,
            job_seconds=self.steps["4 convert rates"].wall if self.job_runs else 0,
            puts=sum(self.requests.get(one, 0) for one in PUTS),
            gets=sum(self.requests.get(one, 0) for one in GETS),
            catalog_requests=self.requests.get("catalog", 0),
            stored={name: bill.Stored(size, DAYS_KEPT) for name, size in self.stored.items()},
        )


@dataclass(frozen=True)
class Copied:
    """A day of the widely copied design. found: what benchmarks/copied_design.py tells of it; output: bytes."""

    hubs: int
    taken: Taken
    found: dict[str, Any]
    requests: Counter[str]
    raw: int
    output: int

    def as_bill(self) -> bill.Day:
        scanned, seconds = self.found["scanned"], self.found["seconds"]
        kept = {"raw_usage": self.raw, "temporary table": self.output, "final table": self.output}
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
            stored={name: bill.Stored(size, DAYS_KEPT) for name, size in kept.items()},
        )


@contextmanager
def local_aws(settings: Settings) -> Iterator[list[int]]:
    """A local AWS with the stack, and the engine of the settings; gives the pids of both."""
    shutil.rmtree(settings.local, ignore_errors=True)
    try:
        services.up(settings, lambda line: None, with_airflow=False)
        yield [process.pid for process in processes.recorded(settings.run).values()]
    finally:
        services.down(settings, lambda line: None)
        shutil.rmtree(settings.local, ignore_errors=True)


def run(settings: Settings, days: Sequence[str], out: Path | None = None) -> tuple[list[Day], Taken]:
    """Runs the days of the settings' source, the first in an environment where everything is new.

    out: folder for a copy of the last day's published file. Gives the days, and what all took together.
    """
    with local_aws(settings) as pids:
        steps = settings.local / "steps.jsonl"
        pid_list = ",".join(map(str, pids))
        command = [sys.executable, "-m", "benchmarks.pipeline", "--pids", pid_list, "--out", str(steps), *days]
        environment = inherited(settings) | airflow_environment(settings)
        log = _Log(settings)
        with Meter([*pids]) as aws:
            ran = measure.run(command, environment, cwd=ROOT)
        found = _days(steps.read_text(), settings, log)
        if out is not None:
            _download(settings, days[-1], out)
    taken = Taken(ran.taken.wall, ran.taken.cpu + aws.taken.cpu, ran.taken.peak_mb + aws.taken.peak_mb)
    return found, taken


def run_copied(settings: Settings, source: Path, hubs: int, day: str, out: Path, python: Path) -> Copied:
    """A day of the widely copied design on a local AWS of its own. out: folder for a copy of its final table's files;
    python: of the environment that it runs in.
    """
    with local_aws(settings) as pids:
        log = _Log(settings)
        place: list[str | Path] = ["--source", source, "--day", day, "--endpoint", settings.aws_url, "--out", out]
        with Meter(pids) as aws:
            ran = measure.run([python, "-m", "benchmarks.copied_design", *place], cwd=ROOT)
        requests = log.count(copied_design.NAME)
    taken = Taken(ran.taken.wall, ran.taken.cpu + aws.taken.cpu, ran.taken.peak_mb + aws.taken.peak_mb)
    sizes = [
        sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in (source / "usage" / f"dt={day}", out)
    ]
    return Copied(hubs, taken, json.loads(ran.output), requests, *sizes)


def _days(output: str, settings: Settings, log: "_Log") -> list[Day]:
    found: dict[str, Day] = {}
    for line in output.splitlines():
        one = json.loads(line)
        day = found.setdefault(one["day"], Day(one["day"]))
        task = one["task"].split(".")[0]
        step = day.steps.setdefault(STEPS[task], Step())
        step.wall += one["wall"]
        step.cpu += one["own"] + one["aws"]
        step.operators += one["own"]
        day.crawls += task == "step_2_crawl" and one["ran"]
        day.job_runs += task == "step_4_convert_rates" and one["ran"]
    log.divide(list(found.values()))
    _queries(settings, list(found.values()))
    _stored(settings, list(found.values()))
    return list(found.values())


class _Log:
    """The local AWS's log of requests, from now on."""

    def __init__(self, settings: Settings) -> None:
        assert settings.request_log is not None
        self._path, self._bucket = settings.request_log, settings.data_bucket
        self._begin = self._path.stat().st_size

    def divide(self, days: Sequence[Day]) -> None:
        """Counts each day's requests. A day begins with the id that its run writes down."""
        counts: list[Counter[str]] = []
        for kind, path in self._requests(self._bucket):
            if not counts or (kind == "PUT" and path.endswith("/run_id")):
                counts.append(Counter())
            counts[-1][kind] += 1
        # What comes before the first day is its own: the questions of its first task.
        first, second, *later = counts
        for day, count in zip(days, [first + second, *later], strict=True):
            day.requests = dict(count)

    def count(self, bucket: str) -> Counter[str]:
        return Counter(kind for kind, _ in self._requests(bucket))

    def _requests(self, bucket: str) -> Iterator[tuple[str, str]]:
        """Of each request its kind and its path: one to the bucket by its method, listings apart, or to the catalog."""
        with self._path.open() as log:
            log.seek(self._begin)
            for line in log:
                method, path, query, *_, target = line.strip().split(" ")
                if target.startswith("AWSGlue.") and "Crawl" not in target and "Job" not in target:
                    yield "catalog", path
                elif target == "-" and path.split("/")[1] == bucket:
                    yield "LIST" if "list-type=" in query else method, path


def _client(settings: Settings, service: str) -> Any:
    return boto3.client(service, **settings.aws_client)  # type: ignore[call-overload]


def _queries(settings: Settings, days: Sequence[Day]) -> None:
    """What each day's queries scanned; a run's queries have its results' prefix."""
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
            day.statements += 1
            made = _STAGING.match(execution["Query"].lstrip())
            if made or execution["StatementType"] == "DML":
                name = made[1] if made else "repeated_readings" if _REPEATED in execution["Query"] else "audit"
                day.queries[name] = day.queries.get(name, 0) + execution["Statistics"]["DataScannedInBytes"]


def _stored(settings: Settings, days: Sequence[Day]) -> None:
    """Bytes that each day keeps: raw usage, and the tables published."""
    s3 = _client(settings, "s3")
    for day in days:
        prefixes = {"raw_usage": raw_key(f"usage/dt={day.day}/")}
        prefixes |= {table: day_prefix(table, day.day) for table in PUBLISHED_TABLES}
        for name, prefix in prefixes.items():
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.data_bucket, Prefix=prefix)
            day.stored[name] = sum(item["Size"] for page in pages for item in page.get("Contents", []))


def _download(settings: Settings, day: str, out: Path) -> None:
    s3 = _client(settings, "s3")
    found = s3.list_objects_v2(Bucket=settings.data_bucket, Prefix=day_prefix("usage_cost", day))
    for number, item in enumerate(found["Contents"]):
        s3.download_file(settings.data_bucket, item["Key"], str(out / f"{number}.parquet"))
