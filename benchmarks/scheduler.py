"""Backfills under the real Airflow on a laptop: how long they take, and how much of it the scheduler takes."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import pairwise
from statistics import median

from rich.console import Console

from benchmarks.measure import Meter, ResourceUsage
from ops import demo, processes, services
from ops.airflow_api import Dag, Task
from ops.settings import LaptopSettings


class BackfillError(Exception):
    """A run of the backfill failed; the message is the demo's output."""


@dataclass(frozen=True)
class TaskTimes:
    """Median seconds of a task over the runs in which it succeeded.

    scheduled: from the end of its upstream tasks until the scheduler schedules it; started: from then until its process
    starts; duration: from then until it ends.
    """

    task: str
    scheduled: float
    started: float
    duration: float


@dataclass(frozen=True)
class Backfill:
    """days: number of days; wall: seconds from the start of the first run to the end of the last one; airflow, aws: the
    usage of Airflow's processes and of the local AWS; tasks: in the order of the graph.
    """

    days: int
    wall: float
    airflow: ResourceUsage
    aws: ResourceUsage
    tasks: list[TaskTimes]

    @property
    def scheduling_seconds(self) -> float:
        """Median seconds per task from the end of its upstream tasks to its own start."""
        return median(task.scheduled + task.started for task in self.tasks)


@contextmanager
def airflow(settings: LaptopSettings) -> Iterator[float]:
    """Runs the laptop's services in their own folder; yields the seconds that they took to start."""
    shutil.rmtree(settings.local, ignore_errors=True)
    started = time.monotonic()
    try:
        services.up(settings, lambda line: None)
        yield time.monotonic() - started
    finally:
        services.down(settings, lambda line: None)
        shutil.rmtree(settings.local, ignore_errors=True)


def backfill(settings: LaptopSettings, days: Sequence[str]) -> Backfill:
    """Runs the days on running services. Raises BackfillError."""
    records = processes.recorded(settings.run)
    aws = [records["local-aws"].pid]
    others = [process.pid for process in records.values() if process.pid not in aws]
    output = StringIO()
    with Meter(aws) as aws_meter, Meter(others) as airflow_meter:
        succeeded = demo.run(settings, days, Console(file=output, width=120), time.monotonic())
    if not succeeded:
        raise BackfillError(output.getvalue())
    dag = Dag(settings.airflow_url)
    runs = [run for run in dag.runs() if run.day in days]
    starts = [run.started for run in runs if run.started]
    ends = [run.ended for run in runs if run.ended]
    upstream = dag.predecessors()
    times: dict[str, list[tuple[float, float, float]]] = {task: [] for group in dag.steps().values() for task in group}
    for run in runs:
        tasks = {task.task_id: task for task in dag.tasks(run.run_id)}
        for task in tasks.values():
            ready = max([end for name in upstream[task.task_id] if (end := tasks[name].ended)], default=run.started)
            if task_times := _times(task, ready):
                times[task.task_id].append(task_times)
    medians = [
        TaskTimes(task, *(median(part) for part in zip(*all_times, strict=True)))
        for task, all_times in times.items()
        if all_times
    ]
    wall = (max(ends) - min(starts)).total_seconds()
    return Backfill(len(days), wall, airflow_meter.usage, aws_meter.usage, medians)


def _times(task: Task, ready: datetime | None) -> tuple[float, float, float] | None:
    if task.state != "success" or not (task.scheduled and task.started and task.ended and ready):
        return None
    points = [ready, task.scheduled, task.started, task.ended]
    scheduled, started, duration = ((after - before).total_seconds() for before, after in pairwise(points))
    return scheduled, started, duration
