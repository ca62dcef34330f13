"""Measures the tasks of the daily DAG, run one after the other in this process by dag_runner.py.

The process needs the environment variables of a worker, which data_plane.py sets.

python -m benchmarks.pipeline --pids PID[,PID] --out FILE DAY …
"""

import argparse
import gc
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import dag_runner
from benchmarks.measure import cpu_seconds
from ops.airflow_config.airflow_local_settings import load_for_tasks


def measure(dag: Any, day: str, pids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Runs the day; yields for each task whether it was executed, its wall-clock seconds and CPU seconds.

    operator_cpu: those of this process; aws_cpu: those of ``pids``.
    """

    def clocks() -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), cpu_seconds(pids)

    started = clocks()
    for task in dag_runner.run(dag, day):
        wall, operator_cpu, aws_cpu = (after - before for before, after in zip(started, clocks(), strict=True))
        yield {
            "day": day,
            "task": task.task_id,
            "executed": task.was_executed,
            "wall": wall,
            "operator_cpu": operator_cpu,
            "aws_cpu": aws_cpu,
        }
        started = clocks()


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
    dag = dag_runner.daily_dag()
    gc.freeze()  # as the LocalExecutor does before its workers start
    with options.out.open("w") as lines:
        for day in options.days:
            for step in measure(dag, day, [int(pid) for pid in options.pids.split(",")]):
                print(json.dumps(step), file=lines, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
