"""The published rows: where the Glue catalog says that a day lies, from S3. Never raw data."""

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
_AT_ONCE = 16  # requests; as many connections has each client of page/routes.py

# As dictionaries: names repeat, and a hub's month takes 6 MB in place of 13.
_text = pa.dictionary(pa.int32(), pa.string())
_real, _count, _clock = pa.float64(), pa.int64(), pa.timestamp("us")
# Of each table the columns that the page reads.
SCHEMAS: Mapping[str, pa.Schema] = {
    USAGE_TABLE: pa.schema(
        {
            "loc_id": _text,
            "device": _text,
            "location": _text,
            "ts": _clock,
            "ts_utc": _clock,
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


class Unavailable(Exception):
    """Something that the page shows is missing or out of reach; the message is a sentence for its reader."""


@dataclass(frozen=True)
class Store:
    """The published tables of one deployment.

    client: makes boto3's client of a service; source: what the reader knows its rights by, for sentences; cache:
    what was read, to be shared with the stores before and after it.

    Every method raises Unavailable.
    """

    database: str
    bucket: str
    client: Callable[[str], Any]
    source: str
    cache: Cache = field(default_factory=Cache)
    _requests: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_AT_ONCE, "smart-hub-request"))
    # Apart, for a work waits for requests.
    _works: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_AT_ONCE, "smart-hub-work"))

    def days(self, table: str, first: str = "", last: str = "") -> dict[str, str]:
        """The published days of a table, in order, and where each lies: YYYY-MM-DD -> s3://…/.

        first, last: days that bound it, both included; all days without them.
        """
        bounds = [f"dt {sign} '{day}'" for sign, day in ((">=", first), ("<=", last)) if day]
        expression = {"Expression": " AND ".join(bounds)} if bounds else {}
        with self._told(f"the table {table} of the Glue database {self.database}"):
            pages = self._glue.get_paginator("get_partitions").paginate(
                DatabaseName=self.database, TableName=table, ExcludeColumnSchema=True, **expression
            )
            found = {
                partition["Values"][0]: partition["StorageDescriptor"]["Location"].rstrip("/") + "/"
                for page in pages
                for partition in page["Partitions"]
            }
        # The local AWS gives all partitions whatever the expression.
        return {day: found[day] for day in sorted(found) if first <= day <= (last or day)}

    def objects(self, table: str, days: Mapping[str, str]) -> dict[str, list[S3Object]]:
        """The objects of each of these days (see ``days``), in one listing; the newest of a day comes last."""
        root = table_prefix(table)
        found: dict[str, list[S3Object]] = {day: [] for day in days}
        if not days:
            return found
        first, last = min(days), max(days)
        for day, location in days.items():
            place = f"s3://{self.bucket}/{day_prefix(table, day)}"
            if not location.startswith(place):
                raise Unavailable(f"{table} of {day} does not lie under {place}.")
        with self._told(f"the bucket {self.bucket}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=root, StartAfter=day_prefix(table, first)
            )
            for item in (item for page in pages for item in page.get("Contents", [])):
                day = item["Key"].removeprefix(f"{root}dt=")[:10]
                if day > last:
                    break
                if day in days and item["Size"] and f"s3://{self.bucket}/{item['Key']}".startswith(days[day]):
                    found[day].append(
                        S3Object(self.bucket, item["Key"], item["ETag"], item["Size"], item["LastModified"])
                    )
        return {day: sorted(items, key=lambda item: item.modified) for day, items in found.items()}

    def usage(self, objects: Mapping[str, list[S3Object]], hub: str) -> pa.Table:
        """The rows of usage_cost of one hub in all these days; column ``dt`` has the day."""
        schema = SCHEMAS[USAGE_TABLE]
        return self._gather(USAGE_TABLE, objects, lambda item: self._reader.rows_of_hub(item, hub, schema))

    def rows(self, table: str, objects: Mapping[str, list[S3Object]]) -> pa.Table:
        """All rows of a (small) table in all these days; column ``dt`` has the day."""
        return self._gather(table, objects, lambda item: self._reader.all_rows(item, SCHEMAS[table]))

    def hubs(self, objects: Iterable[S3Object]) -> dict[str, str]:
        """The hubs that these objects, of a table with loc_id and state, have: hub -> state, in order."""
        with self._told("the hubs"):
            found: dict[str, str] = {}
            for item in objects:
                found.update(self._reader.hubs(item))
        return dict(sorted(found.items()))

    def beside(self, *works: Callable[[], Any]) -> list[Any]:
        """What each of the works gives, or the Unavailable that it raised; none may call this in turn."""

        def result(work: Callable[[], Any]) -> Any:
            try:
                return work()
            except Unavailable as reason:
                return reason

        return list(self._works.map(result, works))

    def _gather(self, table: str, objects: Mapping[str, list[S3Object]], read: Callable[[S3Object], Any]) -> pa.Table:
        pairs = [(day, item) for day, items in objects.items() for item in items]
        with self._told(f"the table {table}"):
            tables = list(self._requests.map(lambda pair: read(pair[1]), pairs))
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
    def _told(self, what: str) -> Iterator[None]:
        """Turns what AWS answers into a sentence; the log has the answer itself."""
        try:
            yield
        except (BotoCoreError, ClientError, pa.ArrowException, OSError) as error:
            _log.warning("The page cannot read %s", what, exc_info=True)
            raise Unavailable(self._sentence(what, error)) from error

    def _sentence(self, what: str, error: Exception) -> str:
        what = what[0].upper() + what[1:]
        if isinstance(error, ClientError):
            code = error.response["Error"].get("Code", "")
            if code in ("EntityNotFoundException", "NoSuchBucket"):
                return f"{what} does not exist: has the stack been deployed, with this version's template?"
            if code in ("NoSuchKey", "PreconditionFailed", "412", "404"):
                return f"{what} was replaced while it was being read. Load the page again."
            if "Denied" in code or code in ("403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
                return f"{what} may not be read: AWS refuses {error.operation_name} to {self.source}."
            return f"{what} cannot be read: AWS answers {error.operation_name} with {code}."
        if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError | NoRegionError):
            return f"{what} cannot be read: {self.source} gives no credentials or no region."
        if isinstance(error, ConnectionError | HTTPClientError):
            return f"{what} is out of reach: AWS does not answer Airflow's web server."
        return f"{what} cannot be read: {type(error).__name__}; Airflow's log of the web server has the reason."
