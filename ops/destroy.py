"""Deletes a deployment with all its data from AWS or from the local AWS: ``python -m ops.destroy --help``.

First the dashboard's stack, whose policy is attached to Airflow's role; then the data and the main stack; last the
bootstrap stack, which has CloudFormation's service role. A second run completes an interrupted one.
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
Not deleted, because other programs can be using it:
  log groups /aws-glue/crawlers and /aws-glue/python-jobs, which all crawlers and jobs of the account share
  a KMS key, an SNS topic, a source bucket that parameters have named
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
    """Logs the inventory of a deployment and, if ``confirmed`` returns True, deletes it.

    Returns whether there was anything to delete. Raises StackError and botocore's errors.
    """

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint_url, config=CLIENTS)  # type: ignore[call-overload]

    names = (dashboard_of(stack), stack, bootstrap_of(stack))
    log(f"account {client('sts').get_caller_identity()['Account']}, region {session.region_name}")
    inventories = [found for name in names if (found := teardown.inventory(client, name))]
    if not inventories:
        log(f"there is nothing to delete: no stack {', '.join(names)}")
        return False
    for found in inventories:
        for line in found.lines():
            log(line)
    if not confirmed():
        raise DeployError("nothing was deleted")
    for found in inventories:
        teardown.remove(client, found.stack, log)
    return True


def typed(stack: str) -> bool:
    """Asks the user to type the stack's name; whether they did."""
    try:
        return input(f"All of this will be deleted, data included. Type the stack's name, {stack}: ").strip() == stack
    except EOFError:
        raise DeployError("there is no input to confirm: use --yes (make destroy YES=1); nothing was deleted") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
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
