"""The Glue catalog as a query sees it: tables, views, registered partitions."""

import base64
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import Type, from_hive

# Names of SerDes.
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
OPENX_JSON = "org.openx.data.jsonserde.JsonSerDe"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
TEXT = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"  # Hive's value of a partition whose key is NULL

Values = tuple[str, ...]  # of a partition, in the order of the keys

_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")


@dataclass(frozen=True)
class Column:
    name: str
    type: Type
    comment: str = field(default="", compare=False)


@dataclass(frozen=True)
class Partition:
    """location: ``s3://…`` with a slash at the end."""

    values: Values
    location: str


@dataclass(frozen=True)
class Table:
    database: str
    name: str
    columns: tuple[Column, ...]
    keys: tuple[Column, ...]
    location: str
    serde: str
    parameters: dict[str, str]
    serde_parameters: dict[str, str]
    view_sql: str | None
    view_database: str
    buckets: int = 0

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"


class Catalog:
    """Reads and writes one caller's view of the Glue catalog through boto3's ``glue`` client."""

    def __init__(self, glue: Any) -> None:
        self.glue = glue

    def find(self, database: str, name: str) -> Table | None:
        """The table or view, or None. Raises QueryError SCHEMA_NOT_FOUND for an unknown database."""
        try:
            entry = self.glue.get_table(DatabaseName=database, Name=name)["Table"]
        except self.glue.exceptions.EntityNotFoundException:
            self.require_database(database)
            return None
        storage = entry.get("StorageDescriptor", {})
        serde = storage.get("SerdeInfo", {})
        text = _VIEW.fullmatch(entry.get("ViewOriginalText", "").strip())
        view = json.loads(base64.b64decode(text.group(1))) if text else {}
        return Table(
            database=database,
            name=entry["Name"],
            columns=_columns(storage.get("Columns", [])),
            keys=_columns(entry.get("PartitionKeys", [])),
            location=_folder(storage.get("Location", "")),
            serde=serde.get("SerializationLibrary", ""),
            parameters=entry.get("Parameters", {}),
            serde_parameters=serde.get("Parameters", {}),
            view_sql=view.get("originalSql"),
            view_database=view.get("schema", database),
            buckets=max(storage.get("NumberOfBuckets", 0), 0),
        )

    def require_database(self, database: str) -> None:
        try:
            self.glue.get_database(Name=database)
        except self.glue.exceptions.EntityNotFoundException:
            raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist") from None

    def partitions(self, table: Table) -> list[Partition]:
        """Registered partitions, or those of a partition projection over dates.

        Raises QueryError if a partition was registered with other column types (HIVE_PARTITION_SCHEMA_MISMATCH), or
        with an invalid value of its key (HIVE_INVALID_PARTITION_VALUE).
        """
        if table.parameters.get("projection.enabled") == "true":
            return _projected(table)
        listed = []
        for page in self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=table.database, TableName=table.name
        ):
            listed += [_partition(table, item) for item in page["Partitions"]]
        return listed

    def registered(self, table: Table, partitions: Collection[Values]) -> dict[Values, str]:
        """The locations of the registered partitions among at most 1,000. Raises the errors of ``partitions``."""
        if not partitions:
            return {}
        answer = self.glue.batch_get_partition(
            DatabaseName=table.database,
            TableName=table.name,
            PartitionsToGet=[{"Values": list(values)} for values in partitions],
        )
        listed = (_partition(table, item) for item in answer["Partitions"])
        return {one.values: one.location for one in listed}

    def register(self, database: str, name: str, partitions: Mapping[Values, str]) -> None:
        """Adds at most 100 partitions with these locations. Raises QueryError; then it has added none."""
        if not partitions:
            return
        place = {"DatabaseName": database, "TableName": name}
        storage = self.glue.get_table(DatabaseName=database, Name=name)["Table"]["StorageDescriptor"]
        inputs = [
            {"Values": list(values), "StorageDescriptor": {**storage, "Location": location.rstrip("/")}}
            for values, location in sorted(partitions.items())
        ]
        errors = self.glue.batch_create_partition(**place, PartitionInputList=inputs).get("Errors")
        if errors:
            added = partitions.keys() - {tuple(error["PartitionValues"]) for error in errors}
            self.glue.batch_delete_partition(
                **place, PartitionsToDelete=[{"Values": list(values)} for values in sorted(added)]
            )
            raise QueryError("HIVE_METASTORE_ERROR", errors[0]["ErrorDetail"]["ErrorMessage"])


