"""Runs Glue jobs: the script in its own process, with the arguments that Glue passes."""

import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from localaws.access import under_role
from localaws.environment import isolated
from localaws.faults import injected
from localaws.records import Records
from localaws.service import REGION, AwsClients, Caller, Service, ServiceError

log = logging.getLogger("localaws.jobs")

ACTIVE = ("STARTING", "RUNNING", "STOPPING")
DEFAULT_TIMEOUT = 2880  # minutes
LOG_GROUPS = {"pythonshell": "/aws-glue/python-jobs", "glueetl": "/aws-glue/jobs"}

# Runs the script as its only child and kills the whole process group when its standard input closes. That happens
# whenever the server ends, even by SIGKILL, so no script outlives its server.
GUARD = """
import os, signal, subprocess, sys, threading
script = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def end_with_server():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end_with_server, daemon=True).start()
status = script.wait()
os._exit(status if status >= 0 else 128 - status)
"""


class Jobs(Service):
    """Job runs. ministack has the definitions of the jobs, except for the maximum number of concurrent runs.

    Python shell and Spark jobs both run as plain Python in this environment: a script that needs awsglue or
    pyspark fails with an ImportError.
    """

    target = "AWSGlue"
    actions: ClassVar[frozenset[str]] = frozenset({"StartJobRun", "GetJobRun", "GetJobRuns", "BatchStopJobRun"})
    amended: ClassVar[frozenset[str]] = frozenset({"CreateJob", "UpdateJob", "DeleteJob", "GetJob", "GetJobs"})

    def __init__(self, clients: AwsClients, records: Records, folder: Path, seconds_per_minute: float = 60) -> None:
        self._clients = clients
        self._records = records
        self._folder = folder
        self._seconds_per_minute = seconds_per_minute  # of timeouts; tests shorten it
        self._lock = threading.Lock()
        self._processes: dict[str, Run] = {}
        for run in records.list("job run"):
            if run["JobRunState"] in ACTIVE:
                self._end(run, "FAILED", "The local AWS was restarted during the run")

    def handle(self, action: str, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        if action == "StartJobRun":
            return self._start(body)
        if action == "BatchStopJobRun":
            return self._stop(body["JobName"], body["JobRunIds"])
        self._job(body["JobName"])
        runs = [run for run in self._records.list("job run") if run["JobName"] == body["JobName"]]
        if action == "GetJobRuns":
            return {"JobRuns": [self._timed(run) for run in reversed(runs)]}
        for run in runs:
            if run["Id"] == body["RunId"]:
                return {"JobRun": self._timed(run)}
        raise ServiceError("EntityNotFoundException", f"Job run {body['RunId']} of {body['JobName']} not found")

    def amend(self, action: str, body: dict[str, Any], answer: dict[str, Any], caller: Caller) -> dict[str, Any]:
        name = body.get("Name") or body.get("JobName") or ""
        if action in ("CreateJob", "UpdateJob", "DeleteJob"):
            definition = body.get("JobUpdate", {}) if action == "UpdateJob" else body
            self._records.put("job", name, {"ExecutionProperty": definition.get("ExecutionProperty")})
        else:
            for job in answer.get("Jobs", [answer.get("Job", {})]):
                job["ExecutionProperty"] = {"MaxConcurrentRuns": self._max_concurrent_runs(job["Name"])}
        return answer

    def join(self, id: str) -> None:
        """Wait until the run has ended."""
        with self._lock:
            run = self._processes.get(id)
        if run is not None:
            run.thread.join()

    def close(self) -> None:
        with self._lock:
            running = list(self._processes.values())
        for run in running:
            run.end("FAILED", "The local AWS was stopped during the run")
        for run in running:
            run.thread.join()

    def _start(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["JobName"]
        job = self._job(name)
        arguments = {
            **job.get("DefaultArguments", {}),
            **body.get("Arguments", {}),
            **job.get("NonOverridableArguments", {}),
        }
        kind = job["Command"]["Name"]
        if kind not in LOG_GROUPS:
            raise ServiceError(
                "InvalidInputException",
                f"Job {name}: the local AWS runs {' and '.join(LOG_GROUPS)}, not {kind}",
            )
        clients = under_role(self._clients, job["Role"], "glue.amazonaws.com", "GlueJobRunnerSession")
        now = time.time()
        record = {
            "Id": f"jr_{uuid.uuid4().hex}{uuid.uuid4().hex}",
            "Attempt": 0,
            "JobName": name,
            "JobRunState": "STARTING",
            "StartedOn": now,
            "LastModifiedOn": now,
            "Arguments": body.get("Arguments", {}),
            "PredecessorRuns": [],
            "ExecutionTime": 0,
            "Timeout": body.get("Timeout") or job.get("Timeout") or DEFAULT_TIMEOUT,
            "LogGroupName": LOG_GROUPS[kind],
            "GlueVersion": job.get("GlueVersion", ""),
        }
        limit = job["ExecutionProperty"]["MaxConcurrentRuns"]
        with self._lock:
            active = sum(run.record["JobName"] == name for run in self._processes.values())
            if active >= limit:
                raise ServiceError("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}: {limit}")
            self._records.put("job run", record["Id"], record)
            run = Run(record)
            if fault := injected("job"):
                run.end(fault, None if fault == "STOPPED" else "An injected fault")
            run.thread = threading.Thread(target=self._run, args=(job, run, arguments, clients))
            self._processes[record["Id"]] = run
            run.thread.start()
        return {"JobRunId": record["Id"]}

    def _stop(self, name: str, ids: list[str]) -> dict[str, Any]:
        self._job(name)
        successful, errors = [], []
        for id in ids:
            with self._lock:
                run = self._processes.get(id)
            if run is not None and run.record["JobName"] == name:
                self._put(run.record, JobRunState="STOPPING")
                run.end("STOPPED")
                successful.append({"JobName": name, "JobRunId": id})
                continue
            known = self._records.get("job run", id)
            ended = known is not None and known["JobName"] == name
            detail = {
                "ErrorCode": "InvalidInputException" if ended else "EntityNotFoundException",
                "ErrorMessage": f"Job run {id} has ended" if ended else f"Job run {id} of {name} not found",
            }
            errors.append({"JobName": name, "JobRunId": id, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": successful, "Errors": errors}

    def _run(self, job: dict[str, Any], run: "Run", arguments: dict[str, str], clients: AwsClients) -> None:
        """Run the script. clients: with the permissions of the job's role."""
        folder = self._folder / run.record["Id"]
        state: str = "FAILED"
        error: str | None = "Internal error; the log of the local AWS has its traceback"
        try:
            if run.outcome:  # set before the start
                state, error = run.outcome
                return
            folder.mkdir(parents=True)
            script = _download(clients, job["Command"]["ScriptLocation"], folder)
            argv = [str(script), *script_arguments(job, run.record["Id"], arguments)]
            state, error = self._execute(run, argv, folder, clients)
        except (ClientError, BotoCoreError, OSError, ValueError) as failure:
            error = str(failure)
        finally:  # the run gets a final state, whatever happens in this thread
            with self._lock:
                self._end(run.record, state, error)
                del self._processes[run.record["Id"]]

    def _execute(self, run: "Run", argv: list[str], folder: Path, clients: AwsClients) -> tuple[str, str | None]:
        """Run the script until it ends, is stopped or times out; returns the state of the run and its error."""
        with (folder / "output.log").open("wb") as output, (folder / "error.log").open("wb") as errors:
            run.start(
                [sys.executable, "-c", GUARD, sys.executable, *argv],
                folder,
                _environment(clients),
                output,
                errors,
            )
            if not run.stopped():
                self._put(run.record, JobRunState="RUNNING")
            status = run.wait(run.record["Timeout"] * self._seconds_per_minute)
        if run.outcome:
            return run.outcome
        if status == 0:
            return "SUCCEEDED", None
        return "FAILED", error_message((folder / "error.log").read_text(errors="replace"), status)

    def _put(self, record: dict[str, Any], **changes: Any) -> None:
        record.update(changes, LastModifiedOn=time.time())
        self._records.put("job run", record["Id"], record)

    def _end(self, record: dict[str, Any], state: str, error: str | None = None) -> None:
        changes: dict[str, Any] = {"JobRunState": state, "CompletedOn": time.time()}
        changes["ExecutionTime"] = round(changes["CompletedOn"] - record["StartedOn"])
        if error:
            changes["ErrorMessage"] = error
            log.warning("job %s, run %s: %s", record["JobName"], record["Id"], error)
        self._put(record, **changes)

    def _timed(self, run: dict[str, Any]) -> dict[str, Any]:
        if run["JobRunState"] in ACTIVE:
            return {**run, "ExecutionTime": round(time.time() - run["StartedOn"])}
        return run

    def _job(self, name: str) -> dict[str, Any]:
        try:
            job: dict[str, Any] = self._clients.client("glue").get_job(JobName=name)["Job"]
        except ClientError as error:
            raise ServiceError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
        return job

    def _max_concurrent_runs(self, name: str) -> int:
        """MaxConcurrentRuns from the request or the template that created the job; by default 1, as on AWS."""
        known = (self._records.get("job", name) or {}).get("ExecutionProperty")
        if known is None:
            known = self._declared(name).get("ExecutionProperty") or {}
        limit = known.get("MaxConcurrentRuns", 1)
        if not isinstance(limit, int):
            raise ServiceError(
                "InvalidInputException",
                f"Job {name}: MaxConcurrentRuns is {limit!r} in its template; write it as a plain number",
            )
        return limit

    def _declared(self, name: str) -> dict[str, Any]:
        """The job's properties in the template of its stack; {} if no stack created it."""
        formation = self._clients.client("cloudformation")
        for page in formation.get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                changed = stack.get("LastUpdatedTime", stack["CreationTime"])
                if name in (jobs := _jobs_of_stack(self._clients, stack["StackId"], changed)):
                    return jobs[name]
        return {}


@lru_cache(maxsize=16)  # clients poll the job
def _jobs_of_stack(clients: AwsClients, stack: str, changed: datetime) -> dict[str, dict[str, Any]]:
    """Properties of a stack's jobs by their names, from its template of the time `changed`."""
    formation = clients.client("cloudformation")
    resources = formation.describe_stack_resources(StackName=stack)["StackResources"]
    names = {
        one["PhysicalResourceId"]: one["LogicalResourceId"]
        for one in resources
        if one["ResourceType"] == "AWS::Glue::Job"
    }
    if not names:
        return {}
    body = formation.get_template(StackName=stack)["TemplateBody"]
    template = body if isinstance(body, dict) else yaml.load(body, TemplateLoader)
    return {name: template["Resources"][logical]["Properties"] for name, logical in names.items()}


def _download(clients: AwsClients, location: str, folder: Path) -> Path:
    url = urlsplit(location, allow_fragments=False)
    script = folder / Path(url.path).name
    try:
        clients.client("s3").download_file(url.netloc, url.path.lstrip("/"), str(script))
    except ClientError as error:
        raise ValueError(f"The script {location} cannot be read: {error}") from error
    return script


def _environment(clients: AwsClients) -> dict[str, str]:
    """The environment of a job's script: variables for the local AWS, without the server's settings."""
    return {
        **isolated(Path(tempfile.gettempdir())),
        "AWS_ENDPOINT_URL": clients.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": clients.access_key_id,
        "AWS_SECRET_ACCESS_KEY": clients.secret_access_key,
        **({"AWS_SESSION_TOKEN": clients.session_token} if clients.session_token else {}),
    }


class Run:
    """The process of a run, and its outcome if it was stopped."""

    thread: threading.Thread

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.outcome: tuple[str, str | None] | None = None
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str], folder: Path, environment: dict[str, str], output: Any, errors: Any) -> None:
        with self._lock:
            if self.outcome is None:
                self._process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.PIPE,  # it closes when the server ends
                    stdout=output,
                    stderr=errors,
                    start_new_session=True,
                )

    def stopped(self) -> bool:
        return self.outcome is not None

    def wait(self, timeout: float) -> int:
        """The script's exit status; after `timeout` seconds the run is killed with the state TIMEOUT."""
        if self._process is None:
            return 0
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.end("TIMEOUT", "Job run exceeded its timeout")
            status = self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        # Processes that the script started must not outlive it.
        self._kill()
        return status

    def end(self, state: str, error: str | None = None) -> None:
        """Kill the script and its child processes; the run gets this state unless it already has an outcome."""
        with self._lock:
            self.outcome = self.outcome or (state, error)
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):  # the second on macOS, for a group that has ended
                return


# YAML with CloudFormation's short forms (!Ref, !Sub, ...), which are read as plain values.
TemplateLoader: Any = type("TemplateLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return f"!{suffix} {node.value}"


TemplateLoader.add_multi_constructor("!", _short_form)


def script_arguments(job: dict[str, Any], run_id: str, arguments: dict[str, str]) -> list[str]:
    """sys.argv[1:] as Glue passes it: all arguments, including Glue's own.

    An argument without a value is only its name. Spark jobs also get their ids and the name of the job.
    """
    argv = [part for name, value in arguments.items() for part in (name, value) if part != ""]
    if job["Command"]["Name"] == "glueetl":
        argv += ["--JOB_ID", f"j_{job['Name']}", "--JOB_RUN_ID", run_id, "--JOB_NAME", job["Name"]]
    return argv


def error_message(stderr: str, status: int) -> str:
    """A failed run's ErrorMessage as Glue has it: the line of the exception, or else the exit status."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    for number, line in reversed(list(enumerate(lines))):
        if line.startswith("Traceback (most recent call last)"):
            for candidate in lines[number + 1 :]:
                if re.match(r"[A-Za-z_][\w.]*(:|$)", candidate):
                    return candidate
    return f"Command failed with exit code {status}"
