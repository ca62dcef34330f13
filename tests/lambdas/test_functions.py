"""The three functions: invalid events, their statements and the order of these, and errors."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

import compact
import convert
import transform
from event import InvalidEvent, Invocation
from smart_hub.shared.athena import QueryTimedOut
from smart_hub.shared.content_hash import content_hash
from smart_hub.shared.layout import VERSION_PATTERN
from tests.fake_aws import BUCKET, DAY, RUN, FakeAws

VERSION = "v0123456789abcdef"
READINGS_TABLE = "staging_readings_v1111111111111111"
COST_TABLE = "staging_usage_cost_v2222222222222222"

Handler = Any


def event_of(content_hashes: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {"day": DAY, "run": RUN, "version": VERSION, "content_hashes": content_hashes, **fields}


@pytest.fixture
def content_hashes(aws: FakeAws) -> dict[str, str]:
    """The content hashes of raw mappings, locations and rates with one object each."""
    content_hashes = {}
    for data_set in ("mappings", "locations", "rates"):
        key = f"raw/{data_set}/file"
        content_hashes[data_set] = content_hash([(key, aws.put(BUCKET, key, data_set).etag)])
    return content_hashes


@pytest.fixture
def convert_event(content_hashes: dict[str, str]) -> dict[str, Any]:
    return event_of({name: content_hashes[name] for name in ("mappings", "locations")})


@pytest.fixture
def transform_event(aws: FakeAws, content_hashes: dict[str, str]) -> dict[str, Any]:
    """The event of a run with staged readings and converted reference data."""
    aws.add_tables(READINGS_TABLE)
    for data_set, table in {"mappings": "mapping", "locations": "location", "rates": "rate"}.items():
        register(aws, f"{table}_versions", content_hashes[data_set])
    return event_of(content_hashes, readings_table=READINGS_TABLE, damaged=[])


@pytest.fixture
def compact_event(aws: FakeAws) -> dict[str, Any]:
    """The event of a run with staged usage_cost."""
    aws.add_tables(COST_TABLE)
    return event_of({}, cost_table=COST_TABLE, files=1)


def register(aws: FakeAws, table: str, content: str) -> None:
    aws.partitions[table, content] = f"s3://{BUCKET}/warehouse/{table}/first/"


def created(aws: FakeAws) -> list[str]:
    """The created tables, in order."""
    return re.findall(r"^CREATE TABLE (\w+)", "\n".join(aws.statements), re.MULTILINE)


def write_files(aws: FakeAws, count: int) -> None:
    """Makes each query write so many objects to its location."""

    def write(statement: str) -> None:
        for location in re.findall(r"external_location = 's3://the-data/(.+)'", statement):
            for number in range(count):
                aws.put(BUCKET, f"{location}part-{number}", "rows")

    aws.on_success = write


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("day", "2019-12-32"),
        ("day", "20191221"),
        ("day", None),
        ("run", "2019-12-21"),
        ("run", f"{RUN}/../raw"),
        ("version", "v1"),
        ("version", f"{VERSION}\n"),
        ("content_hashes", {"mappings": "a" * 64}),
        ("content_hashes", {"mappings": "a" * 64, "locations": "b"}),
        ("content_hashes", {"mappings": "a" * 64, "locations": "b" * 64, "rates": "c" * 64}),
        ("content_hashes", None),
    ],
)
def test_an_invalid_field_is_refused_by_name(
    aws: FakeAws, convert_event: dict[str, Any], context: Any, field: str, value: Any
) -> None:
    with pytest.raises(InvalidEvent, match=rf"^{field}"):
        convert.handler({**convert_event, field: value}, context)
    assert aws.calls == []


@pytest.mark.parametrize(
    "table", ["usage_cost", "staging_usage_v1", "staging_readings_v1111111111111111; DROP", "", None]
)
def test_only_staging_tables_are_accepted(
    transform_event: dict[str, Any], compact_event: dict[str, Any], context: Any, table: Any
) -> None:
    with pytest.raises(InvalidEvent, match=r"^readings_table"):
        transform.handler({**transform_event, "readings_table": table}, context)
    with pytest.raises(InvalidEvent, match=r"^cost_table"):
        compact.handler({**compact_event, "cost_table": table}, context)


@pytest.mark.parametrize("files", [0, 101, "1", 1.0, True, None])
def test_the_number_of_files_must_be_from_1_to_100(compact_event: dict[str, Any], context: Any, files: Any) -> None:
    with pytest.raises(InvalidEvent, match=r"^files: expected a number from 1 to 100"):
        compact.handler({**compact_event, "files": files}, context)


def test_a_missing_or_surplus_field_is_refused(convert_event: dict[str, Any], context: Any) -> None:
    with pytest.raises(InvalidEvent, match="fields are"):
        convert.handler({**convert_event, "more": 1}, context)
    del convert_event["run"]
    with pytest.raises(InvalidEvent, match="fields are"):
        convert.handler(convert_event, context)


# convert


def test_convert_hashes_raw_files_of_several_pages(
    aws: FakeAws, convert_event: dict[str, Any], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given listings of two objects a page, two pages of mappings, and the content hash that step 1 returned for them
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    objects = [(f"raw/mappings/state=or/{number}", f"m{number}") for number in range(3)]
    del aws.buckets[BUCKET]["raw/mappings/file"]
    content = content_hash([(key, aws.put(BUCKET, key, body).etag) for key, body in objects])
    convert_event["content_hashes"]["mappings"] = content
    # expect the content to be registered; without the last file, expect another content hash
    convert.handler(convert_event, context)
    assert ("mapping_versions", content) in aws.converted
    del aws.partitions["mapping_versions", content], aws.buckets[BUCKET][objects[-1][0]]
    with pytest.raises(RuntimeError, match="raw/mappings/ has changed since step 1"):
        convert.handler(convert_event, context)


def test_convert_writes_reference_data_before_the_readings(
    aws: FakeAws, convert_event: dict[str, Any], context: Any
) -> None:
    answer = convert.handler(convert_event, context)
    assert created(aws) == [
        f"staging_mappings_{VERSION}",
        f"staging_locations_{VERSION}",
        f"staging_readings_{VERSION}",
    ]
    assert answer == {
        "readings_table": f"staging_readings_{VERSION}",
        "readings_location": f"s3://{BUCKET}/warehouse/readings/dt={DAY}/version={VERSION}/verdict=used/",
    }
    # expect the readings to be joined with the registered locations of this content
    content = convert_event["content_hashes"]
    assert f"content = '{content['locations']}'" in aws.statements[2]
    operations = [operation for operation, _ in aws.calls]
    last_start = len(operations) - 1 - operations[::-1].index("StartQueryExecution")
    assert operations.index("CreatePartition") < last_start
    assert aws.converted == {
        ("mapping_versions", content["mappings"]): (
            f"s3://{BUCKET}/warehouse/mapping_versions/content={content['mappings']}/version={VERSION}/"
        ),
        ("location_versions", content["locations"]): (
            f"s3://{BUCKET}/warehouse/location_versions/content={content['locations']}/version={VERSION}/"
        ),
    }


def test_convert_skips_registered_contents(aws: FakeAws, convert_event: dict[str, Any], context: Any) -> None:
    register(aws, "mapping_versions", convert_event["content_hashes"]["mappings"])
    convert.handler(convert_event, context)
    assert created(aws) == [f"staging_locations_{VERSION}", f"staging_readings_{VERSION}"]
    register(aws, "location_versions", convert_event["content_hashes"]["locations"])
    aws.statements.clear()
    convert.handler(convert_event, context)
    assert created(aws) == [f"staging_readings_{VERSION}"]


def test_convert_keeps_one_of_repeated_readings_in_another_version(
    aws: FakeAws, convert_event: dict[str, Any], context: Any
) -> None:
    aws.rows = [["repeated"], ["1"]]
    answer = convert.handler(convert_event, context)
    *_, first, everything, distinct = created(aws)
    assert (first, everything) == (f"staging_readings_{VERSION}", f"staging_all_readings_{VERSION}")
    assert f"external_location = 's3://{BUCKET}/staging/{RUN}/{VERSION}/all_readings/'" in aws.statements[-2]
    assert f"FROM {everything}" in aws.statements[-1]
    # expect a version that the clean-up recognizes as one of this run
    version = distinct.removeprefix("staging_readings_")
    assert version != VERSION
    assert version[:9] == VERSION[:9]
    assert VERSION_PATTERN.fullmatch(version)
    assert answer == {
        "readings_table": distinct,
        "readings_location": f"s3://{BUCKET}/warehouse/readings/dt={DAY}/version={version}/verdict=used/",
    }


def test_convert_does_not_register_raw_data_that_change_in_the_meantime(
    aws: FakeAws, convert_event: dict[str, Any], context: Any
) -> None:
    # Given mappings that are replaced while they are converted
    aws.on_success = lambda statement: aws.put(BUCKET, "raw/mappings/file", "replaced")
    # expect an error that names the task to clear, and no registration
    with pytest.raises(RuntimeError, match=r"raw/mappings/ has changed .* clear the run from step_1"):
        convert.handler(convert_event, context)
    assert aws.converted == {}


def test_convert_ignores_the_marker_of_an_empty_folder(
    aws: FakeAws, convert_event: dict[str, Any], context: Any
) -> None:
    aws.put(BUCKET, "raw/mappings/state=or/", "")
    convert.handler(convert_event, context)
    assert len(aws.converted) == 2


def test_the_first_of_two_registrations_is_kept(aws: FakeAws, convert_event: dict[str, Any], context: Any) -> None:
    # Given another run that registers the same content while this one converts it
    content = convert_event["content_hashes"]["mappings"]
    aws.on_success = lambda statement: register(aws, "mapping_versions", content)
    convert.handler(convert_event, context)
    assert aws.partitions["mapping_versions", content] == f"s3://{BUCKET}/warehouse/mapping_versions/first/"


@pytest.mark.parametrize(("seconds", "max_left"), [(30.0, 30.0), (31.0, 30.5), (900.0, 32.0)])
def test_convert_stops_its_queries_half_a_minute_before_lambdas_timeout(
    aws: FakeAws, convert_event: dict[str, Any], monkeypatch: pytest.MonkeyPatch, seconds: float, max_left: float
) -> None:
    # given queries that do not end, and so many seconds until Lambda's timeout
    aws.outcome = lambda statement: ("RUNNING", "")
    left = [seconds]
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(1000 * left[0]))

    def pause(seconds: float) -> None:
        left[0] -= seconds
        assert left[0] > 0

    monkeypatch.setattr("time.sleep", pause)
    with pytest.raises(QueryTimedOut):
        convert.handler(convert_event, context)
    assert sorted(aws.stopped) == ["1", "2"]
    assert aws.converted == {}
    assert 30 <= left[0] <= max_left


def test_a_request_times_out_within_the_reserve(aws: FakeAws, convert_event: dict[str, Any], context: Any) -> None:
    invocation = Invocation(convert_event, context)
    for client in (invocation.glue, invocation.s3, invocation.athena.client):
        tries = client.meta.config.retries["total_max_attempts"]
        # botocore pauses for at most one second before the second try, two before the third, and so on
        pauses = sum(2**n for n in range(tries - 1))
        assert tries * max(client.meta.config.connect_timeout, client.meta.config.read_timeout) + pauses < 30


def test_results_lie_under_the_run(aws: FakeAws, convert_event: dict[str, Any], context: Any) -> None:
    convert.handler(convert_event, context)
    outputs = {call["ResultConfiguration"]["OutputLocation"] for call in aws.called("StartQueryExecution")}
    assert outputs == {f"s3://{BUCKET}/athena-results/{RUN}/"}


# transform


def test_transform_prices_then_collects_the_rejects(
    aws: FakeAws, transform_event: dict[str, Any], context: Any
) -> None:
    answer = transform.handler(transform_event, context)
    assert created(aws) == [f"staging_usage_cost_{VERSION}", f"staging_usage_rejects_{VERSION}"]
    assert answer == {
        "cost_table": f"staging_usage_cost_{VERSION}",
        "rejects_table": f"staging_usage_rejects_{VERSION}",
        "rejects_location": f"s3://{BUCKET}/warehouse/usage_rejects/dt={DAY}/version={VERSION}/",
    }
    assert f"external_location = 's3://{BUCKET}/staging/{RUN}/{VERSION}/usage_cost/'" in aws.statements[0]
    for content in transform_event["content_hashes"].values():
        assert f"content = '{content}'" in aws.statements[0]
    # expect one after the other, because rejects read usage_cost
    operations = [operation for operation, _ in aws.calls if operation.endswith("QueryExecution")]
    assert operations == ["StartQueryExecution", "GetQueryExecution"] * 2


def test_transform_rejects_each_damaged_file(aws: FakeAws, transform_event: dict[str, Any], context: Any) -> None:
    # given two files that step 1 set aside
    damaged = [f"usage/dt={DAY}/{name}" for name in ("a.json.gz", "O'Hara.json.gz")]

    transform.handler({**transform_event, "damaged": damaged}, context)

    # expect one reject for each file, with its exact name
    inserts = [" ".join(statement.split()) for statement in aws.statements[2:]]
    assert [statement.partition(" SELECT ")[0] for statement in inserts] == [
        f"INSERT INTO staging_usage_rejects_{VERSION}"
    ] * 2
    assert f"'damaged_file' AS reason, 's3://{BUCKET}/raw/damaged/{damaged[0]}' AS file" in inserts[0]
    assert "/O''Hara.json.gz' AS file" in inserts[1]


@pytest.mark.parametrize("damaged", [None, "a.json.gz", [1]])
def test_damaged_must_be_a_list_of_names(transform_event: dict[str, Any], context: Any, damaged: Any) -> None:
    with pytest.raises(InvalidEvent, match=r"^damaged"):
        transform.handler({**transform_event, "damaged": damaged}, context)


def test_transform_names_the_task_to_clear_if_its_readings_are_missing(
    aws: FakeAws, transform_event: dict[str, Any], context: Any
) -> None:
    del aws.tables[READINGS_TABLE]
    with pytest.raises(RuntimeError, match=rf"smart_hub.{READINGS_TABLE} does not exist.*from step_3_convert"):
        transform.handler(transform_event, context)
    assert aws.statements == []


@pytest.mark.parametrize(
    ("data_set", "table"),
    [("mappings", "mapping_versions"), ("locations", "location_versions"), ("rates", "rate_versions")],
)
def test_transform_fails_if_reference_data_are_not_converted(
    aws: FakeAws, transform_event: dict[str, Any], context: Any, data_set: str, table: str
) -> None:
    del aws.partitions[table, transform_event["content_hashes"][data_set]]
    with pytest.raises(RuntimeError, match=f"{table} has no partition .*{data_set} were not converted"):
        transform.handler(transform_event, context)
    assert aws.statements == []


# compact


@pytest.mark.parametrize("files", [1, 3, 100])
def test_compact_writes_the_given_number_of_files(
    aws: FakeAws, compact_event: dict[str, Any], context: Any, files: int
) -> None:
    write_files(aws, files)
    answer = compact.handler({**compact_event, "files": files}, context)
    location = f"s3://{BUCKET}/warehouse/usage_cost/dt={DAY}/version={VERSION}/"
    assert answer == {"compacted_table": f"staging_compact_{VERSION}", "compacted_location": location}
    (statement,) = aws.statements
    assert f"bucket_count = {files}" in statement
    assert f"external_location = '{location}'" in statement
    assert f"FROM {COST_TABLE}" in statement


def test_compact_fails_when_athena_wrote_a_bucket_in_two_files(
    aws: FakeAws, compact_event: dict[str, Any], context: Any
) -> None:
    write_files(aws, 2)
    with pytest.raises(RuntimeError, match="holds 2 objects, expected at most 1"):
        compact.handler(compact_event, context)


def test_compact_leaves_a_day_without_rows_to_the_audit(
    aws: FakeAws, compact_event: dict[str, Any], context: Any
) -> None:
    write_files(aws, 0)
    assert compact.handler(compact_event, context)["compacted_table"] == f"staging_compact_{VERSION}"


def test_compact_fails_if_its_input_is_missing(aws: FakeAws, compact_event: dict[str, Any], context: Any) -> None:
    del aws.tables[COST_TABLE]
    with pytest.raises(RuntimeError, match=rf"{COST_TABLE} does not exist"):
        compact.handler(compact_event, context)
