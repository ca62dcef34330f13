"""boto3, and what the other clients share with it: errors, parameters, files."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients.conftest import BUCKET, OUTPUT, ROWS, keys, read, run, tables

pytest.importorskip("awswrangler", reason="the clients are installed by make test-clients")


def test_a_result_is_read_page_by_page(athena: Any) -> None:
    # given a result of 1,500 rows under a line of names
    execution = run(athena, "SELECT id FROM sales ORDER BY id")
    # when it is read with and without a limit
    paginator = athena.get_paginator("get_query_results")
    pages = [page["ResultSet"]["Rows"] for page in paginator.paginate(QueryExecutionId=execution["QueryExecutionId"])]
    few = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"], MaxResults=2)
    # expect no page with more than 1,000 lines, and none lost between two pages
    assert [len(page) for page in pages] == [1000, 501]
    cells = [row["Data"][0]["VarCharValue"] for page in pages for row in page]
    assert cells == ["id", *(str(row[0]) for row in ROWS)]
    assert few["ResultSet"]["Rows"] == pages[0][:2]


@pytest.mark.parametrize(
    ("sql", "parameters", "reason"),
    [
        ("SELECT nope FROM sales", [], "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved"),
        ("SELECT ?,\n nope FROM sales", ["'a long text'"], "COLUMN_NOT_FOUND: line 2:2: Column 'nope' cannot be res"),
        ("SELECT ?, nope FROM sales", ["'a long text'"], "COLUMN_NOT_FOUND: line 1:11: Column 'nope' cannot be res"),
        ("CREATE TABLE t AS SELECT nope FROM sales", [], "COLUMN_NOT_FOUND: line 1:26: Column 'nope' cannot be res"),
        ("SELECT 1 FROM nope", [], "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.shop.nope' does not exist"),
        (
            "SELECT ? + ?",
            ["1"],
            "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 2 but found 1",
        ),
        (
            f"UNLOAD (SELECT nope FROM sales) TO 's3://{BUCKET}/no/' WITH (format = 'PARQUET')",
            [],
            "COLUMN_NOT_FOUND: line 1:16: Column 'nope' cannot be resolved",
        ),
        (
            f"UNLOAD (SELECT id FROM sales) TO 's3://{BUCKET}/sales/' WITH (format = 'PARQUET')",
            [],
            "HIVE_PATH_ALREADY_EXISTS: Target directory for table 'shop.temp_table_",
        ),
    ],
)
def test_a_statement_that_fails_says_why(athena: Any, sql: str, parameters: list[str], reason: str) -> None:
    execution = run(athena, sql, **({"ExecutionParameters": parameters} if parameters else {}))
    assert execution["Status"]["State"] == "FAILED"
    assert execution["Status"]["StateChangeReason"].startswith(reason)
    assert execution.get("ExecutionParameters", []) == parameters
    assert tables() == ["sales"]


def test_results_of_a_failed_query_are_refused(athena: Any) -> None:
    execution = run(athena, "SELECT nope FROM sales")
    with pytest.raises(ClientError, match=r"did not finish successfully\. Final query state: FAILED") as error:
        athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert error.value.response["Error"]["Code"] == "InvalidRequestException"


def test_unload_leaves_files_and_their_list_but_no_table(athena: Any) -> None:
    # when half of the rows are unloaded, as the parameters say
    sql = f"UNLOAD (SELECT id FROM sales WHERE id > ?) TO 's3://{BUCKET}/half' WITH (format = 'PARQUET')"
    execution = run(athena, sql, ExecutionParameters=["750"])
    # expect the files at the place, a list of them with the results, and the catalog as it was
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert execution["StatementType"] == "DML"
    manifest = f"{OUTPUT}{execution['QueryExecutionId']}-manifest.csv"
    assert execution["Statistics"]["DataManifestLocation"] == manifest
    files = keys(f"s3://{BUCKET}/half/")
    assert files
    assert read(manifest) == "".join(f"s3://{BUCKET}/{key}\n" for key in files)
    assert tables() == ["sales"]


def test_a_table_without_a_place_of_its_own_lies_with_the_results(athena: Any, glue: Any) -> None:
    execution = run(athena, "CREATE TABLE copy AS SELECT * FROM sales")
    location = f"{OUTPUT}tables/{execution['QueryExecutionId']}"
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert execution["StatementType"] == "DDL"
    assert execution["ResultConfiguration"]["OutputLocation"] == location
    assert glue.get_table(DatabaseName="shop", Name="copy")["Table"]["StorageDescriptor"]["Location"] == f"{location}/"
    files = read(execution["Statistics"]["DataManifestLocation"]).splitlines()
    assert files == [f"s3://{BUCKET}/{key}" for key in keys(f"{location}/")]
    run(athena, "DROP TABLE copy")
