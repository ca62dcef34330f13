"""Registered partitions are updated after a change of the template."""

from typing import Any

import pytest

from localaws.testing import LocalAws
from ops.partitions import update_partitions

PARQUET = {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"}


def storage(columns: dict[str, str], location: str) -> Any:
    named = [{"Name": name, "Type": of, "Comment": "said"} for name, of in columns.items()]
    return {"Columns": named, "Location": location, "InputFormat": "parquet", "SerdeInfo": PARQUET}


@pytest.fixture(scope="module")
def glue(module_local_aws: LocalAws) -> Any:
    return module_local_aws.client("glue")


def test_partitions_get_the_columns_of_their_table_and_keep_their_place(glue: Any) -> None:
    # given a table to which a column was added, with 101 older partitions and a newer one
    glue.create_database(DatabaseInput={"Name": "hub"})
    old, new = {"loc_id": "string"}, {"loc_id": "string", "seconds": "int"}
    table = {"Name": "usage_cost", "PartitionKeys": [{"Name": "dt", "Type": "string"}]}
    glue.create_table(DatabaseName="hub", TableInput={**table, "StorageDescriptor": storage(new, "s3://b/")})
    for number in range(102):
        described = storage(new if number == 101 else old, f"s3://b/{number}/")
        glue.create_partition(
            DatabaseName="hub",
            TableName="usage_cost",
            PartitionInput={"Values": [str(number)], "StorageDescriptor": described, "Parameters": {"mine": "1"}},
        )
    reported: list[str] = []

    # when the partitions are updated twice
    for _ in range(2):
        update_partitions(glue, "hub", reported.append)

    # expect all to have the new column and their old locations, and no changes the second time
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName="hub", TableName="usage_cost")
    found = {one["Values"][0]: one for page in pages for one in page["Partitions"]}
    assert {name: one["StorageDescriptor"] for name, one in found.items()} == {
        str(number): storage(new, f"s3://b/{number}/") for number in range(102)
    }
    assert all(one["Parameters"] == {"mine": "1"} for one in found.values())
    assert reported == ["hub.usage_cost: updated 101 partitions to the table's columns"]
