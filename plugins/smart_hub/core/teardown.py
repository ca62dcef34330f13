"""The removal of a stack with all that it holds, for the DAG smart_hub_teardown and for ``make destroy``.

Each step looks before it acts, so that a removal which was interrupted is finished by the next one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from smart_hub.core import stacks
from smart_hub.core.stacks import Log, StackError

# Gives boto3's client of a service.
Clients = Callable[[str], Any]

# Times that a bucket is emptied, and a stack deleted, again: results and logs may arrive while it is done.
_ROUNDS = 5
_PROGRESS = 10_000
_KINDS = {
    "AWS::Glue::Table": "tables and views",
    "AWS::Lambda::Function": "functions",
    "AWS::Glue::Crawler": "crawlers",
    "AWS::Glue::Job": "jobs",
    "AWS::Athena::WorkGroup": "workgroups with their query history",
    "AWS::Logs::LogGroup": "log groups",
    "AWS::IAM::Role": "roles",
    "AWS::IAM::ManagedPolicy": "policies",
    "AWS::QuickSight::DataSet": "data sets",
    "AWS::QuickSight::Dashboard": "dashboards",
}
_STOP_SECONDS = 600
# What services answer about what is gone, and when asked to stop what has ended or is about to.
_ENDED = ("CrawlerNotRunningException", "CrawlerStoppingException")
_MISSING = ("NoSuchBucket", "EntityNotFoundException")


@dataclass(frozen=True)
class Bucket:
    """A bucket with the number of its objects, every version and delete marker counted, and their size in bytes."""

    name: str
    objects: int
    size: int


@dataclass(frozen=True)
class Inventory:
    """What a stack holds: number of resources by type, and its buckets."""

    stack: str
    status: str
    resources: Counter[str]
    buckets: tuple[Bucket, ...]

    def lines(self) -> list[str]:
        """In words, a line for the stack and one for each bucket."""
        counts = [f"{name} {self.resources[kind]}" for kind, name in _KINDS.items() if self.resources[kind]]
        return [
            f"stack {self.stack} ({self.status}): {', '.join(counts) or 'nothing yet'}",
            *(f"bucket {one.name}: {one.objects:,} objects, {one.size:,} bytes" for one in self.buckets),
        ]


def inventory(clients: Clients, stack: str) -> Inventory | None:
    """What there is of a stack; None where there is none of the name.

    Raises StackError when the stack cannot be deleted as it is: something works on it, or it is protected.
    """
    cfn = clients("cloudformation")
    found = _deletable(cfn, stack)
    if found is None:
        return None
    held = list(stacks.resources(cfn, stack))
    buckets = [one["PhysicalResourceId"] for one in held if one["ResourceType"] == "AWS::S3::Bucket"]
    return Inventory(
        stack,
        found["StackStatus"],
        Counter(one["ResourceType"] for one in held),
        tuple(_measured(clients("s3"), bucket) for bucket in buckets),
    )


def remove(clients: Clients, stack: str, log: Log) -> None:
    """Ends what runs in a stack, empties its buckets, deletes it, and waits. Does nothing where there is none.

    Raises StackError, and botocore's errors as they come.
    """
    cfn = clients("cloudformation")
    for attempt in range(1, _ROUNDS + 1):
        if _deletable(cfn, stack) is None:
            log(f"{stack}: there is no such stack")
            return
        held: dict[str, list[str]] = {}
        for item in stacks.resources(cfn, stack):
            held.setdefault(item["ResourceType"], []).append(item["PhysicalResourceId"])
        _stop_work(clients, held, stacks.poll_seconds(cfn), log)
        buckets = held.get("AWS::S3::Bucket", [])
        for bucket in buckets:
            empty(clients("s3"), bucket, log)
        try:
            stacks.delete(cfn, stack, log)
            return
        except StackError:
            late = [bucket for bucket in buckets if _measured(clients("s3"), bucket).objects]
            if not late or attempt == _ROUNDS:
                raise
            log(f"{stack}: {', '.join(late)} was written to in the meantime; once more")


def empty(s3: Any, bucket: str, log: Log) -> None:
    """Deletes every version of every object, and delete markers, until a listing comes back empty.

    Does nothing where there is no such bucket. Raises StackError when an object cannot be deleted, or when there are
    objects still after five times.
    """
    total = 0
    for _ in range(_ROUNDS):
        before = total
        for page in _versions(s3, bucket):
            if page:
                wanted = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in page]
                errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted, "Quiet": True}).get("Errors", [])
                if errors:
                    first = errors[0]
                    raise StackError(
                        f"bucket {bucket}: {len(errors)} objects were not deleted, the first {first.get('Key')}:"
                        f" {first.get('Code')} {first.get('Message')}"
                    )
            if total // _PROGRESS != (total := total + len(page)) // _PROGRESS:
                log(f"{bucket}: {total:,} objects deleted so far")
        if total == before:
            if total:
                log(f"{bucket}: emptied, {total:,} objects deleted")
            return
    raise StackError(f"bucket {bucket}: objects arrive as fast as they are deleted: stop what writes there")


def _deletable(cfn: Any, stack: str) -> Any:
    """The stack, or None; StackError when CloudFormation would refuse to delete it."""
    found = stacks.describe(cfn, stack)
    if found is None:
        return None
    status = found["StackStatus"]
    if status.endswith("_IN_PROGRESS") and status not in ("DELETE_IN_PROGRESS", "REVIEW_IN_PROGRESS"):
        raise StackError(f"stack {stack} is in state {status}: wait until that has ended")
    if found.get("EnableTerminationProtection"):
        raise StackError(
            f"stack {stack} is protected: aws cloudformation update-termination-protection"
            f" --no-enable-termination-protection --stack-name {stack}"
        )
    return found


def _versions(s3: Any, bucket: str) -> Iterator[list[dict[str, Any]]]:
    """Versions and delete markers of a bucket, at most 1,000 a page; none where there is no bucket."""
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            yield [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise


def _measured(s3: Any, bucket: str) -> Bucket:
    objects = size = 0
    for page in _versions(s3, bucket):
        objects += len(page)
        size += sum(item.get("Size", 0) for item in page)
    return Bucket(bucket, objects, size)


def _stop_work(clients: Clients, held: dict[str, list[str]], delay: float, log: Log) -> None:
    """Ends crawls, job runs and queries: a running crawler cannot be deleted, and all of them write.

    Raises StackError when one has not ended after ten minutes.
    """
    deadline, told = time.monotonic() + _STOP_SECONDS, set()
    while running := dict(_running(clients, held)):
        for what, stop in running.items():
            if what not in told:
                told.add(what)
                log(f"stopping {what}")
                try:
                    stop()
                except ClientError as error:
                    if error.response["Error"]["Code"] not in _ENDED:
                        raise
        if time.monotonic() > deadline:
            raise StackError(f"{', '.join(running)} did not stop: stop it by hand, and begin again")
        time.sleep(delay)


def _running(clients: Clients, held: dict[str, list[str]]) -> Iterator[tuple[str, Callable[[], object]]]:
    """What runs in a stack's crawlers, jobs and workgroups, each with what ends it."""
    glue, athena = clients("glue"), clients("athena")
    for crawler in held.get("AWS::Glue::Crawler", []):
        if _found(glue.get_crawler, Name=crawler).get("Crawler", {}).get("State", "READY") != "READY":
            yield f"crawler {crawler}", partial(glue.stop_crawler, Name=crawler)
    for job in held.get("AWS::Glue::Job", []):
        for run in _found(glue.get_job_runs, JobName=job).get("JobRuns", []):
            if run["JobRunState"] in ("STARTING", "RUNNING", "STOPPING", "WAITING"):
                yield f"job run {run['Id']}", partial(glue.batch_stop_job_run, JobName=job, JobRunIds=[run["Id"]])
    for workgroup in held.get("AWS::Athena::WorkGroup", []):
        for page in athena.get_paginator("list_query_executions").paginate(WorkGroup=workgroup):
            if page["QueryExecutionIds"]:
                answer = athena.batch_get_query_execution(QueryExecutionIds=page["QueryExecutionIds"])
                for query in answer["QueryExecutions"]:
                    if query["Status"]["State"] in ("QUEUED", "RUNNING"):
                        one = query["QueryExecutionId"]
                        yield f"query {one}", partial(athena.stop_query_execution, QueryExecutionId=one)


def _found(ask: Callable[..., dict[str, Any]], **names: str) -> dict[str, Any]:
    """The answer about a resource; empty where it is gone."""
    try:
        return ask(**names)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        return {}