def _columns(columns: list[dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(
        Column(column["Name"].lower(), from_hive(column["Type"]), column.get("Comment", "")) for column in columns
    )


def folder(location: str, keys: Sequence[Column], values: Values) -> str:
    """A partition's location below its table's: ``s3://…/dt=2019-12-21/``."""
    return location + "".join(f"{key.name}={value}/" for key, value in zip(keys, values, strict=True))


def _partition(table: Table, item: dict[str, Any]) -> Partition:
    storage = item["StorageDescriptor"]
    _check_values(table, item["Values"])
    _check_columns(table, item["Values"], _columns(storage.get("Columns", [])))
    return Partition(tuple(item["Values"]), _folder(storage["Location"]))


def _folder(location: str) -> str:
    return location if not location or location.endswith("/") else f"{location}/"


_KEY_VALUES = {"varchar": ".*", "date": r"\d{4}-\d{2}-\d{2}"} | dict.fromkeys(
    ("tinyint", "smallint", "integer", "bigint"), r"-?\d+"
)


def _check_values(table: Table, values: list[str]) -> None:
    for key, value in zip(table.keys, values, strict=True):
        if key.type.name not in _KEY_VALUES:
            raise not_supported(f"the partition key {key.name} of type {key.type}")
        if value != NULL_PARTITION and not re.fullmatch(_KEY_VALUES[key.type.name], value, re.DOTALL):
            raise QueryError(
                "HIVE_INVALID_PARTITION_VALUE",
                f"Invalid partition value '{value}' for {key.type} partition key: {key.name}",
            )


def _check_columns(table: Table, values: list[str], columns: tuple[Column, ...]) -> None:
    for declared, actual in zip(table.columns, columns, strict=False):
        if declared.type != actual.type:
            spec = "/".join(f"{key.name}={value}" for key, value in zip(table.keys, values, strict=True))
            raise QueryError(
                "HIVE_PARTITION_SCHEMA_MISMATCH",
                "There is a mismatch between the table and partition schemas. The types are incompatible and"
                f" cannot be coerced. The column '{declared.name}' in table '{table}' is declared as type"
                f" '{declared.type.hive}', but partition '{spec}' declared column '{actual.name}' as type"
                f" '{actual.type.hive}'.",
            )


def _projected(table: Table) -> list[Partition]:
    """Partitions of a projection over a range of days; other projections are not covered."""
    if len(table.keys) != 1:
        raise not_supported("partition projection over more than one column")
    key = table.keys[0].name
    settings = {
        name: table.parameters.get(f"projection.{key}.{name}") for name in ("type", "format", "range", "interval.unit")
    }
    template = table.parameters.get("storage.location.template", f"{table.location}{key}=${{{key}}}")
    bounds = re.fullmatch(
        r"(\d{4}-\d{2}-\d{2}),(?:(\d{4}-\d{2}-\d{2})|NOW(?:([+-]\d{1,4})DAYS)?)", settings["range"] or ""
    )
    if settings["type"] != "date" or settings["format"] != "yyyy-MM-dd" or bounds is None:
        raise not_supported(f"the partition projection of {table}")
    if settings["interval.unit"] not in (None, "DAYS"):
        raise not_supported(f"the partition projection of {table}")
    first = date.fromisoformat(bounds[1])
    today = datetime.now(UTC).date()
    last = date.fromisoformat(bounds[2]) if bounds[2] else today + timedelta(days=int(bounds[3] or 0))
    return list(_daily_partitions(first, last, template, key))


@lru_cache(maxsize=16)  # a projection has some ten thousand days, the same in each query
def _daily_partitions(first: date, last: date, template: str, key: str) -> tuple[Partition, ...]:
    days = ((first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1))
    return tuple(Partition((day,), _folder(template.replace(f"${{{key}}}", day))) for day in days)
