"""Runs all tests of `make test`: three pytests side by side, because much of each is waiting.

python -m tests.parts [pytest's options]: the options go to each part, as -x or -k. A part prints when it has ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCALAWS = ["tests/localaws", "tests/sql", "tests/conformance"]  # these need the environment of the local AWS
# Each of these has a command of its own.
OTHERS = ["tests/clients", "tests/browser", "tests/fab", "tests/access", "tests/mwaa", "tests/benchmarks"]
PARTS = {  # name: environment, pytest's arguments
    "end to end": (".venv", ["tests/e2e"]),
    "local AWS": (".venv-localaws", LOCALAWS),
    "the rest": (".venv", ["tests", *(f"--ignore={one}" for one in ("tests/e2e", *LOCALAWS, *OTHERS))]),
}
NONE_CHOSEN = 5  # pytest's status


@dataclass
class Part:
    name: str
    process: subprocess.Popen[bytes]
    output: Path


def main(options: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="smart-hub-tests-") as folder:
        begun = time.monotonic()
        running = [_start(name, options, Path(folder)) for name in PARTS]
        print(f"Running {', '.join(PARTS)} side by side; each prints when it has ended.", flush=True)
        statuses: dict[str, int] = {}
        try:
            while running:
                for part in [part for part in running if part.process.poll() is not None]:
                    running.remove(part)
                    statuses[part.name] = part.process.returncode
                    print(f"\n--- {part.name}, {time.monotonic() - begun:.0f} s", flush=True)
                    sys.stdout.buffer.write(part.output.read_bytes())
                    sys.stdout.flush()
                time.sleep(0.2)
        except KeyboardInterrupt:  # which the parts have got, too: they end what they have started
            for part in running:
                part.process.wait()
            return 130
    failed = [name for name, status in statuses.items() if status not in (0, NONE_CHOSEN)]
    if set(statuses.values()) == {NONE_CHOSEN}:
        print("No test was chosen.")
        return NONE_CHOSEN
    print(f"Tests failed: see above {', '.join(failed)}." if failed else "All tests passed.")
    return 1 if failed else 0


def _start(name: str, options: list[str], folder: Path) -> Part:
    environment, arguments = PARTS[name]
    output = folder / name
    with output.open("wb") as stream:
        command = [ROOT / environment / "bin" / "python", "-m", "pytest", *arguments, *options]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    return Part(name, process, output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
