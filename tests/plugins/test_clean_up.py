"""Step 7: what goes, and above all what does not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from smart_hub import macros
from smart_hub.layout import run_name, version_name
from smart_hub.operators import CleanUpOperator, clean_up
from tests.fake_aws import BUCKET, DAY, RUN, RUN_ID, FakeAws

OTHER_ID = "manual__2"
OTHER = run_name(DAY, OTHER_ID)
NEXT_DAY = run_name("2019-12-22", RUN_ID)
PUBLISHED = version_name(RUN, "second attempt")
HOUR = timedelta(hours=1)


@pytest.fixture
def aws(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """What a run has left after its publish: published tables, and two attempts' intermediate things."""
    monkeypatch.setattr(clean_up, "utcnow", lambda: aws.now)
    for table in ("usage_rejects", "usage", "usage_cost"):
        version(aws, table, PUBLISHED, hours=0, published=True)
    leave(aws, RUN, RUN_ID, "first attempt")
    leave(aws, RUN, RUN_ID, "second attempt")
    aws.put(BUCKET, f"raw/usage/dt={DAY}/portland.json", "raw")
    return aws


def leave(aws: FakeAws, run: str, run_id: str, attempt: str) -> None:
    """Leaves what an attempt of a run leaves: tables, staged objects, query results, the run's id."""
    name = version_name(run, attempt)
    for kind in ("usage", "usage_cost", "usage_rejects", "compact", "mappings", "locations"):
        aws.tables[f"staging_{kind}_{name}"] = f"s3://{BUCKET}/somewhere/"
    aws.put(BUCKET, f"staging/{run}/run_id", run_id)
    aws.put(BUCKET, f"staging/{run}/{name}/usage_cost/verdict=used/part-0", "rows")
    aws.put(BUCKET, f"athena-results/{run}/{name}.csv", "rows")


def version(aws: FakeAws, table: str, name: str, hours: float, published: bool = False, day: str = DAY) -> str:
    """A version of a day of a table, written some hours ago."""
    key = f"warehouse/{table}/dt={day}/version={name}/part-0"
    aws.put(BUCKET, key, "rows", modified=aws.now - hours * HOUR)
    if published:
        aws.partitions[table, day] = f"s3://{BUCKET}/warehouse/{table}/dt={day}/version={name}/"
    return key


@pytest.fixture
def run(aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]) -> Callable[..., None]:
    """Runs step 7; the runs that are active, and what was published when the run started, are given."""

    def clean(active: set[str] | None = None, before: str | None = None, **environ: str) -> None:
        published = dict.fromkeys(("usage_rejects", "usage", "usage_cost"), before)
        context = context_of({macros.STEP_1: {"published": published}}, active)
        CleanUpOperator(task_id="clean", settings=settings_of(**environ), dag=None).execute(context)

    return clean


def keys(aws: FakeAws, prefix: str) -> list[str]:
    return sorted(key for key in aws.buckets[BUCKET] if key.startswith(prefix))


def test_all_attempts_of_this_run_are_removed_and_nothing_else(aws: FakeAws, run: Callable[..., None]) -> None:
    # Given, beside this run, tables of the catalog and a run of another day
    leave(aws, NEXT_DAY, RUN_ID, "first attempt")
    aws.tables.update({"usage_cost": "s3://x/", "staging_by_hand": "s3://x/"})
    warehouse = keys(aws, "warehouse/")
    # When this one cleans up
    run()
    # Expect its own to be gone
    assert keys(aws, f"staging/{RUN}/") == keys(aws, f"athena-results/{RUN}/") == []
    # and the other's, the catalog, the raw data and the warehouse to be untouched
    assert len(keys(aws, f"staging/{NEXT_DAY}/")) == 2
    assert len(keys(aws, f"athena-results/{NEXT_DAY}/")) == 1
    name = version_name(NEXT_DAY, "first attempt")
    assert set(aws.tables) == {
        "usage_cost",
        "staging_by_hand",
        *(
            f"staging_{kind}_{name}"
            for kind in ("usage", "usage_cost", "usage_rejects", "compact", "mappings", "locations")
        ),
    }
    assert keys(aws, "warehouse/") == warehouse
    assert keys(aws, "raw/") == [f"raw/usage/dt={DAY}/portland.json"]


