"""The audit runs all rules as one query; fatal violations fail the day, warnings do not."""

import io
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from pyarrow import parquet

from smart_hub.core.quality import QualityCheck, read_checks, rules_of
from smart_hub.operators import AuditOperator
from smart_hub.shared.layout import VERSION_PATTERN
from smart_hub.shared.sql import SqlValueError
from tests.fake_aws import DAY, RUN, FakeAws

REPOSITORY = Path(__file__).parents[3]
TABLES = {
    "readings_table": "staging_usage_v1",
    "cost_table": "staging_usage_cost_v2",
    "rejects_table": "staging_usage_rejects_v2",
    "compacted_table": "staging_compact_v3",
}
EARLIER = {"step_1_copy_raw_data": {"content_hashes": {"mappings": "a" * 64, "locations": "b" * 64, "rates": "c" * 64}}}
COLUMNS: list[str | None] = ["rule", "severity", "checked", "violations", "sample"]


@pytest.fixture
def include(tmp_path: Path) -> Path:
    """An include folder with two rules."""
    folder = tmp_path / "include" / "sql" / "quality"
    folder.mkdir(parents=True)
    (folder / "some_usage.sql").write_text(
        "-- rule some_usage, fatal: A day has readings.\nSELECT some_usage FROM ${readings_table}\n"
    )
    (folder / "plausible.sql").write_text(
        "-- rule plausible, warning: No home uses so much.\nSELECT '${day}' AS plausible FROM ${compacted_table}\n"
    )
    shutil.copytree(REPOSITORY / "include" / "sql" / "publish", tmp_path / "include" / "sql" / "publish")
    return tmp_path / "include"


@pytest.fixture
def audit(
    aws: FakeAws, include: Path, settings_of: Callable[..., Any], context_of: Callable[..., Any]
) -> Callable[[], Any]:
    """Runs the audit on the run's staging tables."""
    aws.add_tables(*TABLES.values())
    settings = settings_of(SMART_HUB_INCLUDE=str(include))
    return lambda: AuditOperator(task_id="audit", settings=settings, tables=TABLES).execute(context_of(EARLIER))


def test_all_rules_are_one_query(aws: FakeAws, audit: Callable[[], Any]) -> None:
    aws.rows = [COLUMNS, ["some_usage", "fatal", "10", "0", None], ["plausible", "warning", "5", "0", None]]
    audit()
    plausible, some_usage = aws.statements[0].split("\nUNION ALL\n")
    assert "FROM (\nSELECT '2019-12-21' AS plausible FROM staging_compact_v3\n)" in plausible
    assert "FROM (\nSELECT some_usage FROM staging_usage_v1\n)" in some_usage
    for call in aws.called("StartQueryExecution"):
        assert call["ResultConfiguration"] == {"OutputLocation": f"s3://the-data/athena-results/{RUN}/"}


@pytest.mark.parametrize("violations", ["0", "3"])
def test_the_results_are_stored_whether_the_audit_passes_or_fails(
    aws: FakeAws, audit: Callable[[], Any], violations: str
) -> None:
    # given a fatal rule with or without violations
    aws.rows = [COLUMNS, ["some_usage", "fatal", "10", violations, "hub 7"], ["plausible", "warning", "5", "1", None]]
    with nullcontext() if violations == "0" else pytest.raises(AirflowFailException):
        audit()

    # expect one object, named after the attempt's version, and its partition
    folder = f"warehouse/data_quality/dt={DAY}/"
    ((key, stored),) = [one for one in aws.buckets["the-data"].items() if one[0].startswith(folder)]
    version = key.removeprefix(folder).removesuffix(".parquet")
    assert VERSION_PATTERN.fullmatch(version)
    assert parquet.read_table(io.BytesIO(stored.value)).to_pylist() == [
        {
            **{"version": version, "rule": "plausible", "severity": "warning"},
            **{"checked": 5, "violations": 1, "sample": None, "passed": False},
        },
        {
            **{"version": version, "rule": "some_usage", "severity": "fatal"},
            **{"checked": 10, "violations": int(violations), "sample": "hub 7", "passed": violations == "0"},
        },
    ]
    assert aws.statements[1] == (
        f"ALTER TABLE data_quality ADD IF NOT EXISTS PARTITION (dt = '{DAY}') LOCATION 's3://the-data/{folder}'"
    )


