"""What a deployment makes: tables, crawlers, functions, the job, on the local AWS."""

import base64
import hashlib
import json
import re

import pytest

from ops import package
from ops.settings import ROOT
from ops.templates import load
from smart_hub.shared.layout import PUBLISHED_TABLES, QUALITY_TABLE, REFERENCE_TABLES
from tests.ops.conftest import Deployed

pytestmark = pytest.mark.service

# The contract that the SQL, the functions and the job are written against.
TEMPLATE = load((ROOT / "include" / "infrastructure" / "smart_hub.yaml").read_text(encoding="utf-8"))
DECLARED = {
    item["Properties"]["TableInput"]["Name"]: item["Properties"]["TableInput"]
    for item in TEMPLATE["Resources"].values()
    if item["Type"] == "AWS::Glue::Table"
}
PARQUET = (*REFERENCE_TABLES.values(), *PUBLISHED_TABLES, QUALITY_TABLE)


def test_the_database_holds_the_declared_tables(deployed: Deployed) -> None:
    tables = deployed.client("glue").get_tables(DatabaseName="smart_hub")["TableList"]

    assert {table["Name"] for table in tables} == set(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
def test_a_table_has_the_columns_and_comments_of_the_template(deployed: Deployed, name: str) -> None:
    table, declared = deployed.table(name), DECLARED[name]

    assert table["StorageDescriptor"]["Columns"] == declared["StorageDescriptor"]["Columns"]
    assert table.get("PartitionKeys", []) == declared.get("PartitionKeys", [])
    assert table["TableType"] == declared["TableType"]


@pytest.mark.parametrize("name", PARQUET)
def test_a_converted_table_is_parquet_in_the_warehouse(deployed: Deployed, name: str) -> None:
    table = deployed.table(name)
    storage = table["StorageDescriptor"]

    assert storage["Location"] == f"s3://smart-hub-data-000000000000-us-east-1/warehouse/{name}/"
    assert storage["InputFormat"] == "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    assert storage["OutputFormat"] == "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    assert storage["SerdeInfo"] == {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }
    assert table["Parameters"]["classification"] == "parquet"


@pytest.mark.parametrize(
    ("name", "data_set", "serde", "options", "parameters"),
    [
        ("raw_usage", "usage", "org.openx.data.jsonserde.JsonSerDe", {"ignore.malformed.json": "true"}, {}),
        (
            "raw_mappings",
            "mappings",
            "org.openx.data.jsonserde.JsonSerDe",
            {"ignore.malformed.json": "true"},
            {},
        ),
        (
            "raw_locations",
            "locations",
            "org.apache.hadoop.hive.serde2.OpenCSVSerde",
            {"separatorChar": ",", "quoteChar": '"', "escapeChar": "\\"},
            {"skip.header.line.count": "1"},
        ),
        (
            "raw_mappings_lines",
            "mappings",
            "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            {"field.delim": "\x01"},
            {},
        ),
        (
            "raw_locations_lines",
            "locations",
            "org.apache.hadoop.hive.serde2.OpenCSVSerde",
            {"separatorChar": ",", "quoteChar": '"', "escapeChar": "\\"},
            {},
        ),
        (
            "raw_usage_lines",
            "usage",
            "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            {"field.delim": "\x01"},
            {
                "projection.enabled": "true",
                "projection.dt.type": "date",
                "projection.dt.format": "yyyy-MM-dd",
                "storage.location.template": "s3://smart-hub-data-000000000000-us-east-1/raw/usage/dt=${dt}",
            },
        ),
    ],
)
def test_a_raw_table_reads_text_as_delivered(
    deployed: Deployed,
    name: str,
    data_set: str,
    serde: str,
    options: dict[str, str],
    parameters: dict[str, str],
) -> None:
    table = deployed.table(name)
    storage = table["StorageDescriptor"]

    assert storage["Location"] == f"s3://smart-hub-data-000000000000-us-east-1/raw/{data_set}/"
    assert storage["InputFormat"] == "org.apache.hadoop.mapred.TextInputFormat"
    assert storage["OutputFormat"] == "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
    assert storage["SerdeInfo"] == {"SerializationLibrary": serde, "Parameters": options}
    assert parameters.items() <= table["Parameters"].items()


def test_a_view_arrives_as_presto_json_in_base64(deployed: Deployed) -> None:
    view = deployed.table("rates")
    found = re.fullmatch(r"/\* Presto View: (\S+) \*/", view["ViewOriginalText"])

    assert found is not None
    assert view["Parameters"]["presto_view"] == "true"
    definition = json.loads(base64.b64decode(found[1]))
    assert definition["schema"] == "smart_hub"
    assert definition["originalSql"].endswith(" FROM rate_versions WHERE false")


def test_the_crawlers_arrive_with_their_configuration(deployed: Deployed) -> None:
    glue = deployed.client("glue")
    crawlers = {c["Name"]: c for c in glue.get_crawlers()["Crawlers"] if c["Name"].startswith("smart-hub-")}

    assert {name: c["Targets"]["CatalogTargets"][0]["Tables"] for name, c in crawlers.items()} == {
        "smart-hub-usage": ["raw_usage"],
        "smart-hub-mappings": ["raw_mappings"],
        "smart-hub-locations": ["raw_locations"],
        "smart-hub-rates": ["raw_rates"],
    }
    for crawler in crawlers.values():
        assert json.loads(crawler["Configuration"])["CrawlerOutput"] == {
            "Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}
        }
        assert crawler["SchemaChangePolicy"] == {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    (classifier,) = crawlers["smart-hub-rates"]["Classifiers"]
    assert glue.get_classifier(Name=classifier)["Classifier"]["XMLClassifier"]["RowTag"] == "row"


@pytest.mark.parametrize("step", ["convert", "transform", "compact"])
def test_a_function_arrives_with_its_code_and_environment(deployed: Deployed, step: str) -> None:
    function = deployed.client("lambda").get_function_configuration(FunctionName=f"smart-hub-{step}")

    assert function["CodeSha256"] == base64.b64encode(hashlib.sha256(package.lambda_zip()).digest()).decode()
    assert function["Handler"] == f"{step}.handler"
    assert (function["Timeout"], function["MemorySize"]) == (900, 256)
    assert function["Role"] == f"arn:aws:iam::000000000000:role/smart-hub-{step}"
    assert function["Environment"]["Variables"] == {
        "DATABASE": "smart_hub",
        "WORKGROUP": "smart-hub",
        "DATA_BUCKET": "smart-hub-data-000000000000-us-east-1",
    }


def test_the_job_arrives_with_its_script(deployed: Deployed) -> None:
    job = deployed.client("glue").get_job(JobName="smart-hub-rates")["Job"]
    bucket, _, key = job["Command"]["ScriptLocation"].removeprefix("s3://").partition("/")

    assert deployed.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == package.script().body
    assert job["DefaultArguments"] == {
        "library-set": "analytics",
        "--data-bucket": "smart-hub-data-000000000000-us-east-1",
        "--database": "smart_hub",
    }
