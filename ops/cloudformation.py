"""Creation and update of stacks: artifacts in S3, change sets, outputs."""

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
# A stack in one of these states can only be deleted.
_STUCK = ("CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


class DeployError(StackError):
    """The deployment is not possible; the message names the stack, the resource or the setting at fault."""


class Template(TypedDict, total=False):
    """A template for a request: its text, up to 51,200 bytes, or its URL in S3, up to 1 MB."""

    TemplateBody: str
    TemplateURL: str


def bootstrap_of(stack: str) -> str:
    """Name of the stack that has to exist before the main stack."""
    return f"{stack}-bootstrap"


def tags_of(stack: str) -> "list[TagTypeDef]":
    return [{"Key": "project", "Value": "smart-hub"}, {"Key": "stack", "Value": stack}]


def upload(s3: "S3Client", bucket: str, artifact: Artifact, log: Log, *, dry_run: bool = False) -> str | None:
    """Uploads an artifact unless its key, which has a hash of its content, exists. Returns the new version's id."""
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
    """The URL of a template in S3, in path style, as CloudFormation needs it."""
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
    """Creates or updates a stack with a change set, waits until it is done, and returns the stack's outputs by name.

    values: of the template's parameters; parameters without a value keep their current value. role: ARN of
    CloudFormation's service role; by default CloudFormation uses the caller's permissions. dry_run: only logs the
    changes, and returns the current outputs.

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
    request.update(template)  # type: ignore[typeddict-item]  # its keys are keys of the request
    if role:
        request["RoleARN"] = role
    if creating:
        # A stack whose creation failed cannot be updated, so the next deployment would fail.
        request["OnStackFailure"] = "DELETE"
    change_set = cfn.create_change_set(**request)
    change_set_id, stack_id = change_set["Id"], change_set["StackId"]
    # The id of the change set is sufficient, but permissions are checked for the stack.
    try:
        cfn.get_waiter("change_set_create_complete").wait(
            ChangeSetName=change_set_id, StackName=stack_id, WaiterConfig=WAITER_CONFIG
        )
    except WaiterError:
        failed = cfn.describe_change_set(ChangeSetName=change_set_id, StackName=stack_id)
        reason = failed.get("StatusReason", "no reason given")
        _discard(cfn, change_set_id, stack_id, created_stack=stack is None)
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
        _discard(cfn, change_set_id, stack_id, created_stack=stack is None)
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


def _discard(cfn: "CloudFormationClient", change_set_id: str, stack_id: str, *, created_stack: bool) -> None:
    """Deletes a change set, and the empty stack if the change set created it."""
    cfn.delete_change_set(ChangeSetName=change_set_id, StackName=stack_id)
    if created_stack:
        cfn.delete_stack(StackName=stack_id)
        cfn.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=WAITER_CONFIG)


def _parameters(
    cfn: "CloudFormationClient", name: str, template: Template, values: Mapping[str, str], previous: set[str]
) -> list["ParameterTypeDef"]:
    """The template's parameters: given values, else current values; the other parameters get their default."""
    known = [p["ParameterKey"] for p in cfn.get_template_summary(**template)["Parameters"]]
    if unknown := sorted(set(values) - set(known)):
        raise DeployError(f"stack {name} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    given: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": values[key]} for key in known if key in values
    ]
    unchanged: list[ParameterTypeDef] = [
        {"ParameterKey": key, "UsePreviousValue": True} for key in known if key in previous and key not in values
    ]
    return given + unchanged


def outputs_of(stack: "StackTypeDef") -> dict[str, str]:
    """A stack's outputs by name."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
