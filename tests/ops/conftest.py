"""An emulated AWS of the tests' own: the bare base of the local AWS."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

PYTHON = Path(__file__).resolve().parents[2] / ".venv-localaws" / "bin" / "python"


@contextlib.contextmanager
def emulated(folder: Path, **settings: str) -> Iterator[str]:
    """Address of an AWS that keeps its state in a folder. settings: further ones of the base."""
    # The port is open before the process is: the first request waits for it, and is refused when it has died.
    with socket.create_server(("127.0.0.1", 0)) as listening, (folder / "log").open("w") as log:
        port = listening.getsockname()[1]
        process = subprocess.Popen(
            [PYTHON, "-m", "hypercorn", "ministack.app:app", "--bind", f"fd://{listening.fileno()}"],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "TMPDIR": str(folder),
                "STATE_DIR": str(folder / "state"),
                "S3_DATA_DIR": str(folder / "s3"),
                "GATEWAY_PORT": str(port),
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
                **settings,
            },
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with emulated(tmp_path_factory.mktemp("aws")) as address:
        yield address


@pytest.fixture(scope="module")
def strict_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An AWS that asks IAM about every request; ``test`` is its root user."""
    with emulated(tmp_path_factory.mktemp("strict-aws"), AUTH="true") as address:
        yield address


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="us-east-1")
