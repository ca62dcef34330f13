"""Deploys the AWS resources, on AWS as on the local AWS: ``python -m ops.deploy --help``.

First the bootstrap stack (bucket of the artifacts, CloudFormation's service role, the role of the teardown), then the
artifacts, then the main stack. Every step compares before it acts, so a second run changes nothing; a dry run shows
what would change.
"""

import argparse
import contextlib
import json
import shlex
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import boto3
import yaml
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
from smart_hub.settings import STACK_PATTERN
from smart_hub.stacks import Report, StackError, describe, first_failure, waiting

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        CreateChangeSetInputTypeDef,
        ParameterTypeDef,
        StackTypeDef,
        TagTypeDef,
    )
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client


class Template(TypedDict, total=False):
    """Where CloudFormation finds a template: in the request, up to 51,200 bytes, or in S3, up to 1 MB."""

    TemplateBody: str
    TemplateURL: str


DEFAULT_REGION = "us-east-1"

CLIENTS = Config(connect_timeout=5, retries={"mode": "standard", "max_attempts": 3})
# What both stacks have to know.
_SHARED_PARAMETERS = ("AirflowPrincipal", "KmsKeyArn")
_REPLACEMENT = {"True": "yes", "False": "no", "Conditional": "perhaps"}
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# What only a deletion leads out of.
_STUCK = ("CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


class DeployError(StackError):
    """The deployment cannot be done; the message names the stack, the resource or the setting at fault."""


def deploy(
    session: boto3.Session,
    stack: str = "smart-hub",
    *,
    endpoint_url: str | None = None,
    parameters: Mapping[str, str] | None = None,
    dry_run: bool = False,
    root: Path = package.ROOT,
    report: Report = print,
) -> dict[str, str]:
    """Creates or updates both stacks and uploads the artifacts; gives the main stack's outputs by name.

    parameters: values for the main template's parameters, by name; those left out keep the value they have.
    dry_run: reports what would change, and changes nothing; gives the outputs there are.
    report: called with each line of progress.

    Raises StackError, and botocore's errors as they come (no credentials, no connection, access denied).
    """
    if not STACK_PATTERN.fullmatch(stack):
        raise DeployError(
            f"{stack!r} is no name for a stack: use 2 to 25 lower-case letters, digits and hyphens,"
            " beginning with a letter"
        )
    cfn = session.client("cloudformation", endpoint_url=endpoint_url, config=CLIENTS)
    s3 = session.client("s3", endpoint_url=endpoint_url, config=CLIENTS)
    glue = session.client("glue", endpoint_url=endpoint_url, config=CLIENTS)
    parameters = dict(parameters or {})

    bootstrap = apply(
        cfn,
        bootstrap_of(stack),
        {"TemplateBody": (root / "include" / "infrastructure" / "bootstrap.yaml").read_text(encoding="utf-8")},
        {"StackName": stack} | {name: parameters[name] for name in _SHARED_PARAMETERS if name in parameters},
        tags_of(stack),
        report,
        dry_run=dry_run,
    )
    code, script, template = package.code(root), package.script(root), package.main_template(root)
    if not bootstrap:  # a dry run before the first deployment: there is no bucket that CloudFormation could read
        for kind, name in _resources(template.body.decode()):
            report(f"{stack}: add {kind} {name}")
        return {}
    bucket = bootstrap["ArtifactsBucket"]
    for artifact in (code, script):
        upload(s3, bucket, artifact, report, dry_run=dry_run)
    values = {"ArtifactsBucket": bucket, "CodeKey": code.key, "ScriptKey": script.key}
    with _uploaded(s3, bucket, template, report, keep=not dry_run) as url:
        if "RatesClassifier" not in parameters:
            values |= _ready_made_classifier(cfn, glue, stack, {"TemplateURL": url}, dry_run)
        values |= parameters
        return apply(
            cfn,
            stack,
            {"TemplateURL": url},
            values,
            tags_of(stack),
            report,
            role=bootstrap["DeploymentRoleArn"],
            dry_run=dry_run,
        )


def bootstrap_of(stack: str) -> str:
    """Name of the stack that a main stack stands on."""
    return f"{stack}-bootstrap"


def tags_of(stack: str) -> "list[TagTypeDef]":
    return [{"Key": "project", "Value": "smart-hub"}, {"Key": "stack", "Value": stack}]


def upload(
    s3: "S3Client", bucket: str, artifact: package.Artifact, report: Report, *, dry_run: bool = False
) -> str | None:
    """Puts an artifact unless it is there: its key holds its content's hash. Gives the id of the version put."""
    try:
        s3.head_object(Bucket=bucket, Key=artifact.key)
        return None
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    if dry_run:
        report(f"would upload s3://{bucket}/{artifact.key}")
        return None
    version = s3.put_object(Bucket=bucket, Key=artifact.key, Body=artifact.body).get("VersionId", "null")
    report(f"uploaded s3://{bucket}/{artifact.key}")
    return version


def url_of(s3: "S3Client", bucket: str, key: str) -> str:
    """Where CloudFormation finds a template in S3: an address of S3 itself, bucket and key in its path."""
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


@contextlib.contextmanager
def _uploaded(s3: "S3Client", bucket: str, template: package.Artifact, report: Report, *, keep: bool) -> Iterator[str]:
    """Address of a template in S3, which is removed again unless it is to be kept or was there before."""
    version = upload(s3, bucket, template, report if keep else lambda line: None)
    try:
        yield url_of(s3, bucket, template.key)
    finally:
        if version and not keep:
            s3.delete_object(Bucket=bucket, Key=template.key, VersionId=version)


def _resources(template: str) -> list[tuple[str, str]]:
    """Type and name of each resource of a template that has no condition."""
    root: Any = yaml.compose(template)
    (declared,) = (value for key, value in root.value if key.value == "Resources")
    found = []
    for name, resource in declared.value:
        properties = {key.value: value.value for key, value in resource.value}
        if "Condition" not in properties:
            found.append((properties["Type"], name.value))
    return sorted(found)


def _ready_made_classifier(
    cfn: "CloudFormationClient", glue: "GlueClient", stack: str, template: Template, dry_run: bool
) -> dict[str, str]:
    """The parameter RatesClassifier, of a classifier made here where CloudFormation cannot; else nothing."""
    try:
        cfn.validate_template(**template)
    except ClientError as error:
        if "Unrecognized resource types: [AWS::Glue::Classifier]" not in str(error):
            raise
    else:
        return {}
    name = f"{stack}-rates"
    if not dry_run:
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
            ChangeSetName=change_set_id, StackName=stack_id, WaiterConfig=waiting(cfn)
        )
    except WaiterError:
        failed = cfn.describe_change_set(ChangeSetName=change_set_id, StackName=stack_id)
        reason = failed.get("StatusReason", "for no reason given")
        _discard(cfn, change_set_id, stack_id, made=stack is None)
        if not any(text in reason for text in _NO_CHANGES):
            raise DeployError(f"stack {name}: the change set failed: {reason}") from None
        report(f"{name}: no changes")
        return outputs_of(cfn.describe_stacks(StackName=stack_id)["Stacks"][0])

    pages = cfn.get_paginator("describe_change_set").paginate(ChangeSetName=change_set_id, StackName=stack_id)
    for page in pages:
        for change in page["Changes"]:
            item = change["ResourceChange"]
            replaced = f", replacement: {_REPLACEMENT[item['Replacement']]}" if item.get("Replacement") else ""
            report(f"{name}: {item['Action'].lower()} {item['ResourceType']} {item['LogicalResourceId']}{replaced}")
    if dry_run:
        _discard(cfn, change_set_id, stack_id, made=stack is None)
        return {} if stack is None else outputs_of(stack)
    cfn.execute_change_set(ChangeSetName=change_set_id, StackName=stack_id)
    done = cfn.get_waiter("stack_create_complete") if creating else cfn.get_waiter("stack_update_complete")
    try:
        done.wait(StackName=stack_id, WaiterConfig=waiting(cfn))
    except WaiterError:
        began = "CREATE_IN_PROGRESS" if creating else "UPDATE_IN_PROGRESS"
        raise DeployError(f"stack {name}: {first_failure(cfn, stack_id, began)}") from None
    report(f"{name}: {'created' if creating else 'updated'}")
    return outputs_of(cfn.describe_stacks(StackName=stack_id)["Stacks"][0])


