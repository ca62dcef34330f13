"""What the reader of the page chose, out of a query string that anybody may have written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

MOST_DAYS = 92

_HUB = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STATE = re.compile(r"[a-z]{2}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SENSOR = re.compile(r".{1,64}", re.DOTALL)  # a channel can have any name
_HOUR = re.compile(r"[01]?[0-9]|2[0-3]")


class ChoiceError(ValueError):
    """A choice that cannot be; the message is a sentence for the reader."""


@dataclass(frozen=True)
class Choice:
    """State, hub and days, None where left to the page; and of the what-if its sensor and hour.

    first, last: valid days as YYYY-MM-DD, both included. All other texts match strict patterns, except the sensor.
    """

    state: str | None = None
    hub: str | None = None
    first: str | None = None
    last: str | None = None
    sensor: str | None = None
    hour: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Choice":
        """The choice of the parameters state, hub, from, to, sensor and hour; an empty one means none.

        Raises ChoiceError for one that is not what its name says, for days in the wrong order or too many.
        """

        def text(name: str, pattern: re.Pattern[str], meaning: str) -> str | None:
            given = query.get(name) or None
            if given is not None and not pattern.fullmatch(given):
                raise ChoiceError(f"“{name}” is not {meaning}.")
            return given

        def day(name: str) -> str | None:
            given = text(name, _DAY, "a day as 2019-12-21")
            try:
                return None if given is None else date.fromisoformat(given).isoformat()
            except ValueError:
                raise ChoiceError(f"“{name}” is not a day that exists.") from None

        hour = text("hour", _HOUR, "an hour from 0 to 23")
        choice = cls(
            state=text("state", _STATE, "a state as ca"),
            hub=text("hub", _HUB, "the id of a hub"),
            first=day("from"),
            last=day("to"),
            sensor=text("sensor", _SENSOR, "a channel of 1 to 64 characters"),
            hour=None if hour is None else int(hour),
        )
        if choice.first and choice.last:
            days = (date.fromisoformat(choice.last) - date.fromisoformat(choice.first)).days + 1
            if days < 1:
                raise ChoiceError(f"{choice.first} is after {choice.last}: give the earlier day first.")
            if days > MOST_DAYS:
                raise ChoiceError(f"That is {days} days: choose {MOST_DAYS} at most.")
        return choice

    def period(self, published: list[str]) -> tuple[str, str]:
        """First and last day: as chosen, else up to 31 days that end with the last published one.

        ``published`` is sorted and not empty.
        """
        if self.first and self.last:
            return self.first, self.last
        if self.first:
            return self.first, min(max(published[-1], self.first), _shifted(self.first, MOST_DAYS - 1))
        last = self.last or published[-1]
        return max(min(published[0], last), _shifted(last, -30)), last


def _shifted(day: str, days: int) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        return day