def test_an_audit_with_a_warning_passes_and_returns_its_results(
    aws: FakeAws, audit: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    aws.rows = [
        COLUMNS,
        ["some_usage", "fatal", "10", "0", None],
        ["plausible", "warning", "5", "2", "hub 1"],
    ]
    assert audit() == [
        {"rule": "plausible", "severity": "warning", "checked": 5, "violations": 2, "sample": "hub 1"},
        {"rule": "some_usage", "severity": "fatal", "checked": 10, "violations": 0, "sample": None},
    ]
    assert "plausible: 2 violations in 5 checked, e.g. hub 1 (warning)" in capsys.readouterr().out


def test_a_fatal_violation_fails_without_a_retry_and_names_rule_and_sample(
    aws: FakeAws, audit: Callable[[], Any]
) -> None:
    aws.rows = [
        COLUMNS,
        ["some_usage", "fatal", "10", "3", "hub 7"],
        ["plausible", "warning", "5", "1", None],
    ]
    # Airflow does not retry after an AirflowFailException
    with pytest.raises(AirflowFailException, match=f"{DAY} is not published.*") as raised:
        audit()
    assert "some_usage: 3 violations in 10 checked, e.g. hub 7" in str(raised.value)
    assert "plausible" not in str(raised.value)


@pytest.mark.parametrize("rows", [[], [["some_usage", "fatal", "1", "0", None]]])
def test_an_audit_fails_if_a_rule_has_no_result(
    aws: FakeAws, audit: Callable[[], Any], rows: list[list[str | None]]
) -> None:
    aws.rows = [COLUMNS, *rows]
    with pytest.raises(ValueError, match="one row for each rule"):
        audit()


def test_a_missing_table_names_the_task_to_clear(aws: FakeAws, audit: Callable[[], Any]) -> None:
    del aws.tables["staging_compact_v3"]
    with pytest.raises(AirflowFailException, match=r"smart_hub.staging_compact_v3 .* clear the run from step_3"):
        audit()
    assert aws.statements == []


def test_a_file_without_a_rule_is_an_error(include: Path) -> None:
    path = include / "sql" / "quality" / "some_usage.sql"
    for header in (
        "-- A day has readings.",
        "-- rule a, fatal: A day.\n-- rule b, terrible: A day.",
        "-- rule c: A day.",
    ):
        path.write_text(f"{header}\nSELECT 1")
        with pytest.raises(ValueError, match=r"some_usage\.sql: expected '-- rule <name>, fatal: <why>'"):
            QualityCheck.read(path)


def test_an_error_about_a_missing_value_names_the_file(include: Path) -> None:
    check = QualityCheck("r", (), "SELECT 1 FROM ${other_table}")
    with pytest.raises(SqlValueError, match=r"r\.sql: .*other_table"):
        check.results_query({"day": DAY})


def test_a_killed_audit_stops_its_query(
    aws: FakeAws, include: Path, settings_of: Callable[..., Any], context_of: Callable[..., Any]
) -> None:
    # Given an audit with a running query
    aws.add_tables(*TABLES.values())
    settings = settings_of(SMART_HUB_INCLUDE=str(include))
    task = AuditOperator(task_id="audit", settings=settings, tables=TABLES)

    def kill(statement: str) -> tuple[str, str]:
        task.on_kill()
        return "RUNNING", ""

    aws.outcome = kill
    # When Airflow kills the task, expect the query to be stopped
    with pytest.raises(RuntimeError, match="CANCELLED"):
        task.execute(context_of(EARLIER))
    assert aws.stopped == ["1"]


def test_the_operator_fills_in_all_placeholders_of_the_package_rules(
    aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]
) -> None:
    # given results of all the package's rules, without violations
    aws.add_tables(*TABLES.values())
    rules = rules_of(read_checks(REPOSITORY / "include" / "sql"))
    aws.rows = [COLUMNS, *([rule.name, rule.severity, "1", "0", None] for rule in rules.values())]

    results = AuditOperator(task_id="audit", settings=settings_of(), tables=TABLES).execute(context_of(EARLIER))

    assert [result["rule"] for result in results] == list(rules)
    assert len(rules) >= 20
    assert "${" not in aws.statements[0]
