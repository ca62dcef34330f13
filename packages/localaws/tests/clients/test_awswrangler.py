"""awswrangler: results by CTAS, by UNLOAD, and by the result file."""

from typing import Any

import boto3
import pytest

from tests.clients.conftest import BUCKET, DATABASE, OUTPUT, ROWS, WORKGROUP, keys, tables

wr = pytest.importorskip("awswrangler", reason="the clients are installed by make test-clients")

WAYS = {
    "ctas": {"ctas_approach": True},
    "unload": {"ctas_approach": False, "unload_approach": True},
    "file": {"ctas_approach": False, "unload_approach": False},
}


@pytest.fixture(params=[False, True], ids=["free", "enforced"])
def workgroup(athena: Any, request: pytest.FixtureRequest) -> str:
    """A workgroup, with and without an enforced result location."""
    if not request.param:
        return WORKGROUP
    if "enforced" not in [one["Name"] for one in athena.list_work_groups()["WorkGroups"]]:
        configuration = {"ResultConfiguration": {"OutputLocation": OUTPUT}, "EnforceWorkGroupConfiguration": True}
        athena.create_work_group(Name="enforced", Configuration=configuration)
    return "enforced"


def query(sql: str, way: str, workgroup: str = WORKGROUP, **options: Any) -> Any:
    if way == "unload":  # an empty location
        options["s3_output"] = f"s3://{BUCKET}/unloaded/{workgroup}/{len(keys(f's3://{BUCKET}/'))}/"
    return wr.athena.read_sql_query(
        sql, DATABASE, workgroup=workgroup, athena_query_wait_polling_delay=0.02, **WAYS[way], **options
    )


def rows(frame: Any) -> list[tuple[Any, ...]]:
    """The rows in order; NULL is NA, NaN or None."""
    columns = [
        [None if missing else cell for cell, missing in zip(frame[c], frame[c].isna(), strict=True)] for c in frame
    ]
    return sorted(zip(*columns, strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_each_way_returns_the_same_rows(way: str, workgroup: str) -> None:
    frame = query("SELECT * FROM sales ORDER BY id", way, workgroup)
    assert rows(frame) == ROWS
    assert tables() == ["sales"]


@pytest.mark.parametrize("way", WAYS)
def test_files_are_deleted_with_keep_files_false(athena: Any, way: str) -> None:
    before = keys(f"s3://{BUCKET}/")
    query("SELECT id FROM sales", way, keep_files=False)
    assert keys(f"s3://{BUCKET}/") == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("sql", "options"),
    [
        ("SELECT id FROM sales WHERE name = ?", {"params": ["'it''s 7'"], "paramstyle": "qmark"}),
        ("SELECT id FROM sales WHERE name = :name", {"params": {"name": "it's 7"}}),
    ],
)
def test_parameters_of_client_and_server(athena: Any, way: str, sql: str, options: dict[str, Any]) -> None:
    assert rows(query(sql, way, **options)) == [(7,)]


def test_a_result_without_rows_keeps_its_columns(athena: Any) -> None:
    frame = query("SELECT id, name FROM sales WHERE id < 0", "ctas")
    assert (len(frame), list(frame)) == (0, ["id", "name"])
    with pytest.raises(wr.exceptions.EmptyDataFrame):
        query("SELECT id, name FROM sales WHERE id < 0", "unload")


@pytest.mark.parametrize(
    ("way", "place"),
    # awswrangler adds four lines before the query for CTAS, and "UNLOAD (" for UNLOAD
    [("ctas", "line 5:11"), ("unload", "line 1:16"), ("file", "line 1:8")],
)
def test_a_failed_query_raises_athenas_reason(athena: Any, way: str, place: str) -> None:
    with pytest.raises(wr.exceptions.QueryFailed, match=f"COLUMN_NOT_FOUND: {place}: Column 'nope' cannot be resolved"):
        query("SELECT nope FROM sales", way)


def test_a_table_is_described(athena: Any) -> None:
    described = wr.athena.describe_table("sales", DATABASE, workgroup=WORKGROUP)
    assert list(described["Type"]) == ["bigint", "string", "decimal(10,2)", "double", "date", "timestamp"]


def test_the_primary_workgroup_needs_no_settings(athena: Any) -> None:
    frame = wr.athena.read_sql_query(
        "SELECT id FROM sales", DATABASE, s3_output=f"s3://{BUCKET}/own/", athena_query_wait_polling_delay=0.02
    )
    assert len(frame) == len(ROWS)
    assert boto3.client("athena").get_work_group(WorkGroup="primary")["WorkGroup"]["Name"] == "primary"
