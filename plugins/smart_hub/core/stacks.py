"""CloudFormation stacks: their state, resources and failures, and their deletion."""

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, WaiterError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef, StackTypeDef, WaiterConfigTypeDef

# Gets each line of progress.
Log = Callable[[str], None]

POLL_SECONDS = 1
_TIMEOUT_SECONDS = 1800
# Waiters check once before they wait.
WAITER_CONFIG: "WaiterConfigTypeDef" = {"Delay": POLL_SECONDS, "MaxAttempts": _TIMEOUT_SECONDS // POLL_SECONDS}


class StackError(Exception):
    """An operation on a stack failed; the message names the stack, the resource and the reason."""


def dashboard_of(stack: str) -> str:
    """Name of the stack that holds a main stack's dashboard in QuickSight."""
    return f"{stack}-quicksight"


def describe(cfn: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """The stack, or None if it does not exist."""
    try:
        return cfn.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None


def resources(cfn: "CloudFormationClient", stack: str) -> "Iterator[StackResourceSummaryTypeDef]":
    """A stack's resources that are not deleted yet."""
    for page in cfn.get_paginator("list_stack_resources").paginate(StackName=stack):
        for item in page["StackResourceSummaries"]:
            if item["ResourceStatus"] != "DELETE_COMPLETE" and item.get("PhysicalResourceId"):
                yield item


def delete(cfn: "CloudFormationClient", name: str, log: Log) -> None:
    """Deletes a stack, if it exists, and waits until it is deleted. Raises StackError."""
    stack = describe(cfn, name)
    if stack is None:
        log(f"{name}: there is no such stack")
        return
    # A deleted stack is found by its id only.
    stack_id = stack["StackId"]
    cfn.delete_stack(StackName=stack_id)
    try:
        cfn.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=WAITER_CONFIG)
    except WaiterError:
        raise StackError(f"stack {name}: {first_failure(cfn, stack_id, 'DELETE_IN_PROGRESS')}") from None
    log(f"{name}: deleted")


def first_failure(cfn: "CloudFormationClient", stack_id: str, began: str) -> str:
    """Resource and reason of the first failure since the stack last entered the state ``began``."""
    pages = cfn.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    newest_first = (event for page in pages for event in page["StackEvents"])
    last_operation = itertools.takewhile(
        lambda event: not (event["PhysicalResourceId"] == stack_id and event["ResourceStatus"] == began), newest_first
    )
    failures = [event for event in last_operation if event["ResourceStatus"].endswith("_FAILED")]
    if not failures:
        return f"not finished after {_TIMEOUT_SECONDS} s; see its events in the CloudFormation console"
    first = failures[-1]
    reason = first.get("ResourceStatusReason", "no reason given")
    return f"{first['ResourceType']} {first['LogicalResourceId']} failed: {reason}"
