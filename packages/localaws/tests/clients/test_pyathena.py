"""PyAthena's cursors: rows, pandas, UNLOAD."""

import re
from pathlib import Path
from typing import Any

import pytest

from localaws.testing import AthenaClient, LocalAws
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


def test_a_failed_query() -> None:
    reason = "^COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved$"
    with pytest.raises(pyathena.OperationalError, match=reason):
        connect().cursor().execute("SELECT nope FROM sales")


@pytest.mark.parametrize("unload", [False, True])
def test_pandas_by_the_result_file_and_by_unload(unload: bool) -> None:
    cursor = connect(cursor_class=pandas_cursor.PandasCursor, cursor_kwargs={"unload": unload}).cursor()
    cursor.execute("SELECT id, name, price FROM sales ORDER BY id")
    frame = cursor.as_pandas()
    # expect NULL as None or NaN (which differs from itself), and no other table in the catalog
    rows = [tuple(None if cell != cell else cell for cell in row) for row in frame.itertuples(index=False, name=None)]
    assert sorted(rows) == [row[:3] for row in ROWS]
    assert (cursor.data_manifest_location or "").startswith(f"s3://{BUCKET}/") is unload
    assert tables() == ["sales"]


def test_the_example_of_the_readme(local_aws_environment: LocalAws, capsys: pytest.CaptureFixture[str]) -> None:
    # given the bucket, the database and the table of the example before it
    client = AthenaClient.create(local_aws_environment, "shop-of-the-readme")
    client.run("CREATE TABLE orders WITH (external_location = 's3://shop-of-the-readme/orders/') AS SELECT 1 AS id")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(from pyathena .*?)^```$", readme, re.MULTILINE | re.DOTALL)
    for text, replacement in {
        "http://127.0.0.1:4566": local_aws_environment.endpoint,
        "s3://shop/": "s3://shop-of-the-readme/",
        '"shop"': f'"{client.database}"',
    }.items():
        example = example.replace(text, replacement)

    exec(example, {})

    assert capsys.readouterr().out == "[(1,)]\n"
