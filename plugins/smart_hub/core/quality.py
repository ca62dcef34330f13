"""The audit's rules: ``include/sql/quality``.

Each file is one SELECT with a row for each thing that it checks and a column for each of its rules. A column has the
rule's name; its value names the fault (varchar), or is NULL. The header declares each rule:
``-- rule <name>, <fatal|warning>: <why>``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smart_hub.shared.sql import SqlValueError, render

# Rules that check every row: the numbers of things that they check are the day's rows and rejects.
ROWS_RULE, REJECTS_RULE = "complete_rows", "every_reject_has_a_reason"

_DECLARATION = re.compile(r"^-- rule\b.*", re.MULTILINE)
_RULE = re.compile(r"-- rule (\w+), (fatal|warning): .+")


@dataclass(frozen=True)
class QualityRule:
    """One rule: a column of its file's SELECT. Fatal violations stop the publish, warnings are logged."""

    name: str
    severity: str


@dataclass(frozen=True)
class QualityCheck:
    """One file of rules, which read the same rows."""

    name: str
    rules: tuple[QualityRule, ...]
    text: str

    @classmethod
    def read(cls, path: Path) -> "QualityCheck":
        """Reads a file. Raises ValueError if its header declares no rule, or one in another form."""
        text = path.read_text(encoding="utf-8")
        declarations = _DECLARATION.findall(text) or ["no rule"]
        rules = []
        for declaration in declarations:
            match = _RULE.fullmatch(declaration)
            if match is None:
                raise ValueError(
                    f"{path}: expected '-- rule <name>, fatal: <why>' or '… warning: …', got {declaration!r}"
                )
            rules.append(QualityRule(*match.groups()))
        return cls(path.stem, tuple(rules), text)

    def statement(self, values: Mapping[str, str | int]) -> str:
        """The file's SELECT. Raises SqlValueError if a value is missing."""
        try:
            return render(self.text, values)
        except SqlValueError as error:
            raise SqlValueError(f"{self.name}.sql: {error}") from error

    def results_query(self, values: Mapping[str, str | int]) -> str:
        """A SELECT with a row for each rule: rule, severity, checked, violations, sample (lowest and highest fault).

        Raises SqlValueError if a value is missing.
        """
        aggregates = ", ".join(
            f"count({rule.name}) AS violations_{number}, min({rule.name}) AS lowest_{number},"
            f" max({rule.name}) AS highest_{number}"
            for number, rule in enumerate(self.rules)
        )
        columns = {
            "rule": [f"'{rule.name}'" for rule in self.rules],
            "severity": [f"'{rule.severity}'" for rule in self.rules],
            **{name: [f"f.{name}_{n}" for n in range(len(self.rules))] for name in ("violations", "lowest", "highest")},
        }
        arrays = ", ".join(f"ARRAY[{', '.join(cells)}]" for cells in columns.values())
        return (
            "SELECT r.rule, r.severity, f.checked, r.violations,"
            " CASE WHEN r.lowest <> r.highest THEN r.lowest || ', ' || r.highest ELSE r.lowest END AS sample\n"
            f"FROM (SELECT count(*) AS checked, {aggregates} FROM (\n{self.statement(values)}\n)) AS f\n"
            f"CROSS JOIN UNNEST({arrays}) AS r (rule, severity, violations, lowest, highest)"
        )


def audit_query(checks: Sequence[QualityCheck], values: Mapping[str, str | int]) -> str:
    """One query with the rows of all checks (see QualityCheck.results_query).

    Raises SqlValueError if a value is missing.
    """
    return "\nUNION ALL\n".join(check.results_query(values) for check in checks)


@dataclass(frozen=True)
class RuleResult:
    """The result of a rule: how many things it checked, how many violate it, a sample of these."""

    rule: str
    severity: str
    checked: int
    violations: int
    sample: str | None

    @classmethod
    def of(cls, row: Mapping[str, str | None]) -> "RuleResult":
        """A row of the audit's query, as Athena returns it."""
        return cls(
            str(row["rule"]),
            str(row["severity"]),
            int(str(row["checked"])),
            int(str(row["violations"])),
            row["sample"],
        )

    @property
    def passed(self) -> bool:
        return not self.violations

    @property
    def summary(self) -> str:
        text = f"{self.rule}: {self.violations} violations in {self.checked} checked"
        return f"{text}, e.g. {self.sample}" if self.sample else text


def read_checks(sql: Path) -> list[QualityCheck]:
    """All checks, sorted by name. sql: the folder include/sql."""
    return sorted((QualityCheck.read(path) for path in (sql / "quality").glob("*.sql")), key=lambda check: check.name)


def rules_of(checks: Sequence[QualityCheck]) -> dict[str, QualityRule]:
    """The rules of the checks by name, sorted."""
    return {rule.name: rule for rule in sorted((r for check in checks for r in check.rules), key=lambda r: r.name)}
