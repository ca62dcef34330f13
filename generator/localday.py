"""The hub's local day: its five-minute intervals and their wall-clock times."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

INTERVAL_SECONDS = 300


@dataclass(frozen=True)
class LocalDay:
    """A calendar day in one time zone.

    starts: start of each interval, Unix seconds UTC; 288 of them, 276 or 300 when the clocks change.
    hours: wall-clock time at each start, in hours since midnight (17.5 is 17:30).
    """

    date: date
    starts: tuple[int, ...]
    hours: tuple[float, ...]

    @property
    def weekend(self) -> bool:
        return self.date.weekday() >= 5

    @property
    def summer(self) -> float:
        """The season: 0 in the middle of January, 1 in the middle of July, a straight line between them."""
        days_since_midwinter = (self.date.timetuple().tm_yday - 15) % 365
        return 1 - abs(days_since_midwinter - 182.5) / 182.5


@lru_cache(maxsize=64)
def local_day(day: date, zone: str) -> LocalDay:
    """The intervals from local midnight to the next one; `zone` is an IANA name."""
    tz = ZoneInfo(zone)
    midnight, next_midnight = (int(datetime.combine(d, time(), tz).timestamp()) for d in (day, day + timedelta(days=1)))
    starts = tuple(range(midnight, next_midnight, INTERVAL_SECONDS))
    clock = (datetime.fromtimestamp(ts, tz) for ts in starts)
    return LocalDay(day, starts, tuple(t.hour + t.minute / 60 for t in clock))
