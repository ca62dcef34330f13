"""An emulated AWS of the tests' own: the local AWS, or its bare base, which lets everybody do everything."""

import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops import deploy

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-localaws" / "bin" / "python"
# Uses the same template loader as the local AWS.
BASE = "import yaml; yaml.SafeLoader = yaml.CSafeLoader; from hypercorn.__main__ import main; main()"


@contextlib.contextmanager
def emulated(folder: Path) -> Iterator[str]:
    """Address of the bare base of the local AWS, which keeps its state in a folder."""
    # The port is open before the process is: the first request waits for it, and is refused when it has died.
    with socket.create_server(("127.0.0.1", 0)) as listening, (folder / "log").open("w") as log:
        port = listening.getsockname()[1]
        process = subprocess.Popen(
            [PYTHON, "-c", BASE, "ministack.app:app", "--bind", f"fd://{listening.fileno()}"],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "TMPDIR": str(folder),
                "STATE_DIR": str(folder / "state"),
                "S3_DATA_DIR": str(folder / "s3"),
                "GATEWAY_PORT": str(port),
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
            },
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        _kill(process)


@contextlib.contextmanager
def local_aws(folder: Path) -> Iterator[str]:
    """Address of the local AWS, with IAM in force; ``test`` is its root user."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [PYTHON, "-m", "localaws", "--port", "0", "--state", str(folder / "state")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+?(?=,)", process.stdout.readline())
        assert found, (folder / "log").read_text()
        yield found[0]
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[Any]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with emulated(tmp_path_factory.mktemp("aws")) as address:
        yield address


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="us-east-1")


class Deployed:
    """What the first deployment of the stack ``smart-hub`` gave."""

    def __init__(self, session: boto3.Session, endpoint: str) -> None:
        self.session, self.endpoint = session, endpoint
        self.outputs, self.lines = self.again()

    def again(self, stack: str = "smart-hub", **options: Any) -> tuple[dict[str, str], list[str]]:
        lines: list[str] = []
        outputs = deploy.deploy(self.session, stack, endpoint_url=self.endpoint, report=lines.append, **options)
        return outputs, lines

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    def table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = self.client("glue").get_table(DatabaseName="smart_hub", Name=name)["Table"]
        return table


@pytest.fixture(scope="module")
def deployed(session: boto3.Session, endpoint: str) -> Deployed:
    return Deployed(session, endpoint)
