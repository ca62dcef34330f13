"""The parsing of the page's query string."""

import pytest

from smart_hub.page.filters import MAX_DAYS, Filters, FiltersError
from tests.plugins.page.conftest import NAMES

HOSTILE = [
    "'; DROP TABLE usage_cost; --",
    "../../etc/passwd",
    "%2e%2e%2f",
    "<script>alert(1)</script>",
    "a" * 65,
    "91c1114f1e2b4b8d\n",
    "91c1114f1e2b4b8d ",
    "\x00",
    "٣",
    "{{ 7*7 }}",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["state", "hub", "from", "to", "hour"])
def test_hostile_values_are_refused(name: str, value: str) -> None:
    with pytest.raises(FiltersError) as error:
        Filters.parse({name: value})
    assert value not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "CA"),
        ("state", "cal"),
        ("from", "2019-13-01"),
        ("to", "2019-02-30"),
        ("from", "20191221"),
        ("sensor", "n" * 65),
        ("hour", "24"),
        ("hour", "-1"),
    ],
)
def test_an_invalid_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(FiltersError, match=name):
        Filters.parse({name: value})


def test_unknown_and_empty_parameters_are_ignored() -> None:
    given = {"state": "or", "hub": "91c1114f1e2b4b8d", "from": "2019-12-01", "to": "2019-12-31"}
    assert Filters.parse({**given, "sensor": "oven", "hour": "07", "more": "?"}) == Filters(
        "or", "91c1114f1e2b4b8d", "2019-12-01", "2019-12-31", "oven", 7
    )
    assert Filters.parse({"state": "", "hub": "", "from": "", "to": "", "sensor": "", "hour": ""}) == Filters()


@pytest.mark.parametrize("name", [*NAMES, "a\nb"])
def test_a_channel_can_have_any_name(name: str) -> None:
    assert Filters.parse({"sensor": name}).sensor == name


def test_dates_in_the_wrong_order_and_long_ranges_are_refused() -> None:
    with pytest.raises(FiltersError, match="after"):
        Filters.parse({"from": "2019-12-22", "to": "2019-12-21"})
    with pytest.raises(FiltersError, match=str(MAX_DAYS)):
        Filters.parse({"from": "2019-01-01", "to": "2019-12-31"})
    assert Filters.parse({"from": "2019-01-01", "to": "2019-04-02"}).last == "2019-04-02"  # 92 days


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("2019-11-22", "2019-12-22")),  # the last 31 days
        ({"from": "2019-12-20"}, ("2019-12-20", "2019-12-22")),
        ({"from": "2019-01-01"}, ("2019-01-01", "2019-04-02")),
        ({"from": "2020-01-01"}, ("2020-01-01", "2020-01-01")),
        ({"to": "2019-12-01"}, ("2019-11-01", "2019-12-01")),
        ({"to": "2018-01-01"}, ("2018-01-01", "2018-01-01")),
        ({"from": "9999-12-31"}, ("9999-12-31", "9999-12-31")),
        ({"to": "0001-01-01"}, ("0001-01-01", "0001-01-01")),
    ],
)
def test_missing_dates_default_to_published_days(given: dict[str, str], expected: tuple[str, str]) -> None:
    assert Filters.parse(given).date_range(["2019-01-01", "2019-12-22"]) == expected


def test_the_default_range_begins_with_the_first_published_day() -> None:
    assert Filters().date_range(["2019-12-21", "2019-12-22"]) == ("2019-12-21", "2019-12-22")
