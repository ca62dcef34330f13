"""The insights on small days worked out by hand.

Numbers in comments are kWh and cents.
"""

import io
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from smart_hub.shared.layout import INSIGHT_TABLES, INSIGHT_VIEWS
from tests.sql.conftest import DAY, NEXT_DAY, ROOT, RawDay, typed

FOLDER = ROOT / "include" / "sql"
Row = dict[str, Any]

COST = pa.schema(
    [(name, pa.string()) for name in ("loc_id", "device", "location", "tz", "type", "state", "sensor")]
    + [(name, pa.timestamp("us")) for name in ("ts", "ts_utc")]
    + [(name, pa.float64()) for name in ("kwh", "cents_per_kwh", "cost")]
)
RATES = pa.schema(
    [
        ("state", pa.string()),
        *((name, pa.int32()) for name in ("year", "month", "hour")),
        ("type", pa.string()),
        ("cents_per_kwh", pa.float64()),
    ]
)
HIVE_TYPES = {"string": "string", "timestamp[us]": "timestamp", "double": "double", "int32": "int", "int64": "bigint"}

ZONES = {"ny": ("America/New_York", 4), "az": ("America/Phoenix", 7)}


def values(
    hub: str, local: str, sensor: str, device: str, kind: str | None, kwh: float, cents: float | None, count: int = 1
) -> Iterator[Row]:
    """Equal values of one sensor, five minutes apart. `local`: the wall clock of the first one; ``01:00 again`` is the
    hour after the clocks went back at 02:00 in New York. The hub's name begins with its state."""
    state = hub[:2]
    tz, offset = ZONES[state]
    clock, again = datetime.fromisoformat(f"{DAY} {local[:5]}"), local.endswith("again")
    offset += state == "ny" and (again or clock.hour > 1)
    for number in range(count):
        ts = clock + timedelta(minutes=5 * number)
        yield {
            "loc_id": hub,
            "device": device,
            "location": "Kitchen",
            "ts": ts,
            "ts_utc": ts + timedelta(hours=offset),
            "tz": tz,
            "type": kind,
            "kwh": kwh,
            "cents_per_kwh": cents,
            "cost": None if cents is None else kwh * cents,
            "state": state,
            "sensor": sensor,
        }


# The day has 300 intervals in New York, 288 in Phoenix.
PRICED = [
    # ny1: 26 readings. One o'clock comes twice, all complete; the other two hours have a reading each.
    *values("ny1", "01:00", "s_01", "Dishwasher", "off-peak", 0.1, 10, 12),  # 1.2, 12
    *values("ny1", "01:00", "s_02", "Lamp", "off-peak", 0.01, 10, 12),  # 0.12, 1.2
    *values("ny1", "01:00 again", "s_01", "Dishwasher", "off-peak", 0, 10, 12),
    *values("ny1", "01:00 again", "s_02", "Lamp", "off-peak", 0.02, 10, 12),  # 0.24, 2.4
    *values("ny1", "12:00", "s_01", "Dishwasher", "partial-peak", 0.5, 15),  # 7.5
    *values("ny1", "12:00", "s_02", "Lamp", "partial-peak", 0.1, 15),  # 1.5
    *values("ny1", "18:00", "s_01", "Dishwasher", "peak", 0.25, 20),  # 5; its lamp's value is missing
    # ny2: two readings, no shiftable device
    *values("ny2", "00:00", "s_01", "Lamp", "off-peak", 1, 10),  # 10
    *values("ny2", "12:00", "s_01", "Lamp", "partial-peak", 2, 15),  # 30
    # az1: one hour, with pairs of equal costs
    *values("az1", "18:00", "s_04", "Television", "peak", 0, 12, 12),
    *values("az1", "18:00", "s_02", "Clothes Washer", "peak", 0.2, 12, 12),  # 2.4, 28.8
    *values("az1", "18:00", "s_01", "Clothes Dryer", "peak", 0.2, 12, 12),  # 2.4, 28.8
    *values("az1", "18:00", "s_03", "Lamp", "peak", 0, 12, 12),
    # az2: a shiftable device without usage
    *values("az2", "18:00", "s_01", "Dishwasher", "peak", 0, 12),
]
# The cheapest of November 2019: 10 in New York, 8 in Phoenix. Cheaper ones are of other months and years.
MONTHS_RATES = [
    *(("ny", 2019, 11, hour, "off-peak", 10.0) for hour in (0, 1)),
    ("ny", 2019, 11, 12, "partial-peak", 15.0),
    ("ny", 2019, 11, 18, "peak", 20.0),
    ("ny", 2019, 12, 0, "off-peak", 1.0),
    ("ny", 2018, 11, 0, "off-peak", 1.0),
    ("az", 2019, 11, 0, "off-peak", 8.0),
    ("az", 2019, 11, 18, "peak", 12.0),
]


