"""Compare the two query engines of the local Athena, DuckDB and Trino; Trino's answers are right by definition.

{program} --trino-command …                              all parts
{program} --trino-command … corpus random --seed 7       some parts, with other random statements
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from conformance import corpus, crossing_files, data, functions, random_statements, raw_files
from conformance.environment import started, wait_for_a_node
from conformance.judge import judging
from conformance.report import Check, Part, Result, document, for_terminal
from localaws.testing import StartFailed

PACKAGE = Path(__file__).parents[1]
SAMPLES = (*data.SAMPLES, data.MIXED)
SAMPLE_NAMES = {table.name for table in SAMPLES}


def own_parts(seed: int | None) -> list[Part]:
    """The parts of this package. seed: of the random statements."""
    return [
        Part("functions", "the signatures that the DuckDB engine has recorded, and Trino's own list", functions.run),
        Part(
            "corpus",
            "the statements of `packages/localaws/conformance/corpus`, by topic",
            lambda judge: corpus.run(judge, SAMPLE_NAMES),
        ),
        Part("files", "tables that each engine writes, read by both and by pyarrow", crossing_files.run),
        Part("raw-files", "files with every oddity, as the JSON, CSV and text SerDes read them", raw_files.run),
        Part(
            "random",
            "expressions and queries that Hypothesis draws from the functions and types that the DuckDB engine covers;"
            " *refused*: statements that it takes for wrong",
            lambda judge: random_statements.run(judge, data.MIXED, seed),
        ),
    ]


def main(
    program: str = "python -m conformance",
    more: Sequence[Part | Check] = (),
    trino_command: str | None = None,
    output: Path | None = None,
) -> int:
    """The exit status: 1 if an answer of DuckDB differs from Trino's, or if Trino refuses to give it.

    more: what a project compares beside the package's own parts. trino_command, output: defaults of the options.
    """
    server = Check("server", "the tests of the Trino engine on a real server; no row below", _test_server)
    names = [part.name for part in (*own_parts(None), server, *more)]
    parser = argparse.ArgumentParser(
        prog=program,
        description=(__doc__ or "").format(program=program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--trino-command",
        required=trino_command is None,
        default=trino_command,
        help="starts Trino in the foreground; {port}, {aws_port} and {folder} stand for the port to listen on, the port"
        " of the local AWS, and a folder for its files",
    )
    parser.add_argument("--output", type=Path, default=output, help="file for the document, if all parts run")
    parser.add_argument("--seed", type=int, help="of the random statements; without it they are the same each time")
    parser.add_argument(
        "--record-functions", action="store_true", help="record the functions that Trino lists, and compare nothing"
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(names)} (all)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(names):
        parser.error(f"there is no part {min(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of statements that must be refused
    all_parts = [*own_parts(arguments.seed), server, *more]
    chosen = [part for part in all_parts if part.name in (arguments.parts or names)]
    try:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            if arguments.record_functions:
                with started(Path(folder), arguments.trino_command) as environment:
                    functions.record(environment)
                return 0
            checks = [part for part in chosen if isinstance(part, Check)]
            failed = [check.name for check in checks if not check.passes(arguments.trino_command)]
            parts = [part for part in chosen if isinstance(part, Part)]
            results, version = _compare(Path(folder), arguments.trino_command, parts)
    except StartFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if results:
        print(for_terminal(results))
    if arguments.output and not arguments.parts and arguments.seed is None:
        arguments.output.write_text(document(all_parts, results, version, program), encoding="utf-8")
        print(f"\nWritten to {os.path.relpath(arguments.output)}")
    if failed:
        print(f"Tests failed, see above: {', '.join(failed)}")
    return int(bool(failed) or any(finding.verdict.fails for result in results for finding in result.findings))


def _compare(folder: Path, trino_command: str, parts: Sequence[Part]) -> tuple[list[Result], str]:
    """The results of the parts, one after the other, and Trino's release."""
    results: list[Result] = []
    if not parts:
        return results, ""
    with started(folder, trino_command) as environment, judging(environment) as judge:
        data.create(environment.clients, SAMPLES)
        wait_for_a_node(environment, data.MIXED.name)
        for part in parts:
            begun = time.monotonic()
            results.append(Result(part.name, part.run(judge)))
            print(f"{part.name}: {len(results[-1].findings)} compared, {time.monotonic() - begun:.0f} s", flush=True)
        return results, environment.trino_version()


def _test_server(trino_command: str) -> bool:
    tests = PACKAGE / "tests" / "athena" / "test_trino_server.py"
    return run_tests("-c", PACKAGE / "pyproject.toml", tests, trino_command=trino_command)


def run_tests(*arguments: str | Path, trino_command: str, python: str | Path = sys.executable) -> bool:
    """Whether tests with the marker trino pass; they have servers of their own.

    arguments: pytest's; python: the interpreter that runs it.
    """
    command = [str(python), "-P", "-m", "pytest", "-q", "-m", "trino", *map(str, arguments)]
    with subprocess.Popen(command, env={**os.environ, "LOCALAWS_TRINO_COMMAND": trino_command}) as test:
        try:
            return test.wait() == 0
        finally:
            if test.poll() is None:
                test.send_signal(signal.SIGINT)  # so that it ends its servers


if __name__ == "__main__":
    sys.exit(main())
