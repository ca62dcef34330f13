"""Background processes that continue after the command that starts them.

Each process leads a session, whose members are the process and its descendants. A record (`<folder>/<name>.json`) has
the leader's pid and start time, because another process can get the same pid later.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

START_TOLERANCE = 2.0  # seconds by which a clock correction can change a process's start time


@dataclass(frozen=True)
class Process:
    """A started process: `pid` leads its session, `started` is in Unix seconds."""

    name: str
    pid: int
    started: float
    fingerprint: str  # a digest of the command, its environment and its code
    port: int | None
    cwd: str

    def running(self) -> bool:
        """Whether the leader is running: not a zombie, and not another process with the same pid."""
        try:
            leader = psutil.Process(self.pid)
            is_same = abs(leader.create_time() - self.started) <= START_TOLERANCE
            return is_same and leader.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def members(self) -> list[psutil.Process]:
        """The running processes of its session, also if the leader itself was killed."""
        trusted = self.running()
        return [p for p in _session(self.pid) if trusted or (_cwd(p) == self.cwd and p.pid != self.pid)]


def start(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path,
    log: Path,
    cwd: Path,
    fingerprint: str = "",
    port: int | None = None,
) -> Process:
    """Start `command` in a new session, append its output to `log`, and record it in `folder`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = psutil.Process(child.pid).create_time()
    process = Process(name, child.pid, started, fingerprint, port, str(cwd))
    _write(folder / f"{name}.json", json.dumps(asdict(process)))
    return process


def recorded(folder: Path) -> dict[str, Process]:
    """The processes recorded in `folder` by name, also those that have ended."""
    records = (Process(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json")))
    return {process.name: process for process in records}


def stop(processes: Iterable[Process], *, folder: Path, patience: float = 20.0) -> None:
    """Stop the processes' sessions at the same time: by SIGTERM, and after `patience` seconds by SIGKILL."""
    processes = list(processes)
    for member in [member for process in processes for member in process.members()]:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    deadline = time.monotonic() + patience
    while any(process.members() for process in processes):
        if time.monotonic() > deadline:
            for member in [member for process in processes for member in process.members()]:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
        time.sleep(0.1)
    for process in processes:
        (folder / f"{process.name}.json").unlink(missing_ok=True)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file, indented; empty if it does not exist."""
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "\n".join(f"    {line}" for line in text)


def _session(sid: int) -> Iterator[psutil.Process]:
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(pid) == sid:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield process


def _cwd(process: psutil.Process) -> str | None:
    try:
        return process.cwd()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _write(path: Path, text: str) -> None:
    """Write a file atomically."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
