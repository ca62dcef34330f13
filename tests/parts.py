"""Runs the tests of `make test` or `make test-reruns` as several pytests side by side: much of each is waiting.

python -m tests.parts test|test-reruns [<pytest's options>]: the options go to each part, as -x or -k; a part prints
when it has ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCALAWS = "packages/localaws"  # a package of its own, with its own tests and settings of pytest
SQL, PIPELINE = "tests/sql", "tests/pipeline"
# Each of these has a command of its own.
OTHERS = ["tests/clients", "tests/browser", "tests/fab", "tests/access", "tests/mwaa", "tests/benchmarks"]
RERUNS = "tests/e2e/test_reruns.py"
PARTS = {  # target: name of a part: environment, pytest's arguments
    "test": {
        "end to end": (".venv", ["tests/e2e"]),
        "local AWS": (
            ".venv-localaws",
            ["-c", f"{LOCALAWS}/pyproject.toml", f"{LOCALAWS}/tests", f"--ignore={LOCALAWS}/tests/clients"],
        ),
        "SQL": (".venv-localaws", [SQL]),
        "pipeline": (".venv", [PIPELINE]),
        "the rest": (".venv", ["tests", *(f"--ignore={one}" for one in ("tests/e2e", SQL, PIPELINE, *OTHERS))]),
    },
    "test-reruns": {
        "days again and again": (".venv", ["-m", "long", RERUNS]),
        "the runbook and others": (".venv", ["-m", "long", "tests/e2e", f"--ignore={RERUNS}"]),
    },
}
NONE_CHOSEN = 5  # pytest's status


@dataclass
class Part:
    name: str
    process: subprocess.Popen[bytes]
    output: Path


def main(target: str, options: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="smart-hub-tests-") as folder:
        begun = time.monotonic()
        running = [_start(name, *of, options, Path(folder)) for name, of in PARTS[target].items()]
        print(f"Running {', '.join(PARTS[target])} side by side; each prints when it has ended.", flush=True)
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


def _start(name: str, environment: str, arguments: list[str], options: list[str], folder: Path) -> Part:
    output = folder / name
    with output.open("wb") as stream:
        command = [ROOT / environment / "bin" / "python", "-m", "pytest", *arguments, *options]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    return Part(name, process, output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
