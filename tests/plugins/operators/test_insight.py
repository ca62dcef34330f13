"""Insights: the statement, the location, the task's result, and the error for a missing table."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from smart_hub.operators import InsightOperator, insight
from smart_hub.orchestration import macros
from smart_hub.shared.athena import request_token
from smart_hub.shared.layout import INSIGHT_TABLES
from tests.fake_aws import BUCKET, DAY, RUN, FakeAws

PUBLISHED = "staging_compact_v2222222222222222"
RATES = "c" * 64
EARLIER = {
    macros.STEP_1: {"content_hashes": {"rates": RATES}},
    "step_6_compact": f'{{"compacted_table": "{PUBLISHED}"}}',
    **{f"insights.{table}": {"table": f"staging_{table}_v3333333333333333"} for table in INSIGHT_TABLES},
}


@pytest.fixture
def run(
    aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Any]:
    """Renders and runs an insight's task; returns the task's result and version."""
    aws.add_tables(PUBLISHED)
    monkeypatch.setattr(AwsGenericHook, "conn_region_name", "us-east-1")
    monkeypatch.setattr(AwsGenericHook, "conn_partition", "aws")
    monkeypatch.setattr(insight.AthenaOperator.operator_extra_links[0], "persist", lambda **kwargs: None)

    def execute(table: str) -> tuple[Any, str]:
        settings = settings_of(SMART_HUB_MIN_COVERAGE="0.75")
        context = context_of(EARLIER)
        operator = InsightOperator(task_id=table, insight=table, settings=settings)
        operator.render_template_fields({**context, **macros.MACROS, "settings": settings})
        return operator.execute(context), macros.version(context)

    return execute


@pytest.mark.parametrize("table", INSIGHT_TABLES)
def test_an_insight_is_written_to_a_new_version(aws: FakeAws, run: Callable[..., Any], table: str) -> None:
    result, version = run(table)

    expected = {
        "table": f"staging_{table}_{version}",
        "location": f"s3://{BUCKET}/warehouse/{table}/dt={DAY}/version={version}/",
    }
    assert result == expected
    (statement,) = aws.statements
    assert statement.startswith(f"CREATE TABLE {expected['table']}\n")
    assert f"external_location = '{expected['location']}'" in statement
    assert "{{" not in statement
    (request,) = aws.called("StartQueryExecution")
    assert request["ClientRequestToken"] == request_token(version, statement)
    assert request["WorkGroup"] == "smart-hub"
    assert request["QueryExecutionContext"]["Database"] == "smart_hub"
    assert request["ResultConfiguration"] == {"OutputLocation": f"s3://{BUCKET}/athena-results/{RUN}/"}


def test_a_statement_reads_the_tables_of_earlier_tasks(aws: FakeAws, run: Callable[..., Any]) -> None:
    run("daily_device_cost")
    run("peak_shift")
    run("hub_day_summary")
    first, second, third = aws.statements
    assert f"FROM {PUBLISHED}\n" in first
    assert "FROM staging_daily_device_cost_v3333333333333333" in second
    assert f"content = '{RATES}'" in second
    assert "CAST('0.75' AS double)" in second
    assert "FROM staging_peak_shift_v3333333333333333" in third
    assert f"TIMESTAMP '{DAY} 00:00:00'" in third


def test_a_deferred_query_has_the_same_result(settings_of: Callable[..., Any], context_of: Callable[..., Any]) -> None:
    # given a deployment with deferred operators, when the query has ended
    context = context_of(EARLIER)
    operator = InsightOperator(task_id="insight", insight="peak_shift", settings=settings_of())
    result = operator.execute_complete(context, {"status": "success", "value": "a-query"})
    # expect the result that later tasks use
    version = macros.version(context)
    location = f"s3://{BUCKET}/warehouse/peak_shift/dt={DAY}/version={version}/"
    assert result == {"table": f"staging_peak_shift_{version}", "location": location}


def test_a_failed_query_is_reported_with_athenas_reason(aws: FakeAws, run: Callable[..., Any]) -> None:
    aws.outcome = lambda statement: ("FAILED", "HIVE_BAD_DATA: field 3")
    with pytest.raises(AirflowException, match="HIVE_BAD_DATA: field 3"):
        run("daily_device_cost")


def test_a_missing_table_names_the_task_to_clear(aws: FakeAws, run: Callable[..., Any]) -> None:
    del aws.tables[PUBLISHED]
    aws.outcome = lambda statement: ("FAILED", "TABLE_NOT_FOUND: Table does not exist")
    with pytest.raises(AirflowFailException, match=rf"{PUBLISHED} does not exist.*step_3_convert"):
        run("daily_device_cost")
