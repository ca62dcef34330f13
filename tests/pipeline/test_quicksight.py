"""QuickSight's data sets on the local Athena, after the run of a day."""

import pytest

from localaws.testing import AthenaClient
from tests.deployment import Deployment
from tests.quicksight.definition import DataSet, data_sets, resources

SETS = data_sets(resources())
# Athena's types -> QuickSight's. DECIMAL without FLOAT is FIXED, with four decimals.
# https://docs.aws.amazon.com/quicksight/latest/APIReference/API_InputColumn.html
TYPES = {
    "varchar": "STRING",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "double": "DECIMAL FLOAT",
    "date": "DATETIME",
    "timestamp": "DATETIME",
}


@pytest.fixture(scope="module")
def athena(with_dst_day: Deployment) -> AthenaClient:
    return with_dst_day.athena


def columns(athena: AthenaClient, sql: str) -> dict[str, str]:
    """The columns of a query in order: name -> QuickSight's type."""
    execution = athena.run(sql)["QueryExecutionId"]
    metadata = athena.api.get_query_results(QueryExecutionId=execution)["ResultSet"]["ResultSetMetadata"]
    return {column["Name"]: TYPES[column["Type"]] for column in metadata["ColumnInfo"]}


@pytest.mark.parametrize("name", SETS)
def test_a_data_set_reads_columns_of_the_types_it_declares(athena: AthenaClient, name: str) -> None:
    assert list(columns(athena, SETS[name].sql).items()) == list(SETS[name].read.items())
    assert athena.rows(f"SELECT count(*) FROM ({SETS[name].sql})") != [("0",)]


def total(athena: AthenaClient, source: str) -> list[tuple[str | None, ...]]:
    """The sums, rounded to hundredths because they depend on the order of addition."""
    return athena.rows(f"SELECT round(sum(kwh), 2), round(sum(cost), 2) FROM {source}")


@pytest.mark.parametrize(("name", "table"), [("UsageCost", "usage_cost"), ("DailyDeviceCost", "daily_device_cost")])
def test_aggregates_and_joins_lose_no_row(athena: AthenaClient, name: str, table: str) -> None:
    assert total(athena, f"({SETS[name].sql})") == total(athena, table)


def test_each_row_has_coordinates_and_is_not_duplicated(athena: AthenaClient) -> None:
    joined: DataSet = SETS["DailyDeviceCost"]
    (counts,) = athena.rows(
        f"SELECT count(*), count(lon), count(lat), (SELECT count(*) FROM daily_device_cost) FROM ({joined.sql})"
    )
    assert len(set(counts)) == 1


def test_an_hour_of_a_device_and_rate_period_is_one_row(athena: AthenaClient) -> None:
    hourly, key = SETS["UsageCost"].sql, "loc_id, device, location, type, hour_start"
    (rows,) = athena.rows(f"SELECT count(*), count_if(hour = hour(hour_start)) FROM ({hourly})")
    ((keys,),) = athena.rows(f"SELECT count(*) FROM (SELECT {key} FROM ({hourly}) GROUP BY {key})")
    assert {*rows} == {keys}
