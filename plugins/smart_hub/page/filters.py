"""The user's filters, parsed from the query string."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

MAX_DAYS = 92

_HUB = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STATE = re.compile(r"[a-z]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SENSOR = re.compile(r".{1,64}", re.DOTALL)  # a channel can have any name
_HOUR = re.compile(r"[01]?[0-9]|2[0-3]")


class FiltersError(ValueError):
    """An invalid filter; the message is a sentence for the user."""


@dataclass(frozen=True)
class Filters:
    """State, hub and days of the page, sensor and hour of the what-if; None where the user left them out.

    first, last: valid days as YYYY-MM-DD, both included. All other strings match strict patterns, except the sensor.
    """

    state: str | None = None
    hub: str | None = None
    first: str | None = None
    last: str | None = None
    sensor: str | None = None
    hour: int | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Filters":
        """The filters of the parameters state, hub, from, to, sensor and hour; an empty parameter counts as left out.

        Raises FiltersError for an invalid value, for days in the wrong order and for more than MAX_DAYS days.
        """

        def text(name: str, pattern: re.Pattern[str], expected: str) -> str | None:
            value = query.get(name) or None
            if value is not None and not pattern.fullmatch(value):
                raise FiltersError(f"“{name}” must be {expected}.")
            return value

        def day(name: str) -> str | None:
            value = text(name, _DATE, "a date such as 2019-12-21")
            try:
                return None if value is None else date.fromisoformat(value).isoformat()
            except ValueError:
                raise FiltersError(f"“{name}” is not a valid date.") from None

        hour = text("hour", _HOUR, "an hour from 0 to 23")
        filters = cls(
            state=text("state", _STATE, "a state code such as ca"),
            hub=text("hub", _HUB, "a hub ID of 1 to 64 letters, digits, - and _"),
            first=day("from"),
            last=day("to"),
            sensor=text("sensor", _SENSOR, "a channel name of 1 to 64 characters"),
            hour=None if hour is None else int(hour),
        )
        if filters.first and filters.last:
            days = (date.fromisoformat(filters.last) - date.fromisoformat(filters.first)).days + 1
            if days < 1:
                raise FiltersError(f"{filters.first} is after {filters.last}; enter the earlier date first.")
            if days > MAX_DAYS:
                raise FiltersError(f"The date range has {days} days; the maximum is {MAX_DAYS}.")
        return filters

    def date_range(self, published: list[str]) -> tuple[str, str]:
        """First and last day: those of the filters, by default the last 31 days up to the last published one.

        published: sorted days, at least one.
        """
        if self.first and self.last:
            return self.first, self.last
        if self.first:
            return self.first, min(max(published[-1], self.first), _add_days(self.first, MAX_DAYS - 1))
        last = self.last or published[-1]
        return max(min(published[0], last), _add_days(last, -30)), last


def _add_days(day: str, days: int) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        return day
