"""Updates registered partitions to the current definition of their tables, after a change of the template.

A partition has its own copy of the columns, from the day it was registered, and Athena uses that copy:
https://docs.aws.amazon.com/athena/latest/ug/updates-and-partitions.html
"""

from typing import TYPE_CHECKING, Any

from smart_hub.core.stacks import Log, StackError

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

_AT_ONCE = 100  # https://docs.aws.amazon.com/glue/latest/webapi/API_BatchUpdatePartition.html


def update_partitions(glue: "GlueClient", database: str, log: Log) -> None:
    """Gives each partition of the database's tables the columns, formats and SerDe of its table; keeps its location.

    Updates only partitions that differ. Raises StackError naming a partition that Glue failed to update.
    """
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
        for table in page["TableList"]:
            if table.get("PartitionKeys") and "projection.enabled" not in table.get("Parameters", {}):
                _update(glue, database, table, log)


def _update(glue: "GlueClient", database: str, table: Any, log: Log) -> None:
    name, declared = table["Name"], table["StorageDescriptor"]
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
    partitions = [partition for page in pages for partition in page["Partitions"]]
    differing = [one for one in partitions if _format(one["StorageDescriptor"]) != _format(declared)]
    for start in range(0, len(differing), _AT_ONCE):
        entries = [_entry(partition, declared) for partition in differing[start : start + _AT_ONCE]]
        response = glue.batch_update_partition(DatabaseName=database, TableName=name, Entries=entries)
        for error in response.get("Errors", []):
            values, detail = "/".join(error["PartitionValueList"]), error["ErrorDetail"]
            raise StackError(f"{database}.{name}, partition {values}: {detail['ErrorCode']} {detail['ErrorMessage']}")
    if differing:
        log(f"{database}.{name}: updated {len(differing)} partitions to the table's columns")


def _format(storage: Any) -> Any:
    """The parts of a storage descriptor that define how objects are read: columns, formats, SerDe."""
    serde = storage.get("SerdeInfo", {})
    return (
        [(column["Name"], column["Type"]) for column in storage["Columns"]],
        *(storage.get("InputFormat"), serde.get("SerializationLibrary"), serde.get("Parameters") or {}),
    )


def _entry(partition: Any, declared: Any) -> Any:
    location = partition["StorageDescriptor"]["Location"]
    changed = {"Values": partition["Values"], "StorageDescriptor": {**declared, "Location": location}}
    if partition.get("Parameters"):
        changed["Parameters"] = partition["Parameters"]
    return {"PartitionValueList": partition["Values"], "PartitionInput": changed}
