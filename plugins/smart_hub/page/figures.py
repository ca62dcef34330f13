"""The figures of the page, computed from published rows. Energy is in kWh, money in cents; both are unrounded.

A device is the appliance on one channel (column ``sensor``). Its name is that of the newest rows; devices on several
channels can have the same name.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# Rate periods, cheapest first.
PERIODS = ("off-peak", "partial-peak", "peak")
PEAK = "peak"
HOURS = range(24)
_INTERVALS_PER_HOUR = 12


@dataclass(frozen=True)
class Device:
    """The usage of one channel. label: unique; cost: cents by rate period; by_hour: kWh by local clock hour."""

    sensor: str
    label: str
    kwh: float
    cost: Mapping[str, float]
    by_hour: Mapping[int, float]

    @property
    def total(self) -> float:
        return sum(self.cost.values())


@dataclass(frozen=True)
class HourLoad:
    """The load in a local clock hour. kw: mean power of its readings; period: the rate period of most of them."""

    hour: int
    kw: float
    period: str


@dataclass(frozen=True)
class DayUsage:
    """The usage of a hub on a day."""

    day: str
    kwh: float
    cost: float
    peak_cost: float

    @property
    def peak_share(self) -> float | None:
        return self.peak_cost / self.cost if self.cost else None


@dataclass(frozen=True)
class Usage:
    """The usage of a hub. days: those with rows; devices: highest cost first; hours: those with readings."""

    zone: str
    state: str
    days: Sequence[DayUsage]
    devices: Sequence[Device]
    hours: Sequence[HourLoad]

    @property
    def kwh(self) -> float:
        return sum(day.kwh for day in self.days)

    @property
    def cost(self) -> float:
        return sum(day.cost for day in self.days)

    @property
    def peak_share(self) -> float | None:
        """Share of the cost in the rate period peak; None if the cost is 0."""
        return sum(day.peak_cost for day in self.days) / self.cost if self.cost else None

    @property
    def periods(self) -> list[str]:
        """The rate periods of the usage, sorted as by ``sort_periods``."""
        return sort_periods(period for device in self.devices for period in device.cost)


def sort_periods(periods: Iterable[str]) -> list[str]:
    """The distinct rate periods, cheapest first; unknown names come last."""
    distinct = set(periods)
    return [*(period for period in PERIODS if period in distinct), *sorted(distinct - set(PERIODS))]


def usage(rows: pa.Table) -> Usage:
    """The usage of a hub from its rows of usage_cost, at least one, with their day in the column ``dt``."""
    rows = rows.append_column("hour", pc.hour(rows["ts"]))
    costs: dict[str, dict[str, float]] = {}
    for group in _sums(rows, ["sensor", "type"], "cost"):
        costs.setdefault(group["sensor"], {})[group["type"]] = group["cost"]
    hours: dict[str, dict[int, float]] = {}
    for group in _sums(rows, ["sensor", "hour"], "kwh"):
        hours.setdefault(group["sensor"], {})[group["hour"]] = group["kwh"]
    names = rows.group_by(["sensor", "device", "location"]).aggregate([("ts_utc", "max")]).sort_by("ts_utc_max")
    devices = [
        Device(sensor, label, kwh=sum(hours[sensor].values()), cost=costs[sensor], by_hour=hours[sensor])
        for sensor, label in _labels({name["sensor"]: name for name in names.to_pylist()}).items()
    ]
    peak = {group["dt"]: group["cost"] for group in _sums(rows.filter(pc.equal(rows["type"], PEAK)), ["dt"], "cost")}
    days = [
        DayUsage(group["dt"], group["kwh"], group["cost"], peak.get(group["dt"], 0.0))
        for group in _sums(rows, ["dt"], "kwh", "cost")
    ]
    last = rows.slice(len(rows) - 1).to_pylist()[0]
    return Usage(
        zone=last["tz"],
        state=last["state"],
        days=sorted(days, key=lambda day: day.day),
        devices=sorted(devices, key=lambda device: (-device.total, device.sensor)),
        hours=_hours(rows),
    )


def _labels(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The label of each channel: device and room, plus the channel if several have the same. rows: one per channel."""
    labels = {}
    for sensor, row in rows.items():
        name = row["device"] or sensor
        labels[sensor] = f"{name} ({row['location']})" if row["location"] else name
    times = Counter(labels.values())
    return {sensor: label if times[label] == 1 else f"{label}, {sensor}" for sensor, label in labels.items()}


