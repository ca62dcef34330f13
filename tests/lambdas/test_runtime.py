"""The package as Lambda runs it: unpacked, each handler in a process under AWS's own runtime client."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from event import RESERVE_SECONDS
from localaws.testing import LocalAws
from ops import deploy, package
from smart_hub.shared.athena import AthenaRunner
from smart_hub.shared.content_hash import content_hash
from tests.fake_aws import BUCKET, DAY, RUN, FakeAws
from tests.lambdas.runtime import REGION, AwsServer, Function

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(
        find_spec("awslambdaric") is None, reason="AWS's runtime client, for Linux, is installed by make test-lambda"
    ),
]

VERSION = "v0123456789abcdef"
READINGS = "staging_usage_v1111111111111111"
PRICED = "staging_usage_cost_v2222222222222222"
CONTENT_HASHES = {
    "mappings": content_hash([("raw/mappings/file", "m")]),
    "locations": content_hash([("raw/locations/file", "l")]),
    "rates": content_hash([("raw/rates/file", "r")]),
}
COMMON = {"day": DAY, "run": RUN, "version": VERSION}
EVENTS: dict[str, dict[str, Any]] = {
    "convert": {**COMMON, "content_hashes": {name: CONTENT_HASHES[name] for name in ("mappings", "locations")}},
    "transform": {**COMMON, "content_hashes": CONTENT_HASHES, "readings_table": READINGS, "damaged": []},
    "compact": {**COMMON, "content_hashes": {}, "cost_table": PRICED, "files": 1},
}

Start = Callable[..., Function]


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """The folder of the unpacked package."""
    folder = tmp_path / "task"
    with zipfile.ZipFile(io.BytesIO(package.lambda_zip())) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def launch(task: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a function's process: its name, the endpoint of AWS, and the environment that the template gives it."""
    with ExitStack() as functions:

        def started(name: str, endpoint: str, environment: dict[str, str]) -> Function:
            environment = {**environment, "AWS_ENDPOINT_URL": endpoint}
            return functions.enter_context(Function(task, name, tmp_path / f"{name}.log", environment))

        yield started


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    """AWS with crawled raw data, staged readings and usage_cost, and converted rates.

    No reading is repeated.
    """
    with mock_aws():
        fake = FakeAws(BUCKET)
        fake.add_tables("mapping_versions", "location_versions", "rate_versions", READINGS, PRICED)
        for data_set, etag in {"mappings": "m", "locations": "l", "rates": "r"}.items():
            fake.put(BUCKET, f"raw/{data_set}/file", data_set, etag=etag)
        fake.crawl()
        fake.rows = [["repeated"], ["0"]]
        yield fake


@pytest.fixture
def start(aws: FakeAws, launch: Start) -> Iterator[Start]:
    """Starts a function that talks to ``aws``."""
    server = AwsServer(aws)
    environment = {"DATABASE": "smart_hub", "WORKGROUP": "smart-hub", "DATA_BUCKET": BUCKET}
    yield lambda name: launch(name, server.endpoint, environment)
    server.close()


def write_a_file(aws: FakeAws, statement: str) -> None:
    location = statement.partition(f"external_location = 's3://{BUCKET}/")[2].partition("'")[0]
    aws.put(BUCKET, f"{location}part-0", "rows")


def register_references(aws: FakeAws) -> None:
    for data_set, table in {"mappings": "mapping", "locations": "location", "rates": "rate"}.items():
        aws.partitions[f"{table}_versions", CONTENT_HASHES[data_set]] = (
            f"s3://{BUCKET}/warehouse/{table}_versions/first/"
        )


@pytest.mark.parametrize("name", EVENTS)
def test_a_function_starts_within_two_seconds(start: Start, name: str) -> None:
    function = start(name)
    function.ready()
    assert function.cpu_seconds() < 2


