"""The appliances of a home and when they are used. A level is a share of the rated power, 0 to 1."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from generator.localday import INTERVAL_SECONDS, LocalDay


@dataclass(frozen=True)
class Conditions:
    """The inputs of an appliance that switches itself on and off.

    temperature: outdoors in each of the 24 hours, degrees Celsius. phase: an offset in intervals, so that
    two compressors do not run in step.
    """

    day: LocalDay
    temperature: tuple[float, ...]
    phase: int
    random: Random


def _cycle(duty: list[float], period: int, conditions: Conditions) -> list[float]:
    """Levels of a machine that runs once every `period` intervals, for the share `duty` of the period.

    The position within the period follows absolute time, so a cycle continues past midnight.
    """
    noise = conditions.random.random
    first = conditions.day.starts[0] // INTERVAL_SECONDS + conditions.phase
    levels = []
    for position, share in enumerate(duty, first):
        on = share * period - position % period
        levels.append(0.0 if on <= 0 else min(on, 1.0) * (0.92 + 0.08 * noise()))
    return levels


def compressor(conditions: Conditions) -> list[float]:
    """A refrigerator: full power for about 20 of every 45 minutes, a little (fan, control) in between."""
    levels = _cycle([0.45] * len(conditions.day.starts), 9, conditions)
    return [max(level, 0.04) for level in levels]


def thermostat(conditions: Conditions) -> list[float]:
    """Heating below 18 degrees Celsius (15 at night) and cooling above 24, in cycles of half an hour."""
    by_hour = []
    for hour, outdoors in enumerate(conditions.temperature):
        heat_below = 18 if 6 <= hour < 22 else 15
        by_hour.append(min(max((heat_below - outdoors) / 32, (outdoors - 24) / 18, 0.0), 1.0))
    return _cycle([by_hour[int(hour)] for hour in conditions.day.hours], 6, conditions)


def after_dark(conditions: Conditions) -> list[float]:
    """Lighting while someone is up and it is dark; the rooms that are lit change every half hour."""
    random, summer = conditions.random.random, conditions.day.summer
    sunrise, sunset = 7.6 - 1.8 * summer, 16.6 + 3.9 * summer
    up, to_bed = 6 + random(), 22.3 + 1.2 * random()
    lit, levels = 0.0, []
    for i, hour in enumerate(conditions.day.hours):
        if i % 6 == 0:
            lit = 0.25 + 0.6 * random()
        dark = up <= hour < sunrise or sunset <= hour < to_bed
        levels.append(lit if dark else 0.0)
    return levels


@dataclass(frozen=True)
class Appliance:
    """One kind of appliance.

    watts: rated powers of the models sold. profile: levels over the length of one run. standby: level between
    runs. background: levels of an appliance that switches itself on and off, instead of `standby`.
    """

    description: str
    room: str
    watts: tuple[int, ...]
    profile: tuple[float, ...] = (1.0,)
    standby: float = 0.0
    background: Callable[[Conditions], list[float]] | None = None

    def idle_levels(self, conditions: Conditions) -> list[float]:
        """The power in each interval of the day while the appliance is not in use."""
        return self.background(conditions) if self.background else [self.standby] * len(conditions.day.starts)


HEAT_PUMP = Appliance("Heat Pump", "House", (2500, 3000, 3500), background=thermostat)
AIR_CONDITIONER = Appliance("Central Air Conditioner", "House", (3000, 3500, 4000), background=thermostat)

# In every home, together with a heat pump or, in a warm state, an air conditioner (which heats as well).
COMMON = (
    Appliance("Refrigerator", "Kitchen", (180, 225, 350), background=compressor),
    Appliance("Electric Range", "Kitchen", (2400, 3000, 3600), profile=(1.0, 0.8, 0.45, 0.7, 0.4, 0.6)),
    Appliance("Dishwasher", "Kitchen", (1200, 1500, 1800), profile=(0.1, 0.95, 0.15, 0.1, 0.9, 0.6)),
    Appliance("Clothes Washer", "Laundry", (500, 600, 850), profile=(0.2, 0.95, 0.5, 0.4, 0.4, 0.7)),
    Appliance("Clothes Dryer", "Laundry", (2800, 4000, 5000), profile=(0.95, 1.0, 0.9, 0.9, 0.6)),
    Appliance("Water Heater", "Basement", (3800, 4500, 5500), profile=(1.0, 1.0, 0.6)),
    Appliance("Lighting", "House", (400, 600, 800), background=after_dark),
    Appliance("Television", "Living Room", (120, 150, 250), profile=(0.9, 0.8, 0.95), standby=0.02),
)

# The tenth device: one of these.
OPTIONAL = (
    Appliance("Electric Vehicle Charger", "Garage", (3300, 7200), profile=(1.0, 1.0, 1.0, 0.95), standby=0.001),
    Appliance("Freezer", "Garage", (150, 200), background=compressor),
    Appliance("Computer", "Home Office", (250, 300, 450), profile=(0.6, 0.45, 0.7, 0.4), standby=0.03),
    Appliance("Microwave", "Kitchen", (900, 1100), profile=(1.0, 0.4), standby=0.003),
)

# Kinds of circuits of the electrical panel, in rotation: lights, a pump, outlets with only a standby load.
_CIRCUITS = (
    Appliance("Circuit", "House", (200, 400, 600), background=after_dark),
    Appliance("Circuit", "House", (60, 90, 150), background=compressor),
    Appliance("Circuit", "House", (1500, 1800), standby=0.01),
)


def circuit(number: int) -> Appliance:
    """The appliance on channel `number`, after the home's ten appliances."""
    return replace(_CIRCUITS[number % len(_CIRCUITS)], description=f"Circuit {number}")


