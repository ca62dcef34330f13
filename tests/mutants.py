"""Changes functions, job and audit bit by bit with cosmic-ray, and shows the changes that no unit test notices.

    .venv-mutants/bin/python -m tests.mutants [--only job]

Works on copies of the checkout in a temporary folder. See README.md for what the last run found.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome

ROOT = Path(__file__).parents[1]
# What is changed, and which tests must notice; the longest first.
TARGETS = {
    "job": ("include/glue", "tests/glue"),
    "functions": ("include/lambdas", "tests/lambdas"),
    "audit": ("plugins/smart_hub/core/quality.py", "tests/plugins/operators/test_audit.py"),
}
# `|` stands in annotations alone.
CONFIGURATION = """
[cosmic-ray]
module-path = {code}
timeout = 60.0
excluded-modules = []
test-command = {command}
distributor.name = "local"
filters.operators-filter.exclude-operators = ["core/ReplaceBinaryOperator_BitOr_.*"]
"""


def copy_checkout(folder: Path) -> None:
    """All files that git knows or would add, as they are now."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def change(name: str, folder: Path) -> Path:
    """Tries all changes of one target in its copy; gives cosmic-ray's session. Raises CalledProcessError."""
    session, configuration = folder / f"{name}.sqlite", folder / f"{name}.toml"
    code, tests = TARGETS[name]
    command = [str(ROOT / ".venv/bin/python"), "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", tests]
    text = CONFIGURATION.format(code=json.dumps(code), command=json.dumps(shlex.join(command)))
    configuration.write_text(text, encoding="utf-8")
    for step in (
        ["cosmic-ray", "init", configuration, session],
        ["cr-filter-operators", session, configuration],
        ["cosmic-ray", "baseline", configuration],  # fails when the tests do so without a change
        ["cosmic-ray", "exec", configuration, session],
    ):
        subprocess.run([Path(sys.executable).parent / step[0], *step[1:]], cwd=folder / name, check=True)
    return session


def progress(session: Path) -> str:
    if not session.exists():
        return f"{session.stem} waits"
    with use_db(session, WorkDB.Mode.open) as db:
        return f"{session.stem} {db.num_results} of {db.num_work_items}"


def report(session: Path) -> str:
    """How many changes there were, and those that nobody noticed."""
    with use_db(session, WorkDB.Mode.open) as db:
        results = [one for _, one in db.results if one.worker_outcome != WorkerOutcome.SKIPPED]
    unnoticed = [one for one in results if one.test_outcome != TestOutcome.KILLED]
    slow = sum(one.output == "timeout" for one in results)
    lines = [f"{session.stem}: {len(results)} changes, {len(unnoticed)} not noticed, {slow} by the time alone"]
    for one in unnoticed:
        lines += [line for line in str(one.diff).splitlines() if line[:1] in "+-" and not line.startswith("---")]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TARGETS, action="append", help="only this target; can be repeated")
    names = parser.parse_args().only or list(TARGETS)
    with tempfile.TemporaryDirectory() as path, ThreadPoolExecutor(2) as lanes:
        for name in names:
            copy_checkout(Path(path) / name)
        runs: dict[str, Future[Path]] = {name: lanes.submit(change, name, Path(path)) for name in names}
        try:
            while wait(runs.values(), timeout=30).not_done:
                print(*(progress(Path(path) / f"{name}.sqlite") for name in names), sep=", ", flush=True)
        finally:  # of Ctrl-C cosmic-ray hears by itself
            lanes.shutdown(cancel_futures=True)
        for run in runs.values():
            print(report(run.result()))


if __name__ == "__main__":
    main()
