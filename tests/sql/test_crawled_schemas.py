"""What InheritFromTable is for: a crawler without it describes each day by the numbers that happen to be in it."""

from collections.abc import Iterator
from typing import Any

import pytest

from smart_hub.athena import QueryFailed
from tests.localaws.athena.pipeline import Pipeline
from tests.localaws.local_server import Aws

DAY = "2019-12-21"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The stack, its crawler of usage without InheritFromTable."""
    server = Aws(tmp_path_factory.mktemp("crawled") / "state")
    try:
        made = Pipeline(server)
        server.client("glue").update_crawler(Name="smart-hub-usage", Configuration='{"Version": 1.0}')
        yield made
    finally:
        server.kill()


def test_a_day_that_is_described_otherwise_is_refused_by_name_and_athena_cannot_read_it(pipeline: Pipeline) -> None:
    # when the day is crawled and converted, expect an error that names the partition, both types and the remedy
    message = (
        rf"raw_usage, partition {DAY}: columns loc_id string, ts int, .*declares loc_id string, ts bigint.*Inherit"
    )
    with pytest.raises(AssertionError, match=message):
        pipeline.run(DAY)
    # expect that it could have ended badly
    with pytest.raises(QueryFailed, match="HIVE_PARTITION_SCHEMA_MISMATCH"):
        pipeline.athena.rows(f"SELECT count(ts) FROM raw_usage WHERE dt = '{DAY}'")


def test_the_remedy_is_one(pipeline: Pipeline) -> None:
    # given the configuration of the template again, and the partition dropped, as the error says
    inherit = '{"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}'
    pipeline.aws.client("glue").update_crawler(Name="smart-hub-usage", Configuration=inherit)
    pipeline.athena.run(f"ALTER TABLE raw_usage DROP PARTITION (dt = '{DAY}')")

    # when the day runs again, expect that it is published
    rules: dict[str, dict[str, Any]] = pipeline.run(DAY, insights=False)
    assert {answer["violations"] for answer in rules.values()} == {"0"}
