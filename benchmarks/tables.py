"""The results of the benchmark as Markdown tables."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks import bill
from benchmarks.data_plane import GETS, PUTS, MeasuredDay, StepUsage
from benchmarks.measure import ResourceUsage, spread
from benchmarks.scheduler import Backfill

Measurements = Mapping[int, Mapping[str, Sequence[ResourceUsage]]]  # by hubs, by name: one per repetition
REFERENCE = "duckdb"
FIRST, ANOTHER = "first day", "another day"


def table(rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, header first; all columns except the first contain numbers."""
    header, *body = rows
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def comparison(measured: Measurements, names: Mapping[str, str], reference: str = "one query") -> str:
    """CPU, wall-clock time and memory at each number of hubs.

    names: the label of each row; reference: the label of the row REFERENCE, whose CPU counts as 1.
    """
    rows = [["program", "hubs", "wall s", "CPU s", f"CPU / {reference}", "peak MB"]]
    for hubs, by_name in sorted(measured.items()):
        reference_cpu = median(usage.cpu for usage in by_name[REFERENCE])
        for name, usages in by_name.items():
            cpu = [usage.cpu for usage in usages]
            rows.append(
                [
                    names[name],
                    f"{hubs:,}",
                    spread([usage.wall for usage in usages]),
                    spread(cpu),
                    f"{median(cpu) / reference_cpu:.1f}",
                    f"{max(usage.peak_mb for usage in usages):,.0f}",
                ]
            )
    return table(rows)


def cpu_per_hub(measured: Measurements, names: Mapping[str, str]) -> str:
    """Milliseconds of CPU per hub, by number of hubs."""
    sizes = sorted(measured)
    rows = [["CPU ms per hub", *(f"{hubs:,} hubs" for hubs in sizes)]]
    for name, title in names.items():
        cells = [
            f"{1000 * median(usage.cpu for usage in measured[hubs][name]) / hubs:.1f}"
            if name in measured[hubs]
            else "–"
            for hubs in sizes
        ]
        rows.append([title, *cells])
    return table(rows)


def steps(first: Sequence[MeasuredDay], another: Sequence[MeasuredDay]) -> str:
    """Medians over the repetitions by step, and the sums of the seven steps and of all."""
    rows = [["step", *(f"{title}{name}" for title in (f"{FIRST}: ", f"{ANOTHER}: ") for name in _STEP_COLUMNS)]]
    for name in first[0].steps:
        rows.append([name, *_step_cells([[day.steps[name] for day in days] for days in (first, another)])])
    for title, seven in (("steps 1 to 7", True), ("all", False)):
        rows.append(
            [f"**{title}**", *_step_cells([[day.total(seven=seven) for day in days] for days in (first, another)])]
        )
    return table(rows)


_STEP_COLUMNS = {"wall s": "wall", "CPU s": "cpu", "operators' CPU s": "operator_cpu"}


def _step_cells(columns: Sequence[Sequence[StepUsage]]) -> list[str]:
    return [
        f"{median(getattr(step, field) for step in column):.2f}"
        for column in columns
        for field in _STEP_COLUMNS.values()
    ]


def requests(days: Mapping[int, tuple[MeasuredDay, MeasuredDay]]) -> str:
    """Requests to AWS and bytes of a first and another day, by number of hubs."""
    rows = [["hubs", "day", "queries", "S3 PUT, LIST", "S3 GET, HEAD", "catalog", "scanned MB", "raw MB", "Parquet MB"]]
    for hubs, both in sorted(days.items()):
        for title, day in zip((FIRST, ANOTHER), both, strict=True):
            rows.append(
                [
                    f"{hubs:,}",
                    title,
                    str(day.query_count),
                    str(sum(day.requests.get(kind, 0) for kind in PUTS)),
                    str(sum(day.requests.get(kind, 0) for kind in GETS)),
                    str(day.requests.get("catalog", 0)),
                    f"{sum(day.scanned_bytes.values()) / 1e6:,.1f}",
                    f"{day.stored_bytes['raw_usage'] / 1e6:,.1f}",
                    f"{sum(size for name, size in day.stored_bytes.items() if name != 'raw_usage') / 1e6:,.1f}",
                ]
            )
    return table(rows)


def backfills(measured: Mapping[str, Sequence[Backfill]]) -> str:
    rows = [
        [
            "backfill",
            "wall s",
            "days per minute",
            "scheduling s per task",
            "Airflow's CPU s",
            "local AWS's CPU s",
            "peak MB",
        ]
    ]
    for title, runs in measured.items():
        rows.append(
            [
                title,
                spread([run.wall for run in runs]),
                f"{median(60 * run.days / run.wall for run in runs):.1f}",
                f"{median(run.scheduling_seconds for run in runs):.2f}",
                spread([run.airflow.cpu for run in runs]),
                spread([run.aws.cpu for run in runs]),
                f"{max(run.airflow.peak_mb + run.aws.peak_mb for run in runs):,.0f}",
            ]
        )
    return table(rows)


def tasks(backfill: Backfill) -> str:
    """The seconds of each task until it is scheduled, until it starts, and until it ends."""
    rows = [["task", "scheduled after s", "started after s", "duration s"]]
    rows += [
        [task.task, f"{task.scheduled:.2f}", f"{task.started:.2f}", f"{task.duration:.2f}"] for task in backfill.tasks
    ]
    return table(rows)


def bills(days: Sequence[bill.BilledDay], copied: Sequence[bill.BilledDay]) -> tuple[str, str]:
    """The bill of this design by item, and the comparison of both designs."""
    own = bill.bills(days)
    return table(bill.rows(own)), table(bill.compared(own, bill.bills(copied)))


def page(measured: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    rows = [["page of one hub", "wall s", "CPU s of the web server"]]
    for title, times in measured.items():
        rows.append([title, *(spread([one[name] for one in times], 2) for name in ("wall", "cpu"))])
    return table(rows)


def memory(measured: Mapping[str, ResourceUsage]) -> str:
    rows = [["QUERY_MEMORY", "steps 1 to 7: wall s", "CPU s", "peak MB of all"]]
    rows += [[size, f"{one.wall:.1f}", f"{one.cpu:.1f}", f"{one.peak_mb:,.0f}"] for size, one in measured.items()]
    return table(rows)