def test_a_package_without_a_module_fails_at_the_start(start: Start, task: Path) -> None:
    (task / "smart_hub" / "shared" / "athena.py").unlink()
    function = start("convert")
    message = function.says()
    assert (message.kind, message.body["errorType"]) == ("init/error", "Runtime.ImportModuleError")
    assert (
        message.body["errorMessage"] == "Unable to import module 'convert': No module named 'smart_hub.shared.athena'"
    )
    assert function.says().kind == "exit"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "convert",
            {
                "readings_table": f"staging_readings_{VERSION}",
                "readings_location": f"s3://{BUCKET}/warehouse/readings/dt={DAY}/version={VERSION}/verdict=used/",
            },
        ),
        (
            "transform",
            {
                "cost_table": f"staging_usage_cost_{VERSION}",
                "rejects_table": f"staging_usage_rejects_{VERSION}",
                "rejects_location": f"s3://{BUCKET}/warehouse/usage_rejects/dt={DAY}/version={VERSION}/",
            },
        ),
        (
            "compact",
            {
                "compacted_table": f"staging_compact_{VERSION}",
                "compacted_location": f"s3://{BUCKET}/warehouse/usage_cost/dt={DAY}/version={VERSION}/",
            },
        ),
    ],
)
def test_a_valid_event_is_answered(aws: FakeAws, start: Start, name: str, expected: dict[str, str]) -> None:
    # Given queries that write a file each, and converted reference data for transform
    if name == "transform":
        register_references(aws)
    aws.on_success = partial(write_a_file, aws)
    function = start(name)
    function.ready()
    # When it is invoked twice, as after a Clear
    answers = [function.invoke({**EVENTS[name], "version": version}) for version in (VERSION, "v" + "f" * 16)]
    # Expect each result to have its own version
    assert [(answer.kind, answer.body) for answer in answers] == [
        ("response", expected),
        ("response", json.loads(json.dumps(expected).replace(VERSION, "v" + "f" * 16))),
    ]


