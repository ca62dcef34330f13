"""The AWS CLI's commands of docs/mwaa.md, and the one that mwaa-sync prints, as a shell has them."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.mwaa.docs import BUCKET, ENVIRONMENT, PAGE, REGION, ROLE, commands

pytest.importorskip("awscli", reason="the clients are installed by make test-clients")
pytestmark = pytest.mark.usefixtures("local_aws_environment")

POLICY = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::000000000000:role/a"},
}


def shell(command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, **environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def test_the_execution_role_gets_the_policy_of_the_stack(tmp_path: Path) -> None:
    # given a stack with that output, and the role
    template = {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"MwaaExecutionPolicy": {"Value": json.dumps(POLICY)}},
    }
    cloudformation, iam = boto3.client("cloudformation"), boto3.client("iam")
    cloudformation.create_stack(StackName="smart-hub", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="smart-hub")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))

    for command in [*commands("aws cloudformation"), *commands("aws iam")]:
        shell(command, tmp_path)

    assert iam.get_role_policy(RoleName=ROLE, PolicyName="smart-hub")["PolicyDocument"] == POLICY


def test_the_remedies_are_commands_that_are_taken(tmp_path: Path) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)

    for command in re.findall(r"`(aws s3api [^`]*)`", PAGE.read_text()):
        shell(command, tmp_path)

    assert boto3.client("s3").get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"


class Recorder(BaseHTTPRequestHandler):
    """Takes requests as MWAA does, and keeps them."""

    requests: list[tuple[str, str, Any]]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.requests.append((self.command, self.path, json.loads(body) if body else None))
        text = json.dumps({"Environment": {"Name": ENVIRONMENT, "Status": "AVAILABLE"}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PATCH = do_POST = answer

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def mwaa() -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """An address where MWAA seems to be, and what it was asked."""
    handler = type("Kept", (Recorder,), {"requests": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler.requests
        server.shutdown()
        thread.join()


def ask(command: str, folder: Path, address: str) -> str:
    return shell(command, folder, AWS_ENDPOINT_URL_MWAA=address, AWS_DISABLE_HOST_PREFIX_INJECTION="true")


def test_the_calls_of_mwaa_are_what_its_api_takes(tmp_path: Path, mwaa: Any) -> None:
    address, requests = mwaa

    outputs = [ask(command, tmp_path, address) for command in commands("aws mwaa")]

    place = f"/environments/{ENVIRONMENT}"
    version = "L4kqtJlcpXroDTDmJ"
    assert requests == [
        (
            "PATCH",
            place,
            {
                "PluginsS3Path": "plugins.zip",
                "PluginsS3ObjectVersion": f"3s{version}",
                "RequirementsS3Path": "requirements.txt",
                "RequirementsS3ObjectVersion": f"3Q{version}",
                "StartupScriptS3Path": "startup.sh",
                "StartupScriptS3ObjectVersion": f"3P{version}",
            },
        ),
        ("GET", place, None),
        (
            "POST",
            f"/restapi/{ENVIRONMENT}",
            {"Path": "/dags/smart_hub_usage", "Method": "PATCH", "Body": {"is_paused": False}},
        ),
        (
            "POST",
            f"/restapi/{ENVIRONMENT}",
            {
                "Path": "/dags/smart_hub_usage/dagRuns",
                "Method": "POST",
                "Body": {"logical_date": None, "conf": {"usage_date": "2019-12-21"}},
            },
        ),
    ]
    assert '"AVAILABLE"' in outputs[1]


def test_the_command_that_is_printed_is_one_that_is_taken(tmp_path: Path, mwaa: Any) -> None:
    from ops.mwaa import VERSIONED, update_command

    address, requests = mwaa

    ask(update_command(ENVIRONMENT, REGION, dict.fromkeys(VERSIONED, "a b$c")), tmp_path, address)

    ((method, path, body),) = requests
    assert (method, path) == ("PATCH", f"/environments/{ENVIRONMENT}")
    assert {name: value for name, value in body.items() if name.endswith("Version")} == dict.fromkeys(
        ("PluginsS3ObjectVersion", "RequirementsS3ObjectVersion", "StartupScriptS3ObjectVersion"), "a b$c"
    )
