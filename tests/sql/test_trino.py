"""A day of the sample data on a real Trino, compared with the DuckDB engine. Run by `make conformance`."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from localaws.testing import AthenaClient, StatementFailed, local_aws_on_trino
from localaws.testing.plugin import LocalAwsFactory
from ops.settings import ROOT
from smart_hub.shared.layout import PUBLISHED_TABLES
from tests.sql.pipeline import Pipeline
from tests.sql.trino import TRINO_COMMAND

pytestmark = pytest.mark.trino

DAY = "2019-12-22"  # of the two sample days the one with unusable lines


@pytest.fixture(scope="module")
def on_trino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pipeline, dict[str, Any]]]:
    """The day, published by Trino, and the results of the quality rules."""
    command = os.environ.get("LOCALAWS_TRINO_COMMAND", TRINO_COMMAND)
    with local_aws_on_trino(command, tmp_path_factory.mktemp("trino")) as (aws, _):
        pipeline = Pipeline(aws)
        yield pipeline, pipeline.run(DAY)


def test_both_engines_publish_the_same_rows(
    on_trino: tuple[Pipeline, dict[str, Any]], local_aws_factory: LocalAwsFactory
) -> None:
    by_trino, rules = on_trino
    with local_aws_factory() as aws:
        by_duckdb = Pipeline(aws)
        assert by_duckdb.run(DAY) == rules
        for table in PUBLISHED_TABLES:
            rows = by_trino.published(table, DAY)
            assert rows
            assert rows == by_duckdb.published(table, DAY)
    violated = [rule for rule, result in rules.items() if result["violations"] != "0"]
    assert violated == ["hubs_with_location"]  # a warning: the day has a line of a hub that no location knows


def test_a_published_day_is_one_parquet_file(on_trino: tuple[Pipeline, Any]) -> None:
    pipeline, _ = on_trino
    ((path,),) = {tuple(row.values()) for row in pipeline.athena.rows('SELECT DISTINCT "$path" FROM usage_cost')}
    bucket, _, key = str(path).removeprefix("s3://").partition("/")
    body = pipeline.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert (body[:4], body[-4:]) == (b"PAR1", b"PAR1")


def test_projected_partitions_need_no_crawl(on_trino: tuple[Pipeline, Any]) -> None:
    pipeline, _ = on_trino
    lines = sum(len(path.read_text().splitlines()) for path in (ROOT / f"include/data/usage/dt={DAY}").glob("*.json"))
    athena = AthenaClient(pipeline.aws, pipeline.bucket, "smart_hub")
    assert athena.rows(f"SELECT count(*) FROM raw_usage_lines WHERE dt = '{DAY}'") == [(str(lines),)]


def test_rates_cannot_be_queried_before_they_are_converted(on_trino: tuple[Pipeline, Any]) -> None:
    pipeline, _ = on_trino
    with pytest.raises(StatementFailed, match=r"^HIVE_INVALID_METADATA: "):
        AthenaClient(pipeline.aws, pipeline.bucket, "smart_hub").run("SELECT * FROM raw_rates")
