"""The template's columns have comments, and audit and page use the same columns."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from smart_hub.operators.audit import QUALITY_SCHEMA
from smart_hub.page.published_data import SCHEMAS
from smart_hub.shared.layout import FIRST_DAY, QUALITY_TABLE
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


def table_input(name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (t["TableInput"] for t in of_type("AWS::Glue::Table").values() if t["TableInput"]["Name"] == name)
    return found


def columns(name: str) -> list[tuple[str, str]]:
    return [(column["Name"], column["Type"]) for column in table_input(name)["StorageDescriptor"]["Columns"]]


def declared(table: str) -> dict[str, pa.DataType]:
    return {name: TYPES[of] for name, of in columns(table)}


def test_raw_lines_begin_with_the_first_usage_day() -> None:
    parameters = table_input("raw_usage_lines")["Parameters"]
    assert parameters["projection.dt.range"] == f"{FIRST_DAY},NOW+1DAYS"


def test_every_column_and_partition_key_has_a_comment() -> None:
    comments_of = {}
    for table in (item["TableInput"] for item in of_type("AWS::Glue::Table").values()):
        all_columns = table["StorageDescriptor"]["Columns"] + table.get("PartitionKeys", [])
        for column in all_columns:
            comments_of[f"{table['Name']}.{column['Name']}"] = (table["TableType"], column.get("Comment"))

    # Views have none: CREATE OR REPLACE VIEW of the first publish would drop them.
    assert {name for name, (kind, comment) in comments_of.items() if not comment and kind != "VIRTUAL_VIEW"} == set()
    assert {name for name, (kind, comment) in comments_of.items() if comment and kind == "VIRTUAL_VIEW"} == set()
    # https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html; and CloudFormation replaces non-ASCII ones by
    # question marks: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/814
    comments = {name: comment for name, (_, comment) in comments_of.items() if comment}
    assert {name for name, comment in comments.items() if len(comment) > 255 or not comment.isascii()} == set()


def test_the_audit_writes_the_columns_of_data_quality() -> None:
    assert [(field.name, field.type) for field in QUALITY_SCHEMA] == list(declared(QUALITY_TABLE).items())


@pytest.mark.parametrize("table", SCHEMAS)
def test_the_page_reads_declared_columns(table: str) -> None:
    read = {field.name: getattr(field.type, "value_type", field.type) for field in SCHEMAS[table]}

    assert read.items() <= declared(table).items()
