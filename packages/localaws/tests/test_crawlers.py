"""Crawlers: they register partition folders that are missing in the catalog."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.testing import LocalAws

INHERIT = json.dumps({"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}})
LOG = {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
COLUMNS = [{"Name": "loc_id", "Type": "string"}]


@pytest.fixture
def readings(aws: LocalAws) -> Iterator[LocalAws]:
    """Bucket `crawled` with two days; table `crawled.readings` by dt; crawler `readings` of it."""
    s3, glue = aws.client("s3"), aws.client("glue")
    s3.create_bucket(Bucket="crawled")
    put(aws, "raw/dt=2019-12-21/a.json", "raw/dt=2019-12-22/a.json")
    glue.create_database(DatabaseInput={"Name": "crawled"})
    create_table(aws, "readings", "s3://crawled/raw/", ["dt"])
    create_crawler(aws, "readings")
    yield aws
    glue.delete_crawler(Name="readings")
    glue.delete_table(DatabaseName="crawled", Name="readings")
    glue.delete_database(Name="crawled")
    for item in s3.list_objects_v2(Bucket="crawled")["Contents"]:
        s3.delete_object(Bucket="crawled", Key=item["Key"])
    s3.delete_bucket(Bucket="crawled")


@pytest.fixture
def other(readings: LocalAws) -> Iterator[str]:
    """A crawler of the same table without InheritFromTable."""
    create_crawler(readings, "readings", crawler="other", Configuration='{"Version": 1.0}')
    yield "other"
    readings.client("glue").delete_crawler(Name="other")


def put(aws: LocalAws, *keys: str, body: bytes = b"{}") -> None:
    for key in keys:
        aws.client("s3").put_object(Bucket="crawled", Key=key, Body=body)


def create_table(
    aws: LocalAws, name: str, location: str, keys: list[str], serde: str = "org.openx.data.jsonserde.JsonSerDe"
) -> None:
    aws.client("glue").create_table(
        DatabaseName="crawled",
        TableInput={
            "Name": name,
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
            "Parameters": {"classification": "json"},
            "StorageDescriptor": {
                "Columns": COLUMNS,
                "Location": location,
                "SerdeInfo": {"SerializationLibrary": serde},
            },
        },
    )


def create_crawler(aws: LocalAws, table: str, crawler: str = "", **changes: Any) -> None:
    """A crawler of a table; by default with the table's name."""
    definition = {
        "Role": aws.role("crawler"),
        "Targets": {"CatalogTargets": [{"DatabaseName": "crawled", "Tables": [table]}]},
        "SchemaChangePolicy": LOG,
        "Configuration": INHERIT,
    }
    aws.client("glue").create_crawler(Name=crawler or table, **{**definition, **changes})


def crawl(aws: LocalAws, name: str = "readings") -> dict[str, Any]:
    """Start the crawler and wait until it is ready again; returns its last crawl."""
    aws.client("glue").start_crawler(Name=name)
    return ended(aws, name)


