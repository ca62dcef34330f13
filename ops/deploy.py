"""Deploys the AWS resources, on AWS as on the local AWS: ``python -m ops.deploy --help``.

First the bootstrap stack (bucket of the artifacts, CloudFormation's service role), then the artifacts, then
the main stack. Every step compares before it acts, so a second run changes nothing.
"""

import argparse
import contextlib
import itertools
import re
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    WaiterError,
)

from ops import package

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        CreateChangeSetInputTypeDef,
        ParameterTypeDef,
        StackTypeDef,
        TagTypeDef,
        WaiterConfigTypeDef,
    )
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

Report = Callable[[str], None]


class Template(TypedDict, total=False):
    """Where CloudFormation finds a template: in the request, up to 51,200 bytes, or in S3, up to 1 MB."""

    TemplateBody: str
    TemplateURL: str


DEFAULT_REGION = "us-east-1"
# As in bootstrap.yaml: the longest name of a bucket has to fit into 63 characters.
STACK_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,23}[a-z0-9]")

CLIENTS = Config(connect_timeout=5, retries={"mode": "standard", "max_attempts": 3})
_SECONDS = 1800
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# What only a deletion leads out of.
_STUCK = ("CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


class DeployError(Exception):
    """The deployment cannot be done; the message names the stack, the resource or the setting at fault."""


def deploy(
    session: boto3.Session,
    stack: str = "smart-hub",
    *,
    endpoint_url: str | None = None,
    parameters: Mapping[str, str] | None = None,
    root: Path = package.ROOT,
    report: Report = print,
) -> dict[str, str]:
    """Creates or updates both stacks and uploads the artifacts; gives the main stack's outputs by name.

    parameters: values for the main template's parameters, by name; those left out keep the value they have.
    report: called with each line of progress.

    Raises DeployError, and botocore's errors as they come (no credentials, no connection, access denied).
    """
    if not STACK_PATTERN.fullmatch(stack):
        raise DeployError(
            f"{stack!r} is no name for a stack: use 2 to 25 lower-case letters, digits and hyphens,"
            " beginning with a letter"
        )
    cfn = session.client("cloudformation", endpoint_url=endpoint_url, config=CLIENTS)
    s3 = session.client("s3", endpoint_url=endpoint_url, config=CLIENTS)
    glue = session.client("glue", endpoint_url=endpoint_url, config=CLIENTS)
    infrastructure = root / "include" / "infrastructure"

    bootstrap = apply(
        cfn,
        bootstrap_of(stack),
        {"TemplateBody": (infrastructure / "bootstrap.yaml").read_text(encoding="utf-8")},
        {"StackName": stack},
        tags_of(stack),
        report,
    )
    bucket = bootstrap["ArtifactsBucket"]
    code, script = package.code(root), package.script(root)
    for artifact in (code, script):
        upload(s3, bucket, artifact, report)
    template = (infrastructure / "smart_hub.yaml").read_text(encoding="utf-8")
    values = {"ArtifactsBucket": bucket, "CodeKey": code.key, "ScriptKey": script.key}
    values |= _ready_made_classifier(cfn, glue, stack, template) | dict(parameters or {})
    return apply(
        cfn, stack, {"TemplateBody": template}, values, tags_of(stack), report, role=bootstrap["DeploymentRoleArn"]
    )


def bootstrap_of(stack: str) -> str:
    """Name of the stack that a main stack stands on."""
    return f"{stack}-bootstrap"


def tags_of(stack: str) -> "list[TagTypeDef]":
    return [{"Key": "project", "Value": "smart-hub"}, {"Key": "stack", "Value": stack}]


def upload(s3: "S3Client", bucket: str, artifact: package.Artifact, report: Report) -> None:
    """Puts an artifact unless it is there: its key holds its content's hash."""
    try:
        s3.head_object(Bucket=bucket, Key=artifact.key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        s3.put_object(Bucket=bucket, Key=artifact.key, Body=artifact.body)
        report(f"uploaded s3://{bucket}/{artifact.key}")


def _ready_made_classifier(
    cfn: "CloudFormationClient", glue: "GlueClient", stack: str, template: str
) -> dict[str, str]:
    """The parameter RatesClassifier, of a classifier made here where CloudFormation cannot; else nothing."""
    try:
        cfn.validate_template(TemplateBody=template)
    except ClientError as error:
        if "Unrecognized resource types: [AWS::Glue::Classifier]" not in str(error):
            raise
    else:
        return {}
    name = f"{stack}-rates"
    with contextlib.suppress(glue.exceptions.AlreadyExistsException):  # by an earlier deployment
        glue.create_classifier(XMLClassifier={"Name": name, "Classification": "xml", "RowTag": "row"})
    return {"RatesClassifier": name}


def apply(
    cfn: "CloudFormationClient",
    name: str,
    template: Template,
    values: Mapping[str, str],
    tags: Sequence["TagTypeDef"],
    report: Report,
    role: str | None = None,
) -> dict[str, str]:
    """Creates or updates one stack by a change set, waits for it, and gives its outputs by name.

    values: of the template's parameters; those left out keep the value they have. role: the ARN of what
    CloudFormation works under, else the caller's rights.

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
    waiting = _waiting(cfn)
    try:
        cfn.get_waiter("change_set_create_complete").wait(ChangeSetName=change_set_id, WaiterConfig=waiting)
    except WaiterError:
        reason = cfn.describe_change_set(ChangeSetName=change_set_id).get("StatusReason", "for no reason given")
        cfn.delete_change_set(ChangeSetName=change_set_id)
        if not any(text in reason for text in _NO_CHANGES):
            raise DeployError(f"stack {name}: the change set failed: {reason}") from None
        report(f"{name}: no changes")
        return outputs_of(cfn.describe_stacks(StackName=stack_id)["Stacks"][0])

    for page in cfn.get_paginator("describe_change_set").paginate(ChangeSetName=change_set_id):
        for change in page["Changes"]:
            item = change["ResourceChange"]
            report(f"{name}: {item['Action'].lower()} {item['ResourceType']} {item['LogicalResourceId']}")
    cfn.execute_change_set(ChangeSetName=change_set_id)
    done = cfn.get_waiter("stack_create_complete") if creating else cfn.get_waiter("stack_update_complete")
    try:
        done.wait(StackName=stack_id, WaiterConfig=waiting)
    except WaiterError:
        began = "CREATE_IN_PROGRESS" if creating else "UPDATE_IN_PROGRESS"
        raise DeployError(f"stack {name}: {_first_failure(cfn, stack_id, began)}") from None
    report(f"{name}: {'created' if creating else 'updated'}")
    return outputs_of(cfn.describe_stacks(StackName=stack_id)["Stacks"][0])


def delete(cfn: "CloudFormationClient", name: str, report: Report) -> None:
    """Deletes one stack, if there is one, and waits for it. Raises DeployError."""
    stack = describe(cfn, name)
    if stack is None:
        report(f"{name}: there is no such stack")
        return
    # By its id, for the name of a deleted stack is nobody's.
    stack_id = stack["StackId"]
    cfn.delete_stack(StackName=stack_id)
    try:
        cfn.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=_waiting(cfn))
    except WaiterError:
        raise DeployError(f"stack {name}: {_first_failure(cfn, stack_id, 'DELETE_IN_PROGRESS')}") from None
    report(f"{name}: deleted")


def _waiting(cfn: "CloudFormationClient") -> "WaiterConfigTypeDef":
    """How often to look at a stack, and how many times: an emulator has it ready at once."""
    local = urlsplit(cfn.meta.endpoint_url).hostname in ("127.0.0.1", "localhost", "::1")
    delay = 0.1 if local else 5
    # A waiter sleeps fractions of a second as well, whatever its type says.
    return {"Delay": delay, "MaxAttempts": int(_SECONDS / delay)}  # type: ignore[typeddict-item]


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


def describe(cfn: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """The stack, or None where there is none of the name."""
    try:
        return cfn.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None


def outputs_of(stack: "StackTypeDef") -> dict[str, str]:
    """A stack's outputs by name."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _first_failure(cfn: "CloudFormationClient", stack_id: str, began: str) -> str:
    """Resource and reason of the first failure since the stack was last in the state ``began``."""
    pages = cfn.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    newest_first = (event for page in pages for event in page["StackEvents"])
    last_operation = itertools.takewhile(
        lambda event: not (event["PhysicalResourceId"] == stack_id and event["ResourceStatus"] == began), newest_first
    )
    failures = [event for event in last_operation if event["ResourceStatus"].endswith("_FAILED")]
    if not failures:
        return f"not done after {_SECONDS} s; look at its events in the CloudFormation console"
    first = failures[-1]
    reason = first.get("ResourceStatusReason", "no reason given")
    return f"{first['ResourceType']} {first['LogicalResourceId']} failed: {reason}"


def parser_of(command: str, description: str, template: str) -> argparse.ArgumentParser:
    """The options that every deployment has. template: its file, which lists the parameters."""
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    parser.add_argument("--stack", default="smart-hub", help="name that all others derive from (default: %(default)s)")
    parser.add_argument("--region", help=f"AWS region (default: as configured for AWS, else {DEFAULT_REGION})")
    parser.add_argument("--endpoint-url", help="address of a local AWS (default: AWS itself)")
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"value of a parameter of {template}; may be repeated",
    )
    return parser


def session_of(options: argparse.Namespace) -> boto3.Session:
    return boto3.Session(region_name=options.region or boto3.Session().region_name or DEFAULT_REGION)


def parameters_of(options: argparse.Namespace) -> dict[str, str]:
    return dict(item.partition("=")[::2] for item in options.parameter)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives the exit status."""
    parser = parser_of("ops.deploy", "Deploy the AWS resources of Smart Hub.", "include/infrastructure/smart_hub.yaml")
    options = parser.parse_args(arguments)
    return run(
        lambda: deploy(
            session_of(options),
            options.stack,
            endpoint_url=options.endpoint_url,
            parameters=parameters_of(options),
        )
    )


def run(command: Callable[[], Mapping[str, str]]) -> int:
    """Runs a deployment and prints its outputs, or what went wrong; gives the exit status."""
    try:
        outputs = command()
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    except (NoCredentialsError, PartialCredentialsError) as error:
        print(
            f"{error}: log in (aws sso login) or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            file=sys.stderr,
        )
        return 1
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        print(f"{error}: is the local AWS running, and are --endpoint-url and --region right?", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"AWS refused: {error}", file=sys.stderr)
        return 1
    print()
    for name, value in outputs.items():
        print(f"{name} = {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
