"""The rules of ``include/sql/quality``: one a file, each a SELECT of one row for each thing that it checks."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smart_hub.shared.sql import SqlValueError, render_from

_SEVERITY = re.compile(r"^-- severity: (fatal|warning)$", re.MULTILINE)
# A rule that looks at each row of one table by itself.
_ROW_BY_ROW = re.compile(r"SELECT\s+(?P<fault>CASE\b.*\bEND)\s+AS\s+fault\s+FROM\s+(?P<table>\w+)\s*", re.DOTALL)


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
        return (
            f"SELECT '{self.name}' AS rule, '{self.severity}' AS severity, count(*) AS checked,"
            " count(fault) AS violations, CASE WHEN min(fault) <> max(fault) THEN min(fault) || ', ' || max(fault)"
            f" ELSE min(fault) END AS sample FROM (\n{self.faults(values)}\n)"
        )

    def faults(self, values: Mapping[str, str | int]) -> str:
        """The rule's own SELECT. Raises SqlValueError for a value that is missing."""
        try:
            return render_from(self.text, values)
        except SqlValueError as error:
            raise SqlValueError(f"{self.name}.sql: {error}") from error


def audit(rules: Sequence[Rule], values: Mapping[str, str | int]) -> str:
    """One query with the row of each rule (see Rule.select). Rules row by row on one table read it once, together.

    Raises SqlValueError for a value that is missing.
    """
    parts = []
    by_table: dict[str, list[tuple[Rule, str]]] = defaultdict(list)
    for rule in rules:
        if plain := _ROW_BY_ROW.fullmatch(rule.faults(values)):
            by_table[plain["table"]].append((rule, plain["fault"]))
        else:
            parts.append(rule.select(values))
    return "\nUNION ALL\n".join(parts + [_together(table, found) for table, found in sorted(by_table.items())])


def _together(table: str, rules: Sequence[tuple[Rule, str]]) -> str:
    """A row for each of the rules. rules: with the expression of what is at fault."""

    def listed(text: str) -> str:
        return ", ".join(text.format(number=number, rule=rule) for number, (rule, _) in enumerate(rules))

    faults = ",\n".join(f"{fault} AS fault_{number}" for number, (_, fault) in enumerate(rules))
    counts = listed(
        "count(fault_{number}) AS violations_{number}, min(fault_{number}) AS lowest_{number},"
        " max(fault_{number}) AS highest_{number}"
    )
    columns = {
        "rule": listed("'{rule.name}'"),
        "severity": listed("'{rule.severity}'"),
        **{name: listed(f"f.{name}_{{number}}") for name in ("violations", "lowest", "highest")},
    }
    return (
        "SELECT r.rule, r.severity, f.checked, r.violations,"
        " CASE WHEN r.lowest <> r.highest THEN r.lowest || ', ' || r.highest ELSE r.lowest END AS sample"
        f" FROM (SELECT count(*) AS checked, {counts} FROM (SELECT\n{faults}\nFROM {table})) AS f"
        f" CROSS JOIN UNNEST({', '.join(f'ARRAY[{column}]' for column in columns.values())})"
        f" AS r ({', '.join(columns)})"
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
            int(str(row["checked"])),
            int(str(row["violations"])),
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
