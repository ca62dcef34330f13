"""The costs of a source folder, computed without SQL: plain Python, ``zoneinfo`` and ``decimal`` over the raw files.

Shares nothing with the pipeline, so that an error in one shows as a difference.
"""

import csv
import gzip
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Cost:
    """One row of usage_cost; kwh and cents as the decimals that the raw text spells."""

    device: str
    room: str
    wall_clock: datetime
    tz: str
    type: str
    kwh: Decimal
    cents_per_kwh: Decimal
    state: str

    @property
    def cents(self) -> Decimal:
        return self.kwh * self.cents_per_kwh


# loc_id, channel, start of the interval in UTC
Key = tuple[str, str, datetime]
NUMBER = re.compile(r"\s*-?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


def costs(source: Path, day: str) -> dict[Key, Cost]:
    """What the published day must hold, by its key."""
    homes = {
        row["hash"]: (path.parent.name.removeprefix("state="), row["tz"])
        for path in sorted(source.glob("locations/state=*/*.csv"))
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    }
    devices = {
        (row["loc_id"], row["id"]): (row["description"], row["location"])
        for path in sorted(source.glob("mappings/state=*/*"))
        for row in map(json.loads, _lines(path))
    }
    prices = rates(source)
    readings: dict[tuple[str, int], dict[str, object]] = {}  # the last of several, as a whole
    for path in sorted((source / "usage" / f"dt={day}").iterdir()):
        for line in _lines(path):
            try:
                reading = json.loads(line, parse_float=Decimal, parse_int=Decimal, parse_constant=str)
            except json.JSONDecodeError:
                continue
            readings[reading["loc_id"], int(reading["ts"])] = reading["data"]
    found: dict[Key, Cost] = {}
    for (loc_id, ts), data in readings.items():
        if loc_id not in homes:
            continue
        state, tz = homes[loc_id]
        start = datetime.fromtimestamp(ts, UTC)
        wall_clock = start.astimezone(ZoneInfo(tz)).replace(tzinfo=None)
        kind, cents_per_kwh = prices[state, wall_clock.year, wall_clock.month, wall_clock.hour]
        for channel, value in data.items():
            kwh = _number(value)
            if kwh is not None and (loc_id, channel) in devices:
                device, room = devices[loc_id, channel]
                found[loc_id, channel, start.replace(tzinfo=None)] = Cost(
                    device, room, wall_clock, tz, kind, kwh, cents_per_kwh, state
                )
    return found


def _number(value: object) -> Decimal | None:
    """A value of a reading: a JSON number, or a string with a number. None for other and for infinite values."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = Decimal(value.strip())
    return value if isinstance(value, Decimal) and math.isfinite(float(value)) else None


def rates(source: Path) -> dict[tuple[str, int, int, int], tuple[str, Decimal]]:
    """Rate period and cents per kWh by state, local year, month and hour."""
    return dict(_rates(source / "rates"))


def _lines(path: Path) -> list[str]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [line for line in text.decode().split("\n") if line]


def _rates(folder: Path) -> Iterator[tuple[tuple[str, int, int, int], tuple[str, Decimal]]]:
    for path in sorted(folder.glob("*.xml")):
        for row in ElementTree.parse(path).getroot():
            of = {child.tag: child.text or "" for child in row}
            for hour in range(int(of["from"][:2]), int(of["to"][:2]) + 1):
                yield (
                    (of["state"], int(of["year"]), int(of["month"]), hour),
                    (of["type"], Decimal(of["rate"])),
                )