def _discard(cfn: "CloudFormationClient", change_set_id: str, stack_id: str, *, made: bool) -> None:
    """Deletes a change set, and with it the stack without resources, if that came into being with it."""
    cfn.delete_change_set(ChangeSetName=change_set_id, StackName=stack_id)
    if made:
        cfn.delete_stack(StackName=stack_id)
        cfn.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=waiting(cfn))


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


def options_of(command: str, description: str) -> argparse.ArgumentParser:
    """The options that say which deployment is meant."""
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    parser.add_argument("--stack", default="smart-hub", help="name that all others derive from (default: %(default)s)")
    parser.add_argument("--region", help=f"AWS region (default: as configured for AWS, else {DEFAULT_REGION})")
    parser.add_argument("--endpoint-url", help="address of a local AWS (default: AWS itself)")
    return parser


def parser_of(command: str, description: str, template: str) -> argparse.ArgumentParser:
    """The options that every deployment has. template: its file, which lists the parameters."""
    parser = options_of(command, description)
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


def source_parameters(source: str) -> dict[str, str]:
    """The template's parameters of a source ``s3://bucket/prefix``. Raises DeployError for any other."""
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not source.startswith("s3://") or not bucket:
        raise DeployError(
            f"SOURCE={source} is no place that an Airflow for AWS reads: upload the folder (aws s3 sync {source}"
            " s3://bucket/prefix) and give s3://bucket/prefix, or leave SOURCE out for the sample data of include/data"
        )
    prefix = prefix.strip("/")
    return {"SourceBucket": bucket, "SourcePrefix": f"{prefix}/" if prefix else ""}


