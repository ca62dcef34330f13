"""The widely copied design on the same local Athena: one INSERT INTO per channel, then a rewrite of the whole table.

The design is from "Getting Started with Data Analysis on AWS using AWS Glue, Amazon Athena, and QuickSight"
(https://github.com/garystafford/athena-glue-quicksight-demo, 2020). Its steps, in our own SQL:

- one CREATE TABLE AS per raw table converts JSON and CSV to Parquet, a job converts the rates;
- one invocation per hub starts one INSERT INTO per channel, all at once; each joins the hub's usage with mappings,
  locations and rates, and adds one object to the hub's partition of a temporary table;
- one CREATE TABLE AS copies the temporary table to the final one, with one partition per hub and one bucket.

Athena writes at most 100 partitions per statement, so the design supports at most 100 hubs. A channel is a field of a
struct and becomes a column, so its name must be a valid column name. Differences from the original:

- tables and partitions are registered through Glue's API instead of six crawls (a minute or more each on AWS);
- the rates job runs in this process, and there are no Lambda functions: only Athena's part is measured;
- the values are columns instead of a struct, of which Athena would also read only one field;
- a hub's first INSERT runs alone: if several found the partition missing, all but one would fail;
- time zones, prices and columns are those of usage_cost, so that the rows can be compared; costs are not rounded.

python -m benchmarks.copied_design --source FOLDER --day 2019-12-21 [--endpoint http://127.0.0.1:4566] [--out FOLDER]
"""

import argparse
import io
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from botocore.config import Config

from benchmarks.baselines import RATES, rates

NAME = "smart-hub-copied-design"
DATABASE = NAME.replace("-", "_")
MAX_HUBS = 100  # Athena's limit of partitions per statement; the final table has one per hub
QUERY_SECONDS = 600
POLL_SECONDS = 0.2  # the original does not wait at all; each request is work for the local AWS

_TEXT = ("org.apache.hadoop.mapred.TextInputFormat", "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat")
_PARQUET = tuple(f"org.apache.hadoop.hive.ql.io.parquet.MapredParquet{way}putFormat" for way in ("In", "Out"))
_JSON_SERDE = "org.openx.data.jsonserde.JsonSerDe"
_CSV_SERDE = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
_PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")
_LOCATION = ["lon", "lat", "number", "street", "unit", "city", "district", "region", "postcode", "id", "hash", "tz"]
_OUTPUT = (
    ("device", "string"),
    ("location", "string"),
    ("ts", "timestamp"),
    ("ts_utc", "timestamp"),
    ("tz", "string"),
    ("type", "string"),
    ("kwh", "double"),
    ("cents_per_kwh", "double"),
    ("cost", "double"),
    ("state", "string"),
    ("sensor", "string"),
)


