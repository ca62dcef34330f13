"""Step 7: the objects and tables that clean up deletes, and those that it must keep."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from smart_hub.operators import CleanUpOperator, clean_up
from smart_hub.shared.layout import PUBLISHED_TABLES, run_name, version_name
from tests.fake_aws import BUCKET, DAY, RUN, RUN_ID, FakeAws

OTHER_ID = "manual__2"
OTHER = run_name(DAY, OTHER_ID)
NEXT_DAY = run_name("2019-12-22", RUN_ID)
PUBLISHED = version_name(RUN, "second attempt")
HOUR = timedelta(hours=1)
KINDS = ["readings", "usage_cost", "usage_rejects", "compact", "mappings", "locations"]


@pytest.fixture
def aws(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """The state after a publish: published tables, and intermediate tables and objects of two attempts."""
    monkeypatch.setattr(clean_up, "utcnow", lambda: aws.now)
    for table in PUBLISHED_TABLES:
        add_version(aws, table, PUBLISHED, hours=0, published=True)
    add_leftovers(aws, RUN, RUN_ID, "first attempt")
    add_leftovers(aws, RUN, RUN_ID, "second attempt")
    aws.put(BUCKET, f"raw/usage/dt={DAY}/portland.json", "raw")
    return aws


def add_leftovers(aws: FakeAws, run: str, run_id: str, attempt: str) -> None:
    """Adds an attempt's leftovers: tables, staged objects, query results, the run's id."""
    name = version_name(run, attempt)
    aws.add_tables(*(f"staging_{kind}_{name}" for kind in KINDS))
    aws.put(BUCKET, f"staging/{run}/run_id", run_id)
    aws.put(BUCKET, f"staging/{run}/{name}/usage_cost/verdict=used/part-0", "rows")
    aws.put(BUCKET, f"athena-results/{run}/{name}.csv", "rows")


def add_version(aws: FakeAws, table: str, name: str, hours: float, published: bool = False, day: str = DAY) -> str:
    """Adds a version of a table's day, written some hours ago; returns its key."""
    key = f"warehouse/{table}/dt={day}/version={name}/part-0"
    aws.put(BUCKET, key, "rows", modified=aws.now - hours * HOUR)
    if published:
        aws.partitions[table, day] = f"s3://{BUCKET}/warehouse/{table}/dt={day}/version={name}/"
    return key


@pytest.fixture
def run(aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]) -> Callable[..., None]:
    """Runs step 7. active: ids of the runs that are active."""

    def clean(active: set[str] | None = None, **environ: str) -> None:
        context = context_of(active=active)
        CleanUpOperator(task_id="clean", settings=settings_of(**environ), dag=None).execute(context)

    return clean


def record_publication(aws: FakeAws, hours: float, **versions: str) -> None:
    """Adds the record of a publication some hours ago; tables that are not named have their present location."""
    locations = {table: aws.partitions[table, DAY] for table in PUBLISHED_TABLES}
    for table, name in versions.items():
        locations[table] = f"s3://{BUCKET}/warehouse/{table}/dt={DAY}/version={name}/"
    aws.put(
        BUCKET,
        f"publications/dt={DAY}/{(aws.now - hours * HOUR).isoformat()}-v0123456789abcdef.json",
        json.dumps(locations),
    )


def keys(aws: FakeAws, prefix: str) -> list[str]:
    return sorted(key for key in aws.buckets[BUCKET] if key.startswith(prefix))


def tables_of_runs(aws: FakeAws) -> set[str]:
    return {name for name in aws.tables if name.startswith("staging_")}


def test_all_attempts_of_this_run_are_removed_and_nothing_else(aws: FakeAws, run: Callable[..., None]) -> None:
    # Given another table of the catalog, and leftovers of a run of another day
    add_leftovers(aws, NEXT_DAY, RUN_ID, "first attempt")
    aws.add_tables("staging_by_hand")
    warehouse = keys(aws, "warehouse/")
    # When this run cleans up
    run()
    # Expect its own leftovers to be deleted
    assert keys(aws, f"staging/{RUN}/") == keys(aws, f"athena-results/{RUN}/") == []
    # and those of the other run, the catalog, the raw data and the warehouse to be unchanged
    assert len(keys(aws, f"staging/{NEXT_DAY}/")) == 2
    assert len(keys(aws, f"athena-results/{NEXT_DAY}/")) == 1
    name = version_name(NEXT_DAY, "first attempt")
    assert tables_of_runs(aws) == {"staging_by_hand", *(f"staging_{kind}_{name}" for kind in KINDS)}
    assert set(PUBLISHED_TABLES) <= set(aws.tables)
    assert keys(aws, "warehouse/") == warehouse
    assert keys(aws, "raw/") == [f"raw/usage/dt={DAY}/portland.json"]


def test_a_second_clean_up_deletes_nothing(aws: FakeAws, run: Callable[..., None]) -> None:
    run()
    aws.calls.clear()
    run()
    assert aws.called("DeleteObjects") == aws.called("DeleteTable") == []


