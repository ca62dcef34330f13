"""The insights of a day, computed without SQL from the costs that ``independent`` makes of the raw files.

Exact: sums are of decimals, means and shares are fractions. Shares nothing with the pipeline.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.e2e import independent
from tests.e2e.independent import Cost, Key

SHIFTABLE = {
    "Clothes Dryer",
    "Clothes Washer",
    "Dishwasher",
    "Electric Vehicle Charger",
    "Pool Pump",
    "Water Heater",
}
Row = dict[str, Any]
Values = list[tuple[Key, Cost]]


@dataclass(frozen=True)
class Insights:
    """Rows of each table by what identifies one within the day; numbers as fractions."""

    daily_device_cost: Mapping[tuple[str, ...], Row]
    hourly_load: Mapping[tuple[str, ...], Row]
    peak_shift: Mapping[tuple[str, ...], Row]
    hub_day_summary: Mapping[tuple[str, ...], Row]


def insights(source: Path, day: str, min_coverage: str) -> Insights:
    """What is published of the day beside its costs."""
    values = list(independent.costs(source, day).items())
    year, month = int(day[:4]), int(day[5:7])
    cheapest: dict[str, Decimal] = {}
    for (state, of_year, of_month, _), (_, cents) in independent.rates(source).items():
        if (of_year, of_month) == (year, month):
            cheapest[state] = min(cents, cheapest.get(state, cents))
    hubs = {loc_id: of_hub for (loc_id,), of_hub in _grouped(values, lambda key, cost: (key[0],)).items()}
    covered = {loc_id: of for loc_id, of in hubs.items() if _coverage(of, day) >= Fraction(min_coverage)}
    shifts = {
        (loc_id, channel): _shift(of_channel, cheapest)
        for loc_id, of_hub in covered.items()
        for (channel,), of_channel in _grouped(of_hub, lambda key, cost: (key[1],)).items()
        if of_channel[0][1].device in SHIFTABLE
    }
    return Insights(
        daily_device_cost={
            key: {
                **_device(of_channel),
                "intervals": Fraction(len(of_channel)),
                "kwh": _kwh(of_channel),
                "cost": _cents(of_channel),
                "shiftable": of_channel[0][1].device in SHIFTABLE,
            }
            for key, of_channel in _grouped(values, lambda key, cost: (key[0], key[1], cost.type)).items()
        },
        hourly_load=_loads(values, cheapest),
        peak_shift=shifts,
        hub_day_summary={
            (loc_id,): _summary(loc_id, of_hub, day, loc_id in covered, shifts) for loc_id, of_hub in hubs.items()
        },
    )


def _loads(values: Values, cheapest: Mapping[str, Decimal]) -> dict[tuple[str, ...], Row]:
    loads: dict[tuple[str, ...], Row] = {}
    for (state,), of_state in _grouped(values, lambda key, cost: (cost.state,)).items():
        hours = _grouped(of_state, lambda key, cost: (f"{cost.wall_clock.hour}", cost.type))
        quiet = {key for key, of_hour in hours.items() if of_hour[0][1].cents_per_kwh == cheapest[state]}
        movable = {key: _kwh(one for one in of_hour if one[1].device in SHIFTABLE) for key, of_hour in hours.items()}
        moved = sum((kwh for key, kwh in movable.items() if key not in quiet), Fraction())
        for (hour, kind), of_hour in hours.items():
            key, kwh = (hour, kind), _kwh(of_hour)
            rate = Fraction(of_hour[0][1].cents_per_kwh)
            shifted = kwh + moved / len(quiet) if key in quiet else kwh - movable[key] if quiet else kwh
            loads[state, hour, kind] = {
                "cents_per_kwh": rate,
                "hubs": Fraction(len({loc_id for (loc_id, _, _), _ in of_hour})),
                "kwh": kwh,
                "cost": _cents(of_hour),
                "shiftable_kwh": movable[key],
                "shifted_kwh": shifted,
                "shifted_cost": shifted * rate,
            }
    return loads


def _shift(of_channel: Values, cheapest: Mapping[str, Decimal]) -> Row:
    peak = [one for one in of_channel if one[1].type == "peak"]
    partial = [one for one in of_channel if one[1].type == "partial-peak"]
    cost, shifted = _cents(peak + partial), _kwh(peak + partial) * Fraction(cheapest[of_channel[0][1].state])
    return {
        **_device(of_channel),
        "peak_kwh": _kwh(peak),
        "partial_peak_kwh": _kwh(partial),
        "cost": cost,
        "shifted_cost": shifted,
        "saving": cost - shifted,
        "saving_per_year": 365 * (cost - shifted),
    }


def _summary(loc_id: str, of_hub: Values, day: str, covered: bool, shifts: Mapping[tuple[str, ...], Row]) -> Row:
    readings = _grouped(of_hub, lambda key, cost: (key[2],))
    rates = [Fraction(of_reading[0][1].cents_per_kwh) for of_reading in readings.values()]
    peak = [one for one in of_hub if one[1].type == "peak"]
    channels = _grouped(of_hub, lambda key, cost: (key[1], cost.device))
    costliest = sorted(channels, key=lambda channel: (-_cents(channels[channel]), channel))[:3]
    savings = sorted(
        (-shift["saving"], channel) for (hub, channel), shift in shifts.items() if hub == loc_id and shift["saving"]
    )
    hours = _grouped(of_hub, lambda key, cost: (key[2].replace(minute=0),)).values()
    complete = [_kwh(of_hour) for of_hour in hours if len(of_hour) == 12 * len(channels)]
    always_on = min(complete) * _intervals(of_hub, day) / 12 if complete and covered else None
    row: Row = {
        "state": of_hub[0][1].state,
        "tz": of_hub[0][1].tz,
        "readings": Fraction(len(readings)),
        "intervals": Fraction(_intervals(of_hub, day)),
        "coverage": _coverage(of_hub, day),
        "kwh": _kwh(of_hub),
        "cost": _cents(of_hub),
        "peak_kwh": _kwh(peak),
        "peak_cost": _cents(peak),
        "peak_share": _cents(peak) / _cents(of_hub) if _cents(of_hub) else None,
        "always_on_kwh": always_on,
        "always_on_cost": None if always_on is None else always_on * sum(rates) / len(rates),
        "best_saving_device": shifts[loc_id, savings[0][1]]["device"] if savings else None,
        "best_saving": -savings[0][0] if savings else None,
    }
    for place, channel in enumerate(costliest, 1):
        row |= {f"device_{place}": channel[1], f"device_{place}_cost": _cents(channels[channel])}
    return row


def _device(of_channel: Values) -> Row:
    cost = of_channel[0][1]
    return {"state": cost.state, "device": cost.device, "location": cost.room}


def _coverage(of_hub: Values, day: str) -> Fraction:
    return Fraction(len({start for (_, _, start), _ in of_hub}), _intervals(of_hub, day))


def _intervals(of_hub: Values, day: str) -> int:
    """Those of five minutes in the local day."""
    zone = ZoneInfo(of_hub[0][1].tz)
    midnight = datetime.fromisoformat(day)
    start, end = (midnight.replace(tzinfo=zone), (midnight + timedelta(days=1)).replace(tzinfo=zone))
    return int(end.timestamp() - start.timestamp()) // 300


def _grouped(values: Values, by: Callable[[Key, Cost], tuple[Any, ...]]) -> dict[tuple[Any, ...], Values]:
    groups: defaultdict[tuple[Any, ...], Values] = defaultdict(list)
    for key, cost in values:
        groups[by(key, cost)].append((key, cost))
    return dict(groups)


def _kwh(values: Iterable[tuple[Key, Cost]]) -> Fraction:
    return sum((Fraction(cost.kwh) for _, cost in values), Fraction())


def _cents(values: Iterable[tuple[Key, Cost]]) -> Fraction:
    return sum((Fraction(cost.cents) for _, cost in values), Fraction())
