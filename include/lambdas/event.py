"""Shared by the functions: the validated event, and the AWS clients of one invocation."""

import os
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from smart_hub.shared.athena import AthenaRunner
from smart_hub.shared.content_hash import content_hash
from smart_hub.shared.layout import (
    CONTENT_HASH_PATTERN,
    REFERENCE_TABLES,
    RUN_PATTERN,
    STAGING_TABLE_PATTERN,
    STALE_RUN_REMEDY,
    VERSION_PATTERN,
    raw_prefix,
    results_prefix,
)
from smart_hub.shared.objects import objects
from smart_hub.shared.sql import statement

SQL = Path(__file__).parent / "sql"
# The time that an invocation reserves to stop its queries and to report why, before Lambda ends it.
RESERVE_SECONDS = 30.0

# A call that gets no answer gives up, its retries included, within the reserve.
_CLIENT = Config(connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 3})


class InvalidEvent(ValueError):
    """A field of the event is missing, unknown or has an invalid value; the message names it."""


class NonRetryableError(RuntimeError):
    """Another try would fail in the same way, so Airflow does not retry. The message says what to do."""


def validated(
    event: Any, *, data_sets: Iterable[str], tables: Sequence[str] = (), others: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns the event if its fields are day, run, version, content_hashes, ``tables`` and ``others``.

    data_sets: keys of content_hashes. tables: fields with the name of a staging table. The caller validates ``others``.
    Raises InvalidEvent, which names the field at fault.
    """
    if not isinstance(event, dict):
        raise InvalidEvent(f"event: expected an object, got {event!r}")
    expected = {"day", "run", "version", "content_hashes", *tables, *others}
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
    hashes = event["content_hashes"]
    if not isinstance(hashes, dict) or set(hashes) != set(data_sets):
        raise InvalidEvent(f"content_hashes: expected hashes of {sorted(data_sets)}, got {hashes!r}")
    _match("run", event["run"], RUN_PATTERN)
    _match("version", event["version"], VERSION_PATTERN)
    for data_set, value in hashes.items():
        _match(f"content_hashes.{data_set}", value, CONTENT_HASH_PATTERN)
    for field in tables:
        _match(field, event[field], STAGING_TABLE_PATTERN)
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
        self.athena = AthenaRunner(
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
        """Raises NonRetryableError if an earlier step's table does not exist: a finished run deletes its tables."""
        try:
            self.glue.get_table(DatabaseName=self.database, Name=table)
        except self.glue.exceptions.EntityNotFoundException:
            raise NonRetryableError(f"{self.database}.{table} does not exist: {STALE_RUN_REMEDY}") from None

    def is_registered(self, data_set: str, content_hash: str) -> bool:
        """Whether a reference data set with this content hash was converted before."""
        try:
            self.glue.get_partition(
                DatabaseName=self.database, TableName=REFERENCE_TABLES[data_set], PartitionValues=[content_hash]
            )
        except self.glue.exceptions.EntityNotFoundException:
            return False
        return True

    def register(self, data_set: str, expected_hash: str, location: str) -> None:
        """Adds the partition of a converted reference data set. If another run has added it, that one is kept.

        Raises NonRetryableError if the raw data have changed since step 1.
        """
        current_hash = content_hash((item["Key"], item["ETag"]) for item in self.objects(raw_prefix(data_set)))
        if current_hash != expected_hash:
            raise NonRetryableError(
                f"{self.location(raw_prefix(data_set))} has changed since step 1 (content hash {expected_hash[:12]}…"
                f" then, {current_hash[:12]}… now): clear the run from step_1_copy_raw_data"
            )
        table = self.glue.get_table(DatabaseName=self.database, Name=REFERENCE_TABLES[data_set])["Table"]
        storage: Any = {**table["StorageDescriptor"], "Location": location}
        try:
            self.glue.create_partition(
                DatabaseName=self.database,
                TableName=REFERENCE_TABLES[data_set],
                PartitionInput={"Values": [expected_hash], "StorageDescriptor": storage},
            )
        except self.glue.exceptions.AlreadyExistsException:
            print(f"{data_set}: another run has registered content hash {expected_hash[:12]}… in the meantime")
