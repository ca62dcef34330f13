"""A hub: its home's address and the device on each of its channels, derived from seed and hub number alone."""

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from random import Random

from generator.appliances import AIR_CONDITIONER, COMMON, HEAT_PUMP, OPTIONAL, Appliance, circuit
from generator.states import STATE_OF_HUB, STATES, State


def channel_names(count: int) -> tuple[str, ...]:
    """``s_01``, ``s_02`` and so on, zero-padded so that they sort by number."""
    digits = max(2, len(str(count)))
    return tuple(f"s_{n:0{digits}d}" for n in range(1, count + 1))


CHANNELS = channel_names(10)
LOCATION_COLUMNS = (
    "lon", "lat", "number", "street", "unit", "city", "district", "region", "postcode", "id", "hash", "tz",
)  # fmt: skip

STREETS = (
    "Alder Hollow Road",
    "Bellwether Avenue",
    "Cinder Path",
    "Driftwood Court",
    "Fiddlers Green",
    "Gristmill Lane",
    "Heron Landing",
    "Kettle Pond Drive",
    "Lanternwood Street",
    "Marmalade Way",
    "Old Orchard Terrace",
    "Quarry View Drive",
    "Sparrow Hill Road",
    "Tumbleweed Circle",
)
UNITS = ("", "", "Bldg 2, Apt 4", "", "Unit B", "")

_EARLIEST_CHANGE, _LATEST_CHANGE = 1_546_300_800, 1_575_158_400  # 2019-01-01 and 2019-12-01, 00:00 UTC


def digest(seed: int, *parts: object) -> str:
    """64 hex digits, the same on every machine and in every process."""
    return hashlib.sha256("/".join(map(str, (seed, *parts))).encode()).hexdigest()


def random_stream(seed: int, *parts: object) -> Random:
    """A random stream specific to `parts`. Use only its random(): Python guarantees that its sequence never changes."""
    return Random(int(digest(seed, *parts), 16))


@dataclass(frozen=True)
class InstalledDevice:
    channel: str
    appliance: Appliance
    watts: int


@dataclass(frozen=True)
class Hub:
    """Hub `number` (from 1) of the series of hubs with this `seed`. channels: unique names."""

    seed: int
    number: int
    channels: tuple[str, ...] = CHANNELS

    @cached_property
    def loc_id(self) -> str:
        return digest(self.seed, "hub", self.number)[:16]

    @property
    def state_code(self) -> str:
        return STATE_OF_HUB[(self.number - 1) % len(STATE_OF_HUB)]

    @property
    def state(self) -> State:
        return STATES[self.state_code]

    @cached_property
    def devices(self) -> tuple[InstalledDevice, ...]:
        """One device per channel: ten appliances in an order specific to the home, then circuits.

        With fewer than ten channels, the home has only the first appliances. Each device has the rated power of one of
        its models.
        """
        random = random_stream(self.seed, "sensors", self.number).random
        climate = AIR_CONDITIONER if self.state.warm else HEAT_PUMP
        optional = OPTIONAL[int(random() * len(OPTIONAL))]
        home = sorted((climate, *COMMON, optional), key=lambda _: random())
        home += [circuit(number) for number in range(len(home) + 1, len(self.channels) + 1)]
        return tuple(
            InstalledDevice(channel, appliance, appliance.watts[int(random() * len(appliance.watts))])
            for channel, appliance in zip(self.channels, home, strict=False)
        )

    def mappings(self) -> str:
        """One JSON line per device."""
        random = random_stream(self.seed, "mappings", self.number).random
        changed = int(_EARLIEST_CHANGE + random() * (_LATEST_CHANGE - _EARLIEST_CHANGE))
        lines = (
            {
                "loc_id": self.loc_id,
                "id": device.channel,
                "description": device.appliance.description,
                "location": device.appliance.room,
                "watts": device.watts,
                "last_modified": changed,
            }
            for device in self.devices
        )
        return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)

    def location(self) -> str:
        """One CSV line with the columns LOCATION_COLUMNS. Every other home has no postcode."""
        random = random_stream(self.seed, "location", self.number).random
        city = self.state.cities[int(random() * len(self.state.cities))]
        row = {
            "lon": f"{city.lon + 0.06 * (random() - 0.5):.7f}",
            "lat": f"{city.lat + 0.06 * (random() - 0.5):.7f}",
            "number": 100 + int(random() * 9800),
            "street": STREETS[int(random() * len(STREETS))],
            "unit": UNITS[self.number % len(UNITS)],
            "city": city.name,
            "district": city.county,
            "region": self.state_code.upper(),
            "postcode": f"{city.postcode_area}{int(random() * 100):02d}" if self.number % 2 else "",
            "id": digest(self.seed, "address", self.number)[:16],
            "hash": self.loc_id,
            "tz": self.state.zone,
        }
        line = io.StringIO()
        csv.DictWriter(line, LOCATION_COLUMNS, lineterminator="\n").writerow(row)
        return line.getvalue()
