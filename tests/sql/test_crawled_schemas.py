"""Without InheritFromTable, a crawler derives the columns of each day from the numbers in its files."""

import boto3
import pytest

from localaws.testing import LocalAws
from ops.deploy import deploy
from smart_hub.shared.athena import QueryFailed
from tests.sql.pipeline import Pipeline

DAY = "2019-12-21"
LOOK = f"SELECT count(ts) AS readings FROM raw_usage WHERE dt = '{DAY}'"


@pytest.fixture(scope="module")
def pipeline(module_local_aws: LocalAws) -> Pipeline:
    """The stack, with a usage crawler without InheritFromTable."""
    pipeline = Pipeline(module_local_aws)
    pipeline.aws.client("glue").update_crawler(Name="smart-hub-usage", Configuration='{"Version": 1.0}')
    return pipeline


def test_a_day_whose_raw_partition_has_other_columns_is_published(pipeline: Pipeline) -> None:
    # when the day is crawled and published; the pipeline reads the raw files as text
    rules = pipeline.run(DAY, insights=False)

    # expect a complete day, although Athena cannot read the raw table
    assert {answer["violations"] for answer in rules.values()} == {"0"}
    with pytest.raises(QueryFailed, match="HIVE_PARTITION_SCHEMA_MISMATCH"):
        pipeline.athena.rows(LOOK)


def test_a_deployment_corrects_the_columns(pipeline: Pipeline) -> None:
    session = boto3.Session("test", "test", region_name="us-east-1")
    reported: list[str] = []

    deploy(session, endpoint_url=pipeline.aws.endpoint, log=reported.append)

    assert "smart_hub.raw_usage: updated 1 partitions to the table's columns" in reported
    ((row),) = pipeline.athena.rows(LOOK)
    assert row["readings"] == "1728"
