"""Insights: the statement that is run, where it writes, what is handed on, and what is said when its input is gone."""

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
    "step_6_compact": f'{{"published_table": "{PUBLISHED}"}}',
    **{f"insights.{table}": {"table": f"staging_{table}_v3333333333333333"} for table in INSIGHT_TABLES},
}


@pytest.fixture
def run(
    aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Any]:
    """Renders and runs an insight as Airflow does; gives what it returns and the version it had."""
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
    answer, version = run(table)

    made = {
        "table": f"staging_{table}_{version}",
        "location": f"s3://{BUCKET}/warehouse/{table}/dt={DAY}/version={version}/",
    }
    assert answer == made
    (statement,) = aws.statements
    assert statement.startswith(f"CREATE TABLE {made['table']}\n")
    assert f"external_location = '{made['location']}'" in statement
    assert "{{" not in statement
    (asked,) = aws.called("StartQueryExecution")
    assert asked["ClientRequestToken"] == request_token(version, statement)
    assert asked["WorkGroup"] == "smart-hub"
    assert asked["QueryExecutionContext"]["Database"] == "smart_hub"
    assert asked["ResultConfiguration"] == {"OutputLocation": f"s3://{BUCKET}/athena-results/{RUN}/"}


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
    # given a deployment that defers all operators, when the query has ended
    context = context_of(EARLIER)
    operator = InsightOperator(task_id="insight", insight="peak_shift", settings=settings_of())
    answer = operator.execute_complete(context, {"status": "success", "value": "a-query"})
    # expect what the tasks after it ask for
    version = macros.version(context)
    location = f"s3://{BUCKET}/warehouse/peak_shift/dt={DAY}/version={version}/"
    assert answer == {"table": f"staging_peak_shift_{version}", "location": location}


def test_a_failed_query_is_reported_with_athenas_reason(aws: FakeAws, run: Callable[..., Any]) -> None:
    aws.outcome = lambda statement: ("FAILED", "HIVE_BAD_DATA: field 3")
    with pytest.raises(AirflowException, match="HIVE_BAD_DATA: field 3"):
        run("daily_device_cost")


def test_a_missing_table_names_the_task_to_clear(aws: FakeAws, run: Callable[..., Any]) -> None:
    del aws.tables[PUBLISHED]
    aws.outcome = lambda statement: ("FAILED", "TABLE_NOT_FOUND: Table does not exist")
    with pytest.raises(AirflowFailException, match=rf"{PUBLISHED} does not exist.*step_3_convert"):
        run("daily_device_cost")
