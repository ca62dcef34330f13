"""Charts for plotly.js: traces and layout as in https://plotly.com/javascript/reference/.

For accessibility, each chart has a description and its values as a table. page.js sets the colours of text and grid,
which depend on the theme.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smart_hub.page.figures import HOURS, Device, ProviderLoad, Usage, sort_periods

# A palette for colour blindness (Okabe and Ito, https://jfly.uni-koeln.de/color/), on light and dark backgrounds.
COLOURS = {"off-peak": "#3b9fd6", "partial-peak": "#e6a117", "peak": "#d55e00"}
_OTHER = "#8a8f98"
_CURRENT, _SHIFTED = "#7a86b8", "#009e73"
_HEAT = [[0, "rgba(213, 94, 0, 0.04)"], [0.5, "#e6a117"], [1, "#a63a00"]]
_SHADE = 0.16
# The maximum number of lines in a chart by device. With more devices, the last line is the sum of the others.
MAX_DEVICE_LINES = 20


@dataclass(frozen=True)
class Chart:
    """A chart. name: its ID in the page; note: how to read it; description: its main result; header, rows: a table."""

    name: str
    title: str
    note: str
    description: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def plot(self) -> dict[str, Any]:
        """The chart in the form that page.js passes to plotly.js."""
        return {"name": self.name, "data": self.traces, "layout": self.layout}


def dollars(cents: float) -> str:
    return f"-${-cents / 100:,.2f}" if round(cents, 1) < 0 else f"${abs(cents) / 100:,.2f}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def clock(hour: int) -> str:
    return f"{hour:02d}:00"


def device_costs(usage: Usage) -> Chart:
    """Cost by device, stacked by rate period."""
    devices = _device_lines(usage)
    first = usage.devices[0]
    return Chart(
        name="devices",
        title="Cost by device",
        note=f"Cost in dollars on the selected days, by rate period.{_others_note(devices)}",
        description=f"{first.label} costs the most: {dollars(first.total)} of {dollars(usage.cost)}.",
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
    highest = max(usage.hours, key=lambda hour: hour.kw)
    periods = {hour.hour: hour.period for hour in usage.hours}
    return Chart(
        name="load",
        title="Load over the day",
        note=f"Mean kW of each hour in the hub's local time ({usage.zone}); rate periods are shaded.",
        description=(
            f"The load is highest from {clock(highest.hour)}: {highest.kw:,.2f} kW on average ({highest.period})."
        ),
        traces=[
            _steps({hour.hour: hour.kw for hour in usage.hours}, "load", _CURRENT, "kW", fill=True),
            *_legend(periods),
        ],
        # The same height as the chart beside it.
        layout={**_day_axes("kW"), "height": _height(usage), "shapes": _shading(periods)},
        header=["Hour", "kW", "Rate period"],
        rows=[[clock(hour.hour), f"{hour.kw:,.3f}", hour.period] for hour in usage.hours],
    )


def heat_map(usage: Usage) -> Chart:
    """Energy by device and hour of the day."""
    cells = [(kwh, device.label, hour) for device in usage.devices for hour, kwh in device.by_hour.items()]
    kwh, label, hour = max(cells, key=lambda cell: cell[0])
    devices = _device_lines(usage)
    return Chart(
        name="heat",
        title="When each device runs",
        note=f"kWh on the selected days, by device and hour in the hub's local time.{_others_note(devices)}",
        description=f"The highest value is {kwh:,.2f} kWh, by {label} from {clock(hour)}.",
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


# The charts of a hub, in the order of the page and the report.
HUB_CHARTS = (device_costs, hub_load, heat_map)


def provider_load(load: ProviderLoad, region: str) -> Chart:
    """The load of many hubs: the current one, and with the shiftable devices moved. region: for the title."""
    highest, highest_shifted = max(load.kwh.values()), max(load.shifted_kwh.values())
    return Chart(
        name="provider",
        title=f"Load of {region}",
        note=(
            "kWh of each hour, mean of a day: the current load, and with the shiftable devices moved to the cheapest"
            f" hours{'; rate periods are shaded' if load.periods else ''}."
        ),
        description=(
            f"The highest hour has {highest:,.1f} kWh, and {highest_shifted:,.1f} kWh with the shiftable load moved."
            f" Shifting moves {load.moved_kwh:,.1f} kWh a day, and a day then costs {dollars(load.shifted_cost)}"
            f" instead of {dollars(load.cost)}."
        ),
        traces=[
            _steps(load.kwh, "current load", _CURRENT, "kWh", fill=True),
            _steps(load.shifted_kwh, "shiftable load moved", _SHIFTED, "kWh", dash="dash"),
            *_legend(load.periods),
        ],
        layout={**_day_axes("kWh"), "shapes": _shading(load.periods)},
        header=["Hour", "Current kWh", "kWh with the shiftable load moved"],
        rows=[[clock(hour), f"{load.kwh[hour]:,.2f}", f"{load.shifted_kwh[hour]:,.2f}"] for hour in load.kwh],
    )


def _steps(
    values: Mapping[int, float], name: str, colour: str, unit: str, *, fill: bool = False, dash: str = "solid"
) -> dict[str, Any]:
    """A step line of values by hour, with gaps at hours without a value."""
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
    """Traces without points, as legend entries for the shaded rate periods."""
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
        for period in sort_periods(periods.values())
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
    """The height in pixels of a chart by device."""
    return 90 + 32 * max(6, len(_device_lines(usage)))


def _device_lines(usage: Usage) -> list[Device]:
    """The devices with the highest cost and, if there are more than MAX_DEVICE_LINES, the sum of the others."""
    devices = list(usage.devices)
    if len(devices) <= MAX_DEVICE_LINES:
        return devices
    others = devices[MAX_DEVICE_LINES - 1 :]
    sum_of_others = Device(
        sensor="",
        label=f"{len(others)} others",
        kwh=sum(device.kwh for device in others),
        cost=_sums(device.cost for device in others),
        by_hour=_sums(device.by_hour for device in others),
    )
    return [*devices[: MAX_DEVICE_LINES - 1], sum_of_others]


def _others_note(devices: Sequence[Device]) -> str:
    """A sentence about the line that is the sum of the others; empty without such a line."""
    label = devices[-1].label
    return "" if devices[-1].sensor else f" The {label} with the lowest cost share a line; the table lists each device."


def _sums(parts: Iterable[Mapping[Any, float]]) -> dict[Any, float]:
    """The sums of the values by key."""
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
