"""Glue jobs: the script runs as on Glue, and the run has its result."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.jobs import Jobs, error_message
from localaws.records import Records
from localaws.service import AwsClients, Caller
from localaws.testing import LocalAws
from tests.processes import is_running, wait_until_ended

CALLER = Caller("test", "000000000000", "us-east-1")
PRINT_ARGUMENTS = """
import json, os, sys, boto3
document = json.dumps({"argv": sys.argv[1:], "environment": dict(os.environ)})
boto3.client("s3").put_object(Bucket="jobs", Key="report.json", Body=document)
"""
WAIT = """
import boto3, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
boto3.client("s3").put_object(Bucket="jobs", Key="pids", Body=f"{os.getpid()} {child.pid}")
child.wait()
"""


@pytest.fixture
def glue(aws: LocalAws) -> Iterator[Any]:
    aws.client("s3").create_bucket(Bucket="jobs")
    client = aws.client("glue")
    yield client
    for job in client.get_jobs()["Jobs"]:
        client.delete_job(JobName=job["Name"])
    for item in aws.client("s3").list_objects_v2(Bucket="jobs").get("Contents", []):
        aws.client("s3").delete_object(Bucket="jobs", Key=item["Key"])
    aws.client("s3").delete_bucket(Bucket="jobs")


def create_job(aws: LocalAws, script: str, **changes: Any) -> None:
    aws.client("s3").put_object(Bucket="jobs", Key="code/script.py", Body=script.encode())
    definition = {
        "Role": aws.role("job"),
        "Command": {"Name": "pythonshell", "ScriptLocation": "s3://jobs/code/script.py"},
    }
    aws.client("glue").create_job(Name="job", **{**definition, **changes})


def run(aws: LocalAws, **arguments: Any) -> dict[str, Any]:
    """Start the job and wait until it has ended; returns the run."""
    return ended(aws, aws.client("glue").start_job_run(JobName="job", **arguments)["JobRunId"])


def ended(aws: LocalAws, id: str) -> dict[str, Any]:
    return wait_for(aws, id, "SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")


def wait_for(aws: LocalAws, id: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found: dict[str, Any] = aws.client("glue").get_job_run(JobName="job", RunId=id)["JobRun"]
        if found["JobRunState"] in states:
            return found
        time.sleep(0.02)
    raise AssertionError(f"run {id} is still {found['JobRunState']}")


def read(aws: LocalAws, key: str) -> bytes:
    """The object that the script writes; waits for it."""
    aws.client("s3").get_waiter("object_exists").wait(
        Bucket="jobs", Key=key, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
    )
    body: bytes = aws.client("s3").get_object(Bucket="jobs", Key=key)["Body"].read()
    return body


def test_a_python_shell_script_gets_arguments_and_aws_settings(aws: LocalAws, glue: Any) -> None:
    # given a job with default arguments, one without a value
    defaults = {"--database": "smart_hub", "--content": "none", "--enable-metrics": ""}
    create_job(aws, PRINT_ARGUMENTS, DefaultArguments=defaults)

    # when it runs with one of them overridden and an additional one
    job_run = run(aws, Arguments={"--content": "abc", "--version": "v1"})

    # expect Glue's sys.argv, settings of AWS, and no settings of the server
    assert (job_run["JobRunState"], job_run.get("ErrorMessage")) == ("SUCCEEDED", None)
    document = json.loads(read(aws, "report.json"))
    assert document["argv"] == [*("--database", "smart_hub", "--content", "abc", "--enable-metrics", "--version", "v1")]
    assert document["environment"]["AWS_ENDPOINT_URL"] == aws.endpoint
    assert not {"STATE_DIR", "S3_DATA_DIR", "GATEWAY_PORT"} & set(document["environment"])
    assert job_run["Arguments"] == {"--content": "abc", "--version": "v1"}
    assert job_run["StartedOn"] <= job_run["CompletedOn"]


def test_a_spark_script_gets_the_names_of_job_and_run(aws: LocalAws, glue: Any) -> None:
    # given a Spark job, when it runs
    command = {"Name": "glueetl", "ScriptLocation": "s3://jobs/code/script.py"}
    create_job(aws, PRINT_ARGUMENTS, Command=command, DefaultArguments={"--database": "smart_hub"})
    job_run = run(aws)

    # expect the names of job and run among its arguments
    argv = json.loads(read(aws, "report.json"))["argv"]
    assert argv[:2] == ["--database", "smart_hub"]
    assert argv[argv.index("--JOB_NAME") + 1] == "job"
    assert argv[argv.index("--JOB_RUN_ID") + 1] == job_run["Id"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise ValueError('raw/rates/a.xml: no state')", "ValueError: raw/rates/a.xml: no state"),
        ("import sys; sys.exit(3)", "Command failed with exit code 3"),
        ("import awsglue", "ModuleNotFoundError: No module named 'awsglue'"),
        ("import os; os.kill(os.getpid(), 9)", "Command failed with exit code 137"),
    ],
)
def test_a_failed_script_fails_its_run(aws: LocalAws, glue: Any, script: str, message: str) -> None:
    # given a script that fails, when it runs, expect the run to fail with the error
    create_job(aws, script)
    job_run = run(aws)
    assert (job_run["JobRunState"], job_run["ErrorMessage"]) == ("FAILED", message)


def test_a_missing_script_fails_its_run(aws: LocalAws, glue: Any) -> None:
    # given a job whose script does not exist
    create_job(aws, "")
    aws.client("s3").delete_object(Bucket="jobs", Key="code/script.py")

    # when it runs, expect an error with the script
    job_run = run(aws)
    assert job_run["JobRunState"] == "FAILED"
    assert "s3://jobs/code/script.py cannot be read" in job_run["ErrorMessage"]


def test_stopping_a_run_kills_all_its_processes(aws: LocalAws, glue: Any) -> None:
    # given a run whose script waits for a child
    create_job(aws, WAIT)
    id = glue.start_job_run(JobName="job")["JobRunId"]
    pids = [int(pid) for pid in read(aws, "pids").split()]
    assert all(map(is_running, pids))

    # when it is stopped together with an unknown run
    answer = glue.batch_stop_job_run(JobName="job", JobRunIds=[id, "jr_unknown"])

    # expect it to stop, without script and child, and errors for the unknown run and for a second stop
    assert [item["JobRunId"] for item in answer["SuccessfulSubmissions"]] == [id]
    assert [item["ErrorDetail"]["ErrorCode"] for item in answer["Errors"]] == ["EntityNotFoundException"]
    assert ended(aws, id)["JobRunState"] == "STOPPED"
    wait_until_ended(pids)
    again = glue.batch_stop_job_run(JobName="job", JobRunIds=[id])["Errors"]
    assert [item["ErrorDetail"]["ErrorCode"] for item in again] == ["InvalidInputException"]


def test_a_run_past_its_timeout_is_ended(
    aws: LocalAws, glue: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given jobs in this process, without a role, with minutes of a tenth of a second, and a timeout of five of them
    monkeypatch.setattr("localaws.jobs.under_role", lambda clients, *_: clients)
    create_job(aws, WAIT, Timeout=5)
    jobs = Jobs(AwsClients(aws.endpoint), Records(tmp_path / "records.sqlite"), tmp_path, seconds_per_minute=0.1)
    id = jobs.handle("StartJobRun", {"JobName": "job"}, CALLER)["JobRunId"]

    # when the time is over
    jobs.join(id)

    # expect TIMEOUT
    job_run = jobs.handle("GetJobRun", {"JobName": "job", "RunId": id}, CALLER)["JobRun"]
    assert (job_run["JobRunState"], job_run["Timeout"]) == ("TIMEOUT", 5)


def test_the_number_of_concurrent_runs_is_limited(aws: LocalAws, glue: Any) -> None:
    # given a job with two concurrent runs, its maximum
    create_job(aws, WAIT, ExecutionProperty={"MaxConcurrentRuns": 2})
    ids = [glue.start_job_run(JobName="job")["JobRunId"] for _ in range(2)]

    # when a third run is started, expect AWS's error, but not after one has ended
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        glue.start_job_run(JobName="job")
    glue.batch_stop_job_run(JobName="job", JobRunIds=ids[:1])
    ended(aws, ids[0])
    ids.append(glue.start_job_run(JobName="job")["JobRunId"])
    assert [item["Id"] for item in glue.get_job_runs(JobName="job")["JobRuns"]][:3] == ids[::-1]
    glue.batch_stop_job_run(JobName="job", JobRunIds=ids)
    for id in ids:
        ended(aws, id)


def test_a_job_of_a_template_has_its_limit(aws: LocalAws, glue: Any) -> None:
    # given a stack with a job that has three concurrent runs at most
    template = """
