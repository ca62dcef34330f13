"""Charts for plotly.js, as plain data: traces and layout as https://plotly.com/javascript/reference/ has them.

Each carries what it shows in words and as a table, for those who do not see it. Colours of text and grid are left
to the page, which knows whether it is light or dark.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smart_hub.page.figures import HOURS, Device, Load, Usage, in_order

# Told apart by those who see fewer colours too (Okabe and Ito, https://jfly.uni-koeln.de/color/), on white and black.
COLOURS = {"off-peak": "#3b9fd6", "partial-peak": "#e6a117", "peak": "#d55e00"}
_OTHER = "#8a8f98"
_NOW, _SHIFTED = "#7a86b8", "#009e73"
_HEAT = [[0, "rgba(213, 94, 0, 0.04)"], [0.5, "#e6a117"], [1, "#a63a00"]]
_SHADE = 0.16
# The most lines of a chart with one line per device. With more devices, the last line is the sum of the others.
MOST_DEVICES = 20


@dataclass(frozen=True)
class Chart:
    """One chart. name: its id in the page; note: how to read it; words: what it shows; header, rows: the same."""

    name: str
    title: str
    note: str
    words: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def plot(self) -> dict[str, Any]:
        """What plotly.js draws."""
        return {"name": self.name, "data": self.traces, "layout": self.layout}


def dollars(cents: float) -> str:
    return f"-${-cents / 100:,.2f}" if round(cents, 1) < 0 else f"${abs(cents) / 100:,.2f}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def clock(hour: int) -> str:
    return f"{hour:02d}:00"


def device_costs(usage: Usage) -> Chart:
    """Cost by device, stacked by rate period."""
    devices = _drawn(usage)
    first = usage.devices[0]
    return Chart(
        name="devices",
        title="Cost by device",
        note=f"Dollars in the chosen days, by the rate period in which they arose.{_others(devices)}",
        words=f"{first.label} costs most: {dollars(first.total)} of {dollars(usage.cost)}.",
        traces=[
            {
                "type": "bar",
                "orientation": "h",
                "name": period,
                "y": _labels(devices),
                "x": [round(device.cost.get(period, 0) / 100, 6) for device in devices],
                "marker": {"color": COLOURS.get(period, _OTHER)},
                "hovertemplate": f"%{{y}}<br>{period}: $%{{x:,.2f}}<extra></extra>",
            }
            for period in usage.periods
        ],
        layout={
            "barmode": "stack",
            "height": _height(usage),
            "legend": {"traceorder": "normal"},
            "xaxis": {"tickprefix": "$", "rangemode": "tozero"},
            "yaxis": {"type": "category", "autorange": "reversed", "automargin": True},
        },
        header=["Device", "kWh", *usage.periods, "Cost"],
        rows=[
            [
                device.label,
                f"{device.kwh:,.2f}",
                *(dollars(device.cost.get(period, 0)) for period in usage.periods),
                dollars(device.total),
            ]
            for device in usage.devices
        ],
    )


def hub_load(usage: Usage) -> Chart:
    """Mean power by hour of the day, rate periods shaded."""
    most = max(usage.hours, key=lambda hour: hour.kw)
    periods = {hour.hour: hour.period for hour in usage.hours}
    return Chart(
        name="load",
        title="Load over the day",
        note=f"Mean kW of each hour, on the hub's own clock ({usage.zone}); the rate periods are shaded.",
        words=f"The load is highest from {clock(most.hour)}, with {most.kw:,.2f} kW on average ({most.period}).",
        traces=[
            _steps({hour.hour: hour.kw for hour in usage.hours}, "load", _NOW, "kW", fill=True),
            *_legend(periods),
        ],
        # As high as the chart beside it.
        layout={**_day_axes("kW"), "height": _height(usage), "shapes": _shading(periods)},
        header=["Hour", "kW", "Rate period"],
        rows=[[clock(hour.hour), f"{hour.kw:,.3f}", hour.period] for hour in usage.hours],
    )


def heat_map(usage: Usage) -> Chart:
    """Energy by device and hour of the day."""
    cells = [(kwh, device.label, hour) for device in usage.devices for hour, kwh in device.by_hour.items()]
    kwh, label, hour = max(cells, key=lambda cell: cell[0])
    devices = _drawn(usage)
    return Chart(
        name="heat",
        title="When each device runs",
        note=f"kWh in the chosen days, by device and hour on the hub's own clock.{_others(devices)}",
        words=f"The most is used by {label} from {clock(hour)}: {kwh:,.2f} kWh.",
        traces=[
            {
                "type": "heatmap",
                "x": [clock(hour) for hour in HOURS],
                "y": _labels(devices),
                "z": [[_rounded(device.by_hour.get(hour)) for hour in HOURS] for device in devices],
                "colorscale": _HEAT,
                "xgap": 1,
                "ygap": 1,
                "colorbar": {"title": {"text": "kWh"}, "thickness": 10, "outlinewidth": 0},
                "hovertemplate": "%{y}<br>%{x}: %{z:,.2f} kWh<extra></extra>",
            }
        ],
        layout={
            "height": _height(usage),
            "xaxis": {"type": "category", "showgrid": False, "tickvals": [clock(hour) for hour in HOURS[::3]]},
            "yaxis": {"type": "category", "autorange": "reversed", "automargin": True, "showgrid": False},
        },
        header=["Device", *(clock(hour) for hour in HOURS)],
        rows=[
            [device.label, *(f"{device.by_hour[hour]:,.2f}" if hour in device.by_hour else "" for hour in HOURS)]
            for device in usage.devices
        ],
    )


# What is drawn of one hub, in the order in which the page and the report show it.
OF_A_HUB = (device_costs, hub_load, heat_map)


def provider_load(load: Load, place: str) -> Chart:
    """The load of many hubs, as it is and with the shiftable load moved."""
    now, then = max(load.kwh.values()), max(load.shifted_kwh.values())
    return Chart(
        name="provider",
        title=f"Load of {place}",
        note=(
            "kWh of each clock hour, mean of a day, as it is and with the shiftable devices moved to the cheapest"
            f" hours{'; the rate periods are shaded' if load.periods else ''}."
        ),
        words=(
            f"The highest hour has {now:,.1f} kWh, {then:,.1f} kWh with the shiftable load moved."
            f" {load.moved_kwh:,.1f} kWh a day change their hour, and a day costs {dollars(load.shifted_cost)}"
            f" in place of {dollars(load.cost)}."
        ),
        traces=[
            _steps(load.kwh, "as it is", _NOW, "kWh", fill=True),
            _steps(load.shifted_kwh, "shiftable load moved", _SHIFTED, "kWh", dash="dash"),
            *_legend(load.periods),
        ],
        layout={**_day_axes("kWh"), "shapes": _shading(load.periods)},
        header=["Hour", "kWh as it is", "kWh with the shiftable load moved"],
        rows=[[clock(hour), f"{load.kwh[hour]:,.2f}", f"{load.shifted_kwh[hour]:,.2f}"] for hour in load.kwh],
    )


def _steps(
    values: Mapping[int, float], name: str, colour: str, unit: str, *, fill: bool = False, dash: str = "solid"
) -> dict[str, Any]:
    """A line that holds each hour's value until the next; hours without a value are a gap."""
    last = values.get(23)
    points = [*((hour, values.get(hour)) for hour in HOURS), (24, last)]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [hour for hour, _ in points],
        "y": [_rounded(value) for _, value in points],
        "line": {"shape": "hv", "color": colour, "width": 2.5, "dash": dash},
        "fill": "tozeroy" if fill else "none",
        "fillcolor": f"{colour}33",
        "hovertemplate": f"from %{{x}}:00: %{{y:,.2f}} {unit}<extra>{name}</extra>",
    }


