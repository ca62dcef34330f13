"""A stack, an execution role and a bucket on the local AWS, and an environment of MWAA on them."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localaws.testing import LocalAws
from ops.cloudformation import outputs_of
from tests.e2e.environment import Environment
from tests.mwaa.docs import ACCOUNT, BUCKET, REGION, ROLE, commands
from tests.mwaa.environment import ROOT, Mwaa
from tests.ports import free_ports


@dataclass(frozen=True)
class Cloud:
    """What stands on AWS: the stack's outputs, and the session of the environment's execution role."""

    aws: LocalAws
    outputs: dict[str, str]
    execution_role: dict[str, str]


@pytest.fixture(scope="session")
def cloud(local_aws: LocalAws) -> Cloud:
    """The stack, trusting the execution role alone, which has its policy from the stack and no other."""
    account = local_aws.client("sts").get_caller_identity()["Account"]
    execution_role(local_aws, ROLE)
    (deployment,) = commands(".venv/bin/python -m ops.deploy")
    execute(f"{deployment.replace(ACCOUNT, account)} --endpoint-url {local_aws.endpoint}")
    outputs = outputs_of(local_aws.client("cloudformation").describe_stacks(StackName="smart-hub")["Stacks"][0])
    return Cloud(local_aws, outputs, session(local_aws, ROLE, outputs["MwaaExecutionPolicy"]))


def execution_role(aws: LocalAws, name: str) -> None:
    """Makes a role as an environment has it, without rights."""
    account = aws.client("sts").get_caller_identity()["Account"]
    # MWAA's services assume it; the account's root so that the test can.
    trust = {
        "Effect": "Allow",
        "Principal": {
            "Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"],
            "AWS": f"arn:aws:iam::{account}:root",
        },
        "Action": "sts:AssumeRole",
    }
    aws.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )


def session(aws: LocalAws, name: str, policy: str) -> dict[str, str]:
    """Variables with credentials of the role, which has this policy and no other."""
    iam = aws.client("iam")
    iam.put_role_policy(RoleName=name, PolicyName="smart-hub", PolicyDocument=policy)
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    keys = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="mwaa")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


@pytest.fixture(scope="session")
def bucket(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The environment's bucket, filled by the commands of the docs."""
    s3 = cloud.aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    common = f"--endpoint-url {cloud.aws.endpoint} --out {tmp_path_factory.mktemp('dist') / 'mwaa'}"
    for command in [commands("make mwaa ")[0], *commands("make mwaa-sync ")]:
        execute(f"{command} ARGS='{common}'")
    return BUCKET


def execute(command: str) -> str:
    """A command of the docs, in the repository: what it prints."""
    done = subprocess.run(
        shlex.split(command),
        cwd=ROOT,
        env={**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def installed(cloud: Cloud, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Mwaa:
    """The files of the bucket in their places, the requirements installed; nothing runs."""
    container = {
        "AWS_ENDPOINT_URL": cloud.aws.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        **cloud.execution_role,
    }
    made = Mwaa(tmp_path_factory.mktemp("mwaa"), free_ports()[0], container)
    made.fetch(cloud.aws.client("s3"), bucket)
    made.install()
    return made


@pytest.fixture(scope="session")
def mwaa(installed: Mwaa) -> Iterator[Mwaa]:
    """The environment with its components running."""
    try:
        installed.start()
        yield installed
    finally:
        installed.stop()


@pytest.fixture(scope="session")
def published(cloud: Cloud) -> Any:
    """What Athena has, asked as the end-to-end tests ask."""
    return Environment(Path(), 0, cloud.aws.port)
