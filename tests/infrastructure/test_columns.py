"""The tables' and views' columns: what the template says of them, and that who spells them elsewhere says the same."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from smart_hub.operators.audit import QUALITY_SCHEMA
from smart_hub.page.published_data import SCHEMAS
from smart_hub.shared.layout import FIRST_DAY, INSIGHT_VIEWS, QUALITY_TABLE, REFERENCE_TABLES
from tests.glue.conftest import load as load_script
from tests.infrastructure.test_templates import of_type

ROOT = Path(__file__).parents[2]
TYPES = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}
TRINO_TYPES = {"string": "varchar", "int": "integer", "bigint": "bigint", "double": "double", "date": "date"}


def table_input(name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (t["TableInput"] for t in of_type("AWS::Glue::Table").values() if t["TableInput"]["Name"] == name)
    return found


def columns(name: str) -> list[tuple[str, str]]:
    return [(column["Name"], column["Type"]) for column in table_input(name)["StorageDescriptor"]["Columns"]]


def selected(statement: str) -> list[str]:
    """The columns' names in a SELECT: what stands last in each item."""
    found = re.search(r"\bSELECT\s(.*?)\sFROM\b", statement, re.DOTALL)
    assert found is not None
    return [item.split()[-1] for item in found[1].split(",")]


def declared(table: str) -> dict[str, pa.DataType]:
    return {name: TYPES[of] for name, of in columns(table)}


def test_raw_lines_begin_with_the_first_usage_day() -> None:
    parameters = table_input("raw_usage_lines")["Parameters"]
    assert parameters["projection.dt.range"] == f"{FIRST_DAY},NOW+1DAYS"


def test_the_table_of_version_1_keeps_its_columns() -> None:
    assert columns("usage") == [
        ("loc_id", "string"),
        ("ts", "bigint"),
        *((f"s_{number:02}", "double") for number in range(1, 11)),
    ]


def test_every_column_and_key_of_a_table_says_what_it_is() -> None:
    said = {}
    for table in (item["TableInput"] for item in of_type("AWS::Glue::Table").values()):
        shown = table["StorageDescriptor"]["Columns"] + table.get("PartitionKeys", [])
        for column in shown:
            said[f"{table['Name']}.{column['Name']}"] = (table["TableType"], column.get("Comment"))

    # Of a view the first publish would drop them, with CREATE OR REPLACE VIEW.
    assert {name for name, (kind, comment) in said.items() if not comment and kind != "VIRTUAL_VIEW"} == set()
    assert {name for name, (kind, comment) in said.items() if comment and kind == "VIRTUAL_VIEW"} == set()
    # https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html; and CloudFormation gives what is not ASCII back as
    # question marks: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/814
    comments = {name: comment for name, (_, comment) in said.items() if comment}
    assert {name for name, comment in comments.items() if len(comment) > 255 or not comment.isascii()} == set()


@pytest.mark.parametrize(("view", "table"), REFERENCE_TABLES.items())
def test_a_view_is_its_table_without_content_and_file_and_empty(view: str, table: str) -> None:
    declared = table_input(view)
    text, variables = declared["ViewOriginalText"]["Fn::Sub"]
    definition = json.loads(variables["View"]["Fn::Base64"]["Fn::Sub"])

    assert text == "/* Presto View: ${View} */"
    assert [(key["Name"], key["Type"]) for key in table_input(table)["PartitionKeys"]] == [("content", "string")]
    shown = [(name, of) for name, of in columns(table) if name != "file"]
    assert columns(view) == shown
    assert [(c["name"], c["type"]) for c in definition["columns"]] == [(n, TRINO_TYPES[t]) for n, t in shown]
    assert definition["originalSql"] == f"SELECT {', '.join(n for n, _ in shown)} FROM {table} WHERE false"
    assert definition["schema"] == "${Database}"


@pytest.mark.parametrize("view", INSIGHT_VIEWS)
def test_a_view_of_insights_is_deployed_empty_with_its_columns(view: str) -> None:
    _, variables = table_input(view)["ViewOriginalText"]["Fn::Sub"]
    definition = json.loads(variables["View"]["Fn::Base64"]["Fn::Sub"])
    shown = columns(view)

    assert [(c["name"], c["type"]) for c in definition["columns"]] == [(n, TRINO_TYPES[t]) for n, t in shown]
    assert selected(definition["originalSql"]) == [name for name, _ in shown]
    assert definition["originalSql"].endswith(" WHERE false")
    assert definition["schema"] == "${Database}"


@pytest.mark.parametrize("view", [*REFERENCE_TABLES, *INSIGHT_VIEWS])
def test_a_publish_replaces_a_view_by_the_same_columns(view: str) -> None:
    statement = (ROOT / "include" / "sql" / "publish" / f"{view}.sql").read_text()

    assert selected(statement) == [name for name, _ in columns(view)]


def test_the_audit_writes_the_columns_of_data_quality() -> None:
    assert [(field.name, field.type) for field in QUALITY_SCHEMA] == list(declared(QUALITY_TABLE).items())


def test_the_job_writes_the_columns_of_rate_versions() -> None:
    script = load_script(ROOT / "include" / "glue" / "rates_xml_to_parquet.py")

    assert REFERENCE_TABLES["rates"] == script.TABLE
    assert [(field.name, field.type) for field in script.SCHEMA] == list(declared(script.TABLE).items())


@pytest.mark.parametrize("table", SCHEMAS)
def test_the_page_reads_columns_that_there_are(table: str) -> None:
    read = {field.name: getattr(field.type, "value_type", field.type) for field in SCHEMAS[table]}

    assert read.items() <= declared(table).items()
