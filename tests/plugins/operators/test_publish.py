"""Publish and roll back: tables change one after the other, and only to versions that have objects."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from smart_hub.core.publications import Publication, Publications
from smart_hub.operators import PublishOperator, RollBackOperator, publish
from smart_hub.orchestration import macros
from smart_hub.shared.layout import INSIGHT_TABLES
from tests.fake_aws import BUCKET, DAY, RUN, RUN_ID, FakeAws

PREFIXES = {
    "usage_rejects": f"warehouse/usage_rejects/dt={DAY}/version=v2/",
    "readings": f"warehouse/readings/dt={DAY}/version=v1/verdict=used/",
    "usage_cost": f"warehouse/usage_cost/dt={DAY}/version=v0000000000000003/",
    **{table: f"warehouse/{table}/dt={DAY}/version=v4/" for table in INSIGHT_TABLES},
}
LOCATIONS = {table: f"s3://{BUCKET}/{prefix}" for table, prefix in PREFIXES.items()}
CONTENT_HASHES = {"mappings": "a" * 64, "locations": "b" * 64, "rates": "c" * 64}
# Results of earlier tasks: two crawls, a conversion of rates, an audit of 17,280 rows and 2 rejects.
AUDIT = [{"rule": "complete_rows", "checked": 17280}, {"rule": "every_reject_has_a_reason", "checked": 2}]
EARLIER = {
    macros.STEP_1: {"content_hashes": CONTENT_HASHES, "new": ["mappings", "rates"], "crawl": ["usage", "rates"]},
    "audit": AUDIT,
}


@pytest.fixture
def context(context_of: Callable[..., Any]) -> Any:
    return context_of(EARLIER)


@pytest.fixture
def operator(aws: FakeAws, settings_of: Callable[..., Any]) -> PublishOperator:
    """A publish of a version of each table; those of rejects and savings are empty."""
    for table in PREFIXES.keys() - {"usage_rejects", "peak_shift"}:
        aws.put(BUCKET, f"{PREFIXES[table]}part-0", "rows")
    return PublishOperator(
        task_id="publish", settings=settings_of(), locations=LOCATIONS, outlets=[Asset(name="usage_cost")]
    )


ADD = f"ALTER TABLE {{table}} ADD IF NOT EXISTS PARTITION (dt = '{DAY}') LOCATION '{{location}}'"
SET = f"ALTER TABLE {{table}} PARTITION (dt = '{DAY}') SET LOCATION '{{location}}'"


def changes(form: str, locations: dict[str, str] = LOCATIONS) -> list[str]:
    return [form.format(table=table, location=location) for table, location in locations.items()]


def moves_partitions(aws: FakeAws) -> Callable[[str], None]:
    """A handler of Athena's statements that moves the partitions."""

    def note(statement: str) -> None:
        if match := re.match(r"ALTER TABLE (\w+) (?:ADD IF NOT EXISTS )?PARTITION .* LOCATION '(.+)'", statement):
            aws.partitions[match[1], DAY] = match[2]

    return note


def test_tables_are_published_in_order_and_then_the_views(
    aws: FakeAws, operator: PublishOperator, context: Any
) -> None:
    # given a day that was never published
    aws.on_success = moves_partitions(aws)
    operator.execute(context)
    assert aws.statements[:7] == changes(ADD)
    assert [statement.splitlines()[0] for statement in aws.statements[7:]] == [
        f"CREATE OR REPLACE VIEW {view} AS" for view in ("mappings", "locations", "rates", "always_on", "provider_load")
    ]
    for data_set, statement in zip(CONTENT_HASHES, aws.statements[7:10], strict=True):
        assert statement.endswith(f"WHERE content = '{CONTENT_HASHES[data_set]}'")


def test_the_partitions_of_a_published_day_are_moved(aws: FakeAws, operator: PublishOperator, context: Any) -> None:
    aws.partitions.update({(table, DAY): "s3://before/" for table in LOCATIONS})
    aws.on_success = moves_partitions(aws)
    operator.execute(context)
    assert aws.statements[:7] == changes(SET)


def test_a_partition_that_another_client_adds_in_the_meantime_is_moved(
    aws: FakeAws, operator: PublishOperator, context: Any
) -> None:
    # given a partition that another client adds first, so that ADD IF NOT EXISTS has no effect
    def elsewhere(statement: str) -> None:
        moves_partitions(aws)(statement if "SET LOCATION" in statement else statement.replace("s3://", "s3://other-"))

    aws.on_success = elsewhere
    operator.execute(context)
    assert {table: aws.partitions[table, DAY] for table in LOCATIONS} == LOCATIONS


