"""Charts, HTML and CSV, also of names that need escaping."""

import html
import json
import re

import plotly.graph_objects
import pytest

from smart_hub.page import charts, document, figures
from smart_hub.page.filters import Filters
from smart_hub.page.view import View
from tests.plugins.page.conftest import NAMES, READINGS, dated, load, reading

EVIL = "</script><script>alert(1)</script>"


def test_markup_in_names_is_escaped() -> None:
    rows = dated({"2019-12-21": [reading("s_01", "2019-12-21 03:00", 1, 5, "off-peak", device=EVIL)]})
    usage = figures.usage(rows)
    view = View(Filters(), usage=usage, charts=[chart(usage) for chart in charts.HUB_CHARTS], hub=EVIL)
    view.notes.update(savings=EVIL, quality="")
    for text in (document.render_page(view), document.render_report(view)):
        assert EVIL not in text
        (plots,) = re.findall(r'id="plots">(.*?)</script>', text, re.DOTALL)
        assert html.unescape(json.loads(plots)[0]["data"][0]["y"][0]) == f"{EVIL} (Laundry)"


def test_plotly_shows_names_unchanged() -> None:
    # given names that plotly.js could interpret as tags, entities, numbers or dates
    rows = [reading(name, "2019-12-21 03:00", 1, n, "off-peak", device=None) for n, name in enumerate(NAMES, 1)]
    usage = figures.usage(dated({"2019-12-21": rows}))

    for chart in (charts.device_costs(usage), charts.heat_map(usage)):
        labels = chart.traces[0]["y"]
        assert [html.unescape(label) for label in labels] == [*reversed(NAMES)]
        assert not any("<" in label for label in labels)
        assert chart.layout["yaxis"]["type"] == "category"


def test_charts_of_many_devices_show_the_most_expensive_and_the_sum_of_the_others() -> None:
    # given 54 devices in order of cost, with one kWh each at 03:00 and two at 17:00
    names = [f"channel {n:02}" for n in range(1, 55)]
    rows = [
        *(reading(name, "2019-12-21 03:00", 1, 100 - n, "off-peak") for n, name in enumerate(names)),
        *(reading(name, "2019-12-21 17:00", 2, 100 - n, "peak") for n, name in enumerate(names)),
    ]
    usage = figures.usage(dated({"2019-12-21": rows}))

    # when
    costs, heat = charts.device_costs(usage), charts.heat_map(usage)

    # expect 19 devices and a line for 35 others, whose kWh cost 81 to 47 cents
    labels = [*(f"Device on {name}" for name in names[:19]), "35 others"]
    assert {tuple(trace["y"]) for trace in costs.traces} == {tuple(labels)}
    assert [trace["name"] for trace in costs.traces] == ["off-peak", "peak"]
    assert [trace["x"][-1] for trace in costs.traces] == pytest.approx([35 * 0.64, 2 * 35 * 0.64])
    assert heat.traces[0]["y"] == labels
    assert (heat.traces[0]["z"][-1][3], heat.traces[0]["z"][-1][17]) == (35, 70)
    for chart in (costs, heat):
        assert "The 35 others with the lowest cost share a line" in chart.note
        assert chart.layout["height"] == 90 + 32 * 20
        assert [row[0] for row in chart.rows] == [f"Device on {name}" for name in names]


def test_charts_show_up_to_20_devices() -> None:
    rows = [reading(f"channel {n:02}", "2019-12-21 03:00", 1, 100 - n, "off-peak") for n in range(20)]
    chart = charts.device_costs(figures.usage(dated({"2019-12-21": rows})))

    assert chart.traces[0]["y"] == [f"Device on channel {n:02}" for n in range(20)]
    assert "others" not in chart.note


def test_the_charts_match_plotlys_schema() -> None:
    # plotly's Figure refuses unknown names and values
    usage = figures.usage(dated(READINGS))
    provider = figures.provider_load(dated({"2019-12-21": [load("or", 3, 1, 2)]}, "hourly_load"), None)
    assert provider is not None
    for chart in (*(chart(usage) for chart in charts.HUB_CHARTS), charts.provider_load(provider, "OR")):
        plotly.graph_objects.Figure(data=list(chart.traces), layout=dict(chart.layout))
        assert {len(row) for row in chart.rows} == {len(chart.header)}


def test_an_hour_without_a_reading_is_a_gap() -> None:
    trace = charts.hub_load(figures.usage(dated(READINGS))).traces[0]
    assert trace["y"][3] == pytest.approx(19.2)
    assert trace["y"][4] is None


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "$0.00"), (-0.01, "$0.00"), (123456.7, "$1,234.57"), (-250, "-$2.50"), (99.5, "$0.99")]
)
def test_cents_are_formatted_as_dollars(cents: float, text: str) -> None:
    assert charts.dollars(cents) == text


def test_the_csv_contains_no_formulas() -> None:
    rows = [["device", 1.5], ["=HYPERLINK(0)", -2.0], ["a,b", 3.0], ['say "x"\n', 0.0], ["@sum", 1.0], ["-1+1", 1.0]]
    assert document.to_csv(rows).split("\r\n") == [
        "device,1.5",
        "'=HYPERLINK(0),-2.0",
        '"a,b",3.0',
        '"say ""x""\n",0.0',
        "'@sum,1.0",
        "'-1+1,1.0",
        "",
    ]