@dataclass
class CopiedDesignResult:
    """seconds: wall-clock time by stage; scanned: bytes of each query by stage; files: those of the final table."""

    seconds: dict[str, float] = field(default_factory=dict)
    scanned: dict[str, list[int]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def queries(self) -> int:
        return sum(map(len, self.scanned.values()))


class CopiedDesign:
    """One run in its own bucket and database, on the local AWS at ``endpoint``."""

    def __init__(self, endpoint: str) -> None:
        def client(service: str) -> Any:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
            config = Config(s3={"addressing_style": "path"})
            return boto3.client(service, endpoint_url=endpoint, config=config, **keys)  # type: ignore[call-overload]

        self.s3, self.glue, self.athena = client("s3"), client("glue"), client("athena")
        self.result = CopiedDesignResult()

    def run(self, source: Path, day: str) -> CopiedDesignResult:
        """Prices a day of a source folder. Raises ValueError for hubs or channels that the design does not support."""
        hubs = sorted(hub for file in (source / "locations").glob("*/*.csv") for hub in _hubs(file))
        if not 0 < len(hubs) <= MAX_HUBS:
            raise ValueError(f"{source / 'locations'} has {len(hubs)} hubs; this design supports 1 to {MAX_HUBS}")
        mapped = [pair for file in sorted((source / "mappings").glob("*/*")) for pair in _mapped(file)]
        channels = sorted({channel for _, channel in mapped})
        if wrong := [channel for channel in channels if not _COLUMN.fullmatch(channel)]:
            raise ValueError(f"{source / 'mappings'} has the channel {wrong[0]!r}, which cannot be a field of a struct")
        self.remove()
        self.s3.create_bucket(Bucket=NAME)
        self.glue.create_database(DatabaseInput={"Name": DATABASE})
        with self._stage("upload"):
            self._upload(source, day)
        with self._stage("register"):
            self._register(channels)
        with self._stage("convert"):
            self._run(_converted_usage(channels), *map(_converted, ("mappings", "locations")))
            self._convert_rates(source)
        with self._stage("insert"):
            for hub in hubs:
                first, *others = (_priced(hub, channel, day) for of, channel in mapped if of == hub)
                self._run(first)
                self._run(*others)
        with self._stage("rewrite"):
            self._run(_rewritten())
        self.result.files = [f"s3://{NAME}/{key}" for key in self._keys("output/")]
        return self.result

    def download(self, folder: Path) -> list[Path]:
        """The final table's files, with their partitions as folders."""
        files = []
        for key in self._keys("output/"):
            file = folder / key.removeprefix("output/")
            file.parent.mkdir(parents=True, exist_ok=True)
            self.s3.download_file(NAME, key, str(file))
            files.append(file)
        return files

    def remove(self) -> None:
        """Deletes the bucket and the database, if they exist."""
        with suppress(self.s3.exceptions.NoSuchBucket):
            for key in self._keys(""):
                self.s3.delete_object(Bucket=NAME, Key=key)
            self.s3.delete_bucket(Bucket=NAME)
        with suppress(self.glue.exceptions.EntityNotFoundException):
            self.glue.delete_database(Name=DATABASE)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.result.scanned[name] = []
        started = time.perf_counter()
        yield
        self.result.seconds[name] = time.perf_counter() - started
        print(f"{name}: {self.result.seconds[name]:.1f} s", file=sys.stderr, flush=True)

    def _run(self, *statements: str) -> None:
        """Starts all statements at once and waits for them. Raises RuntimeError if one does not succeed."""
        left = [
            self.athena.start_query_execution(
                QueryString=sql,
                QueryExecutionContext={"Database": DATABASE},
                ResultConfiguration={"OutputLocation": f"s3://{NAME}/tmp/"},
            )["QueryExecutionId"]
            for sql in statements
        ]
        scanned = list(self.result.scanned.values())[-1]
        deadline = time.monotonic() + QUERY_SECONDS
        while left:
            if time.monotonic() > deadline:
                raise RuntimeError(f"these queries run for more than {QUERY_SECONDS} s: {left}")
            time.sleep(POLL_SECONDS)
            for one in self.athena.batch_get_query_execution(QueryExecutionIds=left)["QueryExecutions"]:
                status = one["Status"]
                if status["State"] in ("QUEUED", "RUNNING"):
                    continue
                if status["State"] != "SUCCEEDED":
                    raise RuntimeError(f"{status.get('StateChangeReason')}: {one['Query']}")
                left.remove(one["QueryExecutionId"])
                scanned.append(one["Statistics"]["DataScannedInBytes"])

    def _keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=NAME, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def _upload(self, source: Path, day: str) -> None:
        for pattern in (f"usage/dt={day}/*", "mappings/*/*", "locations/*/*"):
            for file in sorted(source.glob(pattern)):
                self.s3.upload_file(str(file), NAME, f"raw/{file.relative_to(source).as_posix()}")

    def _register(self, channels: Sequence[str]) -> None:
        """Registers the tables that the crawlers of the original register."""
        texts = [(column, "string") for column in _LOCATION]
        mapping = [(column, "string") for column in ("loc_id", "id", "description", "location")]
        data = f"struct<{','.join(f'{channel}:double' for channel in channels)}>"
        usage = [("loc_id", "string"), ("ts", "bigint"), ("data", data)]
        skip = {"skip.header.line.count": "1"}
        self._table("raw_usage", usage, "dt", "raw/usage/", _TEXT, _JSON_SERDE)
        self._table("raw_mappings", mapping, "state", "raw/mappings/", _TEXT, _JSON_SERDE)
        self._table("raw_locations", texts, "state", "raw/locations/", _TEXT, _CSV_SERDE, skip)
        price = zip(RATES, ("string", "int", "int", "int", "string", "double"), strict=True)
        self._table("rates", list(price), "", "rates/", _PARQUET, _PARQUET_SERDE)
        self._table("etl_tmp", list(_OUTPUT), "loc_id", "etl_tmp/", _PARQUET, _PARQUET_SERDE)

    def _table(
        self,
        name: str,
        columns: Sequence[tuple[str, str]],
        key: str,
        prefix: str,
        formats: Sequence[str],
        serde: str,
        parameters: dict[str, str] | None = None,
    ) -> None:
        """A table, and a partition for each folder ``<key>=…`` below its prefix."""
        storage = {
            "Columns": [{"Name": column, "Type": of} for column, of in columns],
            "Location": f"s3://{NAME}/{prefix}",
            "InputFormat": formats[0],
            "OutputFormat": formats[1],
            "SerdeInfo": {"SerializationLibrary": serde, "Parameters": {"ignore.malformed.json": "true"}},
        }
        keys = [{"Name": key, "Type": "string"}] if key else []
        table = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", **(parameters or {})},
            "PartitionKeys": keys,
            "StorageDescriptor": storage,
        }
        self.glue.create_table(DatabaseName=DATABASE, TableInput=table)
        folders = {place.removeprefix(prefix).partition("/")[0] for place in self._keys(prefix)} if key else set()
        inputs = [
            {
                "Values": [folder.partition("=")[2]],
                "StorageDescriptor": {**storage, "Location": f"s3://{NAME}/{prefix}{folder}/"},
            }
            for folder in sorted(folders)
        ]
        if inputs:
            self.glue.batch_create_partition(DatabaseName=DATABASE, TableName=name, PartitionInputList=inputs)

    def _convert_rates(self, source: Path) -> None:
        """Converts the rates to Parquet, as the Glue job of the original does."""
        types = (pa.string(), pa.int32(), pa.int32(), pa.int32(), pa.string(), pa.float64())
        arrays = [pa.array(column, of) for column, of in zip(zip(*rates(source), strict=True), types, strict=True)]
        file = io.BytesIO()
        pq.write_table(pa.table(arrays, names=RATES), file)
        self.s3.put_object(Bucket=NAME, Key="rates/rates.parquet", Body=file.getvalue())


