"""Breaks a running environment on purpose, and looks at what readers see.

The real scheduler and the local AWS, as `make up` starts them, in a folder and on ports of their own.
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

from ops import processes
from ops.airflow_api import FINISHED, Dag
from smart_hub.shared.layout import run_name, version_name
from tests.chaos.faults import Fault, Rule
from tests.e2e import independent
from tests.e2e.environment import Environment

SECONDS = 900  # in which some run ends, with its retries
STOPPED = "the local AWS was stopped while this query ran"


@dataclass(frozen=True)
class Damage:
    """Rows of a published day against an independent computation."""

    lost: int = 0
    doubled: int = 0
    wrong: int = 0

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.wrong)


@dataclass(frozen=True)
class Outcome:
    """struck: how often the fault was injected; ended: what it took until the day was right."""

    run_id: str
    fault: Fault
    struck: int
    ended: str
    damage: Damage

    @property
    def right(self) -> bool:
        return self.struck > 0 and self.ended != "STUCK" and not self.damage


@dataclass
class Trial:
    """One fault on one run of a day.

    request: the body of the trigger request, if it is not the day as parameter; current: the run that must succeed;
    helped: the actions that a user had to take so far.
    """

    fault: Fault
    day: str
    run_id: str
    request: Rule = field(default_factory=dict)
    struck: int = 0
    killed: bool = False
    helped: str = ""
    current: str = field(init=False)

    def __post_init__(self) -> None:
        self.current = self.run_id

    @property
    def rules(self) -> list[Rule]:
        """The fault's rules, made to strike this run alone; the first has the run's id for a name."""
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
    def _faults(self) -> str:
        return f"http://127.0.0.1:{self.environment.aws_port}/_localaws/faults"

    # Breaking

    def inject(self, rules: Sequence[Rule]) -> None:
        """From now on exactly these rules hold."""
        httpx.put(self._faults, json=rules, trust_env=False).raise_for_status()

    def struck(self) -> Counter[str]:
        """How often each rule has struck, by its name."""
        rules = httpx.get(self._faults, trust_env=False, timeout=60).raise_for_status().json()
        return Counter({rule["name"]: rule["struck"] for rule in rules})

    def kill_worker(self, run_id: str, task_id: str) -> None:
        """SIGKILL to the process that works on a task: Airflow names it by the task instance."""
        path = f"/dagRuns/{run_id}/taskInstances/{task_id}"
        task_instance = self.environment.airflow.get(path).raise_for_status().json()["id"]
        title = f"airflow worker -- {task_instance}"
        (worker,) = [one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[:1] == [title]]
        worker.kill()

    def kill_local_aws(self) -> None:
        """SIGKILL to all that belongs to the local AWS, then `make up`, as a user would."""
        local_aws = processes.recorded(self.environment.local / "run")["local-aws"]
        for member in local_aws.members():
            member.kill()
        self.up()

    def up(self) -> None:
        done = self.environment.make("up", SOURCE=str(self.source))
        assert done.returncode == 0, done.stdout

    # Running

    def start(self, run_id: str, day: str, request: Rule | None = None) -> None:
        body = {"dag_run_id": run_id, "logical_date": None, "conf": {"usage_date": day}, **(request or {})}
        self._send("POST", "/dagRuns", body)

    def pause(self, paused: bool) -> None:
        self._send("PATCH", "", {"is_paused": paused})

    def backfill(self, first: str, last: str, **options: Any) -> None:
        """A run a day, three at once; options: of Airflow's request. Waits until no other backfill is active."""
        span = {"from_date": f"{first}T00:00:00Z", "to_date": f"{last}T00:00:00Z"}
        body = {"dag_id": self.dag.dag_id, "max_active_runs": 3, **span, **options}
        url = f"http://127.0.0.1:{self.environment.airflow_port}/api/v2/backfills"
        deadline = time.monotonic() + SECONDS
        while (answer := httpx.post(url, json=body, timeout=180, trust_env=False)).status_code == httpx.codes.CONFLICT:
            assert time.monotonic() < deadline, answer.text
            time.sleep(1)
        answer.raise_for_status()

    def clear(self, run_id: str, *task_ids: str) -> None:
        """Clear on tasks, or on all that failed, with what is downstream, as the UI's button does it."""
        which = {"task_ids": list(task_ids)} if task_ids else {"only_failed": True}
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "include_downstream": True, **which}
        self._send("POST", "/clearTaskInstances", body)

    def ended(self) -> dict[str, str]:
        """The state of each run, once none is left that works or waits."""
        deadline = time.monotonic() + SECONDS
        while not FINISHED.issuperset((states := self._states()).values()):
            assert time.monotonic() < deadline, states
            time.sleep(1)
        return states

    def _states(self) -> dict[str, str]:
        return {run.run_id: run.state for run in self.dag.runs()}

    def _send(self, method: str, path: str, body: Rule) -> None:
        # Airflow on SQLite can take a minute over a change while tasks report.
        airflow = self.environment.airflow
        url = f"{str(airflow.base_url).rstrip('/')}{path}"  # the client would end the DAG's own with a slash
        airflow.request(method, url, json=body, timeout=180).raise_for_status()

    def retries(self, run_id: str) -> int:
        return sum(max(task.tries - 1, 0) for task in self.dag.tasks(run_id))

    # Looking

    def published(self, day: str) -> list[dict[str, Any]]:
        """The rows of usage_cost where the catalog says that the day is."""
        glue, s3 = self.environment.client("glue"), self.environment.client("s3")
        found = glue.get_partition(DatabaseName="smart_hub", TableName="usage_cost", PartitionValues=[day])
        bucket, prefix = found["Partition"]["StorageDescriptor"]["Location"].removeprefix("s3://").split("/", 1)
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
        bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
        return [row for body in bodies for row in pq.read_table(io.BytesIO(body)).to_pylist()]

    def keys(self, prefix: str) -> list[str]:
        """Objects of the data bucket."""
        bucket = "smart-hub-data-000000000000-us-east-1"
        pages = self.environment.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def damage(self, day: str) -> Damage:
        """What is not as plain Python computes it from the source."""
        if day not in self.expected:
            self.expected[day] = independent.costs(self.source, day)
        expected, rows = self.expected[day], self.published(day)
        found = Counter((row["loc_id"], row["sensor"], row["ts_utc"].replace(tzinfo=None)) for row in rows)
        wrong = 0
        for row in rows:
            cost = expected.get((row["loc_id"], row["sensor"], row["ts_utc"].replace(tzinfo=None)))
            wrong += cost is None or abs(row["cost"] - float(cost.cents)) > 1e-9 or row["type"] != cost.type
        return Damage(len(expected.keys() - found.keys()), sum(n - 1 for n in found.values()), wrong)

    # Enduring

    def endure(self, trials: Sequence[Trial]) -> Iterator[Outcome]:
        """Injects all faults, starts all runs, helps as a user would where it is needed; gives what came of each.

        What changes Airflow's state is asked of it before the first run works and after one has failed: on
        SQLite, other requests for a change would hold up the tasks.
        """
        self.inject([rule for trial in trials for rule in trial.rules])
        self.pause(True)
        for trial in trials:
            self.start(trial.run_id, trial.day, trial.request)
        self.pause(False)
        waiting, progress = list(trials), time.monotonic()
        while waiting:
            with suppress(httpx.HTTPError):  # the local AWS, or Airflow for a moment, does not answer
                struck, states = self.struck(), self._states()
                for trial in list(waiting):
                    trial.struck = max(trial.struck, struck[trial.run_id])
                    if trial.struck and trial.fault.kill and not trial.killed:
                        self._kill(trial)
                    ended = self._ended(trial, states.get(trial.current, ""))
                    if ended:
                        progress = time.monotonic()
                        waiting.remove(trial)
                        yield Outcome(trial.run_id, trial.fault, trial.struck, ended, self.damage(trial.day))
            if time.monotonic() - progress > SECONDS:
                for trial in waiting:
                    yield Outcome(trial.run_id, trial.fault, trial.struck, "STUCK", self.damage(trial.day))
                return
            time.sleep(1)

    def _kill(self, trial: Trial) -> None:
        trial.killed = True
        if trial.fault.kill == "task":
            self.kill_worker(trial.run_id, trial.fault.task)
        else:
            self.kill_local_aws()

    def _ended(self, trial: Trial, state: str) -> str:
        """What it took, "" while it is not over. The first help is a Clear of what failed, the second a new run."""
        if state == "success":
            retried = "retried" if self.retries(trial.run_id) else "absorbed"
            return trial.helped or retried
        if state == "failed" and trial.helped == "new run":
            return "STUCK"
        if state == "failed" and trial.helped:
            trial.helped, trial.current = "new run", f"{trial.run_id}-anew"
            self.start(trial.current, trial.day)
        elif state == "failed":
            trial.helped = "cleared"
            self.clear(trial.run_id)
        return ""


