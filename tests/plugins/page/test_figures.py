"""The page's figures against values computed by hand."""

from typing import Any

import pytest

from smart_hub.page import figures
from tests.plugins.page.conftest import HUB, OTHER, READINGS, dated, load, reading, rule, shift, summary

ROWS = dated(READINGS)


def test_energy_cost_and_peak_share() -> None:
    usage = figures.usage(ROWS)
    # kWh 1 + 0.5 + 0.1 + 0.5 + 0.3, then 2 + 0.2; cents 5 + 10 + 2 + 10 + 6, then 10 + 1
    assert [(day.day, day.kwh, day.cost, day.peak_cost) for day in usage.days] == [
        ("2019-12-21", pytest.approx(2.4), pytest.approx(33), pytest.approx(28)),
        ("2019-12-22", pytest.approx(2.2), pytest.approx(11), 0),
    ]
    assert (usage.kwh, usage.cost) == (pytest.approx(4.6), pytest.approx(44))
    assert usage.peak_share == pytest.approx(28 / 44)
    assert (usage.zone, usage.state) == ("America/Los_Angeles", "or")


def test_without_cost_there_is_no_peak_share() -> None:
    usage = figures.usage(dated({"2019-12-21": [reading("s_01", "2019-12-21 03:00", 0.0, 5, "off-peak")]}))
    assert usage.peak_share is None
    assert usage.days[0].peak_share is None


def test_devices_are_sorted_by_cost() -> None:
    devices = figures.usage(ROWS).devices
    assert [(device.label, device.kwh, device.cost) for device in devices] == [
        ("Clothes Dryer (Laundry)", pytest.approx(4), pytest.approx({"off-peak": 15, "peak": 20})),
        ("Lighting (House)", pytest.approx(0.6), pytest.approx({"off-peak": 1, "peak": 8})),
    ]
    assert figures.usage(ROWS).periods == ["off-peak", "peak"]
    assert devices[0].by_hour == pytest.approx({3: 3.0, 17: 1.0})


def test_devices_with_the_same_name_are_labelled_with_their_channel() -> None:
    rows = [
        reading("s_01", "2019-12-21 03:00", 1, 5, "off-peak", device="Lighting", location="House"),
        reading("s_02", "2019-12-21 03:00", 2, 5, "off-peak"),
        reading("s_03", "2019-12-21 03:00", 3, 5, "off-peak", device="Lighting", location="Garage"),
    ]
    assert [(device.sensor, device.label) for device in figures.usage(dated({"2019-12-21": rows})).devices] == [
        ("s_03", "Lighting (Garage)"),
        ("s_02", "Lighting (House), s_02"),
        ("s_01", "Lighting (House), s_01"),
    ]


def test_a_channel_is_named_after_its_newest_device() -> None:
    rows = {
        "2019-12-21": [reading("s_01", "2019-12-21 03:00", 1, 5, "off-peak", device="Old", location="Attic")],
        "2019-12-22": [reading("s_01", "2019-12-22 03:00", 2, 5, "off-peak", device="New", location=None)],
    }
    (device,) = figures.usage(dated(rows)).devices
    assert (device.label, device.kwh) == ("New", 3)


def test_load_is_the_mean_power_of_the_readings_of_an_hour() -> None:
    # 03:00: one reading of five minutes on each day, 3.2 kWh in 10 minutes; 17:00: two on one day, 1.4 kWh
    assert figures.usage(ROWS).hours == [
        figures.HourLoad(3, pytest.approx(19.2), "off-peak"),
        figures.HourLoad(17, pytest.approx(8.4), "peak"),
    ]


def test_the_load_of_a_repeated_hour_is_its_mean() -> None:
    # given 01:00 before and after the clock goes back
    rows = [
        reading("s_01", "2019-11-03 01:00", 0.1, 5, "off-peak", utc_ahead=7),
        reading("s_01", "2019-11-03 01:00", 0.3, 5, "off-peak", utc_ahead=8),
    ]
    (hour,) = figures.usage(dated({"2019-11-03": rows})).hours
    assert hour.kw == pytest.approx(0.4 * 12 / 2)


def test_the_rate_period_of_an_hour_is_that_of_most_readings() -> None:
    rows = {
        day: [reading("s_01", f"{day} 09:00", 1, 5, period)]
        for day, period in (("2019-11-29", "peak"), ("2019-11-30", "peak"), ("2019-12-01", "off-peak"))
    }
    assert [hour.period for hour in figures.usage(dated(rows)).hours] == ["peak"]


