"""The audit: checks the day with the rules of data quality, before it is published."""

import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException
from pyarrow import parquet

from smart_hub.core.quality import RuleResult, audit_query, read_checks, rules_of
from smart_hub.operators.base import SmartHubOperator
from smart_hub.orchestration import macros
from smart_hub.shared.layout import QUALITY_TABLE, content_hash_values, day_prefix, next_day
from smart_hub.shared.sql import statement

# Columns of data_quality, as the template declares them.
QUALITY_SCHEMA = pyarrow.schema(
    [
        ("version", pyarrow.string()),
        ("rule", pyarrow.string()),
        ("severity", pyarrow.string()),
        ("checked", pyarrow.int64()),
        ("violations", pyarrow.int64()),
        ("sample", pyarrow.string()),
        ("passed", pyarrow.bool_()),
    ]
)


class AuditOperator(SmartHubOperator):
    """Runs every rule of ``include/sql/quality`` in one query, and adds the results to the table data_quality.

    tables: names of the run's staging tables readings_table, cost_table, rejects_table and compacted_table.

    Returns one dict for each rule: rule, severity, checked, violations, sample. Fails, without a retry, if a
    fatal rule is violated; violations of warnings are logged.
    """

    template_fields: Sequence[str] = ("tables",)

    def __init__(self, *, tables: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tables = tables

    def execute(self, context: Context) -> list[dict[str, Any]]:
        for table in self.tables.values():
            self.require_table(table)
        day = macros.usage_day(context)
        checks = read_checks(self.settings.sql)
        values: dict[str, str | int] = {
            **self.tables,
            **content_hash_values(macros.step_1_result(context)["content_hashes"]),
            "day": day,
            "next_day": next_day(day),
            "files": self.settings.files_per_day,
            "max_reject_ratio": self.settings.max_reject_ratio,
            "watts_margin": self.settings.watts_margin,
        }
        athena = self.athena(context)
        rows = athena.rows(audit_query(checks, values))
        results = sorted((RuleResult.of(row) for row in rows), key=lambda result: result.rule)
        if [result.rule for result in results] != list(rules_of(checks)):
            raise ValueError(f"the audit must return one row for each rule, got {[result.rule for result in results]}")
        self._store(day, macros.version(context), results)
        location = self.settings.location(day_prefix(QUALITY_TABLE, day))
        athena.run(
            statement(self.settings.sql / "publish", "add_partition", table=QUALITY_TABLE, day=day, location=location)
        )
        for result in results:
            if result.passed:
                self.log.info("%s", result.summary)
            else:
                self.log.warning("%s (%s)", result.summary, result.severity)
        violated = [result.summary for result in results if not result.passed and result.severity == "fatal"]
        if violated:
            raise AirflowFailException(
                f"{day} is not published: violated rules of include/sql/quality: {'; '.join(violated)}"
            )
        return [asdict(result) for result in results]

    def _store(self, day: str, version: str, results: Sequence[RuleResult]) -> None:
        """Writes the results as one object, which is never replaced."""
        rows = [{"version": version, **asdict(result), "passed": result.passed} for result in results]
        file = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist(rows, QUALITY_SCHEMA), file)
        key = f"{day_prefix(QUALITY_TABLE, day)}{version}.parquet"
        self.s3.put_object(Bucket=self.settings.data_bucket, Key=key, Body=file.getvalue())
