"""boto3: errors, parameters, files."""

from typing import Any

import pytest

from tests.clients.conftest import BUCKET, OUTPUT, keys, read, run, tables

pytest.importorskip("awswrangler", reason="the clients are installed by make test-clients")


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
def test_a_failed_statement_has_its_reason(athena: Any, sql: str, parameters: list[str], reason: str) -> None:
    execution = run(athena, sql, **({"ExecutionParameters": parameters} if parameters else {}))
    assert execution["Status"]["State"] == "FAILED"
    assert execution["Status"]["StateChangeReason"].startswith(reason)
    assert execution.get("ExecutionParameters", []) == parameters
    assert tables() == ["sales"]


def test_unload_writes_files_and_a_manifest_but_no_table(athena: Any) -> None:
    # when half of the rows are unloaded, by a parameter
    sql = f"UNLOAD (SELECT id FROM sales WHERE id > ?) TO 's3://{BUCKET}/half' WITH (format = 'PARQUET')"
    execution = run(athena, sql, ExecutionParameters=["750"])
    # expect the files, their manifest beside the results, and no other table
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert execution["StatementType"] == "DML"
    manifest = f"{OUTPUT}{execution['QueryExecutionId']}-manifest.csv"
    assert execution["Statistics"]["DataManifestLocation"] == manifest
    files = keys(f"s3://{BUCKET}/half/")
    assert files
    assert read(manifest) == "".join(f"s3://{BUCKET}/{key}\n" for key in files)
    assert tables() == ["sales"]


def test_a_table_without_a_location_is_written_beside_the_results(athena: Any, glue: Any) -> None:
    execution = run(athena, "CREATE TABLE copy AS SELECT * FROM sales")
    location = f"{OUTPUT}tables/{execution['QueryExecutionId']}"
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert execution["StatementType"] == "DDL"
    assert execution["ResultConfiguration"]["OutputLocation"] == location
    assert glue.get_table(DatabaseName="shop", Name="copy")["Table"]["StorageDescriptor"]["Location"] == f"{location}/"
    files = read(execution["Statistics"]["DataManifestLocation"]).splitlines()
    assert files == [f"s3://{BUCKET}/{key}" for key in keys(f"{location}/")]
    run(athena, "DROP TABLE copy")
