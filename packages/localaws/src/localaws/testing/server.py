"""A server of the tests' own, and what they ask about processes."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
TRUSTED = {"Service": ["glue.amazonaws.com", "lambda.amazonaws.com"], "AWS": "arn:aws:iam::000000000000:root"}
EVERYTHING = {"*": "*"}


class Aws:
    """A `python -m localaws` in a process group of its own, on a free port, with further arguments if any."""

    def __init__(self, state: Path, *arguments: str, python: str = sys.executable) -> None:
        self.state = state
        self.python = python
        self.arguments = arguments
        self.start()

    def start(self) -> None:
        self.log = (self.state.parent / f"{self.state.name}.log").open("a+")
        self.process = subprocess.Popen(
            [self.python, "-m", "localaws", "--port", "0", "--state", str(self.state), *self.arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # printed once the port is open
        if not line.startswith("Local AWS on "):
            self.log.seek(0)
            raise AssertionError(f"the local AWS did not start: {line}{self.log.read()}")
        self.endpoint = line.split()[3].rstrip(",")
        self.client = cache(self._client)

    def _client(self, service: str) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def role(self, name: str, rights: Mapping[str, str] = EVERYTHING) -> str:
        """The ARN of a role for Glue, Lambda and users of the account; rights: resources by the action on them."""
        trust = {"Effect": "Allow", "Principal": TRUSTED, "Action": "sts:AssumeRole"}
        allowed = [{"Effect": "Allow", "Action": what, "Resource": where} for what, where in rights.items()]
        iam = self.client("iam")
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=json.dumps({"Statement": allowed}))
        return f"arn:aws:iam::000000000000:role/{name}"

    def session(self, name: str, rights: Mapping[str, str]) -> boto3.session.Session:
        """A session of a role that has these rights alone."""
        role = self.role(name, rights)
        given = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return boto3.session.Session(*keys, region_name="us-east-1")

    def stop(self) -> int:
        """End it as a user does, with SIGTERM; the exit status."""
        self.process.terminate()
        return self._ended()

    def kill(self) -> None:
        """End its whole process group at once, without a chance to save anything."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._ended()

    def _ended(self) -> int:
        status = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()
        return status


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


def expect_ended(pids: list[int]) -> None:
    """Fail unless these processes end soon."""
    deadline = time.monotonic() + 20
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, f"of {pids} some still run"
        time.sleep(0.02)


def archive(source: str) -> bytes:
    """A function's code: a ZIP with `source` as index.py."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("index.py", source)
    return packed.getvalue()
