"""Whether processes run."""

import os
import time
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie that waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


def wait_until_ended(pids: list[int]) -> None:
    """Fails unless these processes end within 20 seconds."""
    deadline = time.monotonic() + 20
    while running := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, f"processes {running} still run"
        time.sleep(0.02)
