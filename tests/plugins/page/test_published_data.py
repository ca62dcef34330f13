"""The reads of published days, and their error messages."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)

from smart_hub.page.published_data import PublishedData, UnavailableError
from tests.fake_aws import BUCKET, FakeAws
from tests.plugins.page.conftest import DAYS, HUB, OTHER, READINGS, PublishedAws, reading, rule


def test_the_usage_of_a_hub(data: PublishedData) -> None:
    rows = data.read_usage(data.list_objects("usage_cost", data.list_days("usage_cost")), HUB)
    assert sorted(zip(rows["dt"].to_pylist(), rows["kwh"].to_pylist(), strict=True)) == sorted(
        (day, row["kwh"]) for day in DAYS for row in READINGS[day]
    )


def test_days_are_filtered_by_glue(data: PublishedData, published: PublishedAws) -> None:
    assert list(data.list_days("usage_cost")) == DAYS
    assert list(data.list_days("usage_cost", DAYS[1])) == [DAYS[1]]
    assert list(data.list_days("usage_cost", "", DAYS[0])) == [DAYS[0]]
    assert published.called("GetPartitions")[1]["Expression"] == f"dt >= '{DAYS[1]}'"


def test_only_the_version_in_the_catalog_is_read(data: PublishedData, published: PublishedAws) -> None:
    superseded = published.partitions["usage_cost", DAYS[0]]
    published.publish("usage_cost", DAYS[0], [reading("s_01", "2019-12-21 03:00", 7, 5, "off-peak")], version="v2")
    rows = data.read_usage(data.list_objects("usage_cost", data.list_days("usage_cost")), HUB)
    assert rows["kwh"].to_pylist()[:1] == [7]
    # and after a rollback, the previous version
    published.partitions["usage_cost", DAYS[0]] = superseded
    assert len(data.read_usage(data.list_objects("usage_cost", data.list_days("usage_cost")), HUB)) == 8


def test_a_version_that_is_a_prefix_of_another(data: PublishedData, published: PublishedAws) -> None:
    published.publish("usage_cost", DAYS[0], [reading("s_01", "2019-12-21 03:00", 7, 5, "off-peak")], version="v11")
    published.partitions["usage_cost", DAYS[0]] = f"s3://{BUCKET}/warehouse/usage_cost/dt={DAYS[0]}/version=v1"
    assert len(data.read_usage(data.list_objects("usage_cost", data.list_days("usage_cost")), HUB)) == 8


def test_a_day_of_several_files(data: PublishedData, published: PublishedAws) -> None:
    key = published.publish("usage_cost", DAYS[1], READINGS[DAYS[1]][:1])
    first = published.buckets[BUCKET][key].value
    published.publish("usage_cost", DAYS[1], READINGS[DAYS[1]][1:])
    published.put(BUCKET, key.replace("part-0", "part-1"), first)
    assert len(data.read_usage(data.list_objects("usage_cost", data.list_days("usage_cost")), HUB)) == 8


def test_the_newest_object_of_a_day_comes_last(data: PublishedData, published: PublishedAws) -> None:
    for hours, version in ((2, "v_a"), (1, "v_z")):
        published.now += timedelta(hours=hours)
        published.publish("data_quality", DAYS[0], [rule(version)], version=version)
        published.now -= timedelta(hours=hours)
    prefix = f"s3://{BUCKET}/warehouse/data_quality/dt={DAYS[0]}/"
    objects = data.list_objects("data_quality", {DAYS[0]: prefix})
    assert [item.key.split("/")[-2] for item in objects[DAYS[0]]] == ["version=v_z", "version=v_a"]


def test_hubs_come_in_order_with_their_state(data: PublishedData) -> None:
    objects = data.list_objects("usage_cost", data.list_days("usage_cost"))
    assert list(data.read_hubs(objects[DAYS[0]]).items()) == [(HUB, "or"), (OTHER, "ca")]


@pytest.mark.parametrize(
    "location",
    [
        f"s3://{BUCKET}/raw/usage/dt={DAYS[0]}/",
        f"s3://another/warehouse/usage_cost/dt={DAYS[0]}/version=v1/",
        f"s3://{BUCKET}/warehouse/usage_cost/dt={DAYS[1]}/version=v1/",
    ],
)
def test_nothing_but_published_data_is_read(data: PublishedData, published: PublishedAws, location: str) -> None:
    published.partitions["usage_cost", DAYS[0]] = location
    with pytest.raises(UnavailableError, match="is not located under"):
        data.list_objects("usage_cost", data.list_days("usage_cost"))
    assert published.sent == []


class Failing(FakeAws):
    """An AWS with one failing operation."""

    def __init__(self, operation: str, error: Exception) -> None:
        super().__init__(BUCKET)
        self._operation, self._error = operation, error
        self.partitions["usage_cost", DAYS[0]] = f"s3://{BUCKET}/warehouse/usage_cost/dt={DAYS[0]}/version=v1/"
        self.put(BUCKET, f"warehouse/usage_cost/dt={DAYS[0]}/version=v1/part-0", "no parquet at all")

    def _answer(self, model: Any, context: dict[str, Any], **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        if model.name == self._operation:
            raise self._error
        return super()._answer(model, context, **kwargs)


def refusal(code: str, operation: str) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "arn:aws:iam::123456789012:role/secret is not authorized"}}
    return ClientError(answer, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        ("GetPartitions", refusal("EntityNotFoundException", "GetPartitions"), "Check that the stack is deployed"),
        ("GetPartitions", refusal("AccessDeniedException", "GetPartitions"), "AWS denied GetPartitions to Airflow's"),
        ("ListObjectsV2", refusal("AccessDenied", "ListObjectsV2"), "AWS denied ListObjectsV2 to Airflow's connection"),
        ("ListObjectsV2", refusal("NoSuchBucket", "ListObjectsV2"), "The bucket the-data does not exist"),
        ("ListObjectsV2", refusal("SlowDown", "ListObjectsV2"), "AWS returned SlowDown for ListObjectsV2"),
        ("GetObject", refusal("NoSuchKey", "GetObject"), "Reload the page"),
        ("ListObjectsV2", ConnectTimeoutError(endpoint_url="https://s3"), "cannot be reached"),
        ("GetObject", ReadTimeoutError(endpoint_url="https://s3"), "cannot be reached"),
        ("GetPartitions", NoCredentialsError(), "provides no credentials"),
        ("GetPartitions", NoRegionError(), "no region"),
    ],
)
def test_error_messages(
    open_data: Callable[[FakeAws], PublishedData], operation: str, error: Exception, message: str
) -> None:
    data = open_data(Failing(operation, error))
    with pytest.raises(UnavailableError, match=message) as raised:
        data.read_usage(data.list_objects("usage_cost", data.list_days("usage_cost")), HUB)
    assert str(raised.value).endswith(".")
    assert "123456789012" not in str(raised.value)


def test_a_file_that_is_not_parquet(data: PublishedData, published: PublishedAws) -> None:
    published.put(
        BUCKET, f"warehouse/usage_cost/dt={DAYS[0]}/version=v1/part-0.parquet", "no parquet at all, it is not"
    )
    with pytest.raises(UnavailableError, match="The table usage_cost cannot be read"):
        data.read_usage(data.list_objects("usage_cost", data.list_days("usage_cost")), HUB)


def test_a_table_without_a_column(data: PublishedData, published: PublishedAws) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table({"loc_id": [HUB]}), file)
    published.put(BUCKET, f"warehouse/usage_cost/dt={DAYS[0]}/version=v1/part-0.parquet", file.getvalue())
    with pytest.raises(UnavailableError, match="cannot be read"):
        data.read_usage(data.list_objects("usage_cost", data.list_days("usage_cost")), HUB)


def test_gather_returns_results_and_errors(data: PublishedData) -> None:
    def fail() -> None:
        raise UnavailableError("not found")

    first, second = data.gather(lambda: 1, fail)
    assert first == 1
    assert isinstance(second, UnavailableError)


def test_an_object_with_another_etag_was_replaced(data: PublishedData, published: PublishedAws) -> None:
    objects = data.list_objects("usage_cost", data.list_days("usage_cost"))
    published.put(BUCKET, objects[DAYS[0]][0].key, "another")
    with pytest.raises(UnavailableError, match="replaced while it was being read"):
        data.read_usage(objects, HUB)
