"""PyAthena's cursors: rows, pandas, UNLOAD."""

from typing import Any

import pytest

from tests.clients.conftest import BUCKET, DATABASE, OUTPUT, ROWS, WORKGROUP, tables

pytest.importorskip("awswrangler", reason="the clients are installed by make test-clients")
pyathena = pytest.importorskip("pyathena")
pandas_cursor = pytest.importorskip("pyathena.pandas.cursor")
pytestmark = pytest.mark.usefixtures("athena")


def connect(**options: Any) -> Any:
    return pyathena.connect(
        schema_name=DATABASE, work_group=WORKGROUP, s3_staging_dir=OUTPUT, poll_interval=0.02, **options
    )


def test_rows_come_with_their_types() -> None:
    cursor = connect().cursor().execute("SELECT * FROM sales ORDER BY id")
    assert [column[:2] for column in cursor.description] == [
        ("id", "bigint"),
        ("name", "varchar"),
        ("price", "decimal"),
        ("weight", "double"),
        ("day", "date"),
        ("sold", "timestamp"),
    ]
    assert cursor.fetchall() == ROWS


@pytest.mark.parametrize(
    ("sql", "parameters", "paramstyle"),
    [
        ("SELECT id FROM sales WHERE name = %(name)s", {"name": "it's 7"}, None),
        ("SELECT id FROM sales WHERE name = ?", ["'it''s 7'"], "qmark"),
    ],
)
def test_parameters_of_client_and_server(sql: str, parameters: Any, paramstyle: str | None) -> None:
    cursor = connect().cursor().execute(sql, parameters, paramstyle=paramstyle)
    assert cursor.fetchall() == [(7,)]


def test_a_query_that_fails() -> None:
    reason = "^COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved$"
    with pytest.raises(pyathena.OperationalError, match=reason):
        connect().cursor().execute("SELECT nope FROM sales")


@pytest.mark.parametrize("unload", [False, True])
def test_pandas_by_the_result_file_and_by_unload(unload: bool) -> None:
    cursor = connect(cursor_class=pandas_cursor.PandasCursor, cursor_kwargs={"unload": unload}).cursor()
    cursor.execute("SELECT id, name, price FROM sales ORDER BY id")
    frame = cursor.as_pandas()
    # expect NULL as None or NaN, which alone differs from itself, and the table alone in the catalog
    rows = [tuple(None if cell != cell else cell for cell in row) for row in frame.itertuples(index=False, name=None)]
    assert sorted(rows) == [row[:3] for row in ROWS]
    assert (cursor.data_manifest_location or "").startswith(f"s3://{BUCKET}/") is unload
    assert tables() == ["sales"]
