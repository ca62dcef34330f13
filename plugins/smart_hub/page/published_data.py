"""The published rows, read from the S3 locations that the Glue catalog has for each day. Raw data are never read."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from smart_hub.page.parquet import Cache, ParquetReader, S3Object
from smart_hub.shared.layout import QUALITY_TABLE, day_prefix, table_prefix

_log = logging.getLogger(__name__)

USAGE_TABLE = "usage_cost"
_MAX_THREADS = 16  # equals max_pool_connections of the clients in page/routes.py

# Dictionary-encoded, because names repeat: a month of a hub takes 6 MB instead of 13.
_text = pa.dictionary(pa.int32(), pa.string())
_real, _count, _timestamp = pa.float64(), pa.int64(), pa.timestamp("us")
# The columns of each table that the page reads.
SCHEMAS: Mapping[str, pa.Schema] = {
    USAGE_TABLE: pa.schema(
        {
            "loc_id": _text,
            "device": _text,
            "location": _text,
            "ts": _timestamp,
            "ts_utc": _timestamp,
            "tz": _text,
            "type": _text,
            "kwh": _real,
            "cents_per_kwh": _real,
            "cost": _real,
            "state": _text,
            "sensor": _text,
        }
    ),
    "hub_day_summary": pa.schema(
        {
            "loc_id": _text,
            "state": _text,
            "intervals": _count,
            "coverage": _real,
            "always_on_kwh": _real,
            "always_on_cost": _real,
        }
    ),
    "peak_shift": pa.schema(
        {
            "loc_id": _text,
            "sensor": _text,
            "device": _text,
            "location": _text,
            "peak_kwh": _real,
            "partial_peak_kwh": _real,
            "cost": _real,
            "shifted_cost": _real,
            "saving": _real,
        }
    ),
    "hourly_load": pa.schema(
        {
            "state": _text,
            "hour": pa.int32(),
            "type": _text,
            "kwh": _real,
            "cost": _real,
            "shifted_kwh": _real,
            "shifted_cost": _real,
        }
    ),
    QUALITY_TABLE: pa.schema(
        {"rule": _text, "severity": _text, "checked": _count, "violations": _count, "sample": _text}
    ),
}


class UnavailableError(Exception):
    """Data are missing or cannot be reached; the message is a sentence for the user."""


@dataclass(frozen=True)
class PublishedData:
    """The published tables of one deployment.

    client: makes a boto3 client of a service; credentials: describes the AWS credentials in error messages; cache:
    what was read, can be shared between instances.

    Every method raises UnavailableError.
    """

    database: str
    bucket: str
    client: Callable[[str], Any]
    credentials: str
    cache: Cache = field(default_factory=Cache)
    _request_pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_MAX_THREADS, "smart-hub-request")
    )
    # A pool of its own, because these tasks wait for requests.
    _task_pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_MAX_THREADS, "smart-hub-task"))

    def list_days(self, table: str, first: str = "", last: str = "") -> dict[str, str]:
        """The published days of a table, sorted, with their locations: YYYY-MM-DD -> s3://…/.

        first, last: the range of days, both included; by default unbounded.
        """
        bounds = [f"dt {sign} '{day}'" for sign, day in ((">=", first), ("<=", last)) if day]
        expression = {"Expression": " AND ".join(bounds)} if bounds else {}
        with self._translate_errors(f"the table {table} of the Glue database {self.database}"):
            pages = self._glue.get_paginator("get_partitions").paginate(
                DatabaseName=self.database, TableName=table, ExcludeColumnSchema=True, **expression
            )
            locations = {
                partition["Values"][0]: partition["StorageDescriptor"]["Location"].rstrip("/") + "/"
                for page in pages
                for partition in page["Partitions"]
            }
        return dict(sorted(locations.items()))

    def list_objects(self, table: str, days: Mapping[str, str]) -> dict[str, list[S3Object]]:
        """The objects of these days, given as ``list_days`` returns them: day -> objects, the newest last.

        Takes one listing of S3.
        """
        root = table_prefix(table)
        objects: dict[str, list[S3Object]] = {day: [] for day in days}
        if not days:
            return objects
        first, last = min(days), max(days)
        for day, location in days.items():
            expected = f"s3://{self.bucket}/{day_prefix(table, day)}"
            if not location.startswith(expected):
                raise UnavailableError(f"The partition {day} of the table {table} is not located under {expected}.")
        with self._translate_errors(f"the bucket {self.bucket}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=root, StartAfter=day_prefix(table, first)
            )
            for item in (item for page in pages for item in page.get("Contents", [])):
                day = item["Key"].removeprefix(f"{root}dt=")[:10]
                if day > last:
                    break
                if day in days and item["Size"] and f"s3://{self.bucket}/{item['Key']}".startswith(days[day]):
                    objects[day].append(
                        S3Object(self.bucket, item["Key"], item["ETag"], item["Size"], item["LastModified"])
                    )
        return {day: sorted(items, key=lambda item: item.modified) for day, items in objects.items()}

    def read_usage(self, objects: Mapping[str, list[S3Object]], hub: str) -> pa.Table:
        """The rows of a hub in these objects of usage_cost, with an additional column ``dt``."""
        schema = SCHEMAS[USAGE_TABLE]
        return self._read(USAGE_TABLE, objects, lambda item: self._reader.rows_of_hub(item, hub, schema))

    def read_rows(self, table: str, objects: Mapping[str, list[S3Object]]) -> pa.Table:
        """All rows in these objects of a small table, with an additional column ``dt``."""
        return self._read(table, objects, lambda item: self._reader.all_rows(item, SCHEMAS[table]))

    def read_hubs(self, objects: Iterable[S3Object]) -> dict[str, str]:
        """The hubs in objects of a table with the columns loc_id and state: hub -> state, sorted."""
        with self._translate_errors("the list of hubs"):
            hubs: dict[str, str] = {}
            for item in objects:
                hubs.update(self._reader.hubs(item))
        return dict(sorted(hubs.items()))

    def gather(self, *tasks: Callable[[], Any]) -> list[Any]:
        """Runs tasks in parallel; returns the result of each or its UnavailableError. A task must not call this."""

        def result(task: Callable[[], Any]) -> Any:
            try:
                return task()
            except UnavailableError as error:
                return error

        return list(self._task_pool.map(result, tasks))

    def _read(self, table: str, objects: Mapping[str, list[S3Object]], read: Callable[[S3Object], Any]) -> pa.Table:
        pairs = [(day, item) for day, items in objects.items() for item in items]
        with self._translate_errors(f"the table {table}"):
            tables = list(self._request_pool.map(lambda pair: read(pair[1]), pairs))
        dated = [
            rows.append_column("dt", pa.repeat(pa.scalar(day), len(rows)))
            for (day, _), rows in zip(pairs, tables, strict=True)
        ]
        empty = SCHEMAS[table].append(pa.field("dt", pa.string())).empty_table()
        return pa.concat_tables([empty, *dated]).unify_dictionaries()

    @cached_property
    def _glue(self) -> Any:
        return self.client("glue")

    @cached_property
    def _s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def _reader(self) -> ParquetReader:
        return ParquetReader(self._s3, self.cache)

    @contextmanager
    def _translate_errors(self, resource: str) -> Iterator[None]:
        """Raises errors of AWS and pyarrow as UnavailableError; the log has the original error."""
        try:
            yield
        except (BotoCoreError, ClientError, pa.ArrowException, OSError) as error:
            _log.warning("The page cannot read %s", resource, exc_info=True)
            raise UnavailableError(self._error_message(resource[0].upper() + resource[1:], error)) from error

    def _error_message(self, resource: str, error: Exception) -> str:
        if isinstance(error, ClientError):
            code = error.response["Error"].get("Code", "")
            if code in ("EntityNotFoundException", "NoSuchBucket"):
                return f"{resource} does not exist. Check that the stack is deployed with this version's template."
            if code in ("NoSuchKey", "PreconditionFailed", "412", "404"):
                return f"{resource} was replaced while it was being read. Reload the page."
            if "Denied" in code or code in ("403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
                return f"{resource} cannot be read: AWS denied {error.operation_name} to {self.credentials}."
            return f"{resource} cannot be read: AWS returned {code} for {error.operation_name}."
        if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError | NoRegionError):
            return f"{resource} cannot be read: {self.credentials} provides no credentials or no region."
        if isinstance(error, ConnectionError | HTTPClientError):
            return f"{resource} cannot be reached: AWS did not respond."
        return f"{resource} cannot be read ({type(error).__name__}); see the API server's log."
