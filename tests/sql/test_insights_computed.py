"""The insights of a generated day of many hubs, against plain Python."""

from pathlib import Path

import pytest

from smart_hub.shared.layout import INSIGHT_TABLES
from tests.e2e import independent_insights
from tests.sql.conftest import SHORT_DAY, typed
from tests.sql.pipeline import Pipeline

KEYS = {
    "daily_device_cost": ("loc_id", "sensor", "type"),
    "hourly_load": ("state", "hour", "type"),
    "peak_shift": ("loc_id", "sensor"),
    "hub_day_summary": ("loc_id",),
}


@pytest.fixture(scope="module")
def computed(short_day: Path) -> independent_insights.Insights:
    return independent_insights.insights(short_day, SHORT_DAY, "0.9")


@pytest.mark.parametrize("table", INSIGHT_TABLES)
def test_every_value_equals_an_independent_computation(
    pipeline: Pipeline, computed: independent_insights.Insights, table: str
) -> None:
    # given
    expected = getattr(computed, table)

    # when
    rows = pipeline.athena.rows(f"SELECT * FROM {table} WHERE dt = DATE '{SHORT_DAY}'")

    # expect
    found = {tuple(row[name] for name in KEYS[table]): row for row in rows}
    assert len(found) == len(rows)
    assert found.keys() == expected.keys()
    for key, row in found.items():
        columns = row.keys() - {"dt", *KEYS[table]}
        assert columns == expected[key].keys()
        for name in columns:
            wanted = expected[key][name]
            if wanted is not None and not isinstance(wanted, str | bool):
                wanted = pytest.approx(float(wanted), rel=1e-11, abs=1e-11)
            assert typed(row[name]) == wanted, (key, name)


def test_the_generated_day_has_all_kinds_of_hubs(pipeline: Pipeline) -> None:
    """Hubs below the minimum coverage, without a complete hour, with a saving, and without one."""
    rows = pipeline.athena.rows(
        "SELECT count_if(coverage < 9e-1) AS thin, count_if(always_on_kwh IS NULL) AS unknown,"
        " count_if(best_saving > 0) AS saving, count(DISTINCT intervals) AS lengths FROM hub_day_summary"
    )
    assert rows == [{"thin": "1", "unknown": "2", "saving": "7", "lengths": "2"}]


def test_parts_add_up_to_the_whole(pipeline: Pipeline) -> None:
    def sums(table: str, *columns: str, by: str = "dt") -> list[dict[str, str | None]]:
        totals = ", ".join(f"sum(CAST({column} AS decimal(18, 9))) AS c{n}" for n, column in enumerate(columns))
        return pipeline.athena.rows(f"SELECT {by}, {totals} FROM {table} GROUP BY {by} ORDER BY {by}")

    whole = sums("usage_cost", "kwh", "cost")
    by_hub = sums("usage_cost", "kwh", "cost", by="loc_id")
    assert whole[0]["c0"] is not None
    assert sums("daily_device_cost", "kwh", "cost") == whole
    assert sums("hourly_load", "kwh", "cost") == whole
    assert sums("hub_day_summary", "kwh", "cost") == whole
    assert sums("provider_load", "kwh", "cost") == whole
    assert sums("daily_device_cost", "kwh", "cost", by="loc_id") == by_hub
    assert sums("hub_day_summary", "kwh", "cost", by="loc_id") == by_hub
    counts = pipeline.athena.rows(
        "SELECT (SELECT sum(intervals) FROM daily_device_cost) AS parts, (SELECT count(*) FROM usage_cost) AS whole"
    )
    assert counts[0]["parts"] == counts[0]["whole"]
    # the shifted load equals the load but for rounding: a ninth is not a decimal number
    for row in pipeline.athena.rows(
        "SELECT state, sum(kwh) AS kwh, sum(shifted_kwh) AS shifted FROM hourly_load GROUP BY state"
    ):
        assert float(str(row["shifted"])) == pytest.approx(float(str(row["kwh"])), abs=1e-9)


def test_the_order_of_rows_does_not_matter(pipeline: Pipeline) -> None:
    # given the day's rows in another order
    location = f"s3://{pipeline.bucket}/staging/shuffled/"
    columns = "loc_id, device, location, ts, ts_utc, tz, type, kwh, cents_per_kwh, cost, state, sensor"
    pipeline.athena.run(
        f"CREATE TABLE shuffled WITH (external_location = '{location}', bucketed_by = ARRAY['device'],"
        f" bucket_count = 1) AS SELECT {columns} FROM usage_cost ORDER BY kwh DESC, sensor DESC, loc_id OFFSET 0"
    )
    before = {table: pipeline.published(table, SHORT_DAY) for table in INSIGHT_TABLES}

    # when the insights are computed from them
    made = pipeline.make_insights(SHORT_DAY, "shuffled")

    # expect the same rows
    for table in INSIGHT_TABLES:
        rows = pipeline.athena.rows(f"SELECT * FROM {made[table].name}")
        assert sorted((tuple(row.values()) for row in rows), key=str) == [row[:-1] for row in before[table]], table
