"""The pipeline under the real Airflow of a laptop: where a backfill's time goes."""

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

from benchmarks.measure import Meter, Taken
from ops import demo, processes, services
from ops.airflow_api import Dag, Task
from ops.settings import Settings


class BackfillFailed(Exception):
    """A run has failed; the message is what the demo says."""


@dataclass(frozen=True)
class TaskTimes:
    """Seconds of a task, medians over the runs: until the scheduler has seen that it may run, until its process has
    started, and until that has ended. Only tasks that ran count.
    """

    task: str
    seen: float
    started: float
    ran: float


@dataclass(frozen=True)
class Backfill:
    """days: how many; wall: from the first run's start to the last one's end; airflow, aws: what their processes took
    until then, in seconds of CPU and MB; tasks: in the order of the graph.
    """

    days: int
    wall: float
    airflow: Taken
    aws: Taken
    tasks: list[TaskTimes]

    @property
    def share(self) -> float:
        """The scheduler's, median seconds a task: from the end of what it waited for to its start."""
        return median(one.seen + one.started for one in self.tasks)


@contextmanager
def airflow(settings: Settings) -> Iterator[float]:
    """The laptop's services in a folder of their own; gives the seconds of their start."""
    shutil.rmtree(settings.local, ignore_errors=True)
    begun = time.monotonic()
    try:
        services.up(settings, lambda line: None)
        yield time.monotonic() - begun
    finally:
        services.down(settings, lambda line: None)
        shutil.rmtree(settings.local, ignore_errors=True)


def backfill(settings: Settings, days: Sequence[str]) -> Backfill:
    """Runs the days on services that are up. Raises BackfillFailed."""
    records = processes.recorded(settings.run)
    aws = [records["local-aws"].pid]
    others = [process.pid for process in records.values() if process.pid not in aws]
    said = StringIO()
    with Meter(aws) as aws_meter, Meter(others) as airflow_meter:
        succeeded = demo.run(settings, days, Console(file=said, width=120), time.monotonic())
    if not succeeded:
        raise BackfillFailed(said.getvalue())
    dag = Dag(settings.airflow_url)
    runs = [run for run in dag.runs() if run.day in days]
    begun = [run.started for run in runs if run.started]
    ended = [run.ended for run in runs if run.ended]
    waits_for = dag.predecessors()
    times: dict[str, list[tuple[float, float, float]]] = {task: [] for group in dag.steps().values() for task in group}
    for run in runs:
        tasks = {task.task_id: task for task in dag.tasks(run.run_id)}
        for task in tasks.values():
            before = [tasks[one].ended for one in waits_for[task.task_id]]
            if times_of := _times(task, max([one for one in before if one], default=run.started)):
                times[task.task_id].append(times_of)
    found = [
        TaskTimes(task, *(median(part) for part in zip(*all_times, strict=True)))
        for task, all_times in times.items()
        if all_times
    ]
    wall = (max(ended) - min(begun)).total_seconds()
    return Backfill(len(days), wall, airflow_meter.taken, aws_meter.taken, found)


def _times(task: Task, ready: datetime | None) -> tuple[float, float, float] | None:
    if task.state != "success" or not (task.scheduled and task.started and task.ended and ready):
        return None
    points = [ready, task.scheduled, task.started, task.ended]
    seen, started, ran = ((after - before).total_seconds() for before, after in pairwise(points))
    return seen, started, ran