class TestWhatIf:
    def test_at_a_cheap_hour(self) -> None:
        dryer = figures.usage(ROWS).devices[0]
        what_if = figures.what_if(ROWS, dryer, 3)
        # 2 kWh and 2 kWh at 5 cents, instead of 25 and 10
        assert (what_if.kwh, what_if.device_cost, what_if.shifted_device_cost) == pytest.approx((4, 35, 20))
        assert (what_if.bill, what_if.shifted_bill) == pytest.approx((44, 29))
        assert what_if.unpriced == []

    def test_each_day_has_its_own_rate(self) -> None:
        rows = dated(
            {
                "2019-11-30": [reading("s_01", "2019-11-30 03:00", 1, 7, "off-peak")],
                "2019-12-01": [reading("s_01", "2019-12-01 03:00", 10, 2, "off-peak")],
            }
        )
        what_if = figures.what_if(rows, figures.usage(rows).devices[0], 3)
        assert what_if.shifted_device_cost == pytest.approx(1 * 7 + 10 * 2)

    def test_the_cost_of_a_day_without_the_hour_is_unchanged(self) -> None:
        dryer = figures.usage(ROWS).devices[0]
        what_if = figures.what_if(ROWS, dryer, 17)
        # 2 kWh at 20 cents; on the second day the hub has no reading at 17:00, and its 10 cents are unchanged
        assert what_if.shifted_device_cost == pytest.approx(50)
        assert what_if.shifted_bill == pytest.approx(44 - 35 + 50)
        assert what_if.unpriced == ["2019-12-22"]

    def test_the_rate_can_come_from_a_reading_of_another_device(self) -> None:
        rows = dated(
            {
                "2019-12-21": [
                    reading("s_01", "2019-12-21 17:00", 3, 20, "peak"),
                    reading("s_02", "2019-12-21 03:00", 1, 5, "off-peak"),
                ]
            }
        )
        dryer = figures.usage(rows).devices[0]
        assert figures.what_if(rows, dryer, 3).shifted_device_cost == pytest.approx(15)


def test_savings_of_a_hub_over_the_days() -> None:
    rows = {
        "2019-12-21": [shift("s_01", 5.0), shift("s_02", 9.0), shift("s_01", 100.0, hub=OTHER)],
        "2019-12-22": [shift("s_01", 7.0)],
    }
    first, second = figures.savings(dated(rows, "peak_shift"), HUB)
    # s_01: 12 cents in two days, 6 a day; s_02, a second dryer in the laundry: 9 in one
    assert [first.label, second.label] == ["Clothes Dryer (Laundry), s_01", "Clothes Dryer (Laundry), s_02"]
    assert (first.sensor, first.saving, first.kwh, first.cost, first.shifted_cost) == ("s_01", 12, 3.0, 52, 40)
    assert (first.per_year, second.per_year) == pytest.approx((365 * 6, 365 * 9))


def test_base_load_depends_on_the_length_of_the_day() -> None:
    rows = {
        "2019-11-02": [summary(HUB, always_on_kwh=2.4, always_on_cost=24.0)],  # 100 W
        "2019-11-03": [summary(HUB, intervals=300, always_on_kwh=5.0, always_on_cost=30.0, coverage=0.5)],  # 200 W
        "2019-11-04": [summary(HUB, always_on_kwh=None, always_on_cost=None), summary(OTHER, always_on_kwh=99.0)],
    }
    base_load = figures.base_load(dated(rows, "hub_day_summary"), HUB)
    assert (base_load.watts, base_load.cost) == pytest.approx((150, 27))
    assert base_load.coverage == {"2019-11-02": 1, "2019-11-03": 0.5, "2019-11-04": 1}


LOAD: dict[str, list[dict[str, Any]]] = {
    "2019-12-21": [load("or", 3, 1, 3, "off-peak"), load("or", 17, 6, 4), load("ca", 17, 2, 2, "partial-peak")],
    "2019-12-22": [load("or", 3, 3, 5, "off-peak"), load("or", 17, 8, 6)],
}


def test_the_load_of_a_state_is_the_mean_of_its_days() -> None:
    provider = figures.provider_load(dated(LOAD, "hourly_load"), "or")
    assert provider is not None
    assert (provider.days, provider.kwh, provider.shifted_kwh) == (2, {3: 2, 17: 7}, {3: 4, 17: 5})
    assert provider.periods == {3: "off-peak", 17: "peak"}
    assert (provider.moved_kwh, provider.cost, provider.shifted_cost) == (2, 90, 90)


def test_the_load_of_all_states_has_no_rate_period_in_hours_where_they_differ() -> None:
    provider = figures.provider_load(dated(LOAD, "hourly_load"), None)
    assert provider is not None
    assert (provider.kwh[17], provider.periods) == (8, {3: "off-peak"})
    assert figures.provider_load(dated(LOAD, "hourly_load"), "ny") is None


def test_violated_rules_are_sorted_by_severity() -> None:
    rows = {"2019-12-21": [rule("a"), rule("b", 2, "warning"), rule("z", 1)], "2019-12-22": [rule("a")]}
    audits = figures.audits(dated(rows, "data_quality"))
    assert [rule["rule"] for rule in audits["2019-12-21"].violated] == ["z", "b"]
    assert audits["2019-12-21"].fatal
    assert audits["2019-12-21"].rules == 3
    assert (audits["2019-12-22"].violated, audits["2019-12-22"].fatal) == ([], False)


def test_rows_of_the_csv_add_up_to_the_bill() -> None:
    header, *rows = figures.csv_rows(ROWS)
    assert header[:3] == ["day", "hub", "sensor"]
    assert rows[0] == ["2019-12-21", HUB, "s_01", "Clothes Dryer", "Laundry", "off-peak", 1.0, 5.0]
    assert len(rows) == 6
    assert sum(float(row[-1]) for row in rows) == pytest.approx(44)