INVALID: dict[str, list[tuple[Any, str]]] = {
    "convert": [
        (None, "event"),
        ([{}], "event"),
        ("2019-12-21", "event"),
        ({**EVENTS["convert"], "version": "\ud800"}, "version"),
    ],
    "transform": [
        (EVENTS["convert"], "fields"),
        ({**EVENTS["transform"], "readings_table": "usage"}, "readings_table"),
    ],
    "compact": [(EVENTS["transform"], "fields"), ({**EVENTS["compact"], "files": 0}, "files")],
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_invalid_event_names_its_field_and_the_next_one_is_answered(aws: FakeAws, start: Start, name: str) -> None:
    # Given one process
    register_references(aws)
    aws.on_success = partial(write_a_file, aws)
    function = start(name)
    function.ready()
    # When it gets invalid events, expect each to be refused before any request to AWS
    for event, field in INVALID[name]:
        answer = function.invoke(event)
        assert (answer.kind, answer.body["errorType"]) == ("error", "InvalidEvent")
        assert answer.body["errorMessage"].startswith((f"{field}:", f"{field} are ")), answer.body
        assert f"[ERROR] InvalidEvent: {field}" in function.log.read_text()
    assert aws.calls == []
    # and a valid event to be answered afterwards
    assert function.invoke(EVENTS[name]).kind == "response"


def test_a_failed_query_gives_athenas_reason(aws: FakeAws, start: Start) -> None:
    # Given mappings that Athena cannot read, and a query of locations that does not end
    reason = "HIVE_BAD_DATA: Error parsing field value 'x' for field 3"
    aws.outcome = lambda statement: ("FAILED", reason) if "raw_mappings" in statement else ("RUNNING", "")
    function = start("convert")
    function.ready()
    answer = function.invoke(EVENTS["convert"])
    # Expect Athena's reason, and the other query to be stopped
    assert (answer.kind, answer.body["errorType"]) == ("error", "QueryFailed")
    first_line = f"CREATE TABLE staging_mappings_{VERSION}"
    assert answer.body["errorMessage"] == f"FAILED: {reason} (query 1: {first_line} …)"
    assert aws.stopped == ["2"]
    assert aws.converted == {}
    # and the same process to succeed when the data are valid
    aws.outcome = lambda statement: ("SUCCEEDED", "")
    assert function.invoke(EVENTS["convert"]).kind == "response"


def test_queries_are_stopped_before_lambda_ends_the_function(aws: FakeAws, start: Start) -> None:
    # Given queries that do not end, and little more time than the function's reserve
    aws.outcome = lambda statement: ("RUNNING", "")
    function = start("convert")
    function.ready()
    answer = function.invoke(EVENTS["convert"], seconds=RESERVE_SECONDS + 1)
    # Expect an error in time, and all queries to be stopped
    assert (answer.kind, answer.body["errorType"]) == ("error", "QueryTimedOut")
    first_line = f"CREATE TABLE staging_mappings_{VERSION}"
    assert answer.body["errorMessage"] == f"stopped, time ran out while RUNNING (query 1: {first_line} …)"
    assert sorted(aws.stopped) == ["1", "2"]
    assert aws.converted == {}
    # and the same process to succeed when queries end
    aws.outcome = lambda statement: ("SUCCEEDED", "")
    assert function.invoke(EVENTS["convert"]).kind == "response"


# A hub with one sensor's mapping; of its four lines two are readings of the day (08:00 UTC on), one is of the day
# before, one is cut off.
HUB = "b6a8d42425fde548"
VALUES = ",".join(f'"s_{number:02}":{number / 100}' for number in range(1, 11))
LINES = [
    *(f'{{"loc_id":"{HUB}","ts":{ts},"data":{{{VALUES}}}}}' for ts in (1576915200, 1576915500, 1576914900)),
    f'{{"loc_id":"{HUB}","ts":157',
]
RAW = {
    f"raw/usage/dt={DAY}/usage.json": "\n".join(LINES) + "\n",
    "raw/mappings/state=or/mappings.json": json.dumps(
        {
            "loc_id": HUB,
            "id": "s_01",
            "description": "Dryer",
            "location": "Cellar",
            "watts": 5000,
            "last_modified": 1568314800,
        }
    ),
    "raw/locations/state=or/locations.csv": "lon,lat,number,street,unit,city,district,region,postcode,id,hash,tz\n"
    f'-122.8,45.4,1,"Elm St, East",,Tualatin,,,,,{HUB},America/Los_Angeles\n',
}


def test_a_day_is_converted(local_aws: LocalAws, launch: Start) -> None:
    # Given the stack as deployed, the raw day, and its partitions
    session = boto3.Session("test", "test", region_name=REGION)
    outputs = deploy.deploy(session, endpoint_url=local_aws.endpoint, log=lambda line: None)
    bucket = outputs["DataBucket"]
    s3 = session.client("s3", endpoint_url=local_aws.endpoint)
    glue = session.client("glue", endpoint_url=local_aws.endpoint)
    etags = {key: s3.put_object(Bucket=bucket, Key=key, Body=body.encode())["ETag"] for key, body in RAW.items()}
    contents = {
        name: content_hash((key, etag) for key, etag in etags.items() if key.startswith(f"raw/{name}/"))
        for name in ("mappings", "locations")
    }
    athena = AthenaRunner(
        client=session.client("athena", endpoint_url=local_aws.endpoint),
        workgroup=outputs["Workgroup"],
        database=outputs["Database"],
        output=f"s3://{bucket}/athena-results/{RUN}/",
        version=VERSION,
        seconds_left=lambda: 60,
    )

    # When the function runs with the settings that the stack gives it
    settings = session.client("lambda", endpoint_url=local_aws.endpoint).get_function_configuration(
        FunctionName=outputs["ConvertFunction"]
    )
    function = launch(
        settings["Handler"].removesuffix(".handler"), local_aws.endpoint, settings["Environment"]["Variables"]
    )
    function.ready()
    answer = function.invoke({**COMMON, "content_hashes": contents})

    # Expect every line with its verdict, in Parquet, and the reference data registered by content
    location = f"s3://{bucket}/warehouse/readings/dt={DAY}/version={VERSION}/verdict=used/"
    assert (answer.kind, answer.body) == (
        "response",
        {"readings_table": f"staging_readings_{VERSION}", "readings_location": location},
    )
    rows = athena.rows(
        f"SELECT verdict, ts, element_at(data, 's_10') FROM {answer.body['readings_table']} ORDER BY verdict, ts"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("malformed", None, None),
        ("out_of_day", "1576914900", "0.1"),
        ("used", "1576915200", "0.1"),
        ("used", "1576915500", "0.1"),
    ]
    for data_set, select, row in [
        ("mappings", "sensor, device, watts, state", ("s_01", "Dryer", "5000", "or")),
        ("locations", "street, unit, tz, state", ("Elm St, East", None, "America/Los_Angeles", "or")),
    ]:
        table = f"{data_set.rstrip('s')}_versions"
        (found,) = athena.rows(f"SELECT {select} FROM {table} WHERE content = '{contents[data_set]}'")
        assert tuple(found.values()) == row
        (partition,) = glue.get_partitions(DatabaseName="smart_hub", TableName=table)["Partitions"]
        assert partition["Values"] == [contents[data_set]]
    # within the memory that the template gives it
    assert function.peak_memory() < settings["MemorySize"] * 2**20
