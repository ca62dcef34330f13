"""Background processes are started, recognised and ended, and strangers are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ops import processes

pytestmark = pytest.mark.service

SLEEP = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); {SLEEP}"

Start = Callable[[str], processes.Process]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not in ten seconds"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    def run(code: str) -> processes.Process:
        return processes.start(
            "service",
            [sys.executable, "-c", code],
            dict(os.environ),
            folder=tmp_path,
            log=tmp_path / "service.log",
            cwd=tmp_path,
        )

    yield run
    processes.stop(processes.recorded(tmp_path).values(), folder=tmp_path, patience=0)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True, cwd="/") as process:
        yield process
        process.kill()


def test_a_started_process_is_found_again_by_its_record(start: Start, tmp_path: Path) -> None:
    process = start(SLEEP)

    assert processes.recorded(tmp_path) == {"service": process}
    assert process.running()
    assert os.getsid(process.pid) == process.pid


def test_stop_ends_what_the_process_started_too(start: Start, tmp_path: Path) -> None:
    process = start(PARENT)
    until(lambda: len(process.members()) == 2)
    pids = [member.pid for member in process.members()]

    processes.stop([process], folder=tmp_path)

    assert not process.running()
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)
    assert processes.recorded(tmp_path) == {}


def test_stop_kills_what_ignores_sigterm(start: Start, tmp_path: Path) -> None:
    process = start(STUBBORN)
    until(lambda: (tmp_path / "service.log").read_text() == "up\n")

    processes.stop([process], folder=tmp_path, patience=0.3)

    assert not process.running()


def test_stop_ends_what_a_killed_leader_left_behind(start: Start, tmp_path: Path) -> None:
    process = start(PARENT)
    until(lambda: len(process.members()) == 2)
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: not process.running())
    [orphan] = process.members()

    processes.stop([process], folder=tmp_path)

    assert not orphan.is_running() or orphan.status() == "zombie"


def test_a_stranger_with_the_recorded_pid_is_left_alone(stranger: subprocess.Popen[bytes], tmp_path: Path) -> None:
    # given a record whose pid belongs by now to a process that started later
    record = processes.Process("service", stranger.pid, time.time() - 3600, "", None, str(tmp_path))

    assert not record.running()
    assert record.members() == []
    processes.stop([record], folder=tmp_path)

    assert stranger.poll() is None


def test_a_strangers_session_is_left_alone_when_its_leader_has_died(tmp_path: Path) -> None:
    # given a session that has the recorded pid, whose leader has died and whose member works elsewhere
    with subprocess.Popen([sys.executable, "-c", PARENT], start_new_session=True, cwd="/") as leader:
        until(lambda: len(psutil.Process(leader.pid).children()) == 1)
        [member] = psutil.Process(leader.pid).children()
        leader.kill()
    record = processes.Process("service", leader.pid, time.time() - 3600, "", None, str(tmp_path))
    try:
        processes.stop([record], folder=tmp_path)

        assert member.is_running()
    finally:
        member.kill()


def test_tail_gives_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("one\ntwo\nthree\n")

    assert processes.tail(log, lines=2) == "    two\n    three"
    assert processes.tail(tmp_path / "none.log") == ""