class Reader(threading.Thread):
    """Asks Athena all the time what the published days hold, and notes each answer that is not right.

    A day is right with exactly the rows and the kWh that it had at the beginning. That no answer comes while the
    local AWS is down is nothing wrong; that a query fails is.
    """

    STATEMENT = """
        SELECT CAST(dt AS varchar), count(*), sum(CAST(kwh AS decimal(18, 9)))
        FROM usage_cost WHERE dt IN ({days}) GROUP BY dt
    """

    def __init__(self, environment: Environment, days: Iterable[str]) -> None:
        super().__init__(name="reader", daemon=True)
        self.environment = environment
        self.statement = self.STATEMENT.format(days=", ".join(f"DATE '{day}'" for day in days))
        self.right = self._read()
        self.answers = 0
        self.wrong: list[str] = []
        self._stopped = threading.Event()

    def _read(self) -> list[tuple[str, ...]]:
        return sorted(self.environment.select(self.statement))

    def run(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                found = self._read()
            except (BotoCoreError, ClientError):
                continue
            except AssertionError as error:
                if STOPPED not in str(error):
                    self._note(str(error))
                continue
            self.answers += 1
            if found != self.right:
                self._note(str(sorted(set(found) ^ set(self.right))))

    def _note(self, text: str) -> None:
        self.wrong.append(f"at {datetime.now(UTC):%H:%M:%S} UTC: {text}")

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _filled(match: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        match = match.replace(name, value)
    return match
