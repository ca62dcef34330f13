"""The daily DAG's own tasks, one after the other in this process, without Airflow's scheduler and database.

A task is run as a worker runs it: its templates are rendered, then it is executed with its hooks, unless an earlier
task or its ``pre_execute`` skips it. It needs the environment of a worker: see data_plane.py.

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

# Not of the pipeline on a laptop: it is skipped where there is no dashboard.
_LEFT_OUT = "refresh_quicksight"


class _TaskInstance(SimpleNamespace):
    """Of Airflow's task instance what operators and macros ask."""

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
    """Runs the day; gives for each task whether it ran, its seconds, its own CPU seconds and those of ``pids``."""
    results: dict[str, Any] = {}
    skipped: set[str] = set()
    run_id = f"benchmark__{uuid.uuid4()}"
    for declared in dag.topological_sort():
        if declared.task_id == _LEFT_OUT:
            continue
        if declared.task_id in skipped:  # Airflow starts no process for it
            yield {"day": day, "task": declared.task_id, "ran": False, "wall": 0, "own": 0, "aws": 0}
            continue
        task = declared.prepare_for_execution()  # a copy, for rendering changes it
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
        begun = time.perf_counter(), time.process_time(), cpu_seconds(pids)
        try:
            task.render_template_fields(context)
            if task._pre_execute_hook is not None:
                task._pre_execute_hook(context)
            results[task.task_id] = task.execute(context)
            if task._post_execute_hook is not None:
                task._post_execute_hook(context, results[task.task_id])
            ran = True
        except DownstreamTasksSkipped as skips:
            skipped.update(skips.tasks)
            ran = True
        except AirflowSkipException:
            ran = False
        ended = time.perf_counter(), time.process_time(), cpu_seconds(pids)
        wall, own, aws = (after - before for before, after in zip(begun, ended, strict=True))
        yield {"day": day, "task": task.task_id, "ran": ran, "wall": wall, "own": own, "aws": aws}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipeline", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pids", required=True, help="processes of the local AWS and its engine, whose CPU counts")
    parser.add_argument("--out", type=Path, required=True, help="file that gets a line of JSON for each task")
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