class Insights:
    """Creates tables of usage_cost and their insights."""

    def __init__(self, day: RawDay) -> None:
        self.day = day
        names = RATES.names
        self._put("rates_of_insights", RATES, [dict(zip(names, row, strict=True)) for row in MONTHS_RATES])
        self.day.athena.run(
            "ALTER TABLE rate_versions ADD PARTITION (content = 'I')"
            f" LOCATION '{self.day.location('rates_of_insights')}'"
        )

    def make(self, kind: str, rows: list[Row], min_coverage: str) -> str:
        """Creates all four tables, named ``<kind>_<table>``."""
        self._put(f"{kind}_cost", COST, rows)
        values: dict[str, str | int] = {
            **{f"{table}_table": f"{kind}_{table}" for table in INSIGHT_TABLES},
            "compacted_table": f"{kind}_cost",
            "min_coverage": min_coverage,
            "rates_content_hash": "I",
            "day": DAY,
            "next_day": NEXT_DAY,
        }
        for table in INSIGHT_TABLES:
            self.day.make(f"insights/{table}", f"{kind}_{table}", **values)
        return kind

    def rows(self, table: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
        """Rows as Python's values, unordered."""
        return [tuple(map(typed, row)) for row in self.day.athena.rows(f"SELECT {columns} FROM {table} WHERE {where}")]

    def _put(self, name: str, schema: pa.Schema, rows: list[Row]) -> None:
        self.day.athena.s3.put_object(
            Bucket=self.day.athena.bucket, Key=f"staging/{name}/file.parquet", Body=_parquet(schema, rows)
        )
        template = self.day.athena.glue.get_table(DatabaseName=self.day.athena.database, Name="usage_cost")["Table"]
        columns = [{"Name": field.name, "Type": HIVE_TYPES[str(field.type)]} for field in schema]
        storage = {**template["StorageDescriptor"], "Columns": columns, "Location": self.day.location(name)}
        table = {"Name": name, "TableType": "EXTERNAL_TABLE", "Parameters": template["Parameters"]}
        self.day.athena.glue.create_table(
            DatabaseName=self.day.athena.database, TableInput={**table, "StorageDescriptor": storage}
        )


def _parquet(schema: pa.Schema, rows: list[Row]) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema), file)
    return file.getvalue()


def about(*rows: tuple[Any, ...]) -> list[Any]:
    """Rows sorted by their text, with a tolerance for rounding errors."""
    return [
        tuple(pytest.approx(cell, rel=1e-12, abs=1e-12) if isinstance(cell, int | float) else cell for cell in row)
        for row in sorted(rows, key=str)
    ]


CTES = re.compile(r"^(?:WITH )?(\w+) AS \(\n(.*?)\n\),?$", re.MULTILINE | re.DOTALL)


def test_subqueries_of_the_same_name_are_identical() -> None:
    texts: dict[str, list[str]] = defaultdict(list)
    for path in (FOLDER / "insights").glob("*.sql"):
        for name, text in CTES.findall(path.read_text(encoding="utf-8")):
            texts[name].append(text)

    repeated = {name for name, found in texts.items() if len(found) > 1}
    assert repeated == {"shiftable_devices", "cheapest_rates"}
    assert {name for name in repeated if len(set(texts[name])) > 1} == set()


@pytest.fixture(scope="module")
def insights(day: RawDay) -> Insights:
    return Insights(day)


@pytest.fixture(scope="module")
def made(insights: Insights) -> str:
    """The insights with a minimum coverage of 0.08: 24 of 300 readings in New York, 24 of 288 in Phoenix."""
    return insights.make("made", PRICED, min_coverage="0.08")


