"""The insights of a generated day of many hubs, against plain Python."""

from pathlib import Path

import pytest

from ops.settings import ROOT
from smart_hub.shared import sql
from smart_hub.shared.layout import INSIGHT_TABLES, next_day
from tests.deployment import Deployment
from tests.e2e import independent_insights
from tests.pipeline.conftest import DST_DAY

KEYS = {
    "daily_device_cost": ("loc_id", "sensor", "type"),
    "hourly_load": ("state", "hour", "type"),
    "peak_shift": ("loc_id", "sensor"),
    "hub_day_summary": ("loc_id",),
}


@pytest.fixture(scope="module")
def computed(source_with_gaps: Path) -> independent_insights.Insights:
    return independent_insights.insights(source_with_gaps, DST_DAY, "0.9")


@pytest.mark.parametrize("table", INSIGHT_TABLES)
def test_every_value_equals_an_independent_computation(
    with_dst_day: Deployment, computed: independent_insights.Insights, table: str
) -> None:
    # given
    expected = getattr(computed, table)

    # when
    athena = with_dst_day.athena
    execution = athena.run(f"SELECT * FROM {table} WHERE dt = DATE '{DST_DAY}'")["QueryExecutionId"]
    names, *rows = athena.all_rows(execution)

    # expect
    dicts = [dict(zip(names, row, strict=True)) for row in rows]
    found = {tuple(row[name] for name in KEYS[table]): row for row in dicts}
    assert len(found) == len(rows)
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert row.keys() - {"dt", *KEYS[table]} == expected[key].keys()
        for name, wanted in expected[key].items():
            cell = row[name]
            if isinstance(wanted, bool):
                assert cell == str(wanted).lower(), (key, name)
            elif wanted is None or isinstance(wanted, str):
                assert cell == wanted, (key, name)
            else:
                assert float(str(cell)) == pytest.approx(float(wanted), rel=1e-11, abs=1e-11), (key, name)


def test_the_generated_day_has_the_special_cases(with_dst_day: Deployment) -> None:
    # one hub below the coverage, two without always-on load, seven with a saving, days of 23 and of 24 hours
    rows = with_dst_day.athena.rows(
        "SELECT count_if(coverage < 9e-1), count_if(always_on_kwh IS NULL), count_if(best_saving > 0),"
        " count(DISTINCT intervals) FROM hub_day_summary"
    )
    assert rows == [("1", "2", "7", "2")]


def test_parts_are_the_whole(with_dst_day: Deployment) -> None:
    athena = with_dst_day.athena

    def sums(table: str, *columns: str, by: str = "dt") -> list[tuple[str | None, ...]]:
        totals = ", ".join(f"sum(CAST({column} AS decimal(18, 9)))" for column in columns)
        return athena.rows(f"SELECT {by}, {totals} FROM {table} GROUP BY {by} ORDER BY {by}")

    whole = sums("usage_cost", "kwh", "cost")
    by_hub = sums("usage_cost", "kwh", "cost", by="loc_id")
    assert len(by_hub) == 8
    assert sums("daily_device_cost", "kwh", "cost") == whole
    assert sums("hourly_load", "kwh", "cost") == whole
    assert sums("hub_day_summary", "kwh", "cost") == whole
    assert sums("provider_load", "kwh", "cost") == whole
    assert sums("daily_device_cost", "kwh", "cost", by="loc_id") == by_hub
    assert sums("hub_day_summary", "kwh", "cost", by="loc_id") == by_hub
    ((parts, total),) = athena.rows(
        "SELECT (SELECT sum(intervals) FROM daily_device_cost), (SELECT count(*) FROM usage_cost)"
    )
    assert parts == total
    # the shifted load is the load, to the thousandth of a kWh: a ninth of what moves is no decimal
    for kwh, shifted in athena.rows("SELECT sum(kwh), sum(shifted_kwh) FROM hourly_load GROUP BY state"):
        assert float(str(shifted)) == pytest.approx(float(str(kwh)), abs=1e-9)


def test_the_order_of_rows_does_not_matter(with_dst_day: Deployment) -> None:
    # given the day's rows in another order
    athena, location = with_dst_day.athena, f"s3://{with_dst_day.bucket}/staging/shuffled/"
    columns = "loc_id, device, location, ts, ts_utc, tz, type, kwh, cents_per_kwh, cost, state, sensor"
    athena.run(
        f"CREATE TABLE shuffled WITH (external_location = '{location}cost/', bucketed_by = ARRAY['device'],"
        f" bucket_count = 1) AS SELECT {columns} FROM usage_cost ORDER BY kwh DESC, sensor DESC, loc_id OFFSET 0"
    )

    # when the insights are computed from them
    values: dict[str, str | int] = {
        **{f"{table}_table": f"shuffled_{table}" for table in INSIGHT_TABLES},
        "compacted_table": "shuffled",
        "min_coverage": "0.9",
        "rates_content_hash": with_dst_day.results["step_1_copy_raw_data"]["content_hashes"]["rates"],
        "day": DST_DAY,
        "next_day": next_day(DST_DAY),
    }
    for table in INSIGHT_TABLES:
        target = {"table": f"shuffled_{table}", "location": f"{location}{table}/"}
        athena.run(sql.statement(ROOT / "include" / "sql" / "insights", table, **values, **target))

    # expect the same rows
    for table in INSIGHT_TABLES:
        published = athena.rows(f"SELECT * FROM {table} WHERE dt = DATE '{DST_DAY}'")
        assert sorted(athena.rows(f"SELECT * FROM shuffled_{table}"), key=str) == sorted(
            (row[:-1] for row in published), key=str
        )
