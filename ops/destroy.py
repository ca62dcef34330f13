"""Deletes a deployment with all its data, on AWS as on the local AWS: ``python -m ops.destroy --help``.

First the dashboard's stack, whose policy hangs on Airflow's role; then data and main stack; the bootstrap stack, whose
role CloudFormation works under, last. A second run finishes what a first one could not, or finds nothing.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import boto3

from ops.aws_command import options_of, run, session_of
from ops.cloudformation import CLIENTS, DeployError, bootstrap_of
from smart_hub.core import teardown
from smart_hub.core.stacks import Log, dashboard_of

REMAINS = """\
What remains, since it is not this deployment's alone:
  log groups /aws-glue/crawlers and /aws-glue/python-jobs, which all crawlers and jobs of the account share
  a KMS key, an SNS topic, a source bucket: they were named by parameters
  metrics in CloudWatch, events in CloudTrail: they expire by themselves
  Airflow's own history: runs, logs, the connection; pause smart_hub_usage, or its next run fails"""


def destroy(
    session: boto3.Session,
    stack: str,
    confirmed: Callable[[], bool],
    *,
    endpoint_url: str | None = None,
    log: Log = print,
) -> bool:
    """Shows what there is of a deployment and, once that is confirmed, deletes it; whether there was anything.

    Raises StackError, and botocore's errors as they come.
    """

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint_url, config=CLIENTS)  # type: ignore[call-overload]

    names = (dashboard_of(stack), stack, bootstrap_of(stack))
    log(f"account {client('sts').get_caller_identity()['Account']}, region {session.region_name}")
    found = [held for name in names if (held := teardown.inventory(client, name))]
    if not found:
        log(f"there is nothing: no stack {', '.join(names)}")
        return False
    for held in found:
        for line in held.lines():
            log(line)
    if not confirmed():
        raise DeployError("nothing was deleted")
    for held in found:
        teardown.remove(client, held.stack, log)
    return True


def typed(stack: str) -> bool:
    """Whether the stack's name was typed in."""
    try:
        return input(f"All of this will be deleted, data included. Type the stack's name, {stack}: ").strip() == stack
    except EOFError:
        raise DeployError("nobody is there to confirm: give --yes (make destroy YES=1); nothing was deleted") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives the exit status."""
    parser = options_of("ops.destroy", "Delete the AWS resources of Smart Hub, and all data.")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)

    def command() -> dict[str, str]:
        confirmed = (lambda: True) if options.yes else (lambda: typed(options.stack))
        if destroy(session_of(options), options.stack, confirmed, endpoint_url=options.endpoint_url):
            print(f"\n{REMAINS}")
        return {}

    return run(command)


if __name__ == "__main__":
    sys.exit(main())
