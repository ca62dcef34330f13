"""A Trino server for tests of the second query engine."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from localaws.testing.server import LocalAws, StartFailed

_START_SECONDS = 180
_STOP_SECONDS = 30


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Trino:
    """A Trino whose catalog `awsdatacatalog` has its tables and objects on a local AWS; a context manager.

    command: starts the server in the foreground; {port}, {aws_port} and {folder} in it stand for the port to listen on,
    the local AWS's port, and a folder for its files.
    port: for a local AWS that must know it before (`--engine trino --trino-url …`); a free one by default.
    """

    process: subprocess.Popen[bytes]

    def __init__(self, command: str, folder: Path, aws_port: int, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.log = folder / "trino.log"
        values = {"port": self.port, "aws_port": aws_port, "folder": folder}
        self.command = [word.format(**values) for word in shlex.split(command)]

    def __enter__(self) -> Trino:
        """Raises StartFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def info(self) -> dict[str, Any]:
        """What the server says of itself: its version, and whether it is still starting. Raises OSError."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/v1/info", timeout=10) as response:
            return dict(json.load(response))

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                last = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise StartFailed(f"Trino did not start ({shlex.join(self.command)}):\n{last}")
            try:
                if not self.info()["starting"]:
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass  # not yet
            time.sleep(0.2)


@contextlib.contextmanager
def local_aws_on_trino(
    command: str, folder: Path, python: str | Path = sys.executable
) -> Iterator[tuple[LocalAws, Trino]]:
    """A local AWS that runs its queries on a Trino of its own; `command`: see Trino. Raises StartFailed."""
    port = free_port()
    aws = LocalAws(folder / "aws", "--engine", "trino", "--trino-url", f"http://127.0.0.1:{port}", python=python)
    with aws, Trino(command, folder / "trino", aws.port, port) as trino:
        yield aws, trino