def _hubs(file: Path) -> list[str]:
    strings = {column: pa.string() for column in _LOCATION}
    table = pyarrow.csv.read_csv(file, convert_options=pyarrow.csv.ConvertOptions(column_types=strings))
    return [str(hub) for hub in table["hash"].to_pylist()]


def _mapped(file: Path) -> Iterator[tuple[str, str]]:
    """Yields hub and channel of each mapping."""
    for line in file.read_text("utf-8").splitlines():
        mapping = json.loads(line)
        yield mapping["loc_id"], mapping["id"]


def _converted_usage(channels: Sequence[str]) -> str:
    values = ", ".join(f'data."{channel}" AS kwh_{channel}' for channel in channels)
    return _converted("usage", "dt", f"loc_id, ts, {values}, dt")


def _converted(what: str, key: str = "state", columns: str = "*") -> str:
    """The statement that converts a raw table to Parquet, with the same partitions."""
    return (
        f"CREATE TABLE {what} WITH (format = 'PARQUET', write_compression = 'SNAPPY',"
        f" external_location = 's3://{NAME}/{what}/', partitioned_by = ARRAY['{key}'])"
        f" AS SELECT {columns} FROM raw_{what}"
    )


def _priced(hub: str, channel: str, day: str) -> str:
    """The statement that prices one channel of one hub and inserts it into the hub's partition."""
    return f"""
        INSERT INTO etl_tmp
        WITH measured AS (
            SELECT
                u.loc_id,
                CAST(from_unixtime(u.ts, l.tz) AS timestamp) AS ts,
                CAST(from_unixtime(u.ts, 'UTC') AS timestamp) AS ts_utc,
                l.tz,
                l.state,
                u.kwh_{channel} AS kwh
            FROM usage AS u
            INNER JOIN locations AS l ON u.loc_id = l.hash
            WHERE u.dt = '{day}' AND u.loc_id = '{hub}' AND u.kwh_{channel} IS NOT NULL
        )
        SELECT
            m.description AS device, m.location, v.ts, v.ts_utc, v.tz, r.type, v.kwh, r.cents_per_kwh,
            v.kwh * r.cents_per_kwh AS cost, v.state, m.id AS sensor, v.loc_id
        FROM measured AS v
        INNER JOIN mappings AS m ON v.loc_id = m.loc_id AND v.state = m.state AND m.id = '{channel}'
        INNER JOIN rates AS r
            ON v.state = r.state AND year(v.ts) = r.year AND month(v.ts) = r.month AND hour(v.ts) = r.hour
        ORDER BY v.ts, m.description"""


def _rewritten() -> str:
    """The statement that rewrites all rows into fewer objects."""
    return (
        f"CREATE TABLE output WITH (format = 'PARQUET', write_compression = 'SNAPPY',"
        f" external_location = 's3://{NAME}/output/', partitioned_by = ARRAY['loc_id'],"
        " bucketed_by = ARRAY['state'], bucket_count = 1) AS SELECT * FROM etl_tmp"
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.copied_design", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="folder with usage, mappings, locations, rates")
    parser.add_argument("--day", required=True, help="such as 2019-12-21")
    parser.add_argument("--endpoint", default="http://127.0.0.1:4566", help="of a running local AWS (%(default)s)")
    parser.add_argument("--out", type=Path, help="folder for a copy of the final table's files (none)")
    options = parser.parse_args(arguments)
    design = CopiedDesign(options.endpoint)
    try:
        result = design.run(options.source, options.day)
        if options.out is not None:
            design.download(options.out)
    finally:
        design.remove()
    print(json.dumps({**asdict(result), "queries": result.queries}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
