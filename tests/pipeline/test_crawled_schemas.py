"""Without InheritFromTable, a crawler derives the columns of each day from the numbers in its files."""

from pathlib import Path

import boto3
import pytest

from localaws.testing import LocalAws, StatementFailed
from ops.deploy import deploy
from tests.deployment import Deployment

DAY = "2019-12-21"


def test_a_partition_with_other_columns_does_not_affect_the_day_and_a_deployment_corrects_it(
    module_local_aws: LocalAws, tmp_path: Path
) -> None:
    # given a usage crawler without InheritFromTable
    deployment, count = Deployment(module_local_aws, tmp_path), f"SELECT count(ts) FROM raw_usage WHERE dt = '{DAY}'"
    deployment.aws.client("glue").update_crawler(Name="smart-hub-usage", Configuration='{"Version": 1.0}')

    # when the day is crawled, expect that nobody can query its raw table
    deployment.run(DAY, last_task="step_2_crawl.usage")
    with pytest.raises(StatementFailed, match="HIVE_PARTITION_SCHEMA_MISMATCH"):
        deployment.athena.rows(count)

    # when the day is processed, expect it to be complete, because no step reads that table
    deployment.run(DAY, last_task="audit")
    assert {violations for _, violations, _ in deployment.audit(DAY).values()} == {"0"}

    # when the stack is deployed again, expect that the table can be queried
    reported: list[str] = []
    session = boto3.Session("test", "test", region_name="us-east-1")
    deploy(session, endpoint_url=deployment.aws.endpoint, log=reported.append)
    assert "smart_hub.raw_usage: updated 1 partitions to the table's columns" in reported
    assert deployment.athena.rows(count) == [("1728",)]
