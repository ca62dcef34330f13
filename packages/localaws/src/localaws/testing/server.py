"""A local AWS in a process of its own, and clients of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from localaws.service import ACCOUNT, REGION

_TRUSTED = {"Service": ["glue.amazonaws.com", "lambda.amazonaws.com"], "AWS": f"arn:aws:iam::{ACCOUNT}:root"}
_EVERYTHING = {"*": "*"}
_STOP_SECONDS = 20


class StartFailed(Exception):
    """A server did not start; the message has the end of its log."""


class StackFailed(Exception):
    """CloudFormation could not create or update a stack; the message names the resources that failed."""


class Endpoint:
    """A local AWS that runs already; all clients are of its root user and retry nothing.

    endpoint: its URL, as http://127.0.0.1:4566.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._clients: dict[tuple[str, str], Any] = {}

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead any AWS client, as the AWS CLI, to this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str, session: boto3.session.Session | None = None) -> Any:
        """A boto3 client; that of the root user is made once for each service."""
        if session is not None:
            return self._client(service, session)
        key = (self.endpoint, service)
        if key not in self._clients:
            self._clients[key] = self._client(service, boto3.session.Session("test", "test", region_name=REGION))
        return self._clients[key]

    def _client(self, service: str, session: Any) -> Any:
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        return session.client(service, endpoint_url=self.endpoint, config=config)

    def role(self, name: str, permissions: Mapping[str, str] = _EVERYTHING) -> str:
        """The ARN of a role that Glue, Lambda and the account's users can assume.

        permissions: the resources of each action; they replace those that the role had.
        """
        trust = {"Effect": "Allow", "Principal": _TRUSTED, "Action": "sts:AssumeRole"}
        allowed = [{"Effect": "Allow", "Action": what, "Resource": where} for what, where in permissions.items()]
        iam = self.client("iam")
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        iam.put_role_policy(RoleName=name, PolicyName="permissions", PolicyDocument=json.dumps({"Statement": allowed}))
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def session(self, name: str, permissions: Mapping[str, str]) -> boto3.session.Session:
        """A session of the role `name`, which has these permissions and no others: see `role`."""
        role = self.role(name, permissions)
        keys = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return boto3.session.Session(
            keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION
        )

    def deploy(
        self,
        stack: str,
        template: str,
        parameters: Mapping[str, str] | None = None,
        capabilities: Sequence[str] = ("CAPABILITY_NAMED_IAM",),
    ) -> dict[str, str]:
        """Create a CloudFormation stack, or update it, and wait; returns its outputs.

        Raises StackFailed, and ClientError for a template that is not valid.
        """
        formation = self.client("cloudformation")
        request = {
            "StackName": stack,
            "TemplateBody": template,
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in (parameters or {}).items()],
            "Capabilities": list(capabilities),
        }
        try:
            formation.create_stack(**request)
            waiter = "stack_create_complete"
        except formation.exceptions.AlreadyExistsException:
            waiter = "stack_update_complete"
            try:
                formation.update_stack(**request)
            except ClientError as error:
                if "No updates are to be performed" not in str(error):
                    raise
                waiter = ""
        if waiter:
            try:
                formation.get_waiter(waiter).wait(StackName=stack, WaiterConfig={"Delay": 0.05, "MaxAttempts": 6000})
            except WaiterError as error:
                events = formation.describe_stack_events(StackName=stack)["StackEvents"]
                reasons = [
                    f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', one['ResourceStatus'])}"
                    for one in events
                    if one["ResourceStatus"].endswith("_FAILED")
                ]
                raise StackFailed("\n".join([f"stack {stack}: {error}", *reasons])) from error
        (described,) = formation.describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}

    def set_faults(self, *rules: Mapping[str, Any]) -> None:
        """Replace all fault rules; the package's docs/faults.md describes them. Raises HTTPError if one is invalid."""
        self._faults("PUT", list(rules))

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self._faults("DELETE")

    def faults(self) -> list[dict[str, Any]]:
        """The fault rules, each with "struck": how many requests it has affected."""
        rules: list[dict[str, Any]] = self._faults("GET")
        return rules

    def fault_hits(self) -> list[int]:
        """How many requests each fault rule has affected, in the order of the rules."""
        return [int(rule["struck"]) for rule in self.faults()]

    def _faults(self, method: str, rules: list[Any] | None = None) -> Any:
        body = None if rules is None else json.dumps(rules).encode()
        request = urllib.request.Request(f"{self.endpoint}/_localaws/faults", body, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
            return json.load(response)


class LocalAws(Endpoint):
    """A `python -m localaws` on a free port, in a process group of its own; a context manager.

    state: the folder that keeps everything; its log is written beside it. A server that starts with the same folder
    again has all that was acknowledged before.
    arguments: further options of the command line.
    python: the interpreter that has localaws installed.
    """

    process: subprocess.Popen[str]

    def __init__(self, state: Path, *arguments: str, python: str | Path = sys.executable) -> None:
        super().__init__("")
        self.state = Path(state).absolute()
        self.arguments = arguments
        self.python = str(python)
        self.log = self.state.with_name(f"{self.state.name}.log")

    def __enter__(self) -> LocalAws:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it listens. Raises StartFailed."""
        self.state.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "localaws", "--port", "0", "--state", str(self.state), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # printed once the port is open
        if not line.startswith("Local AWS on "):
            self.kill()
            raise StartFailed(f"the local AWS did not start: {line}{self.log.read_text(errors='replace')[-4000:]}")
        self.endpoint = line.split()[3].rstrip(",")

    def stop(self) -> int:
        """Stop it with SIGTERM, as a user does; returns the exit status."""
        self.process.terminate()
        return self._wait()

    def kill(self) -> None:
        """Kill its whole process group, functions and jobs included; it has no chance to save anything."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._wait()

    def _wait(self) -> int:
        status = self.process.wait(timeout=_STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def function_zip(source: str) -> bytes:
    """The code of a Lambda function: a ZIP file with `source` as index.py."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", source)
    return file.getvalue()
