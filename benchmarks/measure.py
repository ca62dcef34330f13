"""CPU seconds and memory of processes and of all their descendants.

Linux only: other systems do not report the CPU seconds of children that have ended.
"""

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

_SAMPLE_SECONDS = 0.05
_MEGABYTE = 10**6


class CommandError(Exception):
    """A measured command failed; the message has the command and the end of its stderr."""


@dataclass(frozen=True)
class ResourceUsage:
    """Wall-clock and CPU seconds, and the maximum memory (RSS, summed over processes) in MB."""

    wall: float
    cpu: float
    peak_mb: float


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU seconds of processes and of their descendants, including those that have ended."""
    total = 0.0
    for process in _trees(pids):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


class Meter:
    """Measures process trees while a block runs: ``with Meter(pids) as meter: …; meter.usage``."""

    usage: ResourceUsage

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self._ended = threading.Event()
        self._peak = 0.0
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._started = time.perf_counter(), cpu_seconds(self._pids)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = time.perf_counter() - self._started[0], cpu_seconds(self._pids) - self._started[1]
        self._ended.set()
        self._sampler.join()
        self.usage = ResourceUsage(wall, cpu, self._peak)

    def _sample(self) -> None:
        while True:
            self._peak = max(self._peak, memory_mb(self._pids))
            if self._ended.wait(_SAMPLE_SECONDS):
                return


def memory_mb(pids: Iterable[int]) -> float:
    """Current resident memory of process trees; memory shared by processes counts for each of them."""
    total = 0
    for process in _trees(pids):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / _MEGABYTE


def _trees(pids: Iterable[int]) -> list[psutil.Process]:
    processes = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            processes += [root, *root.children(recursive=True)]
    return processes


@dataclass(frozen=True)
class CompletedCommand:
    output: str
    usage: ResourceUsage


def run(
    command: Sequence[str | Path], environment: Mapping[str, str] = os.environ, cwd: Path | None = None
) -> CompletedCommand:
    """Runs a command and measures it with all processes that it starts. Raises CommandError."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with Meter([process.pid]) as meter:
        output, errors = _read(process)
        _, status, usage = os.wait4(process.pid, 0)  # not process.wait(), which does not report the CPU seconds
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = "\n".join(errors.decode(errors="replace").splitlines()[-20:])
        raise CommandError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{last}")
    cpu = usage.ru_utime + usage.ru_stime
    return CompletedCommand(output.decode(), ResourceUsage(time.perf_counter() - started, cpu, meter.usage.peak_mb))


def _read(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Stdout and stderr, read in parallel so that neither pipe fills up."""
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda stream: errors.append(stream.read()), args=(process.stderr,))
    reader.start()
    output = process.stdout.read()
    reader.join()
    return output, errors[0]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median, and in brackets minimum and maximum: ``6.2 (6.0–6.9)``."""
    if not values:
        return "–"
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"
