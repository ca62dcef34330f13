"""The part of Airflow's REST API that the demo needs, for one DAG."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any

import httpx

from ops.settings import UserError
from smart_hub.shared.layout import DAILY_DAG

FINISHED = frozenset({"success", "failed"})  # of runs
BUSY = frozenset({"queued", "running", "deferred", "restarting"})  # of task instances that have not ended
POLL_SECONDS = 0.5
PARSE_SECONDS = 120
END_SECONDS = 600  # Airflow fails a task without a worker after 300 s


@dataclass(frozen=True)
class Run:
    run_id: str
    day: str  # the partition key, YYYY-MM-DD; "" if it has none
    state: str
    note: str | None
    backfill: bool
    started: datetime | None
    ended: datetime | None

    def seconds(self, now: datetime) -> float:
        """How long the run took, or has taken until `now`; 0 if it has not started."""
        return ((self.ended or now) - self.started).total_seconds() if self.started else 0.0


@dataclass(frozen=True)
class Task:
    task_id: str
    state: str | None
    tries: int
    started: datetime | None
    ended: datetime | None
    scheduled: datetime | None = None  # when the scheduler found its dependencies met


class Dag:
    """A DAG of the Airflow at `url`. Every method raises httpx.HTTPStatusError if Airflow rejects a request."""

    def __init__(self, url: str, dag_id: str = DAILY_DAG, transport: httpx.BaseTransport | None = None) -> None:
        self.dag_id = dag_id
        self._client = httpx.Client(base_url=f"{url}/api/v2", timeout=60, trust_env=False, transport=transport)

    def wait_until_parsed(self) -> None:
        """Return when Airflow has parsed the DAG. Raises UserError for an import error and after a timeout."""
        deadline = time.monotonic() + PARSE_SECONDS
        while self._client.get(f"/dags/{self.dag_id}").status_code != httpx.codes.OK:
            errors = self._get("/importErrors")["import_errors"]
            if errors:
                raise UserError("\n".join(f"{e['filename']}: {e['stack_trace']}" for e in errors))
            if time.monotonic() > deadline:
                raise UserError(f"Airflow has not found the DAG {self.dag_id} in {PARSE_SECONDS} s")
            time.sleep(POLL_SECONDS)

    def unpause(self) -> None:
        self._send("PATCH", f"/dags/{self.dag_id}", {"is_paused": False})

    def predecessors(self) -> dict[str, set[str]]:
        """The upstream tasks of each task."""
        tasks = self._get(f"/dags/{self.dag_id}/tasks")["tasks"]
        upstream: dict[str, set[str]] = {task["task_id"]: set() for task in tasks}
        for task in tasks:
            for downstream in task["downstream_task_ids"]:
                upstream[downstream].add(task["task_id"])
        return upstream

    def steps(self) -> dict[str, list[str]]:
        """The graph's top level in the order of each step's first task: step -> its task ids."""
        graph = TopologicalSorter(self.predecessors())
        graph.prepare()
        steps: dict[str, list[str]] = {}
        while ready := sorted(graph.get_ready()):
            for task_id in ready:
                steps.setdefault(step_of(task_id), []).append(task_id)
            graph.done(*ready)
        return steps

    def runs(self) -> list[Run]:
        """All runs of the DAG, oldest first."""
        return [
            Run(
                run["dag_run_id"],
                run["partition_key"] or "",
                run["state"],
                run["note"],
                run["run_type"] == "backfill",
                _time(run["start_date"]),
                _time(run["end_date"]),
            )
            for run in self._pages(f"/dags/{self.dag_id}/dagRuns", "dag_runs")
        ]

    def tasks(self, run_id: str) -> list[Task]:
        """The task instances of a run."""
        path = f"/dags/{self.dag_id}/dagRuns/{run_id}/taskInstances"
        return [
            Task(
                task["task_id"],
                task["state"],
                task["try_number"],
                _time(task["start_date"]),
                _time(task["end_date"]),
                _time(task.get("scheduled_when")),
            )
            for task in self._pages(path, "task_instances")
        ]

    def cancel_backfills(self) -> None:
        """End the DAG's active backfills; Airflow permits one at a time."""
        newest = self._get("/backfills", dag_id=self.dag_id, order_by="-id", limit=10)["backfills"]
        for backfill in newest:
            if backfill["completed_at"] is None:
                response = self._client.put(f"/backfills/{backfill['id']}/cancel")
                if response.status_code != httpx.codes.CONFLICT:  # it has completed in the meantime
                    response.raise_for_status()

    def delete(self, selected: Callable[[Run], bool]) -> None:
        """Delete the selected runs. Runs that have not finished are first set to failed.

        Raises UserError if their tasks do not end.
        """
        for run in filter(selected, self.runs()):
            if run.state not in FINISHED:
                self._send("PATCH", f"/dags/{self.dag_id}/dagRuns/{run.run_id}", {"state": "failed"})
        deadline = time.monotonic() + END_SECONDS
        while runs := list(filter(selected, self.runs())):
            busy = {run.run_id for run in runs if any(task.state in BUSY for task in self.tasks(run.run_id))}
            for run in runs:
                if run.state in FINISHED and run.run_id not in busy:
                    self._send("DELETE", f"/dags/{self.dag_id}/dagRuns/{run.run_id}")
            if busy:
                if time.monotonic() > deadline:
                    names = ", ".join(sorted(busy))
                    raise UserError(
                        f"tasks of {names} have not ended in {END_SECONDS} s: run make down, then try again"
                    )
                time.sleep(POLL_SECONDS)

    def backfill(self, first: str, last: str, *, max_active_runs: int) -> None:
        """Create one run a day, from `first` to `last` (YYYY-MM-DD), both included."""
        body = {
            "dag_id": self.dag_id,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "max_active_runs": max_active_runs,
        }
        self._send("POST", "/backfills", body)

    def note(self, run_id: str, text: str) -> None:
        self._send("PATCH", f"/dags/{self.dag_id}/dagRuns/{run_id}", {"note": text})

    def _get(self, path: str, **query: str | int) -> Any:
        return self._client.get(path, params=query).raise_for_status().json()

    def _pages(self, path: str, key: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        while True:
            page = self._get(path, limit=100, offset=len(items))
            items += page[key]
            if len(items) >= page["total_entries"] or not page[key]:
                return items

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        response = self._client.request(method, path, json=body).raise_for_status()
        return response.json() if response.content else None


def step_of(task_id: str) -> str:
    """The top-level group of a task, or the task itself if it is in no group."""
    return task_id.split(".", 1)[0]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
