"""Runs the tasks of a DAG one after the other in this process, without Airflow's scheduler and database.

A task runs as in a worker: its templates are rendered, then it is executed with its hooks, unless an earlier task or
its ``pre_execute`` skips it. It is not retried, and no callback is called. The process needs the environment variables
of a worker (`ops.environment.airflow_environment`).
"""

import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from ops.settings import ROOT


class TaskError(Exception):
    """A task failed; the cause is its exception, and the message names both."""

    def __init__(self, task_id: str, cause: Exception) -> None:
        super().__init__(f"{task_id}: {type(cause).__name__}: {cause}")
        self.task_id = task_id


class TaskRun(NamedTuple):
    """was_executed: False if the task was skipped; result: its return value."""

    task_id: str
    was_executed: bool
    result: Any = None


class _TaskInstance(SimpleNamespace):
    """The part of Airflow's task instance that operators and macros use."""

    def xcom_pull(self, task_ids: str) -> Any:
        return self.results.get(task_ids)

    def xcom_push(self, key: str, value: Any) -> None:
        if key == BaseXCom.XCOM_RETURN_KEY:  # the others are for links in the UI
            self.results[self.task_id] = value

    def get_dr_count(self, **_: Any) -> int:
        return 1


class _Outlets(dict[Any, Any]):
    def __missing__(self, outlet: Any) -> Any:
        self[outlet] = SimpleNamespace(extra={}, add_partitions=lambda day: None)
        return self[outlet]


def daily_dag() -> Any:
    """The daily DAG, parsed with the current environment variables."""
    return DagBag(ROOT / "dags" / "smart_hub_usage.py").dags["smart_hub_usage"]


def run(dag: Any, day: str) -> Iterator[TaskRun]:
    """Runs the tasks for the day in topological order; yields each when it has ended. Raises TaskError."""
    results: dict[str, Any] = {}
    skipped: set[str] = set()
    run_id = f"manual__{uuid.uuid4()}"
    for declared in dag.topological_sort():
        if declared.is_mapped:  # refresh_quicksight, which has nothing to refresh on a laptop
            continue
        if declared.task_id in skipped:  # Airflow starts no process for it
            yield TaskRun(declared.task_id, was_executed=False)
            continue
        task = declared.prepare_for_execution()  # a copy, because rendering changes it
        names = {"task_id": task.task_id, "dag_id": dag.dag_id, "run_id": run_id, "try_number": 1, "map_index": -1}
        instance = _TaskInstance(id=uuid.uuid4(), results=results, **names)
        context: Any = {
            "dag": dag,
            "task": task,
            "ti": instance,
            "task_instance": instance,
            "run_id": run_id,
            "params": {"usage_date": day},
            "outlet_events": _Outlets(),
            **dag.user_defined_macros,
        }
        was_executed = True
        try:
            task.render_template_fields(context)
            if task._pre_execute_hook is not None:
                task._pre_execute_hook(context)
            results[task.task_id] = task.execute(context)
            if task._post_execute_hook is not None:
                task._post_execute_hook(context, results[task.task_id])
        except DownstreamTasksSkipped as skips:
            skipped.update(skips.tasks)
        except AirflowSkipException:
            was_executed = False
        except Exception as error:
            raise TaskError(task.task_id, error) from error
        yield TaskRun(task.task_id, was_executed, results.get(task.task_id))
