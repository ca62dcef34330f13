"""Runs the tasks of the daily DAG one after the other in this process, without Airflow's scheduler and database.

A task runs as in a worker: its templates are rendered, then it is executed with its hooks, unless an earlier task or
its ``pre_execute`` skips it. The process needs the environment variables of a worker, which data_plane.py sets.

python -m benchmarks.pipeline --pids PID[,PID] --out FILE DAY …
"""

import argparse
import gc
import json
import logging
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from benchmarks.measure import cpu_seconds
from ops.airflow_config.airflow_local_settings import load_for_tasks
from ops.settings import ROOT

# Airflow skips it on a laptop, which has no dashboard.
_OMITTED = "refresh_quicksight"


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


def run(dag: Any, day: str, pids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Runs the day; yields for each task whether it was executed, its wall-clock seconds and CPU seconds.

    operator_cpu: those of this process; aws_cpu: those of ``pids``.
    """
    results: dict[str, Any] = {}
    skipped: set[str] = set()
    run_id = f"benchmark__{uuid.uuid4()}"
    for declared in dag.topological_sort():
        if declared.task_id == _OMITTED:
            continue
        if declared.task_id in skipped:  # Airflow starts no process for it
            yield {"day": day, "task": declared.task_id, "executed": False, "wall": 0, "operator_cpu": 0, "aws_cpu": 0}
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
        started = time.perf_counter(), time.process_time(), cpu_seconds(pids)
        try:
            task.render_template_fields(context)
            if task._pre_execute_hook is not None:
                task._pre_execute_hook(context)
            results[task.task_id] = task.execute(context)
            if task._post_execute_hook is not None:
                task._post_execute_hook(context, results[task.task_id])
            executed = True
        except DownstreamTasksSkipped as skips:
            skipped.update(skips.tasks)
            executed = True
        except AirflowSkipException:
            executed = False
        ended = time.perf_counter(), time.process_time(), cpu_seconds(pids)
        wall, operator_cpu, aws_cpu = (after - before for before, after in zip(started, ended, strict=True))
        yield {
            "day": day,
            "task": task.task_id,
            "executed": executed,
            "wall": wall,
            "operator_cpu": operator_cpu,
            "aws_cpu": aws_cpu,
        }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipeline", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pids", required=True, help="processes of the local AWS and its query engine")
    parser.add_argument("--out", type=Path, required=True, help="file to write, with one line of JSON per task")
    parser.add_argument("days", nargs="+", metavar="DAY")
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    load_for_tasks()
    dag = DagBag(ROOT / "dags" / "smart_hub_usage.py").dags["smart_hub_usage"]
    gc.freeze()  # as the LocalExecutor does before its workers start
    with options.out.open("w") as lines:
        for day in options.days:
            for step in run(dag, day, [int(pid) for pid in options.pids.split(",")]):
                print(json.dumps(step), file=lines, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