def settings_of(stack: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """The package's settings that follow from a deployed stack."""
    settings = {"SMART_HUB_STACK": stack, "SMART_HUB_DATA_BUCKET": outputs["DataBucket"]}
    if "Source" in outputs:
        settings["SMART_HUB_SOURCE"] = outputs["Source"].rstrip("/")
    if "NotificationTopicArn" in outputs:
        settings["SMART_HUB_SNS_TOPIC_ARN"] = outputs["NotificationTopicArn"]
    return settings


def airflow_settings(stack: str, outputs: Mapping[str, str], region: str) -> dict[str, str]:
    """Environment variables that lead an Airflow to a deployed stack."""
    connection = {"conn_type": "aws", "extra": {"region_name": region, "role_arn": outputs["AirflowRoleArn"]}}
    return settings_of(stack, outputs) | {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives the exit status."""
    parser = parser_of("ops.deploy", "Deploy the AWS resources of Smart Hub.", "include/infrastructure/smart_hub.yaml")
    parser.add_argument(
        "--source", metavar="S3_URL", help="s3://bucket/prefix that Airflow's role may read raw data of"
    )
    parser.add_argument("--kms-key", metavar="ARN", help="KMS key that both buckets are encrypted with (S3's own keys)")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    options = parser.parse_args(arguments)
    session = session_of(options)

    def command() -> dict[str, str]:
        parameters = source_parameters(options.source) if options.source else {}
        if options.kms_key:
            parameters["KmsKeyArn"] = options.kms_key
        return deploy(
            session,
            options.stack,
            endpoint_url=options.endpoint_url,
            parameters=parameters | parameters_of(options),
            dry_run=options.dry_run,
        )

    def closing(outputs: Mapping[str, str]) -> str:
        if options.dry_run:
            return "Nothing was changed."
        settings = airflow_settings(options.stack, outputs, session.region_name)
        lines = (f"  {name}={shlex.quote(value)}" for name, value in settings.items())
        return "\n".join(["Airflow's settings:", *lines])

    return run(command, closing)


def run(command: Callable[[], Mapping[str, str]], closing: Callable[[Mapping[str, str]], str] | None = None) -> int:
    """Runs a deployment, prints its outputs and what ``closing`` makes of them, or what went wrong; the exit status."""
    try:
        outputs = command()
    except StackError as error:
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
    if closing:
        print(f"\n{closing(outputs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
