"""Statements in data files by topic. Trino's answers are the expected results, so none are stored.

A statement ends with a semicolon at the end of a line. Statements without an empty line between them run one after the
other; the tables that they create are dropped after the last.
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
    """Compares all statements; `samples` are the tables that are not dropped."""
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
            created = _MADE.match(statement)
            if created:
                location = f"s3://{BUCKET}/corpus/{path.stem}/{number}/"
                texts = {engine: statement.replace("{{ location }}", f"{location}{engine}/") for engine in ENGINES}
                finding = judge.compare_created(topic, statement, texts, created[1].lower())
                if finding.verdict == Verdict.UNSUPPORTED:  # the next statements read the same table in both databases
                    judge.adopt(created[1].lower())
                yield finding
            else:
                yield judge.compare(topic, statement)
        judge.drop_created(samples)


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
