"""The deletion of a stack and all its data, for the DAG smart_hub_teardown and for ``make destroy``.

Each step first checks what still exists, so an interrupted deletion is completed by the next one.
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

# Returns boto3's client of a service.
Clients = Callable[[str], Any]

# Maximum number of attempts to empty a bucket and to delete a stack: results and logs can arrive meanwhile.
_MAX_ATTEMPTS = 5
_OBJECTS_PER_LOG_LINE = 10_000
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
# Error codes for a crawler that is stopped already, and for a resource that does not exist.
_STOPPED = ("CrawlerNotRunningException", "CrawlerStoppingException")
_NOT_FOUND = ("NoSuchBucket", "EntityNotFoundException")


@dataclass(frozen=True)
class Bucket:
    """A bucket. objects: number of versions and delete markers; size: bytes of all versions."""

    name: str
    objects: int
    size: int


@dataclass(frozen=True)
class Inventory:
    """The contents of a stack: number of resources by type, and buckets."""

    stack: str
    status: str
    resources: Counter[str]
    buckets: tuple[Bucket, ...]

    def lines(self) -> list[str]:
        """One line for the stack and one for each bucket."""
        counts = [f"{name} {self.resources[kind]}" for kind, name in _KINDS.items() if self.resources[kind]]
        return [
            f"stack {self.stack} ({self.status}): {', '.join(counts) or 'nothing yet'}",
            *(f"bucket {one.name}: {one.objects:,} objects, {one.size:,} bytes" for one in self.buckets),
        ]


def inventory(clients: Clients, stack: str) -> Inventory | None:
    """The contents of a stack; None if it does not exist.

    Raises StackError if the stack cannot be deleted now: an operation is in progress, or it is protected.
    """
    cfn = clients("cloudformation")
    found = _deletable(cfn, stack)
    if found is None:
        return None
    resources = list(stacks.resources(cfn, stack))
    buckets = [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::S3::Bucket"]
    return Inventory(
        stack,
        found["StackStatus"],
        Counter(one["ResourceType"] for one in resources),
        tuple(_measured(clients("s3"), bucket) for bucket in buckets),
    )


def remove(clients: Clients, stack: str, log: Log) -> None:
    """Stops a stack's crawlers, jobs and queries, empties its buckets, deletes it, and waits until it is deleted.

    Does nothing if the stack does not exist. Raises StackError and botocore's errors.
    """
    cfn = clients("cloudformation")
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        if _deletable(cfn, stack) is None:
            log(f"{stack}: there is no such stack")
            return
        resources: dict[str, list[str]] = {}
        for item in stacks.resources(cfn, stack):
            resources.setdefault(item["ResourceType"], []).append(item["PhysicalResourceId"])
        _stop_running(clients, resources, log)
        buckets = resources.get("AWS::S3::Bucket", [])
        for bucket in buckets:
            empty(clients("s3"), bucket, log)
        try:
            stacks.delete(cfn, stack, log)
            return
        except StackError:
            not_empty = [bucket for bucket in buckets if _measured(clients("s3"), bucket).objects]
            if not not_empty or attempt == _MAX_ATTEMPTS:
                raise
            log(f"{stack}: new objects in {', '.join(not_empty)}; trying again")


def empty(s3: Any, bucket: str, log: Log) -> None:
    """Deletes all versions of all objects, and all delete markers, until a listing is empty.

    Does nothing if the bucket does not exist. Raises StackError if an object cannot be deleted, or if there are still
    objects after five attempts.
    """
    total = 0
    for _ in range(_MAX_ATTEMPTS):
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
            if total // _OBJECTS_PER_LOG_LINE != (total := total + len(page)) // _OBJECTS_PER_LOG_LINE:
                log(f"{bucket}: {total:,} objects deleted so far")
        if total == before:
            if total:
                log(f"{bucket}: emptied, {total:,} objects deleted")
            return
    raise StackError(
        f"bucket {bucket}: new objects arrive as fast as they are deleted: stop the programs that write there"
    )


def _deletable(cfn: Any, stack: str) -> Any:
    """The stack, or None if it does not exist. Raises StackError if CloudFormation would not delete it."""
    found = stacks.describe(cfn, stack)
    if found is None:
        return None
    status = found["StackStatus"]
    if status.endswith("_IN_PROGRESS") and status not in ("DELETE_IN_PROGRESS", "REVIEW_IN_PROGRESS"):
        raise StackError(f"stack {stack} is in state {status}: wait until the operation has ended")
    if found.get("EnableTerminationProtection"):
        raise StackError(
            f"stack {stack} has termination protection: aws cloudformation update-termination-protection"
            f" --no-enable-termination-protection --stack-name {stack}"
        )
    return found


def _versions(s3: Any, bucket: str) -> Iterator[list[dict[str, Any]]]:
    """Pages of a bucket's versions and delete markers, up to 1,000 each; none if the bucket does not exist."""
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            yield [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_FOUND:
            raise


def _measured(s3: Any, bucket: str) -> Bucket:
    objects = size = 0
    for page in _versions(s3, bucket):
        objects += len(page)
        size += sum(item.get("Size", 0) for item in page)
    return Bucket(bucket, objects, size)


def _stop_running(clients: Clients, resources: dict[str, list[str]], log: Log) -> None:
    """Stops crawls, job runs and queries: a running crawler cannot be deleted, and all of them write objects.

    Raises StackError if one is still running after ten minutes.
    """
    deadline, stopped = time.monotonic() + _STOP_SECONDS, set()
    while running := dict(_running(clients, resources)):
        for name, stop in running.items():
            if name not in stopped:
                stopped.add(name)
                log(f"stopping {name}")
                try:
                    stop()
                except ClientError as error:
                    if error.response["Error"]["Code"] not in _STOPPED:
                        raise
        if time.monotonic() > deadline:
            raise StackError(f"{', '.join(running)} did not stop: stop it by hand, and start again")
        time.sleep(stacks.POLL_SECONDS)


def _running(clients: Clients, resources: dict[str, list[str]]) -> Iterator[tuple[str, Callable[[], object]]]:
    """The running crawls, job runs and queries of a stack, each with the call that stops it."""
    glue, athena = clients("glue"), clients("athena")
    for crawler in resources.get("AWS::Glue::Crawler", []):
        if _unless_missing(glue.get_crawler, Name=crawler).get("Crawler", {}).get("State", "READY") != "READY":
            yield f"crawler {crawler}", partial(glue.stop_crawler, Name=crawler)
    for job in resources.get("AWS::Glue::Job", []):
        for run in _unless_missing(glue.get_job_runs, JobName=job).get("JobRuns", []):
            if run["JobRunState"] in ("STARTING", "RUNNING", "STOPPING", "WAITING"):
                yield f"job run {run['Id']}", partial(glue.batch_stop_job_run, JobName=job, JobRunIds=[run["Id"]])
    for workgroup in resources.get("AWS::Athena::WorkGroup", []):
        for page in athena.get_paginator("list_query_executions").paginate(WorkGroup=workgroup):
            if page["QueryExecutionIds"]:
                answer = athena.batch_get_query_execution(QueryExecutionIds=page["QueryExecutionIds"])
                for query in answer["QueryExecutions"]:
                    if query["Status"]["State"] in ("QUEUED", "RUNNING"):
                        query_id = query["QueryExecutionId"]
                        yield f"query {query_id}", partial(athena.stop_query_execution, QueryExecutionId=query_id)


def _unless_missing(call: Callable[..., dict[str, Any]], **names: str) -> dict[str, Any]:
    """The response about a resource; empty if the resource does not exist."""
    try:
        return call(**names)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_FOUND:
            raise
        return {}
