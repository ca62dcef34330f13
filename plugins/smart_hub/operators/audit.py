"""Between compact and publish: the rules of data quality, on the day that is not published yet."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from smart_hub import macros
from smart_hub.operators.base import SmartHubOperator, gone
from smart_hub.sql import SqlValueError, placeholders, render

_SEVERITY = re.compile(r"^-- severity: (fatal|warning)$", re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    """One rule: a SELECT of one row with checked, violations (both bigint) and sample (varchar)."""

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

    def select(self, values: dict[str, str]) -> str:
        """The rule's row with its name and severity in front; of ``values`` it takes those that it uses."""
        try:
            query = render(self.text, {name: values[name] for name in placeholders(self.text) & values.keys()})
        except SqlValueError as error:
            raise SqlValueError(f"{self.name}.sql: {error}") from error
        columns = f"'{self.name}' AS rule, '{self.severity}' AS severity, checked, violations, sample"
        return f"SELECT {columns} FROM (\n{query}\n)"


def _count(row: dict[str, str | None], column: str) -> int:
    count = row[column]
    if count is None:
        raise ValueError(f"{row['rule']}: {column} is NULL, a rule must count")
    return int(count)


class AuditOperator(SmartHubOperator):
    """Runs every rule of ``include/sql/quality`` in one query.

    tables: names of usage_table, cost_table, rejects_table and published_table, the run's staging tables.

    Returns one dict a rule: rule, severity, checked, violations, sample. Fails, without a retry, when a fatal
    rule is violated; violations of a warning are logged.
    """

    template_fields: Sequence[str] = ("tables",)

    def __init__(self, *, tables: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tables = tables

    def execute(self, context: Context) -> list[dict[str, Any]]:
        for table in self.tables.values():
            self._require(table)
        rules = [Rule.read(path) for path in sorted((self.settings.sql / "quality").glob("*.sql"))]
        values = {"day": macros.usage_day(context), **self.tables}
        rows = self.athena(context).rows("\nUNION ALL\n".join(rule.select(values) for rule in rules))
        if sorted(str(row["rule"]) for row in rows) != [rule.name for rule in rules]:
            raise ValueError(f"each rule gives one row, but there are {[row['rule'] for row in rows]}")
        results = [{**row, "checked": _count(row, "checked"), "violations": _count(row, "violations")} for row in rows]
        fatal = []
        for result in sorted(results, key=lambda result: str(result["rule"])):
            verdict = f"{result['rule']}: {result['violations']} violations in {result['checked']} checked"
            if result["violations"] and result["sample"]:
                verdict += f", e.g. {result['sample']}"
            if not result["violations"]:
                self.log.info("%s", verdict)
                continue
            self.log.warning("%s (%s)", verdict, result["severity"])
            if result["severity"] == "fatal":
                fatal.append(verdict)
        if fatal:
            raise AirflowFailException(
                f"{values['day']} is not published: broken rules of include/sql/quality: {'; '.join(fatal)}"
            )
        return results

    def _require(self, table: str) -> None:
        try:
            self.glue.get_table(DatabaseName=self.settings.database, Name=table)
        except self.glue.exceptions.EntityNotFoundException:
            raise gone(f"{self.settings.database}.{table}") from None