def ended(aws: LocalAws, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        crawler = aws.client("glue").get_crawler(Name=name)["Crawler"]
        if crawler["State"] == "READY":
            return dict(crawler["LastCrawl"])
        time.sleep(0.02)
    raise AssertionError(f"crawler {name} still runs")


def locations(aws: LocalAws, table: str = "readings") -> dict[tuple[str, ...], str]:
    partitions = aws.client("glue").get_partitions(DatabaseName="crawled", TableName=table)["Partitions"]
    return {tuple(item["Values"]): item["StorageDescriptor"]["Location"] for item in partitions}


def test_a_crawl_registers_the_folders_with_the_tables_schema(readings: LocalAws) -> None:
    # given a table without partitions over two folders, when it is crawled
    last = crawl(readings)

    # expect one partition per folder, with the table's schema and format
    assert last["Status"] == "SUCCEEDED"
    assert locations(readings) == {
        ("2019-12-21",): "s3://crawled/raw/dt=2019-12-21/",
        ("2019-12-22",): "s3://crawled/raw/dt=2019-12-22/",
    }
    partition = readings.client("glue").get_partition(
        DatabaseName="crawled", TableName="readings", PartitionValues=["2019-12-21"]
    )["Partition"]
    assert partition["StorageDescriptor"]["Columns"] == COLUMNS
    serde = partition["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
    assert serde == "org.openx.data.jsonserde.JsonSerDe"
    assert partition["Parameters"] == {"classification": "json"}


def test_a_second_crawl_registers_only_new_partitions(readings: LocalAws) -> None:
    # given a crawled table, one of whose partitions was moved, and a new folder
    crawl(readings)
    glue = readings.client("glue")
    moved = {
        "Values": ["2019-12-21"],
        "StorageDescriptor": {
            "Columns": COLUMNS,
            "Location": "s3://crawled/elsewhere/",
            "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
        },
    }
    glue.batch_update_partition(
        DatabaseName="crawled",
        TableName="readings",
        Entries=[{"PartitionValueList": ["2019-12-21"], "PartitionInput": moved}],
    )
    put(readings, "raw/dt=2019-12-23/a.json")

    # when it is crawled again
    crawl(readings)

    # expect the new partition, and the others unchanged
    assert locations(readings) == {
        ("2019-12-21",): "s3://crawled/elsewhere/",
        ("2019-12-22",): "s3://crawled/raw/dt=2019-12-22/",
        ("2019-12-23",): "s3://crawled/raw/dt=2019-12-23/",
    }
    metrics = glue.get_crawler_metrics(CrawlerNameList=["readings"])["CrawlerMetricsList"]
    assert [(item["CrawlerName"], item["TablesUpdated"], item["StillEstimating"]) for item in metrics] == [
        ("readings", 2, False)
    ]
    assert len(glue.list_crawls(CrawlerName="readings")["Crawls"]) == 2


def test_a_partition_that_differs_from_its_table_inherits_again(readings: LocalAws) -> None:
    # given a partition with a column type of its own
    glue = readings.client("glue")
    glue.create_partition(
        DatabaseName="crawled",
        TableName="readings",
        PartitionInput={
            "Values": ["2019-12-21"],
            "StorageDescriptor": {
                "Columns": [{"Name": "loc_id", "Type": "int"}],
                "Location": "s3://crawled/raw/dt=2019-12-21/",
            },
        },
    )

    # when it is crawled
    crawl(readings)

    # expect the table's columns
    partitions = glue.get_partitions(DatabaseName="crawled", TableName="readings")["Partitions"]
    assert [item["StorageDescriptor"]["Columns"] for item in partitions] == [COLUMNS, COLUMNS]


def test_other_and_empty_folders_are_skipped(readings: LocalAws) -> None:
    # given a folder of another name, one without a value, only a folder marker, a partition without a folder
    put(readings, "raw/day=1/a.json", "raw/dt=/a.json", "raw/dt=2019-12-30/")
    readings.client("glue").create_partition(
        DatabaseName="crawled",
        TableName="readings",
        PartitionInput={"Values": ["1999-01-01"], "StorageDescriptor": {"Location": "s3://crawled/gone/"}},
    )

    # when it is crawled
    last = crawl(readings)

    # expect the two days, and the partition without a folder unchanged (DeleteBehavior LOG)
    assert last["Status"] == "SUCCEEDED"
    assert set(locations(readings)) == {("1999-01-01",), ("2019-12-21",), ("2019-12-22",)}


def test_several_partition_keys_and_more_than_one_batch(readings: LocalAws) -> None:
    # given a table by state and day, 101 folders of them, one value escaped as Hive does
    create_table(readings, "nested", "s3://crawled/nested", ["state", "dt"])
    put(readings, *(f"nested/state=or/dt={day}/a.json" for day in range(100)), "nested/state=n%2Fa/dt=1/a")
    create_crawler(readings, "nested")

    # when it is crawled
    crawl(readings, "nested")

    # expect all of them, with the unescaped value
    found = locations(readings, "nested")
    assert len(found) == 101
    assert found[("or", "99")] == "s3://crawled/nested/state=or/dt=99/"
    assert found[("n/a", "1")] == "s3://crawled/nested/state=n%2Fa/dt=1/"
    readings.client("glue").delete_crawler(Name="nested")


def test_a_running_crawler_cannot_be_started_again(readings: LocalAws) -> None:
    # given a crawler that just started on many folders
    put(readings, *(f"raw/dt=x{number}/a.json" for number in range(100)))
    glue = readings.client("glue")
    glue.start_crawler(Name="readings")

    # when it is started again, expect AWS's error, and that the first crawl succeeds
    with pytest.raises(ClientError, match="CrawlerRunningException"):
        glue.start_crawler(Name="readings")
    assert ended(readings, "readings")["Status"] == "SUCCEEDED"


def test_a_stopped_crawl_is_cancelled(readings: LocalAws) -> None:
    # given a crawler that just started on many folders
    put(readings, *(f"raw/dt=x{number}/a.json" for number in range(100)))
    glue = readings.client("glue")
    glue.start_crawler(Name="readings")

    # when it is stopped
    glue.stop_crawler(Name="readings")

    # expect the crawl to be cancelled, and an error for a second stop
    assert ended(readings, "readings")["Status"] == "CANCELLED"
    with pytest.raises(ClientError, match="CrawlerNotRunningException"):
        glue.stop_crawler(Name="readings")


def test_a_recreated_crawler_has_not_crawled(readings: LocalAws) -> None:
    # given a crawler that crawled
    crawl(readings)

    # when it is deleted and created again
    readings.client("glue").delete_crawler(Name="readings")
    create_crawler(readings, "readings")

    # expect no crawl of the earlier crawler
    assert "LastCrawl" not in readings.client("glue").get_crawler(Name="readings")["Crawler"]
    assert readings.client("glue").list_crawls(CrawlerName="readings")["Crawls"] == []


def test_an_unknown_crawler_cannot_be_started(aws: LocalAws) -> None:
    # given an unknown crawler, when it is started, expect AWS's error
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        aws.client("glue").start_crawler(Name="nobody")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Targets": {"S3Targets": [{"Path": "s3://crawled/raw/"}]}}, "not S3Targets"),
        ({"SchemaChangePolicy": {**LOG, "UpdateBehavior": "UPDATE_IN_DATABASE"}}, "covers only UpdateBehavior LOG"),
        ({"SchemaChangePolicy": {"UpdateBehavior": "LOG"}}, "covers only DeleteBehavior LOG"),
        (
            {"Targets": {"CatalogTargets": [{"DatabaseName": "crawled", "Tables": ["missing"]}]}},
            "Table missing not found",
        ),
    ],
)
def test_an_unsupported_crawler_fails_with_a_message(readings: LocalAws, changes: dict[str, Any], message: str) -> None:
    # given an unsupported crawler
    create_crawler(readings, "readings", crawler="other", **changes)

    # when it is started
    last = crawl(readings, "other")

    # expect a failed crawl with the reason, and no partition
    assert last["Status"] == "FAILED"
    assert message in last["ErrorMessage"]
    assert locations(readings) == {}
    readings.client("glue").delete_crawler(Name="other")


