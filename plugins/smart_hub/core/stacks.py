"""CloudFormation stacks: what there is of one, how long to wait for it, why it failed, and its deletion."""

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import ClientError, WaiterError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef, StackTypeDef, WaiterConfigTypeDef

Log = Callable[[str], None]

SECONDS = 1800


class StackError(Exception):
    """What was asked of a stack cannot be done; the message names stack, resource and reason."""


def dashboard_of(stack: str) -> str:
    """Name of the stack that holds a main stack's dashboard in QuickSight."""
    return f"{stack}-quicksight"


def describe(cfn: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """The stack, or None where there is none of the name."""
    try:
        return cfn.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None


def resources(cfn: "CloudFormationClient", stack: str) -> "Iterator[StackResourceSummaryTypeDef]":
    """What a stack holds and has not deleted yet."""
    for page in cfn.get_paginator("list_stack_resources").paginate(StackName=stack):
        for item in page["StackResourceSummaries"]:
            if item["ResourceStatus"] != "DELETE_COMPLETE" and item.get("PhysicalResourceId"):
                yield item


def delete(cfn: "CloudFormationClient", name: str, log: Log) -> None:
    """Deletes one stack, if there is one, and waits for it. Raises StackError."""
    stack = describe(cfn, name)
    if stack is None:
        log(f"{name}: there is no such stack")
        return
    # By its id, for the name of a deleted stack is nobody's.
    stack_id = stack["StackId"]
    cfn.delete_stack(StackName=stack_id)
    try:
        cfn.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=waiting(cfn))
    except WaiterError:
        raise StackError(f"stack {name}: {first_failure(cfn, stack_id, 'DELETE_IN_PROGRESS')}") from None
    log(f"{name}: deleted")


def poll_seconds(cfn: "CloudFormationClient") -> float:
    """How often to look at what takes its time: an emulator has it ready at once."""
    return 0.1 if urlsplit(cfn.meta.endpoint_url).hostname in ("127.0.0.1", "localhost", "::1") else 5


def waiting(cfn: "CloudFormationClient") -> "WaiterConfigTypeDef":
    """How often a waiter looks at a stack, and how many times."""
    delay = poll_seconds(cfn)
    # A waiter sleeps fractions of a second as well, whatever its type says.
    return {"Delay": delay, "MaxAttempts": int(SECONDS / delay)}  # type: ignore[typeddict-item]


def first_failure(cfn: "CloudFormationClient", stack_id: str, began: str) -> str:
    """Resource and reason of the first failure since the stack was last in the state ``began``."""
    pages = cfn.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    newest_first = (event for page in pages for event in page["StackEvents"])
    last_operation = itertools.takewhile(
        lambda event: not (event["PhysicalResourceId"] == stack_id and event["ResourceStatus"] == began), newest_first
    )
    failures = [event for event in last_operation if event["ResourceStatus"].endswith("_FAILED")]
    if not failures:
        return f"not done after {SECONDS} s; look at its events in the CloudFormation console"
    first = failures[-1]
    reason = first.get("ResourceStatusReason", "no reason given")
    return f"{first['ResourceType']} {first['LogicalResourceId']} failed: {reason}"
