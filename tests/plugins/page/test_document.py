"""HTML and CSV of names that their owners chose badly."""

import json
import re

import plotly.graph_objects
import pytest

from smart_hub.page import charts, document, figures
from smart_hub.page.choice import Choice
from smart_hub.page.view import View
from tests.plugins.page.conftest import READINGS, dated, load, reading

EVIL = "</script><script>alert(1)</script>"


def test_a_device_cannot_bring_markup() -> None:
    rows = dated({"2019-12-21": [reading("s_01", "2019-12-21 03:00", 1, 5, "off-peak", device=EVIL)]})
    usage = figures.usage(rows)
    view = View(Choice(), usage=usage, charts=[draw(usage) for draw in charts.OF_A_HUB], hub=EVIL)
    view.notes.update(savings=EVIL, quality="")
    for text in (document.page(view), document.report(view)):
        assert EVIL not in text
        (plots,) = re.findall(r'id="plots">(.*?)</script>', text, re.DOTALL)
        assert EVIL in json.loads(plots)[0]["data"][0]["y"][0]


def test_the_charts_are_what_plotly_takes() -> None:
    # given plotly's own schema, which refuses a name or value it does not know
    usage = figures.usage(dated(READINGS))
    found = figures.load(dated({"2019-12-21": [load("or", 3, 1, 2)]}, "hourly_load"), None)
    assert found is not None
    for chart in (*(draw(usage) for draw in charts.OF_A_HUB), charts.provider_load(found, "OR")):
        plotly.graph_objects.Figure(data=list(chart.traces), layout=dict(chart.layout))
        assert {len(row) for row in chart.rows} == {len(chart.header)}


def test_an_hour_without_a_reading_is_a_gap() -> None:
    trace = charts.hub_load(figures.usage(dated(READINGS))).traces[0]
    assert trace["y"][3] == pytest.approx(19.2)
    assert trace["y"][4] is None


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "$0.00"), (-0.01, "$0.00"), (123456.7, "$1,234.57"), (-250, "-$2.50"), (99.5, "$0.99")]
)
def test_cents_are_written_as_dollars(cents: float, text: str) -> None:
    assert charts.dollars(cents) == text


def test_no_text_is_a_formula_to_a_spreadsheet() -> None:
    rows = [["device", 1.5], ["=HYPERLINK(0)", -2.0], ["a,b", 3.0], ['say "x"\n', 0.0], ["@sum", 1.0], ["-1+1", 1.0]]
    assert document.csv_text(rows).split("\r\n") == [
        "device,1.5",
        "'=HYPERLINK(0),-2.0",
        '"a,b",3.0',
        '"say ""x""\n",0.0',
        "'@sum,1.0",
        "'-1+1,1.0",
        "",
    ]
