"""From the reader's choice to all that the page or the report shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from smart_hub.page import charts, figures
from smart_hub.page.charts import Chart, dollars, percent
from smart_hub.page.choice import Choice
from smart_hub.page.parquet import S3Object
from smart_hub.page.store import USAGE_TABLE, Store, Unavailable
from smart_hub.shared.layout import QUALITY_TABLE

# Tables beside usage_cost; the page does without each of them.
_BESIDE = ("hub_day_summary", "peak_shift", "hourly_load", QUALITY_TABLE)


@dataclass(frozen=True)
class Tile:
    """One figure. name: its id in the page; note: what it says more, or why it has no value."""

    name: str
    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class DayLine:
    """One line of the table of days."""

    day: str
    kwh: str
    cost: str
    peak_share: str
    coverage: str
    audit: figures.Audit | None


@dataclass
class View:
    """What is shown; filled as far as there are data. problems: sentences on what is not there."""

    choice: Choice
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
    days: Sequence[DayLine] = ()

    @property
    def place(self) -> str:
        return self.choice.state.upper() if self.choice.state else "all states"


@dataclass(frozen=True)
class _Table:
    """What there is of a table in the chosen days; why says what is not, in a sentence, or is empty."""

    rows: pa.Table | None
    why: str


def build(store: Store, choice: Choice) -> View:
    """What there is to show of a choice. It has no errors: what is missing or out of reach is told in sentences."""
    view = View(choice)
    try:
        _fill(view, store)
    except Unavailable as reason:
        view.status = 503
        view.problems.append(str(reason))
    return view


def usage_rows(store: Store, choice: Choice) -> pa.Table:
    """The rows of usage_cost of the chosen hub and days, as ``figures.usage`` takes them; there may be none.

    Raises Unavailable.
    """
    published = store.days(USAGE_TABLE)
    if not published or not choice.hub:
        return store.usage({}, "")
    first, last = choice.period(list(published))
    return store.usage(store.objects(USAGE_TABLE, _between(published, first, last)), choice.hub)


def _fill(view: View, store: Store) -> None:
    choice = view.choice
    published = store.days(USAGE_TABLE)
    if not published:
        view.problems.append("Nothing is published yet: run the DAG smart_hub_usage for a day that has data.")
        return
    view.published = min(published), max(published)
    view.first, view.last = choice.period(list(published))
    days = _between(published, view.first, view.last)
    listed = max(days or published)

    usage_objects, *tables = store.beside(
        partial(store.objects, USAGE_TABLE, {**days, listed: published[listed]}),
        *(partial(_rows, store, name, view.first, view.last) for name in _BESIDE),
    )
    if isinstance(usage_objects, Unavailable):
        raise usage_objects
    summary, shift, load, quality = (_table(name, found, days) for name, found in zip(_BESIDE, tables, strict=True))

    view.hubs = _hubs(store, summary, listed, usage_objects)
    view.states = sorted(set(view.hubs.values()))
    _provider(view, load)
    if not days:
        view.problems.append(
            f"Nothing is published from {view.first} to {view.last}."
            f" Published are days from {view.published[0]} to {view.published[1]}."
        )
        return
    if not _choose_hub(view):
        return
    rows = store.usage({day: usage_objects[day] for day in days}, view.hub)
    if not len(rows):
        view.status = 404
        known = "" if view.hub in view.hubs else " It is not among the hubs of the newest of these days either."
        view.problems.append(f"Hub {view.hub} has no published usage from {view.first} to {view.last}.{known}")
        return
    _hub(view, rows, summary, shift, quality)


def _rows(store: Store, name: str, first: str, last: str) -> tuple[set[str], pa.Table]:
    """The published days of a table beside usage_cost, of which one may have no row, and their rows."""
    published = store.days(name, first, last)
    objects = store.objects(name, published)
    if name == QUALITY_TABLE:  # each audit of a day has left an object: the latest counts
        objects = {day: items[-1:] for day, items in objects.items()}
    return set(published), store.rows(name, objects)


def _table(name: str, found: tuple[set[str], pa.Table] | Unavailable, days: Mapping[str, str]) -> _Table:
    if isinstance(found, Unavailable):
        return _Table(None, str(found))
    published, rows = found
    lacking = sorted(days.keys() - published)
    if len(lacking) == len(days):
        return _Table(None, f"The table {name} has nothing of these days yet.")
    some = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
    return _Table(rows, f"{len(lacking)} of {len(days)} days are not in {name}: {some}." if lacking else "")


def _hubs(store: Store, summary: _Table, day: str, objects: Mapping[str, list[S3Object]]) -> dict[str, str]:
    """The hubs of a day: hub -> state, in order of state and id."""
    hubs: dict[str, str] = {}
    if summary.rows is not None:
        rows = summary.rows.filter(pc.equal(summary.rows["dt"], day))
        hubs = dict(zip(rows["loc_id"].to_pylist(), rows["state"].to_pylist(), strict=True))
    hubs = hubs or store.hubs(objects[day])
    return dict(sorted(hubs.items(), key=lambda pair: (pair[1], pair[0])))


def _choose_hub(view: View) -> bool:
    """Settles the hub: the chosen one, unless it is known to be in another state; else the first of the state."""
    state, hub = view.choice.state, view.choice.hub
    own = [one for one, there in view.hubs.items() if state in (None, there)]
    if hub and (state is None or view.hubs.get(hub, state) == state):
        view.hub = hub
    elif own:
        view.hub = own[0]
    else:
        view.status = 404
        view.problems.append(f"There is no hub in the state {state}: choose one from the list.")
    return bool(view.hub)


def _provider(view: View, load: _Table) -> None:
    found = None if load.rows is None else figures.load(load.rows, view.choice.state)
    if found:
        view.provider = charts.provider_load(found, view.place)
    view.notes["provider"] = load.why or ("" if found else f"There is no load of {view.place} in these days.")


def _hub(view: View, rows: pa.Table, summary: _Table, shift: _Table, quality: _Table) -> None:
    usage = view.usage = figures.usage(rows)
    view.charts = [draw(usage) for draw in charts.OF_A_HUB]

    device = next((one for one in usage.devices if one.sensor == view.choice.sensor), None)
    if device and view.choice.hour is not None:
        view.what_if = figures.what_if(rows, device, view.choice.hour)

    view.savings = [] if shift.rows is None else figures.savings(shift.rows, view.hub)
    nothing = "No device of this hub can be shifted, or too few of its readings came in."
    view.notes["savings"] = shift.why or ("" if view.savings else nothing)

    idle = None if summary.rows is None else figures.idle(summary.rows, view.hub)
    view.notes["idle"] = summary.why
    view.tiles = [*_usage_tiles(usage), _saving_tile(view), _idle_tile(idle, summary.why)]

    audits = {} if quality.rows is None else figures.audits(quality.rows)
    view.notes["quality"] = quality.why
    view.days = [
        DayLine(
            day=day.day,
            kwh=f"{day.kwh:,.2f}",
            cost=dollars(day.cost),
            peak_share=percent(day.peak_share),
            coverage=percent(idle.coverage.get(day.day)) if idle else "–",
            audit=audits.get(day.day),
        )
        for day in usage.days
    ]


def _usage_tiles(usage: figures.Usage) -> list[Tile]:
    days = len(usage.days)
    return [
        Tile("kwh", "Energy", f"{usage.kwh:,.2f} kWh", f"{usage.kwh / days:,.2f} kWh a day"),
        Tile("cost", "Cost", dollars(usage.cost), f"{dollars(usage.cost / days)} a day"),
        Tile("peak", "Peak share", percent(usage.peak_share), "of the cost, at the peak rate"),
    ]


def _saving_tile(view: View) -> Tile:
    if not view.savings:
        return Tile("saving", "Possible saving", "–", view.notes["savings"])
    saving, year = (sum(getattr(one, name) for one in view.savings) for name in ("saving", "per_year"))
    note = f"{dollars(saving)} in these days, were the shiftable devices run at the cheapest rate"
    return Tile("saving", "Possible saving", f"{dollars(year)} a year", f"{note}. {view.notes['savings']}".strip())


def _idle_tile(idle: figures.Idle | None, why: str) -> Tile:
    if idle is None or idle.watts is None:
        return Tile("idle", "Always on", "–", why or "No hour of these days has all its readings.")
    cost = "" if idle.cost is None else f"{dollars(365 * idle.cost)} a year. "
    return Tile("idle", "Always on", f"{idle.watts:,.0f} W", f"{cost}{why}".strip())


def _between(days: Mapping[str, str], first: str, last: str) -> dict[str, str]:
    return {day: location for day, location in days.items() if first <= day <= last}
