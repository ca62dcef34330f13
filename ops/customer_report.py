"""What the page Smart Hub shows of one hub, as one HTML file to hand on: it needs neither Airflow nor a network.

    make report HUB=91c1114f1e2b4b8d FROM=2019-12-21 TO=2019-12-22

reads the published tables of the local AWS; with --region (and --stack, --bucket) those of an account, with the
user's own AWS credentials.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3

from ops import local_command
from ops.environment import isolate
from ops.settings import Settings, UserError
from smart_hub.page import document
from smart_hub.page.choice import Choice, ChoiceError
from smart_hub.page.store import Store
from smart_hub.page.view import build
from smart_hub.shared.layout import DEFAULT_STACK, database_name


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ops.customer_report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hub", default=os.environ.get("HUB", ""), help="the hub's id (default: $HUB)")
    parser.add_argument("--from", dest="first", default="", help="first day (default: 31 days up to the last one)")
    parser.add_argument("--to", dest="last", default="", help="last day (default: the last one published)")
    parser.add_argument("--out", type=Path, help="the file (default: smart-hub-<hub>-<first>-<last>.html)")
    parser.add_argument("--region", help="read an account's tables in this region, not the local AWS's")
    parser.add_argument("--stack", default=DEFAULT_STACK, help="the stack's name there (default: %(default)s)")
    parser.add_argument("--bucket", help="the stack's output DataBucket there")
    options = parser.parse_args(arguments)

    def report() -> int:
        store = _account(options.region, options.stack, options.bucket) if options.region else _local()
        print(write(store, options.hub, options.first, options.last, options.out))
        return 0

    return local_command.run(report)


def write(store: Store, hub: str, first: str, last: str, out: Path | None = None) -> Path:
    """Writes the report of a hub and gives its path.

    first, last: YYYY-MM-DD, or empty for what the page would choose. Raises UserError when there is nothing to
    report, with the page's own sentence.
    """
    if not hub:
        raise UserError("which hub? HUB=… names it; the page Smart Hub lists them")
    try:
        view = build(store, Choice.of({"hub": hub, "from": first, "to": last}))
    except ChoiceError as error:
        raise UserError(str(error)) from error
    if view.usage is None:
        raise UserError(" ".join(view.problems))
    path = out or Path(f"smart-hub-{hub}-{view.first}-{view.last}.html")
    path.write_text(document.report(view), encoding="utf-8")
    return path


def _local() -> Store:
    settings = isolate(Settings.from_environment())

    def client(service: Any) -> Any:
        return boto3.client(service, **settings.aws_client)

    return Store(settings.database, settings.data_bucket, client, "the local AWS's keys")


def _account(region: str, stack: str, bucket: str | None) -> Store:
    if not bucket or not re.fullmatch(r"[a-z0-9.-]+", bucket):
        raise UserError("--region needs --bucket, the stack's output DataBucket")
    session = boto3.Session(region_name=region)

    def client(service: Any) -> Any:
        return session.client(service)

    return Store(database_name(stack), bucket, client, "your AWS credentials")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