def test_a_day_that_is_published_already_is_not_changed(aws: FakeAws, operator: PublishOperator, context: Any) -> None:
    aws.partitions.update({(table, DAY): location for table, location in LOCATIONS.items()})
    operator.execute(context)
    assert not any(statement.startswith("ALTER TABLE") for statement in aws.statements)


def test_each_statement_ends_before_the_next_one_starts(aws: FakeAws, operator: PublishOperator, context: Any) -> None:
    operator.execute(context)
    operations = [operation for operation, _ in aws.calls if operation.endswith("QueryExecution")]
    assert operations[:6] == ["StartQueryExecution", "GetQueryExecution"] * 3


def test_after_a_failed_statement_no_other_table_is_changed(
    aws: FakeAws, operator: PublishOperator, context: Any
) -> None:
    aws.outcome = lambda statement: ("FAILED", "no") if "TABLE readings ADD" in statement else ("SUCCEEDED", "")
    with pytest.raises(RuntimeError, match="FAILED: no"):
        operator.execute(context)
    assert not any("usage_cost" in statement for statement in aws.statements)


@pytest.mark.parametrize("table", ["readings", "usage_cost", "daily_device_cost", "hourly_load", "hub_day_summary"])
def test_a_version_without_objects_is_not_published(
    aws: FakeAws, operator: PublishOperator, context: Any, table: str
) -> None:
    del aws.buckets[BUCKET][f"{PREFIXES[table]}part-0"]
    with pytest.raises(AirflowFailException, match=f"{LOCATIONS[table]} does not exist.*step_3_convert"):
        operator.execute(context)
    assert aws.statements == []


def test_the_asset_event_has_counts_and_costs(aws: FakeAws, operator: PublishOperator, context: Any) -> None:
    # given the run's queries: one that read 20 MB, a CREATE TABLE AS that read 1 MB, an ALTER TABLE
    aws.executed = [
        ("DML", "SELECT 1", 20_000_000),
        ("DDL", "CREATE TABLE staging_x AS SELECT 1", 1_000_000),
        ("DDL", "ALTER TABLE x ADD PARTITION (dt = '1')", 5),
    ]
    for number, suffix in ((1, ".csv"), (1, ".csv.metadata"), (2, ""), (3, ".txt")):
        aws.put(BUCKET, f"athena-results/{RUN}/{number:08}-0000-0000-0000-000000000000{suffix}", "x")

    operator.execute(context)

    event = context["outlet_events"][Asset(name="usage_cost")]
    assert event.partitions == [DAY]
    # by hand: (20 + 10) MB at 5 dollars a TB, two crawls of ten minutes and a minute of 0.0625 DPU at 0.44 dollars
    assert event.extra == {
        "day": DAY,
        "version": "v0000000000000003",
        "rows": 17280,
        "rejects": 2,
        "bytes_scanned": 21_000_000,
        "estimated_dollars": pytest.approx(0.00015 + 0.146667 + 0.000458, abs=1e-6),
    }


def test_a_publication_is_recorded(aws: FakeAws, operator: PublishOperator, context: Any) -> None:
    operator.execute(context)
    (key,) = [key for key in aws.buckets[BUCKET] if key.startswith(f"publications/dt={DAY}/")]
    assert json.loads(aws.buckets[BUCKET][key].value) == LOCATIONS


def test_a_failed_publish_is_not_recorded(aws: FakeAws, operator: PublishOperator, context: Any) -> None:
    aws.outcome = lambda statement: ("FAILED", "no") if "TABLE usage_cost ADD" in statement else ("SUCCEEDED", "")
    with pytest.raises(RuntimeError, match="FAILED: no"):
        operator.execute(context)
    assert not any(key.startswith("publications/") for key in aws.buckets[BUCKET])


# Roll back


def add_version(aws: FakeAws, version: str) -> dict[str, str]:
    """Adds a version of each table; returns the locations."""
    prefixes = {table: f"warehouse/{table}/dt={DAY}/version={version}/" for table in PREFIXES}
    for prefix in prefixes.values():
        aws.put(BUCKET, f"{prefix}part-0", "rows")
    return {table: f"s3://{BUCKET}/{prefix}" for table, prefix in prefixes.items()}


