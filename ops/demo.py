"""The demo: starts the services, runs the DAG for the sample days, prints the results."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import boto3
from rich.console import Console

from ops import demo_results, local_command, progress, services
from ops.airflow_api import FINISHED, Dag, Run
from ops.environment import isolate
from ops.settings import LaptopSettings, UserError
from smart_hub.shared.layout import DAILY_DAG

FIRST, LAST = date(2019, 12, 21), date(2019, 12, 22)  # the days in include/data
NOTE = "Started by the demo."  # marks the runs that the next demo deletes
RUNS_AT_ONCE = 3  # days in flight; the local Airflow works on four tasks at once


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.demo", description=__doc__)
    parser.add_argument("--source", help="folder or s3:// prefix of the data (default: $SOURCE, else include/data)")
    parser.add_argument("--from", dest="first", type=day, default=FIRST, help="first day (default: %(default)s)")
    parser.add_argument("--to", dest="last", type=day, default=LAST, help="last day (default: %(default)s)")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the results as JSON on standard output, and all else on standard error",
    )
    options = parser.parse_args(arguments)
    stream = sys.stderr if options.json else sys.stdout
    console = Console(file=stream, soft_wrap=not stream.isatty())
    source = {"SOURCE": options.source} if options.source else {}
    return local_command.run(
        lambda: demo(isolate(LaptopSettings.from_environment({**os.environ, **source})), options, console),
        interrupted="Interrupted. `make status` shows what is running, `make down` stops it.",
    )


def demo(settings: LaptopSettings, options: argparse.Namespace, console: Console) -> int:
    """Start the services, run the days and print the results; returns the exit status."""
    begun = time.monotonic()
    days = days_between(options.first, options.last)
    if not settings.source.startswith("s3://"):
        check_folder(Path(settings.source), days)
    services.up(settings, say=lambda text: console.print(text, highlight=False))
    if settings.source.startswith("s3://"):
        check_prefix(settings, days)

    results = run(settings, days, console, begun)
    if options.json:
        print(json.dumps(demo_results.document(results), indent=2))
    console.print(
        f"\nAirflow    {settings.airflow_url}/dags/{DAILY_DAG}\n"
        f"Smart Hub  {settings.airflow_url}/plugin/smart-hub\n"
        f"Local AWS  {settings.aws_url}\n"
        f'Next: make airflow ARGS="dags list"; make down stops both.',
        highlight=False,
        markup=False,
    )
    return exit_status(results)


def exit_status(results: Sequence[demo_results.DayResult]) -> int:
    """0 if all runs succeeded, else 1."""
    return int(any(day.state != "success" for day in results))


def run(settings: LaptopSettings, days: Sequence[str], console: Console, begun: float) -> list[demo_results.DayResult]:
    """Run the days on a running Airflow, print the results and return them.

    `begun`: when the command started, by the monotonic clock.
    """
    dag = Dag(settings.airflow_url)
    console.print(f"Running {DAILY_DAG} for {days[0]} to {days[-1]}", highlight=False)
    with local_command.naming_a_full_disk(settings.local):
        # On a full disk, Airflow cannot write to its database, so its runs never end.
        check = partial(local_command.check_disk, settings.local)
        runs = progress.watch(dag, start(dag, days), dag.steps(), console, check)
        results = demo_results.days(demo_results.client(settings), settings, runs)
    failed = [run for run in runs if run.state != "success"]
    console.print(demo_results.table(results))
    for one in failed:
        for text in failures(dag, one, settings.airflow_home / "logs"):
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    sums = demo_results.total(results)
    console.print(
        f"{len(runs) - len(failed)} of {len(runs)} runs succeeded, {time.monotonic() - begun:.0f} s in all. "
        f"Athena ran {sums.athena_queries:,} queries and scanned {sums.athena_bytes_scanned / 1e6:,.2f} MB.",
        highlight=False,
        markup=False,
    )
    return results


def days_between(first: date, last: date) -> list[str]:
    """The days from `first` to `last`, both included, as YYYY-MM-DD. Raises UserError for the wrong order."""
    if first > last:
        raise UserError(f"FROM={first} is after TO={last}: give the earlier day first")
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]


def check_folder(source: Path, days: Sequence[str]) -> None:
    """Raise UserError unless `source` is a folder with files of usage for each day."""
    if not source.is_dir():
        raise UserError(f"SOURCE={source} is not a folder: set it to the folder that has usage/dt=YYYY-MM-DD/")
    for day in days:
        folder = source / "usage" / f"dt={day}"
        # As in step 1, names that begin with a dot or underscore do not count, because Athena ignores them. A folder
        # counts, because step 1 also copies the files in it.
        if not any(path.exists() and not path.name.startswith((".", "_")) for path in folder.glob("*")):
            raise UserError(f"there is no usage of {day}: {folder} has no files. Choose other days with FROM and TO")


def check_prefix(settings: LaptopSettings, days: Sequence[str]) -> None:
    """Raise UserError unless the s3:// prefix has objects of usage for each day."""
    bucket, _, prefix = settings.source.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", **settings.aws_client)
    if bucket not in {item["Name"] for item in s3.list_buckets()["Buckets"]}:
        raise UserError(f"SOURCE={settings.source}: the local AWS has no bucket {bucket}")
    for day in days:
        folder = f"{prefix.rstrip('/')}/usage/dt={day}/".lstrip("/")
        if not s3.list_objects_v2(Bucket=bucket, Prefix=folder, MaxKeys=1)["KeyCount"]:
            raise UserError(f"there is no usage of {day}: s3://{bucket}/{folder} has no objects")


