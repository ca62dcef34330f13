"""What a deployment sets: environment variables ``SMART_HUB_…``, read once, while a DAG is parsed."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_STACK_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,40}")
_TOPIC_PATTERN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}")
_QUICKSIGHT_DATA_SETS = ("usage_cost", "daily_device_cost", "hourly_load", "peak_shift", "locations", "rates")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
# Athena's limit of buckets in a CTAS.
_MOST_FILES_PER_DAY = 100


class SettingsError(ValueError):
    """Settings that are missing or wrong; the message names every one of them."""


@dataclass(frozen=True)
class Settings:
    """Settings of one deployment; every AWS name derives from ``stack``.

    ``problems`` says what is wrong. It is reported when a run starts (``check``), for a DAG that fails to
    parse vanishes from the UI.
    """

    stack: str
    data_bucket: str
    source: str
    mirror: bool
    skip_empty_days: bool
    aws_conn_id: str
    files_per_day: int
    keep_hours: int
    most_rejected: str
    watts_margin: str
    least_coverage: str
    sns_topic_arn: str
    quicksight: bool
    include: Path
    problems: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, dags: Path, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Settings from environment variables.

        SMART_HUB_STACK: name of the CloudFormation stack (smart-hub).
        SMART_HUB_DATA_BUCKET: the data bucket; it has no default.
        SMART_HUB_SOURCE: folder or ``s3://`` prefix with the raw data (``<include>/data``).
        SMART_HUB_MIRROR: true deletes raw objects that the source no longer has (false).
        SMART_HUB_SKIP_EMPTY_DAYS: true skips a day for which the source has no usage, instead of failing (false).
        SMART_HUB_AWS_CONN_ID: Airflow connection to AWS (aws_default).
        SMART_HUB_FILES_PER_DAY: Parquet files a published day has (1).
        SMART_HUB_KEEP_HOURS: age in hours from which superseded versions are deleted (24).
        SMART_HUB_MOST_REJECTED: largest share of a day's lines that may be rejected (0.05).
        SMART_HUB_WATTS_MARGIN: how many times its watts a device may seem to draw (1.25).
        SMART_HUB_LEAST_COVERAGE: share of a day's intervals below which a hub's savings are not shown (0.9).
        SMART_HUB_SNS_TOPIC_ARN: topic that is told of failed tasks and late runs (none).
        SMART_HUB_QUICKSIGHT: true refreshes the data sets of the dashboard in QuickSight after a publish (false).
        SMART_HUB_INCLUDE: the include folder; else ``<dags>/include``, else ``<dags>/../include``.
        """
        problems: list[str] = []

        def number(name: str, default: int, most: int) -> int:
            text = environ.get(name) or str(default)
            if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
                return int(text)
            problems.append(f"{name}: expected a number from 1 to {most}, got {text!r}")
            return default

        def decimal(name: str, default: str, most: float) -> str:
            text = environ.get(name) or default
            if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII) and float(text) <= most:
                return text
            problems.append(f"{name}: expected a decimal number from 0 to {most:g}, got {text!r}")
            return default

        def truth(name: str) -> bool:
            text = (environ.get(name) or "false").lower()
            if text not in _TRUTH:
                problems.append(f"{name}: expected true or false, got {environ[name]!r}")
            return _TRUTH.get(text, False)

        stack = environ.get("SMART_HUB_STACK") or "smart-hub"
        if not _STACK_PATTERN.fullmatch(stack):
            problems.append(f"SMART_HUB_STACK: expected {_STACK_PATTERN.pattern}, got {stack!r}")
        data_bucket = environ.get("SMART_HUB_DATA_BUCKET", "")
        if not data_bucket:
            problems.append(f"SMART_HUB_DATA_BUCKET: not set; it is the output DataBucket of the stack {stack}")
        elif "/" in data_bucket:
            problems.append(f"SMART_HUB_DATA_BUCKET: expected a bucket's name alone, got {data_bucket!r}")
        topic = environ.get("SMART_HUB_SNS_TOPIC_ARN", "")
        if topic and not _TOPIC_PATTERN.fullmatch(topic):
            problems.append(f"SMART_HUB_SNS_TOPIC_ARN: expected the ARN of an SNS topic, got {topic!r}")
            topic = ""
        include = _include_folder(dags, environ)
        if not (include / "sql").is_dir():
            problems.append(f"SMART_HUB_INCLUDE: {include} has no folder sql; set it to the package's include folder")
        return cls(
            stack=stack,
            data_bucket=data_bucket,
            source=(environ.get("SMART_HUB_SOURCE") or str(include / "data")).rstrip("/"),
            mirror=truth("SMART_HUB_MIRROR"),
            skip_empty_days=truth("SMART_HUB_SKIP_EMPTY_DAYS"),
            aws_conn_id=environ.get("SMART_HUB_AWS_CONN_ID") or "aws_default",
            files_per_day=number("SMART_HUB_FILES_PER_DAY", 1, _MOST_FILES_PER_DAY),
            keep_hours=number("SMART_HUB_KEEP_HOURS", 24, 24 * 366),
            most_rejected=decimal("SMART_HUB_MOST_REJECTED", "0.05", 1),
            watts_margin=decimal("SMART_HUB_WATTS_MARGIN", "1.25", 100),
            least_coverage=decimal("SMART_HUB_LEAST_COVERAGE", "0.9", 1),
            sns_topic_arn=topic,
            quicksight=truth("SMART_HUB_QUICKSIGHT"),
            include=include,
            problems=tuple(problems),
        )

    def check(self) -> None:
        """Raises SettingsError naming every setting that is missing or wrong."""
        if self.problems:
            raise SettingsError("; ".join(self.problems))

    @property
    def database(self) -> str:
        """Name of the Glue database: the stack's, with underscores."""
        return self.stack.replace("-", "_")

    @property
    def workgroup(self) -> str:
        return self.stack

    def resource(self, name: str) -> str:
        """Full name of a crawler (usage, …), function (convert, …), job (rates) or data set (usage_cost, …)."""
        return f"{self.stack}-{name}"

    @property
    def quicksight_data_sets(self) -> list[str]:
        """Ids of the data sets of the dashboard, as include/quicksight has them; none where there is no dashboard."""
        return [self.resource(name) for name in _QUICKSIGHT_DATA_SETS] if self.quicksight else []

    @property
    def sql(self) -> Path:
        return self.include / "sql"

    def location(self, prefix: str) -> str:
        """URL of a key prefix of the data bucket."""
        return f"s3://{self.data_bucket}/{prefix}"


def _include_folder(dags: Path, environ: Mapping[str, str]) -> Path:
    if chosen := environ.get("SMART_HUB_INCLUDE"):
        return Path(chosen)
    # MWAA syncs dags/ only, Astro and a checkout have include/ beside it.
    return next(
        (folder for folder in (dags / "include", dags.parent / "include") if folder.is_dir()),
        dags / "include",
    )
