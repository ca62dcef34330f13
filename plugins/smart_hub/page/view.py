"""The view: everything that the page or the customer report shows for the user's filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from smart_hub.page import charts, figures
from smart_hub.page.charts import Chart, dollars, percent
from smart_hub.page.filters import Filters
from smart_hub.page.parquet import S3Object
from smart_hub.page.published_data import USAGE_TABLE, PublishedData, UnavailableError
from smart_hub.shared.layout import QUALITY_TABLE

# The page works without each of these.
_OPTIONAL_TABLES = ("hub_day_summary", "peak_shift", "hourly_load", QUALITY_TABLE)


@dataclass(frozen=True)
class Tile:
    """A key figure. name: its ID in the page; note: details, or why it has no value."""

    name: str
    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class DayRow:
    """A row of the table of days."""

    day: str
    kwh: str
    cost: str
    peak_share: str
    coverage: str
    audit: figures.Audit | None


@dataclass
class View:
    """The content of the page; fields without data have their defaults.

    status: of the HTTP response; problems, notes: sentences about missing data, the notes by section of the page;
    published: first and last published day; hubs: hub -> state; provider: the provider's load.
    """

    filters: Filters
    status: int = 200
    problems: list[str] = field(default_factory=list)
    published: tuple[str, str] | None = None
    first: str = ""
    last: str = ""
    hub: str = ""
    states: Sequence[str] = ()
    hubs: Mapping[str, str] = field(default_factory=dict)
    usage: figures.Usage | None = None
    tiles: Sequence[Tile] = ()
    charts: list[Chart] = field(default_factory=list)
    what_if: figures.WhatIf | None = None
    savings: Sequence[figures.Saving] = ()
    provider: Chart | None = None
    notes: dict[str, str] = field(default_factory=dict)
    days: Sequence[DayRow] = ()

    @property
    def region(self) -> str:
        return self.filters.state.upper() if self.filters.state else "all states"


@dataclass(frozen=True)
class _OptionalTable:
    """The rows of a table on the selected days, None without any; note: which days are missing and why, or empty."""

    rows: pa.Table | None
    note: str


def build_view(data: PublishedData, filters: Filters) -> View:
    """The view for these filters. Missing or unavailable data are reported in the view; nothing is raised."""
    view = View(filters)
    try:
        _fill(view, data)
    except UnavailableError as error:
        view.status = 503
        view.problems.append(str(error))
    return view


def hub_rows(data: PublishedData, filters: Filters) -> pa.Table:
    """The rows of usage_cost of the selected hub and days, as ``figures.usage`` takes them; possibly none.

    Raises UnavailableError.
    """
    published = data.list_days(USAGE_TABLE)
    if not published or not filters.hub:
        return data.read_usage({}, "")
    first, last = filters.date_range(list(published))
    return data.read_usage(data.list_objects(USAGE_TABLE, _between(published, first, last)), filters.hub)


def _fill(view: View, data: PublishedData) -> None:
    published = data.list_days(USAGE_TABLE)
    if not published:
        view.problems.append("No data is published yet. Run the DAG smart_hub_usage for a day that has data.")
        return
    view.published = min(published), max(published)
    view.first, view.last = view.filters.date_range(list(published))
    days = _between(published, view.first, view.last)
    listed = max(days or published)  # the day whose hubs are offered

    usage_objects, *tables = data.gather(
        partial(data.list_objects, USAGE_TABLE, {**days, listed: published[listed]}),
        *(partial(_read_days, data, name, view.first, view.last) for name in _OPTIONAL_TABLES),
    )
    if isinstance(usage_objects, UnavailableError):
        raise usage_objects
    summary, shift, load, quality = (
        _optional_table(name, result, days) for name, result in zip(_OPTIONAL_TABLES, tables, strict=True)
    )

    view.hubs = _list_hubs(data, summary, listed, usage_objects)
    view.states = sorted(set(view.hubs.values()))
    _fill_provider(view, load)
    if not days:
        view.problems.append(
            f"No data is published from {view.first} to {view.last}."
            f" The published days range from {view.published[0]} to {view.published[1]}."
        )
        return
    if not _select_hub(view):
        return
    rows = data.read_usage({day: usage_objects[day] for day in days}, view.hub)
    if not len(rows):
        view.status = 404
        unknown = "" if view.hub in view.hubs else f" It is not among the hubs of {listed} either."
        view.problems.append(f"Hub {view.hub} has no published usage from {view.first} to {view.last}.{unknown}")
        return
    _fill_hub(view, rows, summary, shift, quality)


def _read_days(data: PublishedData, name: str, first: str, last: str) -> tuple[set[str], pa.Table]:
    """The published days of an optional table, and their rows; a published day can have no rows."""
    published = data.list_days(name, first, last)
    objects = data.list_objects(name, published)
    if name == QUALITY_TABLE:  # each audit of a day adds an object: show the latest
        objects = {day: items[-1:] for day, items in objects.items()}
    return set(published), data.read_rows(name, objects)


def _optional_table(
    name: str, result: tuple[set[str], pa.Table] | UnavailableError, days: Mapping[str, str]
) -> _OptionalTable:
    if isinstance(result, UnavailableError):
        return _OptionalTable(None, str(result))
    published, rows = result
    missing = sorted(days.keys() - published)
    if len(missing) == len(days):
        return _OptionalTable(None, f"The table {name} has no data for these days yet.")
    if not missing:
        return _OptionalTable(rows, "")
    some = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
    return _OptionalTable(rows, f"{name} has no data for {len(missing)} of {len(days)} days: {some}.")


def _list_hubs(
    data: PublishedData, summary: _OptionalTable, day: str, objects: Mapping[str, list[S3Object]]
) -> dict[str, str]:
    """The hubs of a day: hub -> state, sorted by state and ID."""
    hubs: dict[str, str] = {}
    if summary.rows is not None:
        rows = summary.rows.filter(pc.equal(summary.rows["dt"], day))
        hubs = dict(zip(rows["loc_id"].to_pylist(), rows["state"].to_pylist(), strict=True))
    hubs = hubs or data.read_hubs(objects[day])
    return dict(sorted(hubs.items(), key=lambda pair: (pair[1], pair[0])))


def _select_hub(view: View) -> bool:
    """Sets the hub: the user's, unless it is known to be in another state; otherwise the first of the state."""
    state, hub = view.filters.state, view.filters.hub
    candidates = [candidate for candidate, its_state in view.hubs.items() if state in (None, its_state)]
    if hub and (state is None or view.hubs.get(hub, state) == state):
        view.hub = hub
    elif candidates:
        view.hub = candidates[0]
    else:
        view.status = 404
        view.problems.append(f"There are no hubs in the state {state}. Select a state from the list.")
    return bool(view.hub)


