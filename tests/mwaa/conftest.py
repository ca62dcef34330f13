"""A stack, an execution role and a bucket on the local AWS, and an environment of MWAA on them."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from local_server import Aws

from ops import deploy
from tests.e2e.environment import Environment
from tests.mwaa.environment import ROOT, Mwaa
from tests.ports import free_ports

REGION = "us-east-1"
BUCKET = "airflow-environment"


@dataclass(frozen=True)
class Cloud:
    """What stands on AWS: the stack's outputs, and the session of the environment's execution role."""

    aws: Aws
    outputs: dict[str, str]
    execution_role: dict[str, str]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The stack, trusting the execution role alone, which has its policy from the stack and no other."""
    aws = Aws(tmp_path_factory.mktemp("aws") / "state", python=str(ROOT / ".venv-localaws" / "bin" / "python"))
    iam, sts = aws.client("iam"), aws.client("sts")
    account = sts.get_caller_identity()["Account"]
    # MWAA's services assume it; the account's root so that the test can.
    trust = {
        "Effect": "Allow",
        "Principal": {
            "Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"],
            "AWS": f"arn:aws:iam::{account}:root",
        },
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(
        RoleName="execution",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    session = boto3.Session("test", "test", region_name=REGION)
    outputs = deploy.deploy(session, endpoint_url=aws.endpoint, parameters={"AirflowPrincipal": role}, report=str)
    iam.put_role_policy(RoleName="execution", PolicyName="smart-hub", PolicyDocument=outputs["MwaaExecutionPolicy"])
    keys = sts.assume_role(RoleArn=role, RoleSessionName="mwaa")["Credentials"]
    credentials = {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    yield Cloud(aws, outputs, credentials)
    aws.kill()


@pytest.fixture(scope="session")
def bucket(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The environment's bucket, filled by the two commands of the docs."""
    s3 = cloud.aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    common = f"--endpoint-url {cloud.aws.endpoint} --out {tmp_path_factory.mktemp('dist') / 'mwaa'}"
    make("mwaa", "STACK=smart-hub", f"REGION={REGION}", f"ARGS={common}")
    make("mwaa-sync", f"BUCKET={BUCKET}", f"REGION={REGION}", f"ARGS={common}")
    return BUCKET


def make(*arguments: str) -> None:
    users = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "AWS_"))}
    done = subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env={**users, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
    return Environment(Path(), 0, int(cloud.aws.endpoint.rpartition(":")[2]))