def _legend(periods: Mapping[int, str]) -> list[dict[str, Any]]:
    """Entries of the legend for the shaded rate periods: traces without points."""
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": period,
            "x": [None],
            "y": [None],
            "marker": {"symbol": "square", "size": 12, "color": COLOURS.get(period, _OTHER), "opacity": 0.5},
            "hoverinfo": "skip",
        }
        for period in in_order(periods.values())
    ]


def _shading(periods: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "type": "rect",
            "layer": "below",
            "xref": "x",
            "yref": "paper",
            "x0": hour,
            "x1": hour + 1,
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": COLOURS.get(period, _OTHER),
            "opacity": _SHADE,
        }
        for hour, period in sorted(periods.items())
    ]


def _day_axes(unit: str) -> dict[str, Any]:
    ticks = list(range(0, 25, 3))
    return {
        "height": 330,
        "xaxis": {"range": [0, 24], "tickvals": ticks, "ticktext": [clock(hour) for hour in ticks], "showgrid": False},
        "yaxis": {"title": {"text": unit}, "rangemode": "tozero"},
    }


def _height(usage: Usage) -> int:
    """The height in pixels of a chart with one line for each drawn device."""
    return 90 + 32 * max(6, len(_drawn(usage)))


def _drawn(usage: Usage) -> list[Device]:
    """The devices to draw: the costliest ones and, with more than MOST_DEVICES, the sum of the others."""
    devices = list(usage.devices)
    if len(devices) <= MOST_DEVICES:
        return devices
    others = devices[MOST_DEVICES - 1 :]
    sum_of_others = Device(
        sensor="",
        label=f"{len(others)} others",
        kwh=sum(device.kwh for device in others),
        cost=_sums(device.cost for device in others),
        by_hour=_sums(device.by_hour for device in others),
    )
    return [*devices[: MOST_DEVICES - 1], sum_of_others]


def _others(drawn: Sequence[Device]) -> str:
    """The sentence of the note about the line that is the sum of others; empty without such a line."""
    return "" if drawn[-1].sensor else f" The {drawn[-1].label} cost least and share a line; the table has each."


def _sums(parts: Iterable[Mapping[Any, float]]) -> dict[Any, float]:
    """The sum of the values of each key."""
    sums: dict[Any, float] = {}
    for part in parts:
        for key, value in part.items():
            sums[key] = sums.get(key, 0) + value
    return sums


def _labels(devices: Iterable[Device]) -> list[str]:
    """Labels, escaped because plotly.js interprets some tags and entities as markup."""
    return [device.label.replace("&", "&amp;").replace("<", "&lt;") for device in devices]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
