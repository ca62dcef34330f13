"""A hub's readings of one local day."""

import json
from datetime import date
from functools import cache

from generator.appliances import ACTIVITIES, Conditions
from generator.hubs import Hub, random_stream
from generator.localday import LocalDay, local_day

# Degrees Celsius to add to the day's mean in each hour.
TEMPERATURE_BY_HOUR = (
    -3.2, -3.7, -4.1, -4.5, -4.8, -5.0, -4.9, -4.2, -2.9, -1.2, 0.7, 2.4,
    3.8, 4.7, 5.0, 4.8, 4.0, 2.8, 1.5, 0.4, -0.6, -1.4, -2.1, -2.7,
)  # fmt: skip

# A value is counted in 0.00001 kWh, the files' resolution. An interval at full power is watts / 12,000 kWh.
_UNITS_PER_WATT = 100_000 / 12_000


@cache
def _kwh(units: int) -> str:
    return f"{units / 100_000:.5f}".rstrip("0").rstrip(".")


@cache
def _data(channels: tuple[str, ...]) -> str:
    """The members of a reading's `data`, with %s for each value."""
    return ",".join(json.dumps(channel, ensure_ascii=False).replace("%", "%%") + ":%s" for channel in channels)


def readings(hub: Hub, day: date) -> list[str]:
    """One line of JSON, with line end, for each interval of the day in order of time, with a value for each channel.

    A value is the kWh of the interval with at most five decimals, at most the appliance's watts / 12,000.
    """
    local = local_day(day, hub.state.zone)
    columns = []
    levels = _levels(hub, local)
    for device in hub.devices:
        full = int(device.watts * _UNITS_PER_WATT)
        columns.append([_kwh(int(level * full)) for level in levels[device.appliance.description]])
    line = f'{{"loc_id":"{hub.loc_id}","ts":%d,"data":{{{_data(hub.channels)}}}}}\n'
    return [line % row for row in zip(local.starts, *columns, strict=True)]


def _levels(hub: Hub, day: LocalDay) -> dict[str, list[float]]:
    """The level of each appliance in each interval: its idle levels, then the runs of the residents' activities."""
    random = random_stream(hub.seed, "usage", hub.number, day.date)
    temperature = _temperature(hub, day, random.random())
    appliances = {device.appliance.description: device.appliance for device in hub.devices}
    levels = {
        name: appliance.idle_levels(Conditions(day, temperature, 7 * hub.number + 4 * index, random))
        for index, (name, appliance) in enumerate(appliances.items())
    }

    def between(minimum: float, maximum: float) -> float:
        return minimum + random.random() * (maximum - minimum)

    for activity in ACTIVITIES:
        window = activity.weekend if day.weekend else activity.weekday
        happens, hour = random.random() < window.chance, between(window.earliest, window.latest)
        if not happens:
            continue
        position = next(i for i, clock in enumerate(day.hours) if clock >= hour)
        for run in activity.runs:
            position += round(between(*run.after) / 5)
            length = round(between(*run.minutes) / 5)
            if run.description in appliances:
                profile = appliances[run.description].profile
                for i in range(length):
                    levels[run.description][position + i] = profile[i * len(profile) // length] * between(0.94, 1.0)
            position += length
    return levels


def _temperature(hub: Hub, day: LocalDay, weather: float) -> tuple[float, ...]:
    """Outdoors in each hour, degrees Celsius; `weather`, 0 to 1, ranges from a cold to a warm day."""
    mean = hub.state.january + (hub.state.july - hub.state.january) * day.summer + 6 * (weather - 0.5)
    return tuple(mean + swing for swing in TEMPERATURE_BY_HOUR)
