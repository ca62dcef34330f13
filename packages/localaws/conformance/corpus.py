"""Statements in data files by topic; Trino is the judge, so no expected results are stored.

A statement ends with a semicolon at the end of a line. Statements that no empty line parts run one after the
other; what they make is dropped after the last.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from conformance.compare import Finding, Verdict
from conformance.environment import BUCKET, ENGINES
from conformance.judge import Judge

FOLDER = Path(__file__).with_name("corpus")
_MADE = re.compile(
    r'(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:TABLE|VIEW)|INSERT\s+INTO)\s+(?:IF\s+NOT\s+EXISTS\s+)?"?(\w+)"?', re.IGNORECASE
)
_READS = re.compile(r"[\s(]*(SELECT|WITH|VALUES|TABLE|FROM)\b", re.IGNORECASE)


def run(judge: Judge, samples: set[str]) -> list[Finding]:
    """All statements; `samples` are the tables that stay."""
    return [finding for path in sorted(FOLDER.glob("*.sql")) for finding in _topic(judge, path, samples)]


def _topic(judge: Judge, path: Path, samples: set[str]) -> Iterator[Finding]:
    groups = groups_of(path.read_text(encoding="utf-8"))
    topic = path.stem.replace("_", " ")
    reading = [statement for group in groups if all(map(_READS.match, group)) for statement in group]
    yield from judge.compare_all(topic, reading)
    for number, group in enumerate(groups):
        if all(map(_READS.match, group)):
            continue
        for statement in group:
            made = _MADE.match(statement)
            if made:
                location = f"s3://{BUCKET}/corpus/{path.stem}/{number}/"
                texts = {engine: statement.replace("{{ location }}", f"{location}{engine}/") for engine in ENGINES}
                finding = judge.compare_made(topic, statement, texts, made[1].lower())
                if finding.verdict == Verdict.UNSUPPORTED:  # what follows finds the same before it in both databases
                    judge.adopt(made[1].lower())
                yield finding
            else:
                yield judge.compare(topic, statement)
        judge.drop_made(samples)


def groups_of(text: str) -> list[list[str]]:
    """The statements of a file, group by group."""
    groups: list[list[str]] = [[]]
    statement = ""
    for line in text.splitlines():
        if not statement and (not line.strip() or line.startswith("--")):
            groups.append([])
            continue
        statement += f"{line}\n"
        if line.rstrip().endswith(";"):
            groups[-1].append(statement.rstrip().removesuffix(";"))
            statement = ""
    if statement:
        raise ValueError(f"this statement does not end with a semicolon: {statement}")
    return [group for group in groups if group]
