"""What a run of the benchmark found, as tables in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks import bill
from benchmarks.data_plane import GETS, PUTS, Day
from benchmarks.measure import Taken, spread
from benchmarks.scheduler import Backfill

Measured = Mapping[int, Mapping[str, Sequence[Taken]]]  # by hubs, by contestant: one a repetition
FLOOR = "duckdb"
FIRST, ANOTHER = "first day", "another day"


def table(rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, header first; all columns but the first are numbers."""
    header, *body = rows
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def contestants(measured: Measured, names: Mapping[str, str], of: str = "the one query's") -> str:
    """CPU, wall clock and memory of all contestants at all sizes. names: how each is called; of: whose CPU is 1."""
    rows = [["contestant", "hubs", "wall s", "CPU s", f"× {of} CPU", "peak MB"]]
    for hubs, by_name in sorted(measured.items()):
        floor = median(one.cpu for one in by_name[FLOOR])
        for name, taken in by_name.items():
            cpu = [one.cpu for one in taken]
            rows.append(
                [
                    names[name],
                    f"{hubs:,}",
                    spread([one.wall for one in taken]),
                    spread(cpu),
                    f"{median(cpu) / floor:.1f}",
                    f"{max(one.peak_mb for one in taken):,.0f}",
                ]
            )
    return table(rows)


def per_hub(measured: Measured, names: Mapping[str, str]) -> str:
    """Milliseconds of CPU a hub, by size."""
    sizes = sorted(measured)
    rows = [["CPU ms a hub", *(f"{hubs:,} hubs" for hubs in sizes)]]
    for name, title in names.items():
        cells = [
            f"{1000 * median(one.cpu for one in measured[hubs][name]) / hubs:.1f}" if name in measured[hubs] else "–"
            for hubs in sizes
        ]
        rows.append([title, *cells])
    return table(rows)


def steps(first: Sequence[Day], another: Sequence[Day]) -> str:
    """Step by step, medians over the repetitions; seven steps, and all."""
    rows = [["step", f"{FIRST}: wall s", "CPU s", "of it operators", f"{ANOTHER}: wall s", "CPU s", "of it operators"]]
    for name in first[0].steps:
        parts = [[day.steps[name] for day in days] for days in (first, another)]
        rows.append([name, *_cells(parts)])
    for title, seven in (("steps 1 to 7", True), ("all", False)):
        parts = [[day.total(seven=seven) for day in days] for days in (first, another)]
        rows.append([f"**{title}**", *_cells(parts)])
    return table(rows)


def _cells(parts: Sequence[Sequence[Any]]) -> list[str]:
    return [
        f"{median(getattr(one, name) for one in part):.2f}" for part in parts for name in ("wall", "cpu", "operators")
    ]


def quantities(days: Mapping[int, tuple[Day, Day]]) -> str:
    """What a first and another day ask of AWS, by number of hubs."""
    rows = [["hubs", "day", "queries", "S3 PUT, LIST", "S3 GET, HEAD", "catalog", "scanned MB", "raw MB", "Parquet MB"]]
    for hubs, both in sorted(days.items()):
        for title, day in zip((FIRST, ANOTHER), both, strict=True):
            rows.append(
                [
                    f"{hubs:,}",
                    title,
                    str(day.statements),
                    str(sum(day.requests.get(one, 0) for one in PUTS)),
                    str(sum(day.requests.get(one, 0) for one in GETS)),
                    str(day.requests.get("catalog", 0)),
                    f"{sum(day.queries.values()) / 1e6:,.1f}",
                    f"{day.stored['raw_usage'] / 1e6:,.1f}",
                    f"{sum(size for name, size in day.stored.items() if name != 'raw_usage') / 1e6:,.1f}",
                ]
            )
    return table(rows)


def backfills(found: Mapping[str, Sequence[Backfill]]) -> str:
    rows = [
        [
            "backfill",
            "wall s",
            "days a minute",
            "scheduler's share a task, s",
            "Airflow's CPU s",
            "local AWS's CPU s",
            "peak MB",
        ]
    ]
    for title, runs in found.items():
        rows.append(
            [
                title,
                spread([one.wall for one in runs]),
                f"{median(60 * one.days / one.wall for one in runs):.1f}",
                f"{median(one.share for one in runs):.2f}",
                spread([one.airflow.cpu for one in runs]),
                spread([one.aws.cpu for one in runs]),
                f"{max(one.airflow.peak_mb + one.aws.peak_mb for one in runs):,.0f}",
            ]
        )
    return table(rows)


def tasks(found: Backfill) -> str:
    """Where the time of each task goes."""
    rows = [["task", "seen after s", "started after s", "ran s"]]
    rows += [[one.task, f"{one.seen:.2f}", f"{one.started:.2f}", f"{one.ran:.2f}"] for one in found.tasks]
    return table(rows)


def bills(days: Sequence[bill.Day], copied: Sequence[bill.Day]) -> tuple[str, str]:
    """This design's bill by item, and both designs' beside each other."""
    own = bill.bills(days)
    return table(bill.rows(own)), table(bill.compared(own, bill.bills(copied)))


def page(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    rows = [["page of one hub", "wall s", "CPU s of the web server"]]
    for title, times in found.items():
        rows.append([title, *(spread([one[name] for one in times], 2) for name in ("wall", "cpu"))])
    return table(rows)


def memory(found: Mapping[str, Taken]) -> str:
    rows = [["QUERY_MEMORY", "steps 1 to 7: wall s", "CPU s", "peak MB of all"]]
    rows += [[size, f"{one.wall:.1f}", f"{one.cpu:.1f}", f"{one.peak_mb:,.0f}"] for size, one in found.items()]
    return table(rows)