def _hours(rows: pa.Table) -> list[HourLoad]:
    # Divide by the number of readings, not by the days: when clocks go back, an hour occurs twice.
    periods: dict[int, tuple[int, str]] = {}
    readings: dict[int, int] = {}
    counts = rows.group_by(["hour", "type"]).aggregate([("ts_utc", "count_distinct")])
    for group in counts.to_pylist():
        hour, count = group["hour"], group["ts_utc_count_distinct"]
        readings[hour] = readings.get(hour, 0) + count
        periods[hour] = max(periods.get(hour, (0, "")), (count, group["type"]))
    kwh = {group["hour"]: group["kwh"] for group in _sums(rows, ["hour"], "kwh")}
    return [HourLoad(hour, kwh[hour] * _INTERVALS_PER_HOUR / readings[hour], periods[hour][1]) for hour in sorted(kwh)]


@dataclass(frozen=True)
class WhatIf:
    """The bill with a device's usage moved to one clock hour. unpriced: days whose cost is unchanged."""

    device: Device
    hour: int
    kwh: float
    device_cost: float
    shifted_device_cost: float
    bill: float
    unpriced: Sequence[str]

    @property
    def shifted_bill(self) -> float:
        return self.bill - self.device_cost + self.shifted_device_cost


def what_if(rows: pa.Table, device: Device, hour: int) -> WhatIf:
    """The bill if the device had used all of each day's energy within one clock hour of that day.

    The device's kWh of a day are priced at cents_per_kwh of the hub's readings that start in the hour, in the hub's
    local time. On a day without such a reading (the hub sent none, or clocks skipped the hour) the device keeps its
    cost. All other costs stay the same.

    rows: as for ``usage``; device: one of its devices; hour: 0 to 23.
    """
    rates = {
        group["dt"]: group["cents_per_kwh_min"]
        for group in rows.filter(pc.equal(pc.hour(rows["ts"]), hour))
        .group_by(["dt"])
        .aggregate([("cents_per_kwh", "min")])
        .to_pylist()
    }
    days = _sums(rows.filter(pc.equal(rows["sensor"], device.sensor)), ["dt"], "kwh", "cost")
    shifted_costs = (day["kwh"] * rates[day["dt"]] if day["dt"] in rates else day["cost"] for day in days)
    return WhatIf(
        device=device,
        hour=hour,
        kwh=sum(day["kwh"] for day in days),
        device_cost=sum(day["cost"] for day in days),
        shifted_device_cost=sum(shifted_costs),
        bill=pc.sum(rows["cost"]).as_py(),
        unpriced=sorted(day["dt"] for day in days if day["dt"] not in rates),
    )


@dataclass(frozen=True)
class Saving:
    """The cost of a device at peak and partial-peak, and the cost of the same kWh at the cheapest rate."""

    sensor: str
    label: str
    kwh: float
    cost: float
    shifted_cost: float
    saving: float
    days: int

    @property
    def per_year(self) -> float:
        """Cents in 365 such days."""
        return 365 * self.saving / self.days


def savings(rows: pa.Table, hub: str) -> list[Saving]:
    """The saving from shifting each shiftable device of a hub, from rows of peak_shift; the largest first."""
    groups = dict(_group_by(rows.filter(pc.equal(rows["loc_id"], hub)).to_pylist(), "sensor"))
    labels = _labels({sensor: max(group, key=lambda row: row["dt"]) for sensor, group in groups.items()})
    by_device = [
        Saving(
            sensor=sensor,
            label=labels[sensor],
            kwh=sum(row["peak_kwh"] + row["partial_peak_kwh"] for row in group),
            cost=sum(row["cost"] for row in group),
            shifted_cost=sum(row["shifted_cost"] for row in group),
            saving=sum(row["saving"] for row in group),
            days=len({row["dt"] for row in group}),
        )
        for sensor, group in groups.items()
    ]
    return sorted(by_device, key=lambda saving: (-saving.saving, saving.sensor))


@dataclass(frozen=True)
class BaseLoad:
    """The load that is always on, as mean of the days that have it, and the coverage of each day, 0 to 1.

    cost: cents a day. watts, cost: None if no day has them.
    """

    watts: float | None
    cost: float | None
    coverage: Mapping[str, float]