def start(dag: Dag, days: Sequence[str]) -> list[str]:
    """Start one run a day and delete the runs of earlier demos. Returns the ids of the runs in the order of `days`.

    Raises UserError if another backfill is running, because Airflow permits only one for each DAG.
    """

    def earlier(run: Run) -> bool:
        return run.note == NOTE or run.day in days

    dag.wait_until_parsed()
    others = [run for run in dag.runs() if run.backfill and run.state not in FINISHED and not earlier(run)]
    if others:
        raise UserError(
            f"another backfill is running ({', '.join(run.run_id for run in others)}), and Airflow permits only "
            f"one for each DAG: wait for it, or cancel it in the UI"
        )
    dag.cancel_backfills()
    dag.delete(earlier)
    dag.unpause()
    dag.backfill(days[0], days[-1], max_active_runs=RUNS_AT_ONCE)
    run_ids = {run.day: run.run_id for run in dag.runs() if run.day in days}
    if missing := sorted(set(days) - run_ids.keys()):
        raise UserError(f"Airflow created no run for {', '.join(missing)}: is the day over?")
    for run_id in run_ids.values():
        dag.note(run_id, NOTE)
    return [run_ids[day] for day in days]


def failures(dag: Dag, run: Run, logs: Path) -> Iterator[str]:
    """For each failed task of the run: its name, its last error and its log file."""
    for task in dag.tasks(run.run_id):
        if task.state == "failed":
            log = logs / f"dag_id={dag.dag_id}/run_id={run.run_id}/task_id={task.task_id}/attempt={task.tries}.log"
            yield f"{run.day} {task.task_id} failed: {last_error(log)}\n  log: {log}"


def last_error(log: Path) -> str:
    """The last error in a task's log (JSON lines), or a sentence that there is none."""
    if not log.exists():
        return "there is no log"
    for line in reversed(log.read_text(errors="replace").splitlines()):
        if not line.startswith("{"):
            continue
        entry = json.loads(line)
        if entry.get("level") in ("error", "critical"):
            for detail in entry.get("error_detail") or []:
                value = str(detail["exc_value"])
                payload = re.search(
                    r"'Payload': ('(?:[^'\\]|\\.)*')", value
                )  # a function's response, formatted by Python
                message = json.loads(ast.literal_eval(payload[1])).get("errorMessage", value) if payload else value
                return f"{detail['exc_type']}: {message}"
            return str(entry["event"])
    return "no error in its log"


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a day: write it as 2019-12-21") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
