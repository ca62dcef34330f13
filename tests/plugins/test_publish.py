"""The publish: in order, one table after the other, and nothing that is not there."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from smart_hub import macros
from smart_hub.operators import PublishOperator
from tests.fake_aws import BUCKET, DAY, FakeAws

PREFIXES = {
    "usage_rejects": f"warehouse/usage_rejects/dt={DAY}/version=v2/",
    "usage": f"warehouse/usage/dt={DAY}/version=v1/verdict=used/",
    "usage_cost": f"warehouse/usage_cost/dt={DAY}/version=v3/",
}
LOCATIONS = {table: f"s3://{BUCKET}/{prefix}" for table, prefix in PREFIXES.items()}
CONTENT = {"mappings": "a" * 64, "locations": "b" * 64, "rates": "c" * 64}


@pytest.fixture
def context(context_of: Callable[..., Any]) -> Any:
    return context_of({macros.STEP_1: {"content": CONTENT}})


@pytest.fixture
def operator(aws: FakeAws, settings_of: Callable[..., Any]) -> PublishOperator:
    """A publish of three versions, of which the rejects are empty."""
    for table in ("usage", "usage_cost"):
        aws.put(BUCKET, f"{PREFIXES[table]}part-0", "rows")
    return PublishOperator(
        task_id="publish", settings=settings_of(), locations=LOCATIONS, outlets=[Asset(name="usage_cost")]
    )


def test_rejects_then_usage_then_cost_then_the_views(aws: FakeAws, operator: PublishOperator, context: Any) -> None:
    operator.execute(context)
    assert aws.statements[:6] == [
        statement
        for table in ("usage_rejects", "usage", "usage_cost")
        for statement in (
            f"ALTER TABLE {table} ADD IF NOT EXISTS PARTITION (dt = '{DAY}') LOCATION '{LOCATIONS[table]}'",
            f"ALTER TABLE {table} PARTITION (dt = '{DAY}') SET LOCATION '{LOCATIONS[table]}'",
        )
    ]
    assert [statement.splitlines()[0] for statement in aws.statements[6:]] == [
        "CREATE OR REPLACE VIEW mappings AS",
        "CREATE OR REPLACE VIEW locations AS",
        "CREATE OR REPLACE VIEW rates AS",
    ]
    for data_set, statement in zip(CONTENT, aws.statements[6:], strict=True):
        assert statement.endswith(f"WHERE content = '{CONTENT[data_set]}'")


def test_each_change_is_waited_for_before_the_next(aws: FakeAws, operator: PublishOperator, context: Any) -> None:
    operator.execute(context)
    operations = [operation for operation, _ in aws.calls if operation.endswith("QueryExecution")]
    assert operations[:12] == ["StartQueryExecution", "GetQueryExecution"] * 6


def test_a_table_that_cannot_be_switched_leaves_those_after_it(
    aws: FakeAws, operator: PublishOperator, context: Any
) -> None:
    aws.outcome = lambda statement: ("FAILED", "no") if "TABLE usage ADD" in statement else ("SUCCEEDED", "")
    with pytest.raises(RuntimeError, match="FAILED: no"):
        operator.execute(context)
    assert not any("usage_cost" in statement for statement in aws.statements)


@pytest.mark.parametrize("table", ["usage", "usage_cost"])
def test_a_version_that_is_gone_is_not_published(
    aws: FakeAws, operator: PublishOperator, context: Any, table: str
) -> None:
    del aws.buckets[BUCKET][f"{PREFIXES[table]}part-0"]
    with pytest.raises(AirflowFailException, match=f"{LOCATIONS[table]} does not exist.*step_3_convert"):
        operator.execute(context)
    assert aws.statements == []


def test_the_asset_gets_the_day_as_its_partition(operator: PublishOperator, context: Any) -> None:
    operator.execute(context)
    assert context["outlet_events"][Asset(name="usage_cost")].partitions == [DAY]
