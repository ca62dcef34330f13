"""Deploys the AWS resources to AWS or to the local AWS: ``python -m ops.deploy --help``.

First the bootstrap stack (bucket of the artifacts, CloudFormation's service role, role of the teardown), then the
artifacts, then the main stack. Each step only changes what differs, so a second run changes nothing. A dry run lists
the changes.
"""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import yaml

from ops import package
from ops.aws_command import parameters_of, parser_of, run, session_of
from ops.cloudformation import CLIENTS, DeployError, apply, bootstrap_of, tags_of, upload, url_of
from ops.partitions import update_partitions
from smart_hub.core.settings import STACK_PATTERN
from smart_hub.core.stacks import Log
from smart_hub.shared.layout import DEFAULT_STACK, database_name

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Parameters of both stacks.
_SHARED_PARAMETERS = ("AirflowPrincipal", "KmsKeyArn")


def deploy(
    session: boto3.Session,
    stack: str = DEFAULT_STACK,
    *,
    endpoint_url: str | None = None,
    parameters: Mapping[str, str] | None = None,
    dry_run: bool = False,
    root: Path = package.ROOT,
    log: Log = print,
) -> dict[str, str]:
    """Creates or updates both stacks and uploads the artifacts. Returns the main stack's outputs by name.

    parameters: values of the main template's parameters, by name; parameters without a value keep their current value.
    dry_run: only logs the changes, and returns the current outputs.
    log: called with each line of progress.

    Raises StackError and botocore's errors (no credentials, no connection, access denied).
    """
    if not STACK_PATTERN.fullmatch(stack):
        raise DeployError(
            f"{stack!r} is not a valid name of a stack: use 2 to 25 lower-case letters, digits and hyphens,"
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
        log,
        dry_run=dry_run,
    )
    code, script, template = package.code(root), package.script(root), package.main_template(root)
    if not bootstrap:  # a dry run before the first deployment: there is no bucket for the template yet
        for kind, name in _resources(template.body.decode()):
            log(f"{stack}: add {kind} {name}")
        return {}
    bucket = bootstrap["ArtifactsBucket"]
    for artifact in (code, script):
        upload(s3, bucket, artifact, log, dry_run=dry_run)
    values = {"ArtifactsBucket": bucket, "CodeKey": code.key, "ScriptKey": script.key}
    with _uploaded(s3, bucket, template, log, keep=not dry_run) as url:
        values |= parameters
        outputs = apply(
            cfn,
            stack,
            {"TemplateURL": url},
            values,
            tags_of(stack),
            log,
            role=bootstrap["DeploymentRoleArn"],
            dry_run=dry_run,
        )
    if not dry_run:
        update_partitions(glue, database_name(stack), log)
    return outputs


@contextlib.contextmanager
def _uploaded(s3: "S3Client", bucket: str, template: package.Artifact, log: Log, *, keep: bool) -> Iterator[str]:
    """URL of a template in S3. Afterwards the template is deleted, unless it is kept or existed before."""
    version = upload(s3, bucket, template, log if keep else lambda line: None)
    try:
        yield url_of(s3, bucket, template.key)
    finally:
        if version and not keep:
            s3.delete_object(Bucket=bucket, Key=template.key, VersionId=version)


def _resources(template: str) -> list[tuple[str, str]]:
    """Type and name of each resource of a template, without resources that have a condition."""
    root: Any = yaml.compose(template)
    (declared,) = (value for key, value in root.value if key.value == "Resources")
    resources = []
    for name, resource in declared.value:
        properties = {key.value: value.value for key, value in resource.value}
        if "Condition" not in properties:
            resources.append((properties["Type"], name.value))
    return sorted(resources)


def source_parameters(source: str) -> dict[str, str]:
    """The template's parameters for a source ``s3://bucket/prefix``. Raises DeployError for other sources."""
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not source.startswith("s3://") or not bucket:
        raise DeployError(
            f"SOURCE={source} is not s3://bucket/prefix, the only kind of source on AWS: upload the folder (aws s3 sync"
            f" {source} s3://bucket/prefix), or omit SOURCE for the sample data of include/data"
        )
    prefix = prefix.strip("/")
    return {"SourceBucket": bucket, "SourcePrefix": f"{prefix}/" if prefix else ""}


def settings_of(stack: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """The settings of the DAGs for a deployed stack."""
    settings = {"SMART_HUB_STACK": stack, "SMART_HUB_DATA_BUCKET": outputs["DataBucket"]}
    if "Source" in outputs:
        settings["SMART_HUB_SOURCE"] = outputs["Source"].rstrip("/")
    if "NotificationTopicArn" in outputs:
        settings["SMART_HUB_SNS_TOPIC_ARN"] = outputs["NotificationTopicArn"]
    return settings


def airflow_settings(stack: str, outputs: Mapping[str, str], region: str) -> dict[str, str]:
    """Environment variables with which an Airflow uses a deployed stack."""
    connection = {"conn_type": "aws", "extra": {"region_name": region, "role_arn": outputs["AirflowRoleArn"]}}
    return settings_of(stack, outputs) | {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = parser_of("ops.deploy", "Deploy the AWS resources of Smart Hub.", "include/infrastructure/smart_hub.yaml")
    parser.add_argument(
        "--source", metavar="S3_URL", help="s3://bucket/prefix of raw data that Airflow's role gets access to"
    )
    parser.add_argument("--kms-key", metavar="ARN", help="KMS key that encrypts both buckets (default: S3's own keys)")
    parser.add_argument("--dry-run", action="store_true", help="list the changes without making them")
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


if __name__ == "__main__":
    sys.exit(main())