@dataclass(frozen=True)
class StartWindow:
    """The probability of an activity on a day, and the local hours between which it starts."""

    chance: float
    earliest: float
    latest: float


@dataclass(frozen=True)
class ApplianceRun:
    """A run of one appliance: minutes after the previous run and minutes to run (minimum, maximum)."""

    description: str
    after: tuple[int, int]
    minutes: tuple[int, int]


@dataclass(frozen=True)
class Activity:
    weekday: StartWindow
    weekend: StartWindow
    runs: tuple[ApplianceRun, ...]


# What residents do. A run of an appliance that a home does not have takes time but no power. All end before midnight.
ACTIVITIES = (
    # shower and breakfast
    Activity(
        StartWindow(0.95, 5.75, 7.25),
        StartWindow(0.95, 7.25, 9.5),
        (
            ApplianceRun("Water Heater", (0, 0), (30, 60)),
            ApplianceRun("Electric Range", (0, 10), (10, 20)),
            ApplianceRun("Microwave", (0, 5), (5, 5)),
        ),
    ),
    # lunch at home
    Activity(
        StartWindow(0.25, 11.75, 13.0),
        StartWindow(0.7, 11.75, 13.5),
        (ApplianceRun("Electric Range", (0, 0), (15, 30)), ApplianceRun("Microwave", (0, 10), (5, 10))),
    ),
    # dinner, then the dishes
    Activity(
        StartWindow(0.9, 17.25, 19.0),
        StartWindow(0.9, 17.0, 19.25),
        (ApplianceRun("Electric Range", (0, 0), (25, 60)), ApplianceRun("Dishwasher", (15, 60), (60, 90))),
    ),
    # an evening bath
    Activity(
        StartWindow(0.8, 20.0, 22.0),
        StartWindow(0.8, 20.0, 22.0),
        (ApplianceRun("Water Heater", (0, 0), (30, 60)),),
    ),
    # laundry
    Activity(
        StartWindow(0.35, 17.5, 19.75),
        StartWindow(0.8, 9.0, 18.0),
        (ApplianceRun("Clothes Washer", (0, 0), (40, 55)), ApplianceRun("Clothes Dryer", (5, 20), (45, 60))),
    ),
    # television: the morning news or a match, and the evening
    Activity(
        StartWindow(0.4, 6.0, 7.0),
        StartWindow(0.6, 10.0, 15.0),
        (ApplianceRun("Television", (0, 0), (30, 120)),),
    ),
    Activity(
        StartWindow(0.9, 18.5, 20.0),
        StartWindow(0.9, 18.0, 20.0),
        (ApplianceRun("Television", (0, 0), (90, 210)),),
    ),
    # work at home, or games
    Activity(
        StartWindow(0.6, 8.0, 9.5),
        StartWindow(0.5, 10.0, 14.0),
        (ApplianceRun("Computer", (0, 0), (120, 240)), ApplianceRun("Computer", (30, 60), (60, 240))),
    ),
    # the car, on a timer that waits for the night
    Activity(
        StartWindow(0.8, 0.25, 2.0),
        StartWindow(0.6, 0.25, 2.0),
        (ApplianceRun("Electric Vehicle Charger", (0, 0), (120, 270)),),
    ),
)
