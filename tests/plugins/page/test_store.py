"""Where the published days lie, and how it is told when they cannot be read."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)

from smart_hub.page.store import Store, Unavailable
from tests.fake_aws import BUCKET, FakeAws
from tests.plugins.page.conftest import DAYS, HUB, OTHER, READINGS, PublishedAws, reading, rule


def test_a_hub_in_all_days(store: Store) -> None:
    rows = store.usage(store.objects("usage_cost", store.days("usage_cost")), HUB)
    assert sorted(zip(rows["dt"].to_pylist(), rows["kwh"].to_pylist(), strict=True)) == sorted(
        (day, row["kwh"]) for day in DAYS for row in READINGS[day]
    )


def test_days_are_bounded_on_both_sides(store: Store, published: PublishedAws) -> None:
    assert list(store.days("usage_cost")) == DAYS
    assert list(store.days("usage_cost", DAYS[1])) == [DAYS[1]]
    assert list(store.days("usage_cost", "", DAYS[0])) == [DAYS[0]]
    assert published.called("GetPartitions")[1]["Expression"] == f"dt >= '{DAYS[1]}'"


def test_only_the_version_that_the_catalog_names_is_read(store: Store, published: PublishedAws) -> None:
    superseded = published.partitions["usage_cost", DAYS[0]]
    published.publish("usage_cost", DAYS[0], [reading("s_01", "2019-12-21 03:00", 7, 5, "off-peak")], version="v2")
    rows = store.usage(store.objects("usage_cost", store.days("usage_cost")), HUB)
    assert rows["kwh"].to_pylist()[:1] == [7]
    # and the rollback is the catalog's too
    published.partitions["usage_cost", DAYS[0]] = superseded
    assert len(store.usage(store.objects("usage_cost", store.days("usage_cost")), HUB)) == 8


def test_a_version_whose_name_begins_alike_is_another(store: Store, published: PublishedAws) -> None:
    published.publish("usage_cost", DAYS[0], [reading("s_01", "2019-12-21 03:00", 7, 5, "off-peak")], version="v11")
    published.partitions["usage_cost", DAYS[0]] = f"s3://{BUCKET}/warehouse/usage_cost/dt={DAYS[0]}/version=v1"
    assert len(store.usage(store.objects("usage_cost", store.days("usage_cost")), HUB)) == 8


def test_a_day_of_several_files(store: Store, published: PublishedAws) -> None:
    key = published.publish("usage_cost", DAYS[1], READINGS[DAYS[1]][:1])
    first = published.buckets[BUCKET][key]
    published.publish("usage_cost", DAYS[1], READINGS[DAYS[1]][1:])
    published.buckets[BUCKET][key.replace("part-0", "part-1")] = first
    assert len(store.usage(store.objects("usage_cost", store.days("usage_cost")), HUB)) == 8


def test_the_newest_object_of_a_day_comes_last(store: Store, published: PublishedAws) -> None:
    for hours, version in ((2, "v_a"), (1, "v_z")):
        published.now += timedelta(hours=hours)
        published.publish("data_quality", DAYS[0], [rule(version)], version=version)
        published.now -= timedelta(hours=hours)
    prefix = f"s3://{BUCKET}/warehouse/data_quality/dt={DAYS[0]}/"
    objects = store.objects("data_quality", {DAYS[0]: prefix})
    assert [item.key.split("/")[-2] for item in objects[DAYS[0]]] == ["version=v_z", "version=v_a"]


def test_hubs_come_in_order_with_their_state(store: Store) -> None:
    objects = store.objects("usage_cost", store.days("usage_cost"))
    assert list(store.hubs(objects[DAYS[0]]).items()) == [(HUB, "or"), (OTHER, "ca")]


@pytest.mark.parametrize(
    "location",
    [
        f"s3://{BUCKET}/raw/usage/dt={DAYS[0]}/",
        f"s3://another/warehouse/usage_cost/dt={DAYS[0]}/version=v1/",
        f"s3://{BUCKET}/warehouse/usage_cost/dt={DAYS[1]}/version=v1/",
    ],
)
def test_nothing_but_published_data_is_read(store: Store, published: PublishedAws, location: str) -> None:
    published.partitions["usage_cost", DAYS[0]] = location
    with pytest.raises(Unavailable, match="does not lie under"):
        store.objects("usage_cost", store.days("usage_cost"))
    assert published.sent == []


class Failing(FakeAws):
    """AWS of which one operation fails."""

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
    ("operation", "error", "sentence"),
    [
        ("GetPartitions", refusal("EntityNotFoundException", "GetPartitions"), "has the stack been deployed"),
        ("GetPartitions", refusal("AccessDeniedException", "GetPartitions"), "AWS refuses GetPartitions to Airflow's"),
        (
            "ListObjectsV2",
            refusal("AccessDenied", "ListObjectsV2"),
            "AWS refuses ListObjectsV2 to Airflow's connection",
        ),
        ("ListObjectsV2", refusal("NoSuchBucket", "ListObjectsV2"), "The bucket the-data does not exist"),
        ("ListObjectsV2", refusal("SlowDown", "ListObjectsV2"), "AWS answers ListObjectsV2 with SlowDown"),
        ("GetObject", refusal("NoSuchKey", "GetObject"), "Load the page again"),
        ("GetObject", refusal("PreconditionFailed", "GetObject"), "Load the page again"),
        ("GetPartitions", EndpointConnectionError(endpoint_url="https://glue"), "out of reach"),
        ("ListObjectsV2", ConnectTimeoutError(endpoint_url="https://s3"), "out of reach"),
        ("GetObject", ReadTimeoutError(endpoint_url="https://s3"), "out of reach"),
        ("GetPartitions", NoCredentialsError(), "gives no credentials"),
        ("GetPartitions", NoRegionError(), "no region"),
    ],
)
def test_failures_are_told_in_sentences(
    store_of: Callable[[FakeAws], Store], operation: str, error: Exception, sentence: str
) -> None:
    store = store_of(Failing(operation, error))
    with pytest.raises(Unavailable, match=sentence) as told:
        store.usage(store.objects("usage_cost", store.days("usage_cost")), HUB)
    assert str(told.value).endswith((".", "?"))
    assert "123456789012" not in str(told.value)


def test_a_file_that_is_no_parquet(store: Store, published: PublishedAws) -> None:
    published.put(
        BUCKET, f"warehouse/usage_cost/dt={DAYS[0]}/version=v1/part-0.parquet", "no parquet at all, it is not"
    )
    with pytest.raises(Unavailable, match="The table usage_cost cannot be read"):
        store.usage(store.objects("usage_cost", store.days("usage_cost")), HUB)


def test_a_table_without_a_column(store: Store, published: PublishedAws) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table({"loc_id": [HUB]}), file)
    published.put(BUCKET, f"warehouse/usage_cost/dt={DAYS[0]}/version=v1/part-0.parquet", file.getvalue())
    with pytest.raises(Unavailable, match="cannot be read"):
        store.usage(store.objects("usage_cost", store.days("usage_cost")), HUB)


def test_works_beside_each_other_give_what_they_have(store: Store) -> None:
    def fail() -> None:
        raise Unavailable("gone")

    first, second = store.beside(lambda: 1, fail)
    assert first == 1
    assert isinstance(second, Unavailable)


def test_a_refused_version_is_a_replaced_one(store: Store, published: PublishedAws) -> None:
    objects = store.objects("usage_cost", store.days("usage_cost"))
    published.buckets[BUCKET][objects[DAYS[0]][0].key].etag = "another"
    with pytest.raises(Unavailable, match="replaced while it was being read"):
        store.usage(objects, HUB)