def _fill_provider(view: View, load: _OptionalTable) -> None:
    figure = None if load.rows is None else figures.provider_load(load.rows, view.filters.state)
    if figure:
        view.provider = charts.provider_load(figure, view.region)
    view.notes["provider"] = load.note or ("" if figure else f"There is no load for {view.region} on these days.")


def _fill_hub(
    view: View, rows: pa.Table, summary: _OptionalTable, shift: _OptionalTable, quality: _OptionalTable
) -> None:
    usage = view.usage = figures.usage(rows)
    view.charts = [chart(usage) for chart in charts.HUB_CHARTS]

    device = next((device for device in usage.devices if device.sensor == view.filters.sensor), None)
    if device and view.filters.hour is not None:
        view.what_if = figures.what_if(rows, device, view.filters.hour)

    view.savings = [] if shift.rows is None else figures.savings(shift.rows, view.hub)
    none = "This hub has no shiftable devices, or too few of its readings were received."
    view.notes["savings"] = shift.note or ("" if view.savings else none)

    base_load = None if summary.rows is None else figures.base_load(summary.rows, view.hub)
    view.tiles = [*_usage_tiles(usage), _saving_tile(view), _base_load_tile(base_load, summary.note)]

    audits = {} if quality.rows is None else figures.audits(quality.rows)
    view.notes["quality"] = quality.note
    view.days = [
        DayRow(
            day=day.day,
            kwh=f"{day.kwh:,.2f}",
            cost=dollars(day.cost),
            peak_share=percent(day.peak_share),
            coverage=percent(base_load.coverage.get(day.day)) if base_load else "–",
            audit=audits.get(day.day),
        )
        for day in usage.days
    ]


def _usage_tiles(usage: figures.Usage) -> list[Tile]:
    days = len(usage.days)
    return [
        Tile("kwh", "Energy", f"{usage.kwh:,.2f} kWh", f"{usage.kwh / days:,.2f} kWh a day"),
        Tile("cost", "Cost", dollars(usage.cost), f"{dollars(usage.cost / days)} a day"),
        Tile("peak", "Peak share", percent(usage.peak_share), "of the cost is at the peak rate"),
    ]


def _saving_tile(view: View) -> Tile:
    if not view.savings:
        return Tile("saving", "Possible saving", "–", view.notes["savings"])
    saving, year = (sum(getattr(one, name) for one in view.savings) for name in ("saving", "per_year"))
    note = f"{dollars(saving)} on these days, if the shiftable devices had run at the cheapest rate"
    return Tile("saving", "Possible saving", f"{dollars(year)} a year", f"{note}. {view.notes['savings']}".strip())


def _base_load_tile(base_load: figures.BaseLoad | None, note: str) -> Tile:
    if base_load is None or base_load.watts is None:
        return Tile("idle", "Always on", "–", note or "No hour of these days has a complete set of readings.")
    cost = "" if base_load.cost is None else f"{dollars(365 * base_load.cost)} a year. "
    return Tile("idle", "Always on", f"{base_load.watts:,.0f} W", f"{cost}{note}".strip())


def _between(days: Mapping[str, str], first: str, last: str) -> dict[str, str]:
    return {day: location for day, location in days.items() if first <= day <= last}
