"""Electricity rates: cents per kWh for every local hour of a month."""

from collections.abc import Iterator
from datetime import date

from generator.states import FUEL, STATES, SUMMER_MONTHS, SUMMER_PERIODS, WINTER_PERIODS


def months(first: date, last: date) -> list[tuple[int, int]]:
    """(year, month) of each month from that of `first` to the one after that of `last`."""
    span = range(first.year * 12 + first.month - 1, last.year * 12 + last.month + 1)
    return [(month // 12, month % 12 + 1) for month in span]


def rates_xml(states: list[str], first: date, last: date) -> str:
    """The rates of these states for the months of the days and the month after.

    An off-peak period is one row, the others have one row per hour; together they cover each hour once.
    """
    rows = (row for state in states for year, month in months(first, last) for row in _rows(state, year, month))
    return "<root>\n" + "".join(rows) + "</root>\n"


def _rows(state: str, year: int, month: int) -> Iterator[str]:
    summer = month in SUMMER_MONTHS
    prices = STATES[state].summer if summer else STATES[state].winter
    price = {"off-peak": prices.off_peak, "partial-peak": prices.partial_peak, "peak": prices.peak}
    for period in SUMMER_PERIODS if summer else WINTER_PERIODS:
        hours = period.last - period.first + 1 if period.type == "off-peak" else 1
        for hour in range(period.first, period.last + 1, hours):
            fields = {
                "state": state,
                "year": year,
                "month": month,
                "from": f"{hour:02d}:00:00",
                "to": f"{hour + hours - 1:02d}:59:59",
                "type": period.type,
                "rate": f"{(price[period.type] + FUEL[month - 1]) / 1000:.3f}",
            }
            elements = "".join(f"    <{name}>{value}</{name}>\n" for name, value in fields.items())
            yield f"  <row>\n{elements}  </row>\n"