def test_a_second_clean_up_finds_nothing_to_do(aws: FakeAws, run: Callable[..., None]) -> None:
    run()
    aws.calls.clear()
    run()
    assert aws.called("DeleteObjects") == aws.called("DeleteTable") == []


def test_a_run_of_the_day_that_has_ended_is_swept_up(aws: FakeAws, run: Callable[..., None]) -> None:
    leave(aws, OTHER, OTHER_ID, "failed attempt")
    run(active={RUN_ID})
    assert keys(aws, "staging/") == keys(aws, "athena-results/") == []
    assert aws.tables == {}


def test_a_run_of_the_day_that_is_active_is_left_alone(aws: FakeAws, run: Callable[..., None]) -> None:
    leave(aws, OTHER, OTHER_ID, "attempt")
    # and so is the version that it writes, however old
    key = version(aws, "usage_cost", version_name(OTHER, "attempt"), hours=1000)
    version(aws, "usage_cost", "vffffffffffffffff", hours=1)
    run(active={RUN_ID, OTHER_ID})
    assert len(keys(aws, f"staging/{OTHER}/")) == 2
    assert len(keys(aws, f"athena-results/{OTHER}/")) == 1
    assert len(aws.tables) == 6
    assert key in aws.buckets[BUCKET]


def test_a_run_whose_id_is_not_written_down_is_left_alone(aws: FakeAws, run: Callable[..., None]) -> None:
    leave(aws, OTHER, OTHER_ID, "attempt")
    del aws.buckets[BUCKET][f"staging/{OTHER}/run_id"]
    run()
    assert len(keys(aws, f"staging/{OTHER}/")) == 1


def test_superseded_versions_go_when_they_are_old_enough(aws: FakeAws, run: Callable[..., None]) -> None:
    # Given, of one table, versions written 100, 50, 26, 25 and 1 hours ago, beside the published one
    written = {
        hours: version(aws, "usage_cost", f"v{hours:016x}", hours, published=False) for hours in (100, 50, 26, 25, 1)
    }
    other_day = version(aws, "usage_cost", "v0000000000000abc", hours=500, day="2019-12-22")
    # and that the one of 50 hours ago was published when this run started
    before = f"s3://{BUCKET}/warehouse/usage_cost/dt={DAY}/version=v{50:016x}/"
    # When it cleans up
    run(before=before)
    # Expect to stay: the published, the one before it, and what is younger than a day
    left = keys(aws, f"warehouse/usage_cost/dt={DAY}/")
    published = f"warehouse/usage_cost/dt={DAY}/version={PUBLISHED}/part-0"
    assert left == sorted([published, written[50], written[1]])
    assert other_day in aws.buckets[BUCKET]


def test_the_newest_other_version_stays_however_old(aws: FakeAws, run: Callable[..., None]) -> None:
    older = version(aws, "usage", "v000000000000000a", hours=200)
    newer = version(aws, "usage", "v000000000000000b", hours=100)
    run(before=aws.partitions["usage", DAY])
    assert newer in aws.buckets[BUCKET]
    assert older not in aws.buckets[BUCKET]


def test_how_long_superseded_versions_stay_is_a_setting(aws: FakeAws, run: Callable[..., None]) -> None:
    older = version(aws, "usage", "v000000000000000a", hours=200)
    version(aws, "usage", "v000000000000000b", hours=100)
    run(SMART_HUB_KEEP_HOURS="201")
    assert older in aws.buckets[BUCKET]


def test_where_a_day_is_not_at_a_version_nothing_of_it_is_deleted(aws: FakeAws, run: Callable[..., None]) -> None:
    # Given a partition that somebody pointed elsewhere by hand
    aws.partitions["usage_cost", DAY] = f"s3://{BUCKET}/elsewhere/"
    old = version(aws, "usage_cost", "v000000000000000a", hours=200)
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
        f"warehouse/usage/dt={DAY}/",
        "staging//",
    ],
)
def test_no_prefix_but_a_runs_or_a_versions_is_deleted(
    aws: FakeAws, settings_of: Callable[..., Any], prefix: str
) -> None:
    before = set(aws.buckets[BUCKET])
    with pytest.raises(ValueError, match="is no prefix to delete"):
        CleanUpOperator(task_id="clean", settings=settings_of())._delete(prefix)
    assert set(aws.buckets[BUCKET]) == before
