"""Deploys the dashboard in QuickSight, and deletes it: ``python -m ops.quicksight --help``.

The dashboard has its own stack, ``<stack>-quicksight``. Its template is uploaded to the artifacts bucket, because
without aliases it is too long for a request. CloudFormation uses the caller's permissions, because its service role is
only for the main stack.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import yaml

from ops import cloudformation, package
from ops.aws_command import parameters_of, parser_of, run, session_of
from ops.cloudformation import DeployError
from smart_hub.core import stacks
from smart_hub.core.stacks import Log, dashboard_of
from smart_hub.shared.layout import DEFAULT_STACK

TEMPLATE = Path("include", "quicksight", "quicksight.yaml")


def deploy_dashboard(
    session: boto3.Session,
    stack: str = DEFAULT_STACK,
    *,
    endpoint_url: str | None = None,
    parameters: Mapping[str, str] | None = None,
    root: Path = package.ROOT,
    log: Log = print,
) -> dict[str, str]:
    """Creates or updates the stack of the dashboard. Returns its outputs by name.

    stack: the main stack's name. parameters: values of the template's parameters, by name; parameters without a value
    keep their current value. log: called with each line of progress.

    Raises DeployError and botocore's errors (no credentials, no connection, access denied).
    """
    cfn = session.client("cloudformation", endpoint_url=endpoint_url, config=cloudformation.CLIENTS)
    s3 = session.client("s3", endpoint_url=endpoint_url, config=cloudformation.CLIENTS)
    name = cloudformation.bootstrap_of(stack)
    bootstrap = stacks.describe(cfn, name)
    if bootstrap is None:
        raise DeployError(f"there is no stack {name}: deploy the main stack first (python -m ops.deploy)")
    bucket = cloudformation.outputs_of(bootstrap)["ArtifactsBucket"]
    template = package.quicksight(without_aliases((root / TEMPLATE).read_text(encoding="utf-8")))
    cloudformation.upload(s3, bucket, template, log)
    return cloudformation.apply(
        cfn,
        dashboard_of(stack),
        {"TemplateURL": cloudformation.url_of(s3, bucket, template.key)},
        {"StackName": stack, **(parameters or {})},
        cloudformation.tags_of(stack),
        log,
    )


def delete_dashboard(
    session: boto3.Session, stack: str = DEFAULT_STACK, *, endpoint_url: str | None = None, log: Log = print
) -> dict[str, str]:
    """Deletes the stack of the dashboard. Returns an empty dictionary, for ``run``. Raises StackError."""
    cfn = session.client("cloudformation", endpoint_url=endpoint_url, config=cloudformation.CLIENTS)
    stacks.delete(cfn, dashboard_of(stack), log)
    return {}


def without_aliases(template: str) -> str:
    """A template with the values of its aliases instead of the aliases, which CloudFormation does not support.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """
    return yaml.serialize(_copy(yaml.compose(template, yaml.CSafeLoader)), Dumper=yaml.CSafeDumper, width=120)


def _copy(node: Any) -> yaml.Node:
    """A deep copy without shared nodes, because shared nodes are written as aliases."""
    match node:
        case yaml.MappingNode():
            pairs = [(_copy(key), _copy(value)) for key, value in node.value]
            return yaml.MappingNode(node.tag, pairs, flow_style=node.flow_style)
        case yaml.SequenceNode():
            return yaml.SequenceNode(node.tag, [_copy(item) for item in node.value], flow_style=node.flow_style)
        case _:
            return yaml.ScalarNode(node.tag, node.value, style=node.style)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = parser_of("ops.quicksight", "Deploy the dashboard of Smart Hub in QuickSight.", str(TEMPLATE))
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--delete", action="store_true", help="delete the dashboard")
    other.add_argument("--print", action="store_true", help="print the template without aliases")
    options = parser.parse_args(arguments)
    if options.print:
        print(without_aliases((package.ROOT / TEMPLATE).read_text(encoding="utf-8")), end="")
        return 0
    session, endpoint_url = session_of(options), options.endpoint_url
    if options.delete:
        return run(lambda: delete_dashboard(session, options.stack, endpoint_url=endpoint_url))
    parameters = parameters_of(options)
    return run(lambda: deploy_dashboard(session, options.stack, endpoint_url=endpoint_url, parameters=parameters))


if __name__ == "__main__":
    sys.exit(main())
