"""What may stand in the page's query string."""

import pytest

from smart_hub.page.choice import MOST_DAYS, Choice, ChoiceError
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
def test_nothing_hostile_gets_through(name: str, value: str) -> None:
    with pytest.raises(ChoiceError) as refused:
        Choice.of({name: value})
    assert value not in str(refused.value)


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
def test_a_value_of_another_kind_is_refused(name: str, value: str) -> None:
    with pytest.raises(ChoiceError, match=name):
        Choice.of({name: value})


def test_each_parameter_is_taken_and_others_are_passed_over() -> None:
    given = {"state": "or", "hub": "91c1114f1e2b4b8d", "from": "2019-12-01", "to": "2019-12-31"}
    assert Choice.of({**given, "sensor": "oven", "hour": "07", "more": "?"}) == Choice(
        "or", "91c1114f1e2b4b8d", "2019-12-01", "2019-12-31", "oven", 7
    )
    assert Choice.of({"state": "", "hub": "", "from": "", "to": "", "sensor": "", "hour": ""}) == Choice()


@pytest.mark.parametrize("name", [*NAMES, "a\nb"])
def test_a_channel_may_have_any_name(name: str) -> None:
    assert Choice.of({"sensor": name}).sensor == name


def test_days_in_the_wrong_order_or_too_many() -> None:
    with pytest.raises(ChoiceError, match="after"):
        Choice.of({"from": "2019-12-22", "to": "2019-12-21"})
    with pytest.raises(ChoiceError, match=str(MOST_DAYS)):
        Choice.of({"from": "2019-01-01", "to": "2019-12-31"})
    assert Choice.of({"from": "2019-01-01", "to": "2019-04-02"}).last == "2019-04-02"  # 92 days


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("2019-11-22", "2019-12-22")),  # 31 days up to the last one published
        ({"from": "2019-12-20"}, ("2019-12-20", "2019-12-22")),
        ({"from": "2019-01-01"}, ("2019-01-01", "2019-04-02")),
        ({"from": "2020-01-01"}, ("2020-01-01", "2020-01-01")),
        ({"to": "2019-12-01"}, ("2019-11-01", "2019-12-01")),
        ({"to": "2018-01-01"}, ("2018-01-01", "2018-01-01")),
        ({"from": "9999-12-31"}, ("9999-12-31", "9999-12-31")),
        ({"to": "0001-01-01"}, ("0001-01-01", "0001-01-01")),
    ],
)
def test_days_left_out_are_settled_by_what_is_published(given: dict[str, str], expected: tuple[str, str]) -> None:
    assert Choice.of(given).period(["2019-01-01", "2019-12-22"]) == expected


def test_the_first_page_begins_with_the_first_published_day() -> None:
    assert Choice().period(["2019-12-21", "2019-12-22"]) == ("2019-12-21", "2019-12-22")