def base_load(rows: pa.Table, hub: str) -> BaseLoad:
    """The base load of a hub from rows of hub_day_summary."""
    own = rows.filter(pc.equal(rows["loc_id"], hub)).to_pylist()
    watts = [
        1000 * row["always_on_kwh"] * _INTERVALS_PER_HOUR / row["intervals"]
        for row in own
        if row["always_on_kwh"] is not None and row["intervals"]
    ]
    costs = [row["always_on_cost"] for row in own if row["always_on_cost"] is not None]
    return BaseLoad(
        watts=sum(watts) / len(watts) if watts else None,
        cost=sum(costs) / len(costs) if costs else None,
        coverage={row["dt"]: row["coverage"] for row in own if row["coverage"] is not None},
    )


@dataclass(frozen=True)
class ProviderLoad:
    """The load of all hubs of a state, or of all states, by local clock hour.

    kwh, shifted_kwh, cost, shifted_cost: mean of a day; periods: the rate period of each hour in which all states have
    the same one.
    """

    days: int
    kwh: Mapping[int, float]
    shifted_kwh: Mapping[int, float]
    periods: Mapping[int, str]
    cost: float
    shifted_cost: float

    @property
    def moved_kwh(self) -> float:
        """The kWh that shifting moves to another hour, mean of a day."""
        return sum(max(0.0, self.kwh[hour] - self.shifted_kwh[hour]) for hour in self.kwh)


def provider_load(rows: pa.Table, state: str | None) -> ProviderLoad | None:
    """The load from rows of hourly_load, of all states if ``state`` is None; None if there are no rows."""
    if state:
        rows = rows.filter(pc.equal(rows["state"], state))
    if not len(rows):
        return None
    days = pc.count_distinct(rows["dt"]).as_py()
    sums = _sums(rows, ["hour"], "kwh", "shifted_kwh", "cost", "shifted_cost")
    sums.sort(key=lambda row: row["hour"])
    periods: dict[int, set[str]] = {}
    for row in rows.group_by(["hour", "type"]).aggregate([]).to_pylist():
        periods.setdefault(row["hour"], set()).add(row["type"])
    return ProviderLoad(
        days=days,
        kwh={row["hour"]: row["kwh"] / days for row in sums},
        shifted_kwh={row["hour"]: row["shifted_kwh"] / days for row in sums},
        periods={hour: names.pop() for hour, names in periods.items() if len(names) == 1},
        cost=sum(row["cost"] for row in sums) / days,
        shifted_cost=sum(row["shifted_cost"] for row in sums) / days,
    )


@dataclass(frozen=True)
class Audit:
    """The latest audit of a day. rules: their number; violated: rows of violated rules, fatal ones first."""

    day: str
    rules: int
    violated: Sequence[Mapping[str, Any]]

    @property
    def fatal(self) -> bool:
        return any(rule["severity"] == "fatal" for rule in self.violated)


def audits(rows: pa.Table) -> dict[str, Audit]:
    """The audits from rows of data_quality, which has one audit of each day: day -> Audit."""
    return {
        day: Audit(
            day,
            len(group),
            sorted(
                (row for row in group if row["violations"]), key=lambda row: (row["severity"] != "fatal", row["rule"])
            ),
        )
        for day, group in _group_by(rows.to_pylist(), "dt")
    }


def csv_rows(rows: pa.Table) -> list[list[str | float]]:
    """The rows of the CSV download: a header, then one row per day, channel and rate period."""
    header: list[str | float] = ["day", "hub", "sensor", "device", "location", "rate_period", "kwh", "cost_cents"]
    keys = ["dt", "loc_id", "sensor", "device", "location", "type"]
    groups = sorted(_sums(rows, keys, "kwh", "cost"), key=lambda row: [row[key] or "" for key in keys])
    return [header, *([*(row[key] for key in keys), row["kwh"], row["cost"]] for row in groups)]


def _sums(rows: pa.Table, keys: list[str], *columns: str) -> list[dict[str, Any]]:
    """The sums of columns grouped by keys, under the columns' own names."""
    summed = rows.group_by(keys).aggregate([(column, "sum") for column in columns])
    return list(summed.rename_columns({f"{column}_sum": column for column in columns}).to_pylist())


def _group_by(rows: Iterable[dict[str, Any]], key: str) -> list[tuple[str, list[dict[str, Any]]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return sorted(groups.items())
