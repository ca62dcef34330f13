"""docs/aws.md as a reader follows it: its commands, in their order, against an AWS that is empty at first."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from localaws.testing import LocalAws

pytest.importorskip("awscli", reason="the clients are installed by make test-clients")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
# What the page shows of some commands.
SHOWN = {
    "make deploy REGION=us-east-1 DRY_RUN=1": ["Nothing was changed."],
    "make deploy REGION=us-east-1": ["DataBucket = smart-hub-data-", "SMART_HUB_STACK=smart-hub"],
    "make destroy REGION=us-east-1": ["Type the stack's name", "smart-hub-bootstrap: deleted"],
    "make destroy REGION=us-east-1 YES=1": ["there is nothing"],
}


def run(account: LocalAws, command: str) -> str:
    """What a command of the page prints. The stack's name is typed in, for the one that asks."""
    done = subprocess.run(
        ["sh", "-c", command.replace("111122223333", "000000000000")],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": account.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        input="smart-hub\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def test_the_page_has_commands_and_all_are_of_make_or_the_aws_cli() -> None:
    assert len(COMMANDS) > 10
    assert {command.split()[0] for command in COMMANDS} == {"make", "aws"}
    assert SHOWN.keys() <= set(COMMANDS)


def test_every_command_of_the_page_does_what_the_page_says(module_local_aws: LocalAws) -> None:
    for command in COMMANDS:
        printed = run(module_local_aws, command)
        for text in SHOWN.get(command, []):
            assert text in printed, f"{command}\n{printed}"

    # nothing is left of either deployment; the reader's own bucket and topic are
    def client(service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            endpoint_url=module_local_aws.endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    for region in ("us-east-1", "eu-west-1"):
        stacks = client("cloudformation", region).list_stacks()["StackSummaries"]
        assert {one["StackStatus"] for one in stacks} <= {"DELETE_COMPLETE"}
    assert [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]] == ["my-readings"]
