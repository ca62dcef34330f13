"""Writes the customer report of a hub: the figures of the Smart Hub page as one self-contained HTML file.

    make report HUB=91c1114f1e2b4b8d FROM=2019-12-21 TO=2019-12-22

reads the published tables of the local AWS; with --region (and --stack, --bucket) those of an AWS account, with your
own AWS credentials.
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
from ops.settings import LaptopSettings, UserError
from smart_hub.page import document
from smart_hub.page.filters import Filters, FiltersError
from smart_hub.page.published_data import PublishedData
from smart_hub.page.view import build_view
from smart_hub.shared.layout import DEFAULT_STACK, database_name


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ops.customer_report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hub", default=os.environ.get("HUB", ""), help="the hub's ID (default: $HUB)")
    parser.add_argument("--from", dest="first", default="", help="first day (default: 31 days up to the last day)")
    parser.add_argument("--to", dest="last", default="", help="last day (default: the last published day)")
    parser.add_argument("--out", type=Path, help="output file (default: smart-hub-<hub>-<first>-<last>.html)")
    parser.add_argument("--region", help="read the tables of an AWS account in this region, not of the local AWS")
    parser.add_argument("--stack", default=DEFAULT_STACK, help="name of the account's stack (default: %(default)s)")
    parser.add_argument("--bucket", help="the output DataBucket of the account's stack")
    options = parser.parse_args(arguments)

    def report() -> int:
        data = _account_data(options.region, options.stack, options.bucket) if options.region else _local_data()
        print(write_report(data, options.hub, options.first, options.last, options.out))
        return 0

    return local_command.run(report)


def write_report(data: PublishedData, hub: str, first: str, last: str, out: Path | None = None) -> Path:
    """Writes the report of a hub and returns its path.

    first, last: YYYY-MM-DD, or empty for the page's default. Raises UserError with the page's message if the hub has no
    data on these days.
    """
    if not hub:
        raise UserError("no hub is given: set HUB=…; the Smart Hub page lists the hubs")
    try:
        view = build_view(data, Filters.parse({"hub": hub, "from": first, "to": last}))
    except FiltersError as error:
        raise UserError(str(error)) from error
    if view.usage is None:
        raise UserError(" ".join(view.problems))
    path = out or Path(f"smart-hub-{hub}-{view.first}-{view.last}.html")
    path.write_text(document.render_report(view), encoding="utf-8")
    return path


def _local_data() -> PublishedData:
    settings = isolate(LaptopSettings.from_environment())

    def client(service: Any) -> Any:
        return boto3.client(service, **settings.aws_client)

    return PublishedData(settings.database, settings.data_bucket, client, "the credentials of the local AWS")


def _account_data(region: str, stack: str, bucket: str | None) -> PublishedData:
    if not bucket or not re.fullmatch(r"[a-z0-9.-]+", bucket):
        raise UserError("--region requires --bucket, the stack's output DataBucket")
    session = boto3.Session(region_name=region)

    def client(service: Any) -> Any:
        return session.client(service)

    return PublishedData(database_name(stack), bucket, client, "your AWS credentials")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
