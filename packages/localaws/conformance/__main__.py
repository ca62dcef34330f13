"""Compares the two query engines of the local Athena; Trino is right. Writes docs/conformance.md.

python -m conformance                            all parts, as `make conformance` runs them
python -m conformance corpus random --seed 7     some parts, other random statements; writes no document
"""

import argparse
import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from conformance import corpus, crossing_files, data, functions, own_sql, random_statements, raw_files
from conformance.compare import Finding
from conformance.environment import ROOT, CannotStart, started, wait_for_a_node
from conformance.judge import Judge, judging
from conformance.report import DOCUMENT, Part, document, for_terminal

PIPELINE = "pipeline"
SAMPLES = (*data.SAMPLES, data.MIXED)


def main() -> int:
    """The exit status: 1 when an answer differs, or is one that Trino refuses to give."""
    names = {table.name for table in SAMPLES}
    parser = argparse.ArgumentParser(
        prog="python -m conformance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, help="of the random statements; the same ones each time without it")
    parser.add_argument("parts", nargs="*", help="functions, corpus, own-sql, files, raw-files, random, pipeline (all)")
    arguments = parser.parse_args()
    parts: dict[str, Callable[[Judge], list[Finding]]] = {
        "functions": functions.run,
        "corpus": lambda judge: corpus.run(judge, names),
        "own-sql": own_sql.run,
        "files": crossing_files.run,
        "raw-files": raw_files.run,
        "random": lambda judge: random_statements.run(judge, data.MIXED, arguments.seed),
    }
    wanted = arguments.parts or [*parts, PIPELINE]
    if unknown := set(wanted) - {*parts, PIPELINE}:
        parser.error(f"there is no part {min(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of statements that are there to be refused
    done: list[Part] = []
    failed = PIPELINE in wanted and not _pipeline()
    try:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            if set(wanted) != {PIPELINE}:
                version = _compare(Path(folder), {name: parts[name] for name in parts if name in wanted}, done)
    except CannotStart as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if done:
        print(for_terminal(done))
    if not arguments.parts and arguments.seed is None:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(document(done, version), encoding="utf-8")
        print(f"\nWritten to {DOCUMENT.relative_to(ROOT)}")
    failed |= any(finding.verdict.fails for part in done for finding in part.findings)
    return int(failed)


def _compare(folder: Path, parts: dict[str, Callable[[Judge], list[Finding]]], done: list[Part]) -> str:
    """Run the parts, one after the other, into `done`; gives Trino's release."""
    with started(folder) as environment, judging(environment) as judge:
        data.create(environment.store, SAMPLES)
        wait_for_a_node(environment, data.MIXED.name)
        for name, run in parts.items():
            begun = time.monotonic()
            done.append(Part(name, run(judge)))
            print(f"{name}: {len(done[-1].findings)} compared, {time.monotonic() - begun:.0f} s", flush=True)
        return environment.trino_version()


def _pipeline() -> bool:
    """Whether both engines publish the same of a day of the sample data; a test of its own, with its own servers."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "trino", "tests/localaws/athena"]
    with subprocess.Popen(command, cwd=ROOT) as test:
        try:
            return test.wait() == 0
        finally:
            if test.poll() is None:
                test.send_signal(signal.SIGINT)  # so that it ends its servers


if __name__ == "__main__":
    sys.exit(main())
