"""Progress of the demo's runs: a live table of the days on a terminal, otherwise a line for each change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ops.airflow_api import FINISHED, POLL_SECONDS, Dag, Run, Task, step_of

GLYPHS = {
    "waiting": "[dim]·[/]",
    "running": "[yellow]▶[/]",
    "retrying": "[yellow]↻[/]",
    "success": "[green]✔[/]",
    "skipped": "[dim]-[/]",
    "failed": "[red]✘[/]",
    "blocked": "[red]·[/]",  # an upstream task has failed
}


@dataclass(frozen=True)
class Cell:
    """The state of a step of a run: `state` is a key of GLYPHS, `seconds` its duration so far."""

    state: str = "waiting"
    seconds: float = 0.0


def cell(tasks: Iterable[Task], now: datetime) -> Cell:
    """The state of one step of one run, from its task instances."""
    tasks = list(tasks)
    states = {task.state for task in tasks}
    started = [task.started for task in tasks if task.started]
    ended = [task.ended for task in tasks if task.ended]
    if "failed" in states:
        state = "failed"
    elif "upstream_failed" in states:
        state = "blocked"
    elif "up_for_retry" in states:
        state = "retrying"
    elif states <= {"skipped"}:
        state = "skipped" if tasks else "waiting"
    elif states <= {"success", "skipped", "removed"}:
        state = "success"
    else:
        state = "running" if started else "waiting"
    if not started:
        return Cell(state)
    end = max(ended) if state not in ("running", "retrying") and ended else now
    return Cell(state, max((end - min(started)).total_seconds(), 0.0))


def watch(
    dag: Dag, run_ids: Sequence[str], steps: Iterable[str], console: Console, check: Callable[[], None]
) -> list[Run]:
    """Show the runs until all have finished. Returns the finished runs in the order of `run_ids`.

    check: called in each iteration; raises an error if the runs cannot finish.
    """
    steps = list(steps)
    shown: dict[tuple[str, str], str] = {}
    ended: set[str] = set()
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    screen: AbstractContextManager[object] = live or nullcontext()
    with screen:
        while True:
            runs = sorted(
                (run for run in dag.runs() if run.run_id in run_ids),
                key=lambda run: run_ids.index(run.run_id),
            )
            now = datetime.now(UTC)
            # Only a few runs of a month are active at a time: do not request the tasks of the others.
            cells = {run: _cells(dag, run, steps, now) for run in runs if run.started and run.run_id not in ended}
            for run in cells:
                if not live:
                    _print_changes(run, cells[run], shown, console)
                if run.state in FINISHED:
                    ended.add(run.run_id)
                    console.print(f"{run.day} {run.state} after {run.seconds(now):.0f} s", highlight=False)
            if live:
                working = {run: of_run for run, of_run in cells.items() if run.run_id not in ended}
                live.update(table(working, len(runs) - len(ended) - len(working), now), refresh=True)
            if all(run.state in FINISHED for run in runs):
                return runs
            check()
            time.sleep(POLL_SECONDS)


def _cells(dag: Dag, run: Run, steps: Iterable[str], now: datetime) -> dict[str, Cell]:
    tasks = dag.tasks(run.run_id)
    return {step: cell([task for task in tasks if step_of(task.task_id) == step], now) for step in steps}


def table(working: Mapping[Run, Mapping[str, Cell]], waiting: int, now: datetime) -> Table:
    """A row for each active run: its day, a glyph for each step, the steps in progress.

    waiting: the number of runs that have not started.
    """
    result = Table("Day", "Steps", "In progress", "Time", box=None, pad_edge=False)
    for run, cells in working.items():
        signs = "".join(GLYPHS[one.state] for one in cells.values())
        busy = [f"{step} {one.seconds:.0f} s" for step, one in cells.items() if one.state in ("running", "retrying")]
        result.add_row(run.day, signs, ", ".join(busy), f"{run.seconds(now):.0f} s")
    if waiting:
        result.caption, result.caption_justify = f"{waiting} more days to run", "left"
    return result


def _print_changes(run: Run, cells: Mapping[str, Cell], shown: dict[tuple[str, str], str], console: Console) -> None:
    for step, one in cells.items():
        if shown.get((run.run_id, step), "waiting") != one.state:
            console.print(f"{run.day} {step}: {one.state} ({one.seconds:.1f} s)", highlight=False)
            shown[run.run_id, step] = one.state
