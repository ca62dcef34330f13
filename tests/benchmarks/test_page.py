"""What the benchmark has the page read is what the page reads."""

from benchmarks.page import tables
from smart_hub.page.store import SCHEMAS


def test_its_tables_have_the_columns_that_the_page_reads() -> None:
    made = {name: set(table.schema.names) for name, table in tables(["0000000000000001"])}

    assert made == {name: set(schema.names) for name, schema in SCHEMAS.items()}
