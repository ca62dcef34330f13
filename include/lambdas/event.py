"""What the functions have in common: their event, checked, and the AWS clients of one invocation."""

import os
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from smart_hub.shared.athena import Athena
from smart_hub.shared.content_hash import content_of
from smart_hub.shared.layout import (
    CONTENT_PATTERN,
    REFERENCE_TABLES,
    RUN_PATTERN,
    STAGING_TABLE_PATTERN,
    VERSION_PATTERN,
    raw_prefix,
    results_prefix,
)
from smart_hub.shared.objects import objects
from smart_hub.shared.sql import statement

SQL = Path(__file__).parent / "sql"
# What an invocation keeps in hand to stop its queries and to say why, before Lambda ends it.
RESERVE_SECONDS = 30.0

# A call that gets no answer gives up, its retries included, within the reserve.
_CLIENT = Config(connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 3})


class InvalidEvent(ValueError):
    """The event lacks a field, has one too many, or holds a value of the wrong form; the message names it."""


class Unrepeatable(RuntimeError):
    """What another try would meet again: Airflow makes none. The message says what to do."""


def checked_event(event: Any, *fields: str, contents: Iterable[str]) -> dict[str, Any]:
    """The event, when it has exactly ``day``, ``run``, ``version``, ``content`` (of ``contents``) and ``fields``.

    Raises InvalidEvent naming the field at fault.
    """
    if not isinstance(event, dict):
        raise InvalidEvent(f"event: expected an object, got {event!r}")
    expected = {"day", "run", "version", "content", *fields}
    if set(event) != expected:
        raise InvalidEvent(
            f"fields are {sorted(event)}, expected {sorted(expected)}: DAGs and functions are probably of different"
            " versions; docs/upgrade.md describes how to deploy both"
        )
    try:
        if date.fromisoformat(event["day"]).isoformat() != event["day"]:
            raise ValueError
    except (TypeError, ValueError):
        raise InvalidEvent(f"day: expected a date as YYYY-MM-DD, got {event['day']!r}") from None
    _match("run", event["run"], RUN_PATTERN)
    _match("version", event["version"], VERSION_PATTERN)
    if not isinstance(event["content"], dict) or set(event["content"]) != set(contents):
        raise InvalidEvent(f"content: expected hashes of {sorted(contents)}, got {event['content']!r}")
    for data_set, content in event["content"].items():
        _match(f"content.{data_set}", content, CONTENT_PATTERN)
    for field in fields:
        if field.endswith("_table"):
            _match(field, event[field], STAGING_TABLE_PATTERN)
    damaged = event.get("damaged", [])
    if not isinstance(damaged, list) or not all(isinstance(key, str) for key in damaged):
        raise InvalidEvent(f"damaged: expected a list of file names, got {damaged!r}")
    return event


def _match(field: str, value: Any, pattern: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidEvent(f"{field}: expected {pattern.pattern}, got {value!r}")


class Invocation:
    """One invocation: Athena, Glue and S3 for the event's run and version.

    Environment: DATABASE, WORKGROUP, DATA_BUCKET. ``context`` is Lambda's; its remaining time bounds every query.
    """

    def __init__(self, event: dict[str, Any], context: Any) -> None:
        self.event = event
        self.database = os.environ["DATABASE"]
        self.bucket = os.environ["DATA_BUCKET"]
        self.glue = boto3.client("glue", config=_CLIENT)
        self.s3 = boto3.client("s3", config=_CLIENT)
        self.athena = Athena(
            client=boto3.client("athena", config=_CLIENT),
            workgroup=os.environ["WORKGROUP"],
            database=self.database,
            output=self.location(results_prefix(event["run"])),
            version=event["version"],
            seconds_left=lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS,
        )

    def location(self, prefix: str) -> str:
        return f"s3://{self.bucket}/{prefix}"

    def statement(self, name: str, **values: str | int) -> str:
        return statement(SQL, name, **values)

    def objects(self, prefix: str) -> list[dict[str, Any]]:
        """Objects under a prefix of the data bucket (see objects.objects)."""
        return list(objects(self.s3, self.bucket, prefix))

    def require_table(self, table: str) -> None:
        """Raises when an earlier step's staging table is gone: a finished run has cleaned up after itself."""
        try:
            self.glue.get_table(DatabaseName=self.database, Name=table)
        except self.glue.exceptions.EntityNotFoundException:
            raise Unrepeatable(
                f"{self.database}.{table} does not exist: this run's intermediate tables are gone since it finished;"
                " clear the run from step_3_convert, with what is downstream"
            ) from None

    def is_registered(self, data_set: str, content: str) -> bool:
        """Whether a content of a reference data set has been converted and registered."""
        try:
            self.glue.get_partition(
                DatabaseName=self.database, TableName=REFERENCE_TABLES[data_set], PartitionValues=[content]
            )
        except self.glue.exceptions.EntityNotFoundException:
            return False
        return True

    def register(self, data_set: str, content: str, location: str) -> None:
        """Registers a conversion, unless the raw data are no longer what was to be converted.

        When the content is registered already, that first registration stays.
        """
        found = content_of((item["Key"], item["ETag"]) for item in self.objects(raw_prefix(data_set)))
        if found != content:
            raise Unrepeatable(
                f"{self.location(raw_prefix(data_set))} changed since step 1 saw it (content {content[:12]}… there,"
                f" {found[:12]}… now): clear the run from step_1_copy_raw_data"
            )
        table = self.glue.get_table(DatabaseName=self.database, Name=REFERENCE_TABLES[data_set])["Table"]
        storage: Any = {**table["StorageDescriptor"], "Location": location}
        try:
            self.glue.create_partition(
                DatabaseName=self.database,
                TableName=REFERENCE_TABLES[data_set],
                PartitionInput={"Values": [content], "StorageDescriptor": storage},
            )
        except self.glue.exceptions.AlreadyExistsException:
            print(f"{data_set}: content {content[:12]}… was registered by another run meanwhile, that one stays")