Resources:
  RatesJob:
    Type: AWS::Glue::Job
    Properties:
      Name: job
      Role: !Sub "arn:aws:iam::${AWS::AccountId}:role/job"
      Command: {Name: pythonshell, ScriptLocation: s3://jobs/code/script.py}
      ExecutionProperty: {MaxConcurrentRuns: 3}
"""
    formation = aws.client("cloudformation")
    formation.create_stack(StackName="with-job", TemplateBody=template)
    formation.get_waiter("stack_create_complete").wait(StackName="with-job", WaiterConfig={"Delay": 0.1})

    # when the job is read, expect the limit of the template
    assert glue.get_job(JobName="job")["Job"]["ExecutionProperty"] == {"MaxConcurrentRuns": 3}
    formation.delete_stack(StackName="with-job")
    formation.get_waiter("stack_delete_complete").wait(StackName="with-job", WaiterConfig={"Delay": 0.1})


def test_unknown_jobs_and_runs_are_errors(aws: LocalAws, glue: Any) -> None:
    # given an unknown job, and a job without that run
    create_job(aws, "")

    # when they are requested, expect EntityNotFoundException
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        glue.start_job_run(JobName="nobody")
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        glue.get_job_run(JobName="job", RunId="jr_unknown")


@pytest.mark.parametrize("end", ["stop", "kill the server alone"])
def test_no_script_outlives_the_server(fresh_aws: LocalAws, end: str) -> None:
    # given a run whose script waits for a child
    fresh_aws.client("s3").create_bucket(Bucket="jobs")
    create_job(fresh_aws, WAIT)
    id = fresh_aws.client("glue").start_job_run(JobName="job")["JobRunId"]
    pids = [int(pid) for pid in read(fresh_aws, "pids").split()]

    # when the server is stopped or killed
    if end == "stop":
        assert fresh_aws.stop() == 0
    else:
        fresh_aws.kill()

    # expect script and child to have ended, and the run to have failed after a restart
    wait_until_ended(pids)
    fresh_aws.start()
    job_run = ended(fresh_aws, id)
    assert job_run["JobRunState"] == "FAILED"
    assert "during the run" in job_run["ErrorMessage"]


def test_the_last_exception_of_a_traceback_is_the_error() -> None:
    # given the output of an exception that was raised while another one was handled
    stderr = """warning: something
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'state'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
rates.RatesError: a.xml: no state
  in row 7
"""
    # expect the line of the last exception
    assert error_message(stderr, 1) == "rates.RatesError: a.xml: no state"
