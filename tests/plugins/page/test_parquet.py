"""Reading no more of a file than is wanted."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from smart_hub.page.parquet import Cache, ParquetReader, S3Object
from smart_hub.page.published_data import SCHEMAS
from tests.fake_aws import BUCKET
from tests.plugins.page.conftest import DAYS, PublishedAws, reading

SCHEMA = SCHEMAS["usage_cost"]
HUBS = [f"{number:016x}" for number in range(40)]
PER_HUB = 500


@pytest.fixture
def aws() -> PublishedAws:
    return PublishedAws(BUCKET)


@pytest.fixture
def day_of(aws: PublishedAws) -> Callable[..., S3Object]:
    """A day of 40 hubs, 500 rows each, in order of the hub; four hubs to a row group."""

    def make(**how: Any) -> S3Object:
        rows = [
            # values that cannot be compressed away
            reading("s_01", "2019-12-21 03:00", (number * 7919 % 1009) / 7 + n, 5.5, "off-peak", hub=hub)
            for n, hub in enumerate(HUBS)
            for number in range(PER_HUB)
        ]
        key = aws.publish("usage_cost", DAYS[0], rows, row_group_size=4 * PER_HUB, **how)
        stored = aws.buckets[BUCKET][key]
        return S3Object(BUCKET, key, stored.etag, stored.size, datetime(2026, 1, 2, tzinfo=UTC))

    return make


def reader_of(aws: PublishedAws, cache: Cache | None = None) -> ParquetReader:
    return ParquetReader(aws.client("s3"), cache or Cache())


@pytest.mark.parametrize("hub", [HUBS[0], HUBS[3], HUBS[4], HUBS[39]])
def test_a_hub_is_read_from_its_own_row_group(aws: PublishedAws, day_of: Callable[..., S3Object], hub: str) -> None:
    day = day_of()
    rows = reader_of(aws).rows_of_hub(day, hub, SCHEMA)
    assert len(rows) == PER_HUB
    assert set(rows["loc_id"].to_pylist()) == {hub}
    assert rows.schema == SCHEMA
    # the footer, and one range of a tenth of the file, unless the footer's read holds it
    assert len(aws.sent) <= 2
    assert sum(aws.sent) < 64 * 1024 + day.size / 8


def test_an_unknown_hub_costs_the_footer_alone(aws: PublishedAws, day_of: Callable[..., S3Object]) -> None:
    assert len(reader_of(aws).rows_of_hub(day_of(), "ffff", SCHEMA)) == 0
    assert len(aws.sent) == 1


def test_without_statistics_every_row_group_is_read(aws: PublishedAws, day_of: Callable[..., S3Object]) -> None:
    rows = reader_of(aws).rows_of_hub(day_of(write_statistics=False), HUBS[7], SCHEMA)
    assert len(rows) == PER_HUB


def test_a_large_footer_is_got_whole(
    aws: PublishedAws, day_of: Callable[..., S3Object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smart_hub.page.parquet._TAIL_BYTES", 100)
    assert len(reader_of(aws).rows_of_hub(day_of(), HUBS[7], SCHEMA)) == PER_HUB
    assert [len(aws.sent), aws.sent[0]] == [3, 100]


def test_the_hubs_of_a_day(aws: PublishedAws, day_of: Callable[..., S3Object]) -> None:
    assert reader_of(aws).hubs(day_of()) == dict.fromkeys(HUBS, "or")


def test_what_was_read_is_not_read_again(aws: PublishedAws, day_of: Callable[..., S3Object]) -> None:
    reader, day = reader_of(aws), day_of()
    first = reader.rows_of_hub(day, HUBS[7], SCHEMA)
    requests = len(aws.sent)
    assert reader.rows_of_hub(day, HUBS[7], SCHEMA) is first
    reader.rows_of_hub(day, HUBS[20], SCHEMA)
    assert len(aws.sent) == requests + 1  # another row group; the footer is known


def test_another_content_is_read_anew(aws: PublishedAws, day_of: Callable[..., S3Object]) -> None:
    reader = reader_of(aws)
    reader.rows_of_hub(day_of(), HUBS[7], SCHEMA)
    requests = len(aws.sent)
    reader.rows_of_hub(day_of(compression="none"), HUBS[7], SCHEMA)
    assert len(aws.sent) > requests


def test_the_cache_forgets_what_was_wanted_least_lately() -> None:
    cache, read = Cache(most_bytes=20), []

    def get(key: str) -> None:
        cache.get(key, lambda: read.append(key), lambda _: 10)

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert read == ["a", "b", "c", "b"]
