"""The rules of ``include/sql/quality``: one a file, each a SELECT of one row for each thing that it checks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smart_hub.sql import SqlValueError, render_from

_SEVERITY = re.compile(r"^-- severity: (fatal|warning)$", re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    """One rule. Its one column ``fault`` (varchar) names what is at fault, NULL stands for what is right."""

    name: str
    severity: str
    text: str

    @classmethod
    def read(cls, path: Path) -> "Rule":
        """The rule of a file. Raises ValueError when its header does not say how severe a violation is."""
        text = path.read_text(encoding="utf-8")
        severity = _SEVERITY.search(text)
        if not severity:
            raise ValueError(f"{path}: has no line '-- severity: fatal' or '-- severity: warning'")
        return cls(path.stem, severity.group(1), text)

    def select(self, values: Mapping[str, str | int]) -> str:
        """One row: rule, severity, checked, violations, sample (the first and the last fault).

        Of ``values`` it takes those that the rule uses. Raises SqlValueError for one that is missing.
        """
        try:
            query = render_from(self.text, values)
        except SqlValueError as error:
            raise SqlValueError(f"{self.name}.sql: {error}") from error
        return (
            f"SELECT '{self.name}' AS rule, '{self.severity}' AS severity, count(*) AS checked,"
            " count(fault) AS violations, CASE WHEN min(fault) <> max(fault) THEN min(fault) || ', ' || max(fault)"
            f" ELSE min(fault) END AS sample FROM (\n{query}\n)"
        )


@dataclass(frozen=True)
class Result:
    """What a rule found: how many it checked, how many of these violate it, examples of them."""

    rule: str
    severity: str
    checked: int
    violations: int
    sample: str | None

    @classmethod
    def of(cls, row: Mapping[str, str | None]) -> "Result":
        """The row of Rule.select as Athena gives it."""
        return cls(
            str(row["rule"]),
            str(row["severity"]),
            int(row["checked"] or 0),
            int(row["violations"] or 0),
            row["sample"],
        )

    @property
    def passed(self) -> bool:
        return not self.violations

    @property
    def verdict(self) -> str:
        text = f"{self.rule}: {self.violations} violations in {self.checked} checked"
        return f"{text}, e.g. {self.sample}" if self.sample else text


def read_rules(sql: Path) -> list[Rule]:
    """All rules by name; ``sql`` is the folder include/sql."""
    return sorted((Rule.read(path) for path in (sql / "quality").glob("*.sql")), key=lambda rule: rule.name)