TYPES = "loc_id:string, ts:int, data:struct<s_01:int,s_02:double>"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('{"loc_id":"a","ts":1576915200,"data":{"s_01":0,"s_02":0.5}}', TYPES),
        ('{"loc_id":"a","ts":1,"data":{"s_01":0}}\n\n{"data":{"s_02":1}}\n{"data":{"S_02":0.5,"s_01":null}}', TYPES),
        ('{"ts":1}\n{"ts":4000000000}', "ts:bigint"),
        ('{"ok":true}', "ok:boolean"),
    ],
)
def test_without_inheritance_a_partition_has_the_types_of_its_files(
    readings: LocalAws, other: str, lines: str, expected: str
) -> None:
    # given a crawler without InheritFromTable, and a day of readings
    put(readings, "raw/dt=2019-12-23/a.json", body=lines.encode())

    # when it has crawled
    assert crawl(readings, other)["Status"] == "SUCCEEDED"

    # expect the types of the file, not those of the table
    partition = readings.client("glue").get_partition(
        DatabaseName="crawled", TableName="readings", PartitionValues=["2019-12-23"]
    )["Partition"]
    found = [f"{column['Name']}:{column['Type']}" for column in partition["StorageDescriptor"]["Columns"]]
    assert ", ".join(found) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"ts":1}\n{"ts":"1"}', "ts is int in one record and string in another"),
        ('{"data":{"s_01":[1]}}', "data.s_01 is list [1]"),
        ('{"data":{}}\n{"data":1}', "data is an object in one record and int in another"),
        ('{"data":1}\n{"data":{}}', "data is int in one record and an object in another"),
        ('{"ts":1}\nnot json', "line 2 is not JSON"),
        ("[1]", "line 1 is not a JSON object"),
        ('{"ts":9223372036854775808}', "ts is int 9223372036854775808"),
    ],
)
def test_a_type_that_cannot_be_inferred_is_an_error_with_the_field(
    readings: LocalAws, other: str, lines: str, message: str
) -> None:
    put(readings, "raw/dt=2019-12-20/a.json", body=lines.encode())

    last = crawl(readings, other)

    assert last["Status"] == "FAILED"
    assert f"s3://crawled/raw/dt=2019-12-20/: the local AWS cannot infer the schema: {message}" in last["ErrorMessage"]


def test_other_formats_are_not_inferred(readings: LocalAws, other: str) -> None:
    readings.client("glue").delete_table(DatabaseName="crawled", Name="readings")
    create_table(readings, "readings", "s3://crawled/raw/", ["dt"], serde="org.apache.hadoop.hive.serde2.OpenCSVSerde")

    assert "InheritFromTable" in crawl(readings, other)["ErrorMessage"]


def test_a_crawl_during_a_restart_has_failed(fresh_aws: LocalAws) -> None:
    # given a server killed while a crawler runs
    fresh_aws.client("s3").create_bucket(Bucket="crawled")
    put(fresh_aws, *(f"raw/dt=x{number}/a.json" for number in range(150)))
    fresh_aws.client("glue").create_database(DatabaseInput={"Name": "crawled"})
    create_table(fresh_aws, "readings", "s3://crawled/raw/", ["dt"])
    create_crawler(fresh_aws, "readings")
    fresh_aws.client("glue").start_crawler(Name="readings")
    fresh_aws.kill()

    # when it is started again with its state
    fresh_aws.start()

    # expect the crawler to be ready, its last crawl to have failed, and that it can crawl again
    last = ended(fresh_aws, "readings")
    assert (last["Status"], last["ErrorMessage"]) == (
        "FAILED",
        "The local AWS was restarted during the crawl",
    )
    assert crawl(fresh_aws)["Status"] == "SUCCEEDED"
