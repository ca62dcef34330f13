"""Injects faults into a running environment and compares the published days with an independent computation.

The environment has the real scheduler and the local AWS, as `make up` starts them, in its own folder and on its own
ports.
"""

import io
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from localaws.testing import Endpoint
from ops import processes
from ops.airflow_api import FINISHED, Dag
from smart_hub.shared.layout import run_name, version_name
from tests.chaos.faults import Fault, FaultRule
from tests.e2e import independent
from tests.e2e.environment import Environment

TIMEOUT_SECONDS = 900  # without any run that ends, retries included
STOPPED = "the local AWS was stopped while this query ran"


@dataclass(frozen=True)
class Damage:
    """The number of wrong rows of a published day, by an independent computation."""

    missing: int = 0
    duplicate: int = 0
    wrong: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.duplicate or self.wrong)


@dataclass(frozen=True)
class TrialResult:
    """injections: how often the fault was injected; recovery: how the day was completed, or "STUCK"."""

    run_id: str
    fault: Fault
    injections: int
    recovery: str
    damage: Damage

    @property
    def passed(self) -> bool:
        return self.injections > 0 and self.recovery != "STUCK" and not self.damage


@dataclass
class Trial:
    """One fault in one run of a day.

    request: fields of the trigger request, if the day is not its parameter; current: the id of the run that must
    succeed; manual_action: the last action of a user, "cleared" or "new run".
    """

    fault: Fault
    day: str
    run_id: str
    request: FaultRule = field(default_factory=dict)
    injections: int = 0
    killed: bool = False
    manual_action: str = ""
    current: str = field(init=False)

    def __post_init__(self) -> None:
        self.current = self.run_id

    @property
    def rules(self) -> list[FaultRule]:
        """The fault's rules, restricted to this run; the name of the first is the run's id."""
        run = run_name(self.day, self.run_id)
        names = {"{run}": run, "{prefix}": version_name(run, "")[:9]}
        return [
            {**rule, "name": f"{self.run_id}{f' {number}' if number else ''}", "match": _filled(rule["match"], names)}
            for number, rule in enumerate(self.fault.rules)
        ]