def sorted_rows(insights: Insights, table: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    return sorted(insights.rows(table, columns, where), key=str)


def test_each_table_is_one_file(insights: Insights, made: str) -> None:
    assert [len(insights.day.athena.keys(f"staging/{made}_{table}/")) for table in INSIGHT_TABLES] == [1, 1, 1, 1]


@pytest.mark.parametrize("table", INSIGHT_TABLES)
def test_a_table_has_the_deployed_columns(insights: Insights, made: str, table: str) -> None:
    assert insights.day.columns(f"{made}_{table}") == insights.day.columns(table)


def test_usage_and_cost_of_a_device_by_rate_period(insights: Insights, made: str) -> None:
    columns = "loc_id, state, sensor, device, location, type, intervals, kwh, cost, shiftable"

    assert sorted_rows(insights, f"{made}_daily_device_cost", columns) == about(
        ("ny1", "ny", "s_01", "Dishwasher", "Kitchen", "off-peak", 24.0, 1.2, 12.0, True),
        ("ny1", "ny", "s_01", "Dishwasher", "Kitchen", "partial-peak", 1.0, 0.5, 7.5, True),
        ("ny1", "ny", "s_01", "Dishwasher", "Kitchen", "peak", 1.0, 0.25, 5.0, True),
        ("ny1", "ny", "s_02", "Lamp", "Kitchen", "off-peak", 24.0, 0.36, 3.6, False),
        ("ny1", "ny", "s_02", "Lamp", "Kitchen", "partial-peak", 1.0, 0.1, 1.5, False),
        ("ny2", "ny", "s_01", "Lamp", "Kitchen", "off-peak", 1.0, 1.0, 10.0, False),
        ("ny2", "ny", "s_01", "Lamp", "Kitchen", "partial-peak", 1.0, 2.0, 30.0, False),
        ("az1", "az", "s_01", "Clothes Dryer", "Kitchen", "peak", 12.0, 2.4, 28.8, True),
        ("az1", "az", "s_02", "Clothes Washer", "Kitchen", "peak", 12.0, 2.4, 28.8, True),
        ("az1", "az", "s_03", "Lamp", "Kitchen", "peak", 12.0, 0.0, 0.0, False),
        ("az1", "az", "s_04", "Television", "Kitchen", "peak", 12.0, 0.0, 0.0, False),
        ("az2", "az", "s_01", "Dishwasher", "Kitchen", "peak", 1.0, 0.0, 0.0, True),
    )


def test_the_load_moves_evenly_into_the_cheapest_hours(insights: Insights, made: str) -> None:
    columns = "state, hour, type, cents_per_kwh, hubs, kwh, cost, shiftable_kwh, shifted_kwh, shifted_cost"

    assert sorted_rows(insights, f"{made}_hourly_load", columns) == about(
        # The dishwasher's 0.5 and 0.25 go to the two hours at 10, half of them to each: 1 and 1.56 + 0.375.
        ("ny", 0.0, "off-peak", 10.0, 1.0, 1.0, 10.0, 0.0, 1.375, 13.75),
        ("ny", 1.0, "off-peak", 10.0, 1.0, 1.56, 15.6, 1.2, 1.935, 19.35),
        ("ny", 12.0, "partial-peak", 15.0, 2.0, 2.6, 39.0, 0.5, 2.1, 31.5),
        ("ny", 18.0, "peak", 20.0, 1.0, 0.25, 5.0, 0.25, 0.0, 0.0),
        # Phoenix has no load in an hour at 8, the cheapest of its month: nothing moves.
        ("az", 18.0, "peak", 12.0, 2.0, 4.8, 57.6, 4.8, 4.8, 57.6),
    )


def test_a_device_saves_what_its_peak_use_costs_above_the_cheapest_rate(insights: Insights, made: str) -> None:
    columns = (
        "loc_id, state, sensor, device, location, peak_kwh, partial_peak_kwh, cost, shifted_cost, saving,"
        " saving_per_year"
    )

    # 26 of 300 readings are enough; 12 of 288 are not; ny2 has no shiftable device. 0.75 at 10 instead of 12.5.
    assert insights.rows(f"{made}_peak_shift", columns) == about(
        ("ny1", "ny", "s_01", "Dishwasher", "Kitchen", 0.25, 0.5, 12.5, 7.5, 5.0, 1825.0)
    )


def test_the_summary_of_a_hubs_day(insights: Insights, made: str) -> None:
    columns = "loc_id, state, tz, readings, intervals, coverage, kwh, cost, peak_kwh, peak_cost, peak_share"

    assert sorted_rows(insights, f"{made}_hub_day_summary", columns) == about(
        ("ny1", "ny", "America/New_York", 26.0, 300.0, 26 / 300, 2.41, 29.6, 0.25, 5.0, 5 / 29.6),
        ("ny2", "ny", "America/New_York", 2.0, 300.0, 2 / 300, 3.0, 40.0, 0.0, 0.0, 0.0),
        ("az1", "az", "America/Phoenix", 12.0, 288.0, 12 / 288, 4.8, 57.6, 4.8, 57.6, 1.0),
        ("az2", "az", "America/Phoenix", 1.0, 288.0, 1 / 288, 0.0, 0.0, 0.0, 0.0, None),  # a share of nothing
    )


def test_always_on_extrapolates_the_quietest_complete_hour(insights: Insights, made: str) -> None:
    # One o'clock is 1.32 and, again, 0.24; 25 hours. The mean of 24 readings at 10, one at 15 and one at 20.
    mean_rate = (24 * 10 + 15 + 20) / 26

    assert sorted_rows(insights, f"{made}_hub_day_summary", "loc_id, always_on_kwh, always_on_cost") == about(
        ("ny1", 6.0, 6 * mean_rate),
        ("ny2", None, None),  # no hour has twelve readings
        ("az1", None, None),  # too few readings
        ("az2", None, None),
    )


def test_the_costliest_devices_are_ranked_by_cost_then_sensor(insights: Insights, made: str) -> None:
    columns = "loc_id, device_1, device_1_cost, device_2, device_2_cost, device_3, device_3_cost"

    assert sorted_rows(insights, f"{made}_hub_day_summary", columns) == about(
        ("ny1", "Dishwasher", 24.5, "Lamp", 5.1, None, None),
        ("ny2", "Lamp", 40.0, None, None, None, None),
        ("az1", "Clothes Dryer", 28.8, "Clothes Washer", 28.8, "Lamp", 0.0),
        ("az2", "Dishwasher", 0.0, None, None, None, None),
    )


def test_the_best_saving_is_one_that_is_shown(insights: Insights, made: str) -> None:
    assert sorted_rows(insights, f"{made}_hub_day_summary", "loc_id, best_saving_device, best_saving") == about(
        ("ny1", "Dishwasher", 5.0), ("ny2", None, None), ("az1", None, None), ("az2", None, None)
    )


def test_a_lower_minimum_coverage_shows_more_hubs(insights: Insights) -> None:
    # given a minimum coverage of exactly 12 of 288 readings
    kind = insights.make("thin", PRICED, min_coverage="0.041666666666666664")

    # expect both devices of az1 to save 2.4 · (12 - 8), and its one hour extrapolated, 4.8 · 24; nothing of az2
    assert sorted_rows(insights, f"{kind}_peak_shift", "loc_id, sensor, saving", "state = 'az'") == about(
        ("az1", "s_01", 9.6), ("az1", "s_02", 9.6)
    )
    columns = "loc_id, always_on_kwh, always_on_cost, best_saving_device, best_saving"
    assert sorted_rows(insights, f"{kind}_hub_day_summary", columns, "state = 'az'") == about(
        ("az1", 115.2, 1382.4, "Clothes Dryer", 9.6), ("az2", None, None, None, None)
    )


def test_a_saving_of_nothing_is_shown_but_is_not_the_best(insights: Insights) -> None:
    # given thirds of kWh, at peak, at the cheapest rate of all
    rows = list(values("az1", "18:00", "s_01", "Pool Pump", "peak", 1 / 3, 8, 12))
    kind = insights.make("flat", rows, min_coverage="0")

    assert insights.rows(f"{kind}_peak_shift", "device, saving") == [("Pool Pump", 0.0)]
    assert insights.rows(f"{kind}_hub_day_summary", "best_saving_device, best_saving") == [(None, None)]


def test_an_hour_with_a_missing_value_is_incomplete(insights: Insights) -> None:
    # given two hours, the quieter of which has no last value of one sensor
    rows = [
        *values("az1", "02:00", "s_01", "Lamp", "off-peak", 0.01, 8, 12),
        *values("az1", "02:00", "s_02", "Television", "off-peak", 0.01, 8, 11),
        *values("az1", "03:00", "s_01", "Lamp", "off-peak", 0.02, 8, 12),
        *values("az1", "03:00", "s_02", "Television", "off-peak", 0.03, 8, 12),
    ]
    kind = insights.make("gap", rows, min_coverage="0")

    # expect the other one: 12 · 0.05 · 24
    assert insights.rows(f"{kind}_hub_day_summary", "always_on_kwh") == about((14.4,))


def test_insights_accept_rows_that_the_audit_refuses(insights: Insights) -> None:
    # given an hour without a rate, more kWh than a sum can hold, and no device
    rows = [
        *values("ny1", "03:00", "s_01", "Dishwasher", None, 1, None),
        *values("ny1", "01:00", "s_01", "Dishwasher", "off-peak", 1e300, 10),
        *values("ny1", "01:05", "s_01", "Dishwasher", "off-peak", 0.5, 10),
    ]
    rows += [{**row, "device": None, "sensor": "s_02"} for row in rows]
    kind = insights.make("faulty", rows, min_coverage="0")

    columns = "device, type, intervals, kwh, cost, shiftable"
    assert sorted_rows(insights, f"{kind}_daily_device_cost", columns) == about(
        ("Dishwasher", None, 1.0, 1.0, None, True),
        ("Dishwasher", "off-peak", 2.0, 0.5, 5.0, True),
        (None, None, 1.0, 1.0, None, None),
        (None, "off-peak", 2.0, 0.5, 5.0, None),
    )
    assert sorted_rows(insights, f"{kind}_hourly_load", "hour, kwh, shifted_kwh, shifted_cost") == about(
        (1.0, 1.0, 2.0, 20.0), (3.0, 2.0, 1.0, None)
    )
    assert insights.rows(f"{kind}_hub_day_summary", "readings, kwh, cost") == about((3.0, 3.0, 10.0))


def test_insights_of_no_rows_are_empty(insights: Insights) -> None:
    kind = insights.make("empty", [], min_coverage="0")

    assert [insights.rows(f"{kind}_{table}", "*") for table in INSIGHT_TABLES] == [[], [], [], []]


def test_views_are_empty_as_deployed_and_after_a_publish_show_all_days(insights: Insights, made: str) -> None:
    day = insights.day
    # given the deployed views, and two days, on the second of which ny1's always-on load is 3.6 kWh for 20 cents
    assert [day.athena.rows(f"SELECT count(*) FROM {view}") for view in INSIGHT_VIEWS] == [[("0",)], [("0",)]]
    declared = [day.columns(view) for view in INSIGHT_VIEWS]
    replaced = {
        "intervals": "CAST(288 AS bigint) AS intervals",
        "always_on_kwh": "3.6e0 AS always_on_kwh",
        "always_on_cost": "20e0 AS always_on_cost",
    }
    columns = [replaced.get(name, name) for name, _ in day.columns("hub_day_summary")]
    location = day.location("second_summary")
    text = f"SELECT {', '.join(columns)} FROM {made}_hub_day_summary WHERE loc_id = 'ny1'"
    day.athena.run(f"CREATE TABLE second_summary WITH (external_location = '{location}') AS {text}")
    for table, of_day, where in (
        ("hub_day_summary", DAY, day.location(f"{made}_hub_day_summary")),
        ("hub_day_summary", NEXT_DAY, location),
        ("hourly_load", DAY, day.location(f"{made}_hourly_load")),
    ):
        day.run("publish/add_partition", table=table, day=of_day, location=where)

    # when
    for view in INSIGHT_VIEWS:
        day.run(f"publish/{view}")

    # expect the same columns
    assert [day.columns(view) for view in INSIGHT_VIEWS] == declared
    # expect 6 kWh in 25 hours and 3.6 in 24 to be 240 and 150 W
    first_cost = 6 * (24 * 10 + 15 + 20) / 26
    assert insights.rows("always_on", "loc_id, state, days, watts, kwh_per_year, cost_per_year") == about(
        ("ny1", "ny", 2.0, 195.0, 365 * 4.8, 365 * (first_cost + 20) / 2)
    )
    # expect each hour of both states together
    columns_of_load = "dt, hour, kwh, cost, shifted_kwh, shifted_cost, hubs"
    assert sorted_rows(insights, "provider_load", columns_of_load) == about(
        (DAY, 0.0, 1.0, 10.0, 1.375, 13.75, 1.0),
        (DAY, 1.0, 1.56, 15.6, 1.935, 19.35, 1.0),
        (DAY, 12.0, 2.6, 39.0, 2.1, 31.5, 2.0),
        (DAY, 18.0, 5.05, 62.6, 4.8, 57.6, 3.0),
    )
