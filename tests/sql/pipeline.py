"""Runs a day of a source folder through crawlers, job, functions and SQL as the DAG does, with boto3."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from localaws.testing import LocalAws
from ops.deploy import deploy
from ops.settings import ROOT
from smart_hub.core.quality import audit_query, read_checks
from smart_hub.shared import sql
from smart_hub.shared.athena import AthenaRunner
from smart_hub.shared.content_hash import content_hash
from smart_hub.shared.layout import (
    INSIGHT_TABLES,
    INSIGHT_VIEWS,
    REFERENCE_TABLES,
    day_prefix,
    next_day,
    raw_prefix,
    run_name,
    staging_table,
)

STATEMENTS = ROOT / "include" / "sql"
SECONDS = 300


class Made(NamedTuple):
    """A created table and its location."""

    name: str
    location: str


class Pipeline:
    """The stack on one local AWS."""

    def __init__(self, aws: LocalAws, source: Path = ROOT / "include" / "data") -> None:
        self.aws = aws
        self.source = source
        self.made: dict[str, str] = {}
        session = boto3.Session("test", "test", region_name="us-east-1")
        outputs = deploy(session, endpoint_url=aws.endpoint, log=lambda text: None)
        self.bucket = outputs["DataBucket"]

    def run(
        self,
        day: str,
        *,
        insights: bool = True,
        crawl: bool = True,
        publish: bool = True,
        files: int = 1,
        damaged: Sequence[str] = (),
    ) -> dict[str, dict[str, str | None]]:
        """Convert, transform, compact, audit and publish the day; returns the result of each quality rule.

        Broken rules do not stop the run. The crawl is needed only for queries of the raw tables. damaged: names of
        files that step 1 set aside. `made` gets the names of the run's tables.
        """
        self._copy(day)
        hashes = {data_set: self._content_hash(data_set) for data_set in REFERENCE_TABLES}
        if crawl:
            self._crawl()
        self._convert_rates(hashes["rates"])
        common = {"day": day, "run": run_name(day, "test")}
        references = {name: hashes[name] for name in ("mappings", "locations")}
        converted = self._call("convert", {**common, "version": _version("convert"), "content_hashes": references})
        transformed = self._call(
            "transform",
            {
                **common,
                "version": _version("transform"),
                "content_hashes": hashes,
                "readings_table": converted["readings_table"],
                "damaged": list(damaged),
            },
        )
        compacted = self._call(
            "compact",
            {
                **common,
                "version": _version("compact"),
                "content_hashes": {},
                "cost_table": transformed["cost_table"],
                "files": files,
            },
        )
        made = self.make_insights(day, compacted["published_table"]) if insights else {}
        self.made = {**_hash_values(hashes), **converted, **transformed, **compacted}
        rules = self._audit({"day": day, "files": files, **self.made})
        if not publish:
            return rules
        locations = {
            "usage_rejects": transformed["rejects_location"],
            "readings": converted["readings_location"],
            "usage_cost": compacted["cost_location"],
            **{name: table.location for name, table in made.items()},
        }
        for table, location in locations.items():
            values = {"table": table, "day": day, "location": location}
            for name in ("add_partition", "set_location"):
                self.athena.run(sql.statement(STATEMENTS / "publish", name, **values))
        for data_set in REFERENCE_TABLES:
            self.athena.run(sql.statement(STATEMENTS / "publish", data_set, content_hash=hashes[data_set]))
        for view in INSIGHT_VIEWS if insights else ():
            self.athena.run(sql.statement(STATEMENTS / "publish", view))
        return rules

    def make_insights(self, day: str, published_table: str) -> dict[str, Made]:
        """Creates the insights of a version of usage_cost, each in a new table."""
        version = _version("insights")
        made = {
            table: Made(staging_table(table, version), f"s3://{self.bucket}/{day_prefix(table, day, version)}")
            for table in INSIGHT_TABLES
        }
        known = {"published_table": published_table, "day": day, "next_day": next_day(day), "min_coverage": "0.9"}
        known |= {
            **_hash_values({"rates": self._content_hash("rates")}),
            **{f"{table}_table": one.name for table, one in made.items()},
        }
        for table, one in made.items():
            values = {**known, "table": one.name, "location": one.location}
            self.athena.run(sql.statement(STATEMENTS / "insights", table, **values))
        return made

    @property
    def athena(self) -> AthenaRunner:
        client, output = self.aws.client("athena"), f"s3://{self.bucket}/athena-results/test/"
        return AthenaRunner(client, "smart-hub", "smart_hub", output, _version("test"), lambda: SECONDS)

    def published(self, table: str, day: str) -> list[tuple[str | None, ...]]:
        """The day's rows of a published table, all columns, sorted."""
        rows = self.athena.rows(f"SELECT * FROM {table} WHERE dt = DATE '{day}'")
        return sorted((tuple(row.values()) for row in rows), key=str)

    def _copy(self, day: str) -> None:
        for path in (path for path in self.source.rglob("*") if path.is_file()):
            key = path.relative_to(self.source).as_posix()
            if not key.startswith("usage/") or key.startswith(f"usage/dt={day}/"):
                self.aws.client("s3").upload_file(str(path), self.bucket, f"raw/{key}")
        for key in (key for data_set in REFERENCE_TABLES for key in self._etags(data_set)):
            if not (self.source / key.removeprefix("raw/")).exists():
                self.aws.client("s3").delete_object(Bucket=self.bucket, Key=key)

    def _content_hash(self, data_set: str) -> str:
        return content_hash(self._etags(data_set).items())

    def _etags(self, data_set: str) -> dict[str, str]:
        pages = self.aws.client("s3").get_paginator("list_objects_v2")
        listed = pages.paginate(Bucket=self.bucket, Prefix=raw_prefix(data_set)).build_full_result()
        return {one["Key"]: one["ETag"].strip('"') for one in listed["Contents"]}

    def _crawl(self) -> None:
        glue = self.aws.client("glue")
        for name in ("usage", *REFERENCE_TABLES):
            glue.start_crawler(Name=f"smart-hub-{name}")
        for name in ("usage", *REFERENCE_TABLES):
            _until(lambda name=name: glue.get_crawler(Name=f"smart-hub-{name}")["Crawler"]["State"] == "READY")
            assert glue.get_crawler(Name=f"smart-hub-{name}")["Crawler"]["LastCrawl"]["Status"] == "SUCCEEDED"

    def _convert_rates(self, expected_hash: str) -> None:
        glue, job = self.aws.client("glue"), "smart-hub-rates"
        registered = glue.get_partitions(DatabaseName="smart_hub", TableName="rate_versions")["Partitions"]
        if [expected_hash] in [one["Values"] for one in registered]:
            return
        arguments = {"--content-hash": expected_hash, "--version": _version("rates")}
        run = glue.start_job_run(JobName=job, Arguments=arguments)["JobRunId"]

        def state() -> str:
            return str(glue.get_job_run(JobName=job, RunId=run)["JobRun"]["JobRunState"])

        _until(lambda: state() not in ("STARTING", "RUNNING"))
        assert state() == "SUCCEEDED"

    def _call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        client = self.aws.client("lambda")
        answer = client.invoke(FunctionName=f"smart-hub-{function}", Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return dict(payload)

    def _audit(self, known: dict[str, Any]) -> dict[str, dict[str, str | None]]:
        limits = {"next_day": next_day(known["day"]), "max_reject_ratio": "0.5", "watts_margin": "1.25"}
        rows = self.athena.rows(audit_query(read_checks(STATEMENTS), {**known, **limits}))
        return {str(row["rule"]): row for row in rows}


def _hash_values(hashes: dict[str, str]) -> dict[str, str]:
    return {f"{data_set}_content_hash": value for data_set, value in hashes.items()}


def _version(name: str) -> str:
    return f"v{hashlib.sha256(f'{name} {time.time_ns()}'.encode()).hexdigest()[:16]}"


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, f"not done after {SECONDS} s"
        time.sleep(0.1)
