"""Columns that are spelled outside the template, where files are written or read by code: they are the template's."""

from pathlib import Path

import pyarrow as pa
import pytest

from smart_hub.layout import QUALITY_TABLE, REFERENCE_TABLES
from smart_hub.operators.audit import QUALITY_SCHEMA
from smart_hub.page.store import SCHEMAS
from tests.glue.conftest import load as load_script
from tests.infrastructure.test_templates import columns

ROOT = Path(__file__).parents[2]
TYPES = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}


def declared(table: str) -> dict[str, pa.DataType]:
    return {name: TYPES[of] for name, of in columns(table)}


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
