"""Progress of the demo's runs: a live table of steps and days, or without a terminal one line a change."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
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
    "blocked": "[red]·[/]",  # by a failure before it
}


@dataclass(frozen=True)
class Cell:
    """What a step of a run does: `state` is a key of GLYPHS, `seconds` its time so far."""

    state: str = "waiting"
    seconds: float = 0.0


def cell(tasks: Iterable[Task], now: datetime) -> Cell:
    """Sum up the task instances of one step of one run."""
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


def watch(dag: Dag, run_ids: Sequence[str], steps: Iterable[str], console: Console) -> list[Run]:
    """Show the runs until all have finished; returns them as they ended, in the order of `run_ids`."""
    steps = list(steps)
    shown: dict[tuple[str, str], str] = {}
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    screen: AbstractContextManager[object] = live or nullcontext()
    with screen:
        while True:
            runs = sorted(
                (run for run in dag.runs() if run.run_id in run_ids),
                key=lambda run: run_ids.index(run.run_id),
            )
            tasks = {run.run_id: dag.tasks(run.run_id) for run in runs}
            now = datetime.now(UTC)
            cells = {
                (run.run_id, step): cell([task for task in tasks[run.run_id] if step_of(task.task_id) == step], now)
                for run in runs
                for step in steps
            }
            if live:
                live.update(table(runs, steps, cells, now), refresh=True)
            else:
                _print_changes(runs, cells, shown, console)
            if all(run.state in FINISHED for run in runs):
                return runs
            time.sleep(POLL_SECONDS)


def table(runs: Sequence[Run], steps: Sequence[str], cells: Mapping[tuple[str, str], Cell], now: datetime) -> Table:
    """A row a step, a column a run."""
    result = Table("step", *(run.day or run.run_id for run in runs), box=None, pad_edge=False)
    for step in steps:
        result.add_row(step, *(_glyph(cells[run.run_id, step]) for run in runs))
    result.add_row("[bold]run[/]", *(f"[bold]{run.state} {seconds(run, now):.0f} s[/]" for run in runs))
    return result


def seconds(run: Run, now: datetime) -> float:
    """How long a run has taken, 0 when it has not begun."""
    return ((run.ended or now) - run.started).total_seconds() if run.started else 0.0


def _glyph(state: Cell) -> str:
    return f"{GLYPHS[state.state]} {state.seconds:.0f} s" if state.seconds else GLYPHS[state.state]


def _print_changes(
    runs: Iterable[Run],
    cells: Mapping[tuple[str, str], Cell],
    shown: dict[tuple[str, str], str],
    console: Console,
) -> None:
    days = {run.run_id: run.day or run.run_id for run in runs}
    for (run_id, step), state in cells.items():
        if shown.get((run_id, step), "waiting") != state.state:
            console.print(f"{days[run_id]} {step}: {state.state} ({state.seconds:.1f} s)", highlight=False)
            shown[run_id, step] = state.state
