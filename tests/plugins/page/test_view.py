"""The view with complete, incomplete and missing data."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smart_hub.page import charts, document
from smart_hub.page.filters import Filters
from smart_hub.page.published_data import PublishedData
from smart_hub.page.view import View, build_view
from tests.fake_aws import BUCKET, FakeAws
from tests.plugins.page.conftest import DAYS, HUB, OTHER, PublishedAws, load, rule, shift, summary

DOCS = Path(__file__).parents[3] / "docs" / "page.md"


def tiles(view: View) -> dict[str, str]:
    return {tile.name: tile.value for tile in view.tiles}


@pytest.fixture
def complete(published: PublishedAws) -> PublishedAws:
    """The two days with all insight tables."""
    for day in DAYS:
        published.publish("hub_day_summary", day, [summary(HUB), summary(OTHER, "ca")])
        published.publish("peak_shift", day, [shift("s_01", 6.0)])
        published.publish("hourly_load", day, [load("or", 3, 2, 6, "off-peak"), load("or", 17, 8, 4)])
        published.publish("data_quality", day, [rule("few_rejects", 1, "warning"), rule("full_days")])
    for (table, day), location in published.partitions.items():
        if table == "data_quality":
            published.partitions[table, day] = location.removesuffix("version=v1/")
    return published


@pytest.fixture
def complete_data(complete: PublishedAws, open_data: Callable[[FakeAws], PublishedData]) -> PublishedData:
    return open_data(complete)


def test_a_view_of_all_tables(complete_data: PublishedData) -> None:
    view = build_view(complete_data, Filters(hub=HUB, sensor="s_01", hour=3))
    assert (view.status, view.problems, view.first, view.last) == (200, [], *DAYS)
    assert tiles(view) == {
        "kwh": "4.60 kWh",
        "cost": "$0.44",
        "peak": "63.6%",
        "saving": "$21.90 a year",  # 6 cents a day
        "idle": "100 W",
    }
    assert [chart.name for chart in view.charts] == ["devices", "load", "heat"]
    assert view.provider is not None
    assert view.what_if is not None
    assert view.what_if.shifted_bill == pytest.approx(29)
    assert not any(view.notes.values())
    assert [(line.day, line.coverage) for line in view.days] == [(DAYS[0], "100.0%"), (DAYS[1], "100.0%")]
    assert [line.audit and line.audit.violated[0]["rule"] for line in view.days] == ["few_rejects", "few_rejects"]


def test_the_docs_explain_each_figure(complete_data: PublishedData) -> None:
    view = build_view(complete_data, Filters(hub=HUB))
    shown = [*(chart.title for chart in view.charts), *(tile.label for tile in view.tiles)]

    documented = re.findall(r"^\| ([^|`]+) \| .* \| `\w+` \|$", DOCS.read_text("utf-8"), re.MULTILINE)

    assert set(shown) - {figure for figures in documented for figure in figures.split(", ")} == set()


def test_a_view_without_optional_tables(data: PublishedData) -> None:
    view = build_view(data, Filters(hub=HUB))
    assert view.status == 200
    assert tiles(view) == {"kwh": "4.60 kWh", "cost": "$0.44", "peak": "63.6%", "saving": "–", "idle": "–"}
    assert len(view.charts) == len(charts.HUB_CHARTS)
    for tile in view.tiles[-2:]:
        assert "does not exist" in tile.note
    assert all("does not exist" in view.notes[name] for name in ("savings", "provider", "quality"))
    text = document.render_page(view)
    assert "peak_shift of the Glue database smart_hub does not exist" in text


def test_a_missing_day_is_named(complete: PublishedAws, complete_data: PublishedData) -> None:
    del complete.partitions["peak_shift", DAYS[1]]
    view = build_view(complete_data, Filters(hub=HUB))
    assert view.notes["savings"] == f"peak_shift has no data for 1 of 2 days: {DAYS[1]}."
    assert tiles(view)["saving"] == "$21.90 a year"


def test_a_published_day_without_rows_is_not_missing(complete: PublishedAws, complete_data: PublishedData) -> None:
    # given a day without shiftable devices: Athena writes no object for an empty result
    del complete.buckets[BUCKET][f"warehouse/peak_shift/dt={DAYS[1]}/version=v1/part-0.parquet"]
    assert build_view(complete_data, Filters(hub=HUB)).notes["savings"] == ""


def test_the_latest_audit_of_a_day_is_shown(complete: PublishedAws, complete_data: PublishedData) -> None:
    location = complete.partitions["data_quality", DAYS[0]]
    complete.now = complete.now.replace(year=2027)
    complete.publish("data_quality", DAYS[0], [rule("few_rejects"), rule("full_days")], version="v0")
    complete.partitions["data_quality", DAYS[0]] = location
    lines = build_view(complete_data, Filters(hub=HUB)).days
    assert [line.audit and len(line.audit.violated) for line in lines] == [0, 1]


def test_nothing_published_yet(open_data: Callable[[FakeAws], PublishedData]) -> None:
    aws = FakeAws(BUCKET)
    aws.add_tables("usage_cost")
    view = build_view(open_data(aws), Filters())
    assert view.problems == ["No data is published yet. Run the DAG smart_hub_usage for a day that has data."]
    assert "No data is published yet" in document.render_page(view)


def test_days_without_data(data: PublishedData) -> None:
    view = build_view(data, Filters(hub=HUB, first="2020-01-01", last="2020-01-05"))
    assert (view.status, view.usage) == (200, None)
    assert view.problems == [
        f"No data is published from 2020-01-01 to 2020-01-05. The published days range from {DAYS[0]} to {DAYS[1]}."
    ]
    assert list(view.hubs) == [HUB]  # the hubs of the latest published day


def test_an_unknown_hub(data: PublishedData) -> None:
    view = build_view(data, Filters(hub="0000000000000000"))
    assert (view.status, view.usage) == (404, None)
    assert view.problems[0].startswith("Hub 0000000000000000 has no published usage")


def test_a_hub_with_usage_on_some_days(data: PublishedData) -> None:
    view = build_view(data, Filters(hub=OTHER))
    assert (view.status, tiles(view)["kwh"]) == (200, "9.00 kWh")


def test_the_default_hub_is_the_first_of_the_state(complete_data: PublishedData) -> None:
    assert build_view(complete_data, Filters()).hub == OTHER  # of the first state, ca
    assert build_view(complete_data, Filters(state="or")).hub == HUB
    assert build_view(complete_data, Filters(state="or", hub=OTHER)).hub == HUB
    assert build_view(complete_data, Filters(state="ca", hub=OTHER)).hub == OTHER


def test_a_state_without_hubs(data: PublishedData) -> None:
    view = build_view(data, Filters(state="zz"))
    assert (view.status, view.problems) == (404, ["There are no hubs in the state zz. Select a state from the list."])


def test_the_report_has_the_charts_of_the_page_except_the_providers(complete_data: PublishedData) -> None:
    view = build_view(complete_data, Filters(hub=HUB))
    page, report = document.render_page(view), document.render_report(view)
    for text in (page, report):
        assert "4.60 kWh" in text
        assert "$21.90 a year" in text
        for chart in view.charts:
            assert f'id="chart-{chart.name}"' in text
    plots = re.compile(r'id="plots">(.*?)</script>', re.DOTALL)
    in_page, in_report = (json.loads(plots.findall(text)[0]) for text in (page, report))
    *hub_charts, provider = in_page
    assert hub_charts == in_report
    assert provider["name"] == "provider"
    assert "Load of all states" not in report


def test_the_report_is_self_contained(data: PublishedData) -> None:
    report = document.render_report(build_view(data, Filters(hub=HUB)))
    head = report.split("<script>")[0]
    assert "default-src 'none'" in head
    assert not re.search(
        r"<(?:script|link|img|a)[^>]+(?:src|href)=", report.replace(document.read_asset("plotly.js").decode(), "")
    )
    assert "plotly.js v" in report
