"""Response time of the Smart Hub page for one hub and 31 days, at 1,000 hubs.

Writes Parquet files like the pipeline's (usage_cost sorted by loc_id, and the insight tables) to a local AWS, in a
bucket and a Glue database of their own, which it removes at the end.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ops.settings import LaptopSettings
from smart_hub.page import document
from smart_hub.page.filters import Filters
from smart_hub.page.published_data import SCHEMAS, USAGE_TABLE, PublishedData
from smart_hub.page.view import build_view
from smart_hub.shared import layout

BUCKET, DATABASE = "smart-hub-page-benchmark", "smart_hub_page_benchmark"
FIRST = date(2019, 12, 1)
ROW_GROUP = 122_880  # rows, as DuckDB writes
STATES = ("az", "ca", "co", "ny", "or")
INTERVALS = 288
CHANNELS = [f"channel {number:02}" for number in range(1, 11)]
PERIODS = ["off-peak"] * 6 + ["peak"] * 4 + ["partial-peak"] * 7 + ["peak"] * 4 + ["off-peak"] * 3
CENTS = {"off-peak": 7.032, "partial-peak": 9.1, "peak": 11.5}


def run(
    settings: LaptopSettings, hubs: int = 1000, days: int = 31, repeat: int = 7
) -> dict[str, list[dict[str, float]]]:
    """Wall and CPU seconds of a page without cache, of another hub's page, and of a cached page.

    repeat: number of hubs that are requested. Needs a running local AWS, and uses its root credentials.
    """

    def client(service: str) -> Any:
        return boto3.client(service, **settings.aws_client)  # type: ignore[call-overload]

    hub_ids = sorted(f"{number * 7919 % 10**16:016x}" for number in range(1, hubs + 1))
    dates = [str(FIRST + timedelta(days=number)) for number in range(days)]
    try:
        publish(client, hub_ids, dates, ROW_GROUP)
        return measure(lambda: PublishedData(DATABASE, BUCKET, client, "the benchmark"), hub_ids[:repeat], dates)
    finally:
        remove(client)


def measure(
    open_data: Callable[[], PublishedData], hubs: Sequence[str], days: Sequence[str]
) -> dict[str, list[dict[str, float]]]:
    shared = open_data()

    def page(data: PublishedData, hub: str) -> dict[str, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        view = build_view(data, Filters(hub=hub, first=days[0], last=days[-1]))
        text = document.render_page(view)
        assert view.usage is not None, view.problems
        assert len(view.usage.days) == len(days), view.problems
        assert "$" in text
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    page(shared, hubs[0])  # warm-up: imports, templates
    return {
        "empty cache": [page(open_data(), hub) for hub in hubs],
        "another hub, same days": [page(shared, hub) for hub in hubs[1:]],
        "cached": [page(shared, hub) for hub in hubs[1:]],
    }


def publish(client: Callable[[str], Any], hubs: list[str], days: Sequence[str], row_group: int) -> None:
    s3, glue = client("s3"), client("glue")
    s3.create_bucket(Bucket=BUCKET)
    glue.create_database(DatabaseInput={"Name": DATABASE})
    files = {name: _file(rows, row_group) for name, rows in tables(hubs)}
    for name, file in files.items():
        glue.create_table(DatabaseName=DATABASE, TableInput={"Name": name, "PartitionKeys": [{"Name": "dt"}]})
        for day in days:
            prefix = layout.day_prefix(name, day, "v0123456789abcdef")
            s3.put_object(Bucket=BUCKET, Key=f"{prefix}part-0.parquet", Body=file)
            place = {"Values": [day], "StorageDescriptor": {"Location": f"s3://{BUCKET}/{prefix}"}}
            glue.create_partition(DatabaseName=DATABASE, TableName=name, PartitionInput=place)


def remove(client: Callable[[str], Any]) -> None:
    s3, glue = client("s3"), client("glue")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if keys:
            s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
    s3.delete_bucket(Bucket=BUCKET)
    glue.delete_database(Name=DATABASE)


def tables(hubs: list[str]) -> Iterator[tuple[str, pa.Table]]:
    yield USAGE_TABLE, _usage(hubs)
    yield (
        "hub_day_summary",
        _rows(
            "hub_day_summary",
            [(hub, _state(hub), INTERVALS, 1.0, 2.4, 20.0) for hub in hubs],
        ),
    )
    yield (
        "peak_shift",
        _rows(
            "peak_shift",
            [(hub, name, "Dishwasher", "Kitchen", 0.7, 0.2, 9.5, 6.1, 3.4) for hub in hubs for name in CHANNELS[::4]],
        ),
    )
    yield (
        "hourly_load",
        _rows(
            "hourly_load",
            [(state, hour, PERIODS[hour], 80.0, 700.0, 75.0, 650.0) for state in STATES for hour in range(24)],
        ),
    )
    yield "data_quality", _rows("data_quality", [(f"rule_{n}", "fatal", 1000, 0, None) for n in range(22)])


def _usage(hubs: list[str]) -> pa.Table:
    """A day of usage_cost sorted by hub, time and device; half of the values are 0."""
    channels = len(CHANNELS)
    count = len(hubs) * INTERVALS * channels
    row = pa.array(range(count), pa.int64())
    hub = pc.divide(row, INTERVALS * channels)
    interval = pc.divide(pc.subtract(row, pc.multiply(hub, INTERVALS * channels)), channels)
    channel = pc.subtract(row, pc.multiply(pc.divide(row, channels), channels))
    hour = pc.divide(interval, 12)
    midnight = int((datetime.fromisoformat(str(FIRST)) - datetime(1970, 1, 1)).total_seconds())
    seconds = pc.add(pc.multiply(interval, 300), midnight)
    chance = pc.random(count, initializer=0)
    kwh = pc.if_else(pc.less(chance, 0.5), 0.0, pc.round(pc.multiply(chance, 0.3), 5))
    cents = _pick([CENTS[period] for period in PERIODS], hour)
    columns = {
        "loc_id": _pick(hubs, hub),
        "device": _pick([f"Device {n}" for n in range(channels)], channel),
        "location": _pick(["Kitchen", "House"] * (channels // 2), channel),
        "ts": pc.multiply(seconds, 1_000_000).cast(pa.timestamp("us")),
        "ts_utc": pc.multiply(pc.add(seconds, 7 * 3600), 1_000_000).cast(pa.timestamp("us")),
        "tz": pa.repeat("America/Phoenix", count),
        "type": _pick(PERIODS, hour),
        "kwh": kwh,
        "cents_per_kwh": cents,
        "cost": pc.multiply(kwh, cents),
        "state": _pick([_state(one) for one in hubs], hub),
        "sensor": _pick(CHANNELS, channel),
    }
    return pa.table(columns, SCHEMAS[USAGE_TABLE])


def _pick(values: Sequence[Any], places: Any) -> Any:
    return pa.array(values).take(places)


def _rows(name: str, rows: Sequence[Sequence[Any]]) -> pa.Table:
    schema = SCHEMAS[name]
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def _state(hub: str) -> str:
    return STATES[int(hub, 16) % len(STATES)]


def _file(rows: pa.Table, row_group: int) -> bytes:
    file = io.BytesIO()
    pq.write_table(rows, file, row_group_size=row_group)
    return file.getvalue()