@pytest.fixture
def roll_back(
    aws: FakeAws,
    settings_of: Callable[..., Any],
    context_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Publishes the given versions, a minute apart, and rolls back; returns the locations of the partitions."""
    clock = datetime(2026, 1, 2, tzinfo=UTC)

    def now() -> datetime:
        nonlocal clock
        clock += timedelta(minutes=1)
        return clock

    monkeypatch.setattr(publish, "utcnow", now)
    aws.on_success = moves_partitions(aws)

    def run(*versions: str, active: set[str] | None = None) -> dict[str, str]:
        context = context_of(EARLIER, active or {"roll_back"}, run_id="roll_back")
        for version in versions:
            locations = add_version(aws, version)
            PublishOperator(task_id="publish", settings=settings_of(), locations=locations).execute(context)
        operator = RollBackOperator(task_id="roll_back", settings=settings_of(), outlets=[Asset(name="usage_cost")])
        operator.execute(context)
        event = context["outlet_events"][Asset(name="usage_cost")]
        assert (event.partitions, event.extra) == ([DAY], {"day": DAY, "version": None})
        return {table: location for (table, _), location in aws.partitions.items()}

    return run


def test_roll_back_publishes_the_previous_version(aws: FakeAws, roll_back: Callable[..., Any]) -> None:
    # given three publications, when the day is rolled back, expect the second version
    assert roll_back("va", "vb", "vc") == add_version(aws, "vb")


def test_a_second_roll_back_undoes_the_first(aws: FakeAws, roll_back: Callable[..., Any]) -> None:
    roll_back("va", "vb")
    assert roll_back() == add_version(aws, "vb")


def test_a_repeated_publish_counts_once(aws: FakeAws, roll_back: Callable[..., Any]) -> None:
    assert roll_back("va", "vb", "vb") == add_version(aws, "va")


def test_an_incomplete_publish_is_rolled_back_to_the_version_before_the_last_publication(
    aws: FakeAws, roll_back: Callable[..., Any]
) -> None:
    # given a day published twice, and a third publish that failed after the first table
    roll_back("va", "vb")
    aws.partitions["usage_rejects", DAY] = add_version(aws, "vc")["usage_rejects"]
    # when it is rolled back, expect the first version
    assert roll_back() == add_version(aws, "va")


def test_roll_back_fails_if_the_day_was_published_once(aws: FakeAws, roll_back: Callable[..., Any]) -> None:
    with pytest.raises(AirflowFailException, match=f"{DAY} has no version before"):
        roll_back("va")
    assert {location for (_, _), location in aws.partitions.items()} == set(add_version(aws, "va").values())


def test_roll_back_fails_if_another_release_published_the_previous_version(
    aws: FakeAws, roll_back: Callable[..., Any]
) -> None:
    # given a publication of release 1.0, which had the table usage instead of readings
    old = {name.replace("readings", "usage"): place for name, place in add_version(aws, "v0").items()}
    Publications(aws.client("s3"), BUCKET).add(DAY, "v0", Publication(datetime(2020, 1, 1, tzinfo=UTC), old))
    # when the day is published and rolled back, expect an error, and no change
    with pytest.raises(AirflowFailException, match=r"another version of the project.*usage_cost.*start a run"):
        roll_back("va")
    assert aws.partitions["usage_cost", DAY] == add_version(aws, "va")["usage_cost"]


def test_roll_back_fails_if_the_previous_version_has_no_objects(aws: FakeAws, roll_back: Callable[..., Any]) -> None:
    roll_back("va", "vb")
    del aws.buckets[BUCKET][f"warehouse/usage_cost/dt={DAY}/version=vb/part-0"]
    with pytest.raises(AirflowFailException, match=r"usage_cost/.*vb/, of the previous publication, has no objects"):
        roll_back()
    assert aws.partitions["readings", DAY] == add_version(aws, "va")["readings"]


def test_roll_back_fails_if_a_run_of_the_day_is_active(aws: FakeAws, roll_back: Callable[..., Any]) -> None:
    aws.put(BUCKET, f"staging/{RUN}/run_id", RUN_ID)
    with pytest.raises(AirflowFailException, match=f"a run of {DAY} is active .*{RUN_ID}"):
        roll_back("va", "vb", active={RUN_ID})
    assert aws.partitions["readings", DAY] == add_version(aws, "vb")["readings"]