def test_leftovers_of_an_ended_run_of_the_day_are_deleted(aws: FakeAws, run: Callable[..., None]) -> None:
    add_leftovers(aws, OTHER, OTHER_ID, "failed attempt")
    run(active={RUN_ID})
    assert keys(aws, "staging/") == keys(aws, "athena-results/") == []
    assert tables_of_runs(aws) == set()


def test_objects_of_an_active_run_of_the_day_are_not_deleted(aws: FakeAws, run: Callable[..., None]) -> None:
    add_leftovers(aws, OTHER, OTHER_ID, "attempt")
    # given an old version that the active run wrote
    key = add_version(aws, "usage_cost", version_name(OTHER, "attempt"), hours=1000)
    add_version(aws, "usage_cost", "vffffffffffffffff", hours=1)
    run(active={RUN_ID, OTHER_ID})
    assert len(keys(aws, f"staging/{OTHER}/")) == 2
    assert len(keys(aws, f"athena-results/{OTHER}/")) == 1
    assert len(tables_of_runs(aws)) == len(KINDS)
    assert key in aws.buckets[BUCKET]


def test_objects_of_a_run_without_an_id_are_not_deleted(aws: FakeAws, run: Callable[..., None]) -> None:
    add_leftovers(aws, OTHER, OTHER_ID, "attempt")
    del aws.buckets[BUCKET][f"staging/{OTHER}/run_id"]
    run()
    assert len(keys(aws, f"staging/{OTHER}/")) == 1


def test_superseded_versions_are_deleted_after_the_retention_time(aws: FakeAws, run: Callable[..., None]) -> None:
    # Given versions published 200, 150, 100 and 10 hours ago, of which the last one is published
    names = {hours: f"v{hours:016x}" for hours in (200, 150, 100, 10)}
    written = {hours: add_version(aws, "usage_cost", name, hours, published=True) for hours, name in names.items()}
    for hours in names:
        record_publication(aws, hours, usage_cost=names[hours])
    # and versions that were never published, of 30 hours and 1 hour ago; and a version of another day
    unpublished = {hours: add_version(aws, "usage_cost", f"v{hours:016x}", hours) for hours in (30, 1)}
    other_day = add_version(aws, "usage_cost", "v0000000000000abc", hours=500, day="2019-12-22")
    # When this run cleans up
    run()
    # Expect to remain: the published version, the previous one, and versions of less than a day ago
    left = keys(aws, f"warehouse/usage_cost/dt={DAY}/")
    assert set(left) == {written[10], written[100], unpublished[1]} | {
        f"warehouse/usage_cost/dt={DAY}/version={PUBLISHED}/part-0"
    }
    assert other_day in aws.buckets[BUCKET]


def test_the_retention_time_begins_when_a_version_is_superseded(aws: FakeAws, run: Callable[..., None]) -> None:
    # Given an old version, superseded two hours ago by a version that was superseded an hour ago
    names = {200: "v000000000000000a", 2: "v000000000000000b", 1: "v000000000000000c"}
    written = {hours: add_version(aws, "readings", name, hours, published=True) for hours, name in names.items()}
    for hours, name in names.items():
        record_publication(aws, hours, readings=name)
    # When this run cleans up, expect all three to remain
    run()
    assert set(written.values()) <= set(aws.buckets[BUCKET])
    # When the retention time is an hour, expect the oldest to be deleted
    run(SMART_HUB_RETENTION_HOURS="1")
    assert set(written.values()) - set(aws.buckets[BUCKET]) == {written[200]}


def test_after_a_roll_back_the_newer_version_is_the_previous_one(aws: FakeAws, run: Callable[..., None]) -> None:
    # Given a day that was rolled back from b to a
    names = {"a": "v000000000000000a", "b": "v000000000000000b"}
    newer = add_version(aws, "readings", names["b"], hours=400)
    older = add_version(aws, "readings", names["a"], hours=500, published=True)
    for hours, name in ((500, "a"), (400, "b"), (300, "a")):
        record_publication(aws, hours, readings=names[name])
    run()
    assert {newer, older} <= set(aws.buckets[BUCKET])


def test_nothing_is_deleted_if_a_partition_points_outside_the_versions(aws: FakeAws, run: Callable[..., None]) -> None:
    # Given a partition that points outside the warehouse
    aws.partitions["usage_cost", DAY] = f"s3://{BUCKET}/elsewhere/"
    old = add_version(aws, "usage_cost", "v000000000000000a", hours=200)
    with pytest.raises(ValueError, match="usage_cost of 2019-12-21 is at s3://the-data/elsewhere/"):
        run()
    assert old in aws.buckets[BUCKET]


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/",
        "staging/",
        "athena-results/",
        f"staging/{DAY}",
        "raw/usage/",
        f"warehouse/readings/dt={DAY}/",
        "staging//",
    ],
)
def test_only_prefixes_of_runs_and_versions_can_be_deleted(
    aws: FakeAws, settings_of: Callable[..., Any], prefix: str
) -> None:
    before = set(aws.buckets[BUCKET])
    with pytest.raises(ValueError, match="is not a prefix that can be deleted"):
        CleanUpOperator(task_id="clean", settings=settings_of())._delete(prefix)
    assert set(aws.buckets[BUCKET]) == before
