"""The tables that the benchmark writes for the page."""

from benchmarks.page import tables
from smart_hub.page.published_data import SCHEMAS


def test_the_tables_have_the_columns_that_the_page_reads() -> None:
    columns = {name: set(table.schema.names) for name, table in tables(["0000000000000001"])}

    assert columns == {name: set(schema.names) for name, schema in SCHEMAS.items()}
