"""An in-memory AWS with published tables as small Parquet files."""

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from smart_hub.page.published_data import SCHEMAS, PublishedData
from tests.fake_aws import BUCKET, FakeAws

HUB, OTHER = "91c1114f1e2b4b8d", "aaaa000000000000"
DAYS = ["2019-12-21", "2019-12-22"]


def reading(
    sensor: str, at: str, kwh: float, cents: float, period: str, hub: str = HUB, utc_ahead: int = 8, **more: Any
) -> dict[str, Any]:
    """A row of usage_cost, by default of a hub in Portland; ``at`` is in the hub's local time."""
    names = {"s_01": ("Clothes Dryer", "Laundry"), "s_02": ("Lighting", "House")}
    device, room = names.get(sensor, (f"Device on {sensor}", None))
    ts = datetime.fromisoformat(at)
    return {
        "loc_id": hub,
        "device": device,
        "location": room,
        "ts": ts,
        "ts_utc": ts + timedelta(hours=utc_ahead),
        "tz": "America/Los_Angeles",
        "type": period,
        "kwh": kwh,
        "cents_per_kwh": cents,
        "cost": kwh * cents,
        "state": "or",
        "sensor": sensor,
        **more,
    }


# Two days of a hub: 4.6 kWh for 44 cents, 28 of them at peak. On the second day it has no readings at 17:00.
READINGS = {
    "2019-12-21": [
        reading("s_01", "2019-12-21 03:00", 1.0, 5, "off-peak"),
        reading("s_02", "2019-12-21 03:00", 0.0, 5, "off-peak"),
        reading("s_01", "2019-12-21 17:00", 0.5, 20, "peak"),
        reading("s_02", "2019-12-21 17:00", 0.1, 20, "peak"),
        reading("s_01", "2019-12-21 17:05", 0.5, 20, "peak"),
        reading("s_02", "2019-12-21 17:05", 0.3, 20, "peak"),
    ],
    "2019-12-22": [
        reading("s_01", "2019-12-22 03:00", 2.0, 5, "off-peak"),
        reading("s_02", "2019-12-22 03:00", 0.2, 5, "off-peak"),
    ],
}
# Channel names, some of which plotly.js, HTML, URLs or spreadsheets do not treat as plain text.
NAMES = [
    "Kitchen, left", "a.b", "it's", 'Küche "rechts"', "<script>alert(1)</script>", "<b>&lt;", "a&b=c", "50 %+2#?;",
    "%41", "{{ 7*7 }}", " ", "日本", "7", "2019-12-21", "n" * 64,
]  # fmt: skip
NEIGHBOUR = [reading("s_01", "2019-12-21 03:00", 9.0, 5, "off-peak", hub=OTHER, state="ca")]


def dated(days: dict[str, list[dict[str, Any]]], table: str = "usage_cost") -> pa.Table:
    """The rows of these days as PublishedData returns them."""
    schema = SCHEMAS[table].append(pa.field("dt", pa.string()))
    return pa.Table.from_pylist([{**row, "dt": day} for day, rows in days.items() for row in rows], schema)


class PublishedAws(FakeAws):
    """AWS with published tables."""

    @property
    def sent(self) -> list[int]:
        """The bytes of each GET."""
        ranges = [call["Range"].removeprefix("bytes=").split("-") for call in self.called("GetObject")]
        return [int(end) - int(start) + 1 for start, end in ranges]

    def publish(self, table: str, day: str, rows: Sequence[dict[str, Any]], version: str = "v1", **options: Any) -> str:
        """Writes a version of a day and points the partition at it; returns the object's key."""
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows), SCHEMAS[table]), file, **options)
        prefix = f"warehouse/{table}/dt={day}/version={version}/"
        self.put(BUCKET, f"{prefix}part-0.parquet", file.getvalue())
        self.partitions[table, day] = f"s3://{BUCKET}/{prefix}"
        return f"{prefix}part-0.parquet"


@pytest.fixture(autouse=True)
def moto() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def published() -> PublishedAws:
    """An AWS with the two days of usage_cost and no other table."""
    aws = PublishedAws(BUCKET)
    aws.publish("usage_cost", DAYS[0], [*READINGS[DAYS[0]], *NEIGHBOUR])
    aws.publish("usage_cost", DAYS[1], READINGS[DAYS[1]])
    return aws


@pytest.fixture
def open_data() -> Callable[[FakeAws], PublishedData]:
    def make(aws: FakeAws) -> PublishedData:
        return PublishedData("smart_hub", BUCKET, aws.client, "Airflow's connection aws_default")

    return make


@pytest.fixture
def data(published: PublishedAws, open_data: Callable[[FakeAws], PublishedData]) -> PublishedData:
    return open_data(published)


def summary(hub: str, state: str = "or", **more: Any) -> dict[str, Any]:
    """A row of hub_day_summary."""
    plain = {"intervals": 288, "coverage": 1.0, "always_on_kwh": 2.4, "always_on_cost": 24.0}
    return {"loc_id": hub, "state": state, **plain, **more}


def shift(sensor: str, saving: float, hub: str = HUB, **more: Any) -> dict[str, Any]:
    """A row of peak_shift."""
    plain = {"device": "Clothes Dryer", "location": "Laundry", "peak_kwh": 1.0, "partial_peak_kwh": 0.5}
    return {
        "loc_id": hub,
        "sensor": sensor,
        **plain,
        "cost": 20.0 + saving,
        "shifted_cost": 20.0,
        "saving": saving,
        **more,
    }


def load(state: str, hour: int, kwh: float, shifted: float, period: str = "peak") -> dict[str, Any]:
    """A row of hourly_load at 10 cents."""
    costs = {"cost": 10 * kwh, "shifted_cost": 10 * shifted}
    return {"state": state, "hour": hour, "type": period, "kwh": kwh, "shifted_kwh": shifted, **costs}


def rule(name: str, violations: int = 0, severity: str = "fatal", sample: str | None = None) -> dict[str, Any]:
    """A row of data_quality."""
    return {"rule": name, "severity": severity, "checked": 10, "violations": violations, "sample": sample}
