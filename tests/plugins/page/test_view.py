"""What the page shows when there are data, and what it says when there are not."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smart_hub.page import charts, document
from smart_hub.page.choice import Choice
from smart_hub.page.store import Store
from smart_hub.page.view import View, build
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


def test_with_all_tables_published_the_page_shows_every_figure(
    complete: PublishedAws, store_of: Callable[[FakeAws], Store]
) -> None:
    view = build(store_of(complete), Choice(hub=HUB, sensor="s_01", hour=3))
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
    assert view.what_if.bill_then == pytest.approx(29)
    assert not any(view.notes.values())
    assert [(line.day, line.coverage) for line in view.days] == [(DAYS[0], "100.0%"), (DAYS[1], "100.0%")]
    assert [line.audit and line.audit.broken[0]["rule"] for line in view.days] == ["few_rejects", "few_rejects"]


def test_the_docs_tell_of_each_figure(complete: PublishedAws, store_of: Callable[[FakeAws], Store]) -> None:
    view = build(store_of(complete), Choice(hub=HUB))
    shown = [*(chart.title for chart in view.charts), *(tile.label for tile in view.tiles)]

    told = re.findall(r"^\| ([^|`]+) \| .* \| `\w+` \|$", DOCS.read_text("utf-8"), re.MULTILINE)

    assert set(shown) - {figure for figures in told for figure in figures.split(", ")} == set()


def test_without_insight_tables_the_rest_works(store: Store) -> None:
    view = build(store, Choice(hub=HUB))
    assert view.status == 200
    assert tiles(view) == {"kwh": "4.60 kWh", "cost": "$0.44", "peak": "63.6%", "saving": "–", "idle": "–"}
    assert len(view.charts) == len(charts.OF_A_HUB)
    for tile in view.tiles[-2:]:
        assert "does not exist" in tile.note
    assert all("does not exist" in view.notes[name] for name in ("savings", "provider", "quality", "idle"))
    text = document.page(view)
    assert "peak_shift of the Glue database smart_hub does not exist" in text


def test_a_lacking_day_is_named(complete: PublishedAws, store_of: Callable[[FakeAws], Store]) -> None:
    del complete.partitions["peak_shift", DAYS[1]]
    view = build(store_of(complete), Choice(hub=HUB))
    assert view.notes["savings"] == f"1 of 2 days are not in peak_shift: {DAYS[1]}."
    assert tiles(view)["saving"] == "$21.90 a year"


def test_a_day_without_a_row_is_not_lacking(complete: PublishedAws, store_of: Callable[[FakeAws], Store]) -> None:
    # given a day on which no hub has a device that can wait: Athena writes no object for no row
    del complete.buckets[BUCKET][f"warehouse/peak_shift/dt={DAYS[1]}/version=v1/part-0.parquet"]
    assert build(store_of(complete), Choice(hub=HUB)).notes["savings"] == ""


def test_the_latest_audit_of_a_day_counts(complete: PublishedAws, store_of: Callable[[FakeAws], Store]) -> None:
    location = complete.partitions["data_quality", DAYS[0]]
    complete.now = complete.now.replace(year=2027)
    complete.publish("data_quality", DAYS[0], [rule("few_rejects"), rule("full_days")], version="v0")
    complete.partitions["data_quality", DAYS[0]] = location
    lines = build(store_of(complete), Choice(hub=HUB)).days
    assert [line.audit and len(line.audit.broken) for line in lines] == [0, 1]


def test_nothing_published_yet(store_of: Callable[[FakeAws], Store]) -> None:
    view = build(store_of(FakeAws(BUCKET)), Choice())
    assert view.problems == ["Nothing is published yet: run the DAG smart_hub_usage for a day that has data."]
    assert "Nothing is published yet" in document.page(view)


def test_days_without_data(store: Store) -> None:
    view = build(store, Choice(hub=HUB, first="2020-01-01", last="2020-01-05"))
    assert (view.status, view.usage) == (200, None)
    assert view.problems == [
        f"Nothing is published from 2020-01-01 to 2020-01-05. Published are days from {DAYS[0]} to {DAYS[1]}."
    ]
    assert list(view.hubs) == [HUB]  # of the newest published day, to choose from


def test_an_unknown_hub(store: Store) -> None:
    view = build(store, Choice(hub="0000000000000000"))
    assert (view.status, view.usage) == (404, None)
    assert view.problems[0].startswith("Hub 0000000000000000 has no published usage")


def test_a_hub_that_was_there_on_some_day_is_known(store: Store) -> None:
    view = build(store, Choice(hub=OTHER))
    assert (view.status, tiles(view)["kwh"]) == (200, "9.00 kWh")


def test_without_a_choice_the_first_hub_is_shown(complete: PublishedAws, store_of: Callable[[FakeAws], Store]) -> None:
    assert build(store_of(complete), Choice()).hub == OTHER  # of the first state, ca
    assert build(store_of(complete), Choice(state="or")).hub == HUB
    assert build(store_of(complete), Choice(state="or", hub=OTHER)).hub == HUB
    assert build(store_of(complete), Choice(state="ca", hub=OTHER)).hub == OTHER


def test_a_state_without_hubs(store: Store) -> None:
    view = build(store, Choice(state="zz"))
    assert (view.status, view.problems) == (404, ["There is no hub in the state zz: choose one from the list."])


def test_the_page_and_the_report_show_the_same(complete: PublishedAws, store_of: Callable[[FakeAws], Store]) -> None:
    view = build(store_of(complete), Choice(hub=HUB))
    page, report = document.page(view), document.report(view)
    for text in (page, report):
        assert "4.60 kWh" in text
        assert "$21.90 a year" in text
        for chart in view.charts:
            assert f'id="chart-{chart.name}"' in text
    plots = re.compile(r'id="plots">(.*?)</script>', re.DOTALL)
    in_page, in_report = (json.loads(plots.findall(text)[0]) for text in (page, report))
    *of_the_hub, of_others = in_page
    assert of_the_hub == in_report
    # the load of other homes is not the customer's
    assert of_others["name"] == "provider"
    assert "Load of all states" not in report


def test_the_report_loads_nothing(store: Store) -> None:
    report = document.report(build(store, Choice(hub=HUB)))
    head = report.split("<script>")[0]
    assert "default-src 'none'" in head
    assert not re.search(
        r"<(?:script|link|img|a)[^>]+(?:src|href)=", report.replace(document.asset("plotly.js").decode(), "")
    )
    assert "plotly.js v" in report