@dataclass
class Kit:
    environment: Environment
    source: Path
    expected: dict[str, dict[independent.Key, independent.Cost]] = field(default_factory=dict)

    @cached_property
    def dag(self) -> Dag:
        return Dag(f"http://127.0.0.1:{self.environment.airflow_port}")

    @property
    def aws(self) -> Endpoint:
        return Endpoint(f"http://127.0.0.1:{self.environment.aws_port}")

    # Faults

    def inject(self, rules: Sequence[FaultRule]) -> None:
        """Replaces the fault rules."""
        self.aws.set_faults(*rules)

    def injections(self) -> Counter[str]:
        """How often each rule was applied, by its name."""
        return Counter({rule["name"]: rule["struck"] for rule in self.aws.faults()})

    def kill_worker(self, run_id: str, task_id: str) -> None:
        """Sends SIGKILL to the worker of a task, whose process title has the id of the task instance."""
        path = f"/dagRuns/{run_id}/taskInstances/{task_id}"
        task_instance = self.environment.airflow.get(path).raise_for_status().json()["id"]
        title = f"airflow worker -- {task_instance}"
        (worker,) = [one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[:1] == [title]]
        worker.kill()

    def kill_local_aws(self) -> None:
        """Sends SIGKILL to all processes of the local AWS, then runs `make up`, as a user would."""
        local_aws = processes.recorded(self.environment.local / "run")["local-aws"]
        for member in local_aws.members():
            member.kill()
        self.up()

    def up(self) -> None:
        done = self.environment.make("up", SOURCE=str(self.source))
        assert done.returncode == 0, done.stdout

    # Runs

    def start(self, run_id: str, day: str, request: FaultRule | None = None) -> None:
        body = {"dag_run_id": run_id, "logical_date": None, "conf": {"usage_date": day}, **(request or {})}
        self._send("POST", "/dagRuns", body)

    def pause(self, paused: bool) -> None:
        self._send("PATCH", "", {"is_paused": paused})

    def backfill(self, first: str, last: str, **options: Any) -> None:
        """One run per day, three in parallel, after any other backfill. options: fields of the request."""
        span = {"from_date": f"{first}T00:00:00Z", "to_date": f"{last}T00:00:00Z"}
        body = {"dag_id": self.dag.dag_id, "max_active_runs": 3, **span, **options}
        url = f"http://127.0.0.1:{self.environment.airflow_port}/api/v2/backfills"
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (
            response := httpx.post(url, json=body, timeout=180, trust_env=False)
        ).status_code == httpx.codes.CONFLICT:
            assert time.monotonic() < deadline, response.text
            time.sleep(1)
        response.raise_for_status()

    def clear(self, run_id: str, *task_ids: str) -> None:
        """Clears tasks, or all failed ones, with their downstream tasks, as the button in the UI does."""
        which = {"task_ids": list(task_ids)} if task_ids else {"only_failed": True}
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "include_downstream": True, **which}
        self._send("POST", "/clearTaskInstances", body)

    def ended(self) -> dict[str, str]:
        """Waits until no run is queued or running; returns the state of each."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not FINISHED.issuperset((states := self._states()).values()):
            assert time.monotonic() < deadline, states
            time.sleep(1)
        return states

    def _states(self) -> dict[str, str]:
        return {run.run_id: run.state for run in self.dag.runs()}

    def _send(self, method: str, path: str, body: FaultRule) -> None:
        # On SQLite, Airflow can take a minute for a change while tasks report their states.
        airflow = self.environment.airflow
        url = f"{str(airflow.base_url).rstrip('/')}{path}"  # the client would append a slash to the DAG's own URL
        airflow.request(method, url, json=body, timeout=180).raise_for_status()

    def retries(self, run_id: str) -> int:
        return sum(max(task.tries - 1, 0) for task in self.dag.tasks(run_id))

    # Published rows

    def published(self, day: str) -> list[dict[str, Any]]:
        """The rows of usage_cost at the location of the day's partition."""
        glue, s3 = self.environment.client("glue"), self.environment.client("s3")
        answer = glue.get_partition(DatabaseName="smart_hub", TableName="usage_cost", PartitionValues=[day])
        bucket, prefix = answer["Partition"]["StorageDescriptor"]["Location"].removeprefix("s3://").split("/", 1)
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
        bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
        return [row for body in bodies for row in pq.read_table(io.BytesIO(body)).to_pylist()]

    def keys(self, prefix: str) -> list[str]:
        """Keys in the data bucket."""
        bucket = "smart-hub-data-000000000000-us-east-1"
        pages = self.environment.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def damage(self, day: str) -> Damage:
        """Compares the published rows with a computation in plain Python from the source."""
        if day not in self.expected:
            self.expected[day] = independent.costs(self.source, day)
        expected, rows = self.expected[day], self.published(day)
        counts = Counter((row["loc_id"], row["sensor"], row["ts_utc"].replace(tzinfo=None)) for row in rows)
        wrong = 0
        for row in rows:
            cost = expected.get((row["loc_id"], row["sensor"], row["ts_utc"].replace(tzinfo=None)))
            wrong += cost is None or abs(row["cost"] - float(cost.cents)) > 1e-9 or row["type"] != cost.type
        return Damage(len(expected.keys() - counts.keys()), sum(n - 1 for n in counts.values()), wrong)

    # Trials

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[TrialResult]:
        """Injects all faults, starts all runs and yields the result of each; clears or restarts runs that fail.

        Requests that change Airflow's state are sent before the first run starts and after one has failed: on SQLite
        they would block the tasks.
        """
        self.inject([rule for trial in trials for rule in trial.rules])
        self.pause(True)
        for trial in trials:
            self.start(trial.run_id, trial.day, trial.request)
        self.pause(False)
        waiting, progress = list(trials), time.monotonic()
        while waiting:
            with suppress(httpx.HTTPError, OSError):  # the local AWS is down, or Airflow does not answer for a moment
                injections, states = self.injections(), self._states()
                for trial in list(waiting):
                    trial.injections = max(trial.injections, injections[trial.run_id])
                    if trial.injections and trial.fault.kill and not trial.killed:
                        self._kill(trial)
                    if recovery := self._recovery(trial, states.get(trial.current, "")):
                        progress = time.monotonic()
                        waiting.remove(trial)
                        yield self._result(trial, recovery)
            if time.monotonic() - progress > TIMEOUT_SECONDS:
                for trial in waiting:
                    yield self._result(trial, "STUCK")
                return
            time.sleep(1)

    def _result(self, trial: Trial, recovery: str) -> TrialResult:
        return TrialResult(trial.run_id, trial.fault, trial.injections, recovery, self.damage(trial.day))

    def _kill(self, trial: Trial) -> None:
        trial.killed = True
        if trial.fault.kill == "task":
            self.kill_worker(trial.run_id, trial.fault.task)
        else:
            self.kill_local_aws()

    def _recovery(self, trial: Trial, state: str) -> str:
        """How the day was completed, "" until then. Clears the failed tasks first, then starts a new run."""
        if state == "success":
            retried = "retried" if self.retries(trial.run_id) else "absorbed"
            return trial.manual_action or retried
        if state == "failed" and trial.manual_action == "new run":
            return "STUCK"
        if state == "failed" and trial.manual_action:
            trial.manual_action, trial.current = "new run", f"{trial.run_id}-again"
            self.start(trial.current, trial.day)
        elif state == "failed":
            trial.manual_action = "cleared"
            self.clear(trial.run_id)
        return ""


class Reader(threading.Thread):
    """Queries the published days all the time and records each wrong answer.

    Each day must have exactly the number of rows and the kWh that it had at the beginning. It is no error if the local
    AWS is down, but it is one if a query fails.
    """

    STATEMENT = """
        SELECT CAST(dt AS varchar), count(*), sum(CAST(kwh AS decimal(18, 9)))
        FROM usage_cost WHERE dt IN ({days}) GROUP BY dt
    """

    def __init__(self, environment: Environment, days: Iterable[str]) -> None:
        super().__init__(name="reader", daemon=True)
        self.environment = environment
        self.statement = self.STATEMENT.format(days=", ".join(f"DATE '{day}'" for day in days))
        self.expected_rows = self._read()
        self.answers = 0
        self.wrong: list[str] = []
        self._stopped = threading.Event()

    def _read(self) -> list[tuple[str, ...]]:
        return sorted(self.environment.select(self.statement))

    def run(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                rows = self._read()
            except (BotoCoreError, ClientError):
                continue
            except AssertionError as error:
                if STOPPED not in str(error):
                    self._record(str(error))
                continue
            self.answers += 1
            if rows != self.expected_rows:
                self._record(str(sorted(set(rows) ^ set(self.expected_rows))))

    def _record(self, text: str) -> None:
        self.wrong.append(f"at {datetime.now(UTC):%H:%M:%S} UTC: {text}")

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _filled(match: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        match = match.replace(name, value)
    return match
