"""Stacks and what they are made of: artifacts into S3, a change set, its execution, the outputs."""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from ops.package import Artifact
from smart_hub.core.stacks import WAITER_CONFIG, Log, StackError, describe, first_failure

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        CreateChangeSetInputTypeDef,
        ParameterTypeDef,
        StackTypeDef,
        TagTypeDef,
    )
    from mypy_boto3_s3 import S3Client

CLIENTS = Config(connect_timeout=5, retries={"mode": "standard", "max_attempts": 3})
_REPLACEMENT = {"True": "yes", "False": "no", "Conditional": "perhaps"}
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# What only a deletion leads out of.
_STUCK = ("CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


class DeployError(StackError):
    """The deployment cannot be done; the message names the stack, the resource or the setting at fault."""


class Template(TypedDict, total=False):
    """Where CloudFormation finds a template: in the request, up to 51,200 bytes, or in S3, up to 1 MB."""

    TemplateBody: str
    TemplateURL: str


def bootstrap_of(stack: str) -> str:
    """Name of the stack that a main stack stands on."""
    return f"{stack}-bootstrap"


def tags_of(stack: str) -> "list[TagTypeDef]":
    return [{"Key": "project", "Value": "smart-hub"}, {"Key": "stack", "Value": stack}]


def upload(s3: "S3Client", bucket: str, artifact: Artifact, log: Log, *, dry_run: bool = False) -> str | None:
    """Puts an artifact unless it is there: its key holds its content's hash. Gives the id of the version put."""
    try:
        s3.head_object(Bucket=bucket, Key=artifact.key)
        return None
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    if dry_run:
        log(f"would upload s3://{bucket}/{artifact.key}")
        return None
    version = s3.put_object(Bucket=bucket, Key=artifact.key, Body=artifact.body).get("VersionId", "null")
    log(f"uploaded s3://{bucket}/{artifact.key}")
    return version


def url_of(s3: "S3Client", bucket: str, key: str) -> str:
    """Where CloudFormation finds a template in S3: an address of S3 itself, bucket and key in its path."""
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


def apply(
    cfn: "CloudFormationClient",
    name: str,
    template: Template,
    values: Mapping[str, str],
    tags: Sequence["TagTypeDef"],
    log: Log,
    role: str | None = None,
    *,
    dry_run: bool = False,
) -> dict[str, str]:
    """Creates or updates one stack by a change set, waits for it, and gives its outputs by name.

    values: of the template's parameters; those left out keep the value they have. role: the ARN of what
    CloudFormation works under, else the caller's rights. dry_run: reports the changes alone; gives the outputs of
    the stack as it is.

    Raises DeployError.
    """
    stack = describe(cfn, name)
    if stack and stack["StackStatus"] in _STUCK:
        raise DeployError(
            f"stack {name} is in state {stack['StackStatus']} and cannot be updated: delete it"
            f" (aws cloudformation delete-stack --stack-name {name}) and deploy again"
        )
    creating = stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    previous = set() if stack is None or creating else {p["ParameterKey"] for p in stack.get("Parameters", [])}
    request: CreateChangeSetInputTypeDef = {
        "StackName": name,
        "ChangeSetName": f"deploy-{uuid.uuid4().hex}",
        "ChangeSetType": "CREATE" if creating else "UPDATE",
        "Parameters": _parameters(cfn, name, template, values, previous),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": tags,
    }
    request.update(template)  # type: ignore[typeddict-item]  # its keys are two of the request's
    if role:
        request["RoleARN"] = role
    if creating:
        # A stack whose creation failed could not be updated: the next deployment would be stuck.
        request["OnStackFailure"] = "DELETE"
    change_set = cfn.create_change_set(**request)
    change_set_id, stack_id = change_set["Id"], change_set["StackId"]
    # The id of the change set would do; rights are looked up by the stack.
    try:
        cfn.get_waiter("change_set_create_complete").wait(
            ChangeSetName=change_set_id, StackName=stack_id, WaiterConfig=WAITER_CONFIG
        )
    except WaiterError:
        failed = cfn.describe_change_set(ChangeSetName=change_set_id, StackName=stack_id)
        reason = failed.get("StatusReason", "for no reason given")
        _discard(cfn, change_set_id, stack_id, made=stack is None)
        if not any(text in reason for text in _NO_CHANGES):
            raise DeployError(f"stack {name}: the change set failed: {reason}") from None
        log(f"{name}: no changes")
        return outputs_of(cfn.describe_stacks(StackName=stack_id)["Stacks"][0])

    pages = cfn.get_paginator("describe_change_set").paginate(ChangeSetName=change_set_id, StackName=stack_id)
    for page in pages:
        for change in page["Changes"]:
            item = change["ResourceChange"]
            replaced = f", replacement: {_REPLACEMENT[item['Replacement']]}" if item.get("Replacement") else ""
            log(f"{name}: {item['Action'].lower()} {item['ResourceType']} {item['LogicalResourceId']}{replaced}")
    if dry_run:
        _discard(cfn, change_set_id, stack_id, made=stack is None)
        return {} if stack is None else outputs_of(stack)
    cfn.execute_change_set(ChangeSetName=change_set_id, StackName=stack_id)
    done = cfn.get_waiter("stack_create_complete") if creating else cfn.get_waiter("stack_update_complete")
    try:
        done.wait(StackName=stack_id, WaiterConfig=WAITER_CONFIG)
    except WaiterError:
        began = "CREATE_IN_PROGRESS" if creating else "UPDATE_IN_PROGRESS"
        raise DeployError(f"stack {name}: {first_failure(cfn, stack_id, began)}") from None
    log(f"{name}: {'created' if creating else 'updated'}")
    return outputs_of(cfn.describe_stacks(StackName=stack_id)["Stacks"][0])


def _discard(cfn: "CloudFormationClient", change_set_id: str, stack_id: str, *, made: bool) -> None:
    """Deletes a change set, and with it the stack without resources, if that came into being with it."""
    cfn.delete_change_set(ChangeSetName=change_set_id, StackName=stack_id)
    if made:
        cfn.delete_stack(StackName=stack_id)
        cfn.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=WAITER_CONFIG)


def _parameters(
    cfn: "CloudFormationClient", name: str, template: Template, values: Mapping[str, str], previous: set[str]
) -> list["ParameterTypeDef"]:
    """The template's parameters: as given, else as before, else left to their default."""
    known = [p["ParameterKey"] for p in cfn.get_template_summary(**template)["Parameters"]]
    if unknown := sorted(set(values) - set(known)):
        raise DeployError(f"stack {name} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    given: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": values[key]} for key in known if key in values
    ]
    kept: list[ParameterTypeDef] = [
        {"ParameterKey": key, "UsePreviousValue": True} for key in known if key in previous and key not in values
    ]
    return given + kept


def outputs_of(stack: "StackTypeDef") -> dict[str, str]:
    """A stack's outputs by name."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
