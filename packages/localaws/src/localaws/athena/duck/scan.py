"""The tables of a query: their registered partitions, pruned, and the objects of the partitions."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from localaws.athena.catalog import NULL_PARTITION, PARQUET, Catalog, Column, Partition, Table
from localaws.athena.duck.operators import quote
from localaws.athena.duck.serdes import READERS
from localaws.athena.errors import QueryError, not_supported

_WHOLE_SHARE = 1 / 8  # the share of a statement's memory for whole objects
_GLOB = re.compile(r"[*?\[]")  # DuckDB treats a location with one of these as a pattern


class TableSource:
    """Finds the tables of one query, lists their objects, and counts the bytes that the query scans."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalog: Catalog, s3: Any) -> None:
        self.connection = connection
        self.catalog = catalog
        self._scanned: list[tuple[str, Table, list[tuple[str, int]]]] = []  # alias, table, objects with their sizes
        # A statement sees one state of a table and its objects, and gets it once, however often it names the table.
        self.table = cache(catalog.find)
        self._partitions = cache(self._registered)
        self._objects = cache(lambda location: list(objects(s3, location)))

    def scan(self, table: Table, alias: str, conditions: Sequence[str], hidden_path: bool) -> str:
        """DuckDB's text for the rows of the partitions that fulfil all conditions, as relation ``alias``."""
        if table.parameters.get("classification") == "xml":
            raise QueryError(
                "HIVE_INVALID_METADATA", f"Hive metadata for table {table.name} is invalid: XML is not read"
            )
        if table.serde not in READERS:
            raise not_supported(f"a table of SerDe {table.serde}")
        partitions = self._pruned(table, alias, conditions)
        files = [(*file, partition) for partition in partitions for file in self._objects(partition.location)]
        self._scanned.append((alias, table, [(location, size) for location, size, _ in files]))
        if not files:
            nulls = [f'CAST(NULL AS {item.type.duck}) AS "{item.name}"' for item in (*table.columns, *table.keys)]
            path = ['CAST(NULL AS VARCHAR) AS "$path"'] if hidden_path else []
            return f"(SELECT {', '.join(nulls + path)} WHERE FALSE) AS {alias}"
        locations = sorted({location for location, _, _ in files})  # partitions can share a location
        rows = READERS[table.serde](self.connection, table, locations)
        texts = [f'r."{column.name}"' for column in table.columns]
        joins = ""
        if table.keys and len(partitions) == 1:
            texts += [
                f'{_key_value(key, value)} AS "{key.name}"'
                for key, value in zip(table.keys, partitions[0].values, strict=True)
            ]
        elif table.keys:
            names = ", ".join(f'"{key.name}"' for key in table.keys)
            values = ", ".join(f"({quote(location)}, {_key_values(table, item)})" for location, _, item in files)
            joins = f' INNER JOIN (VALUES {values}) AS p("$file", {names}) ON r."$path" = p."$file"'
            texts += [f'p."{key.name}"' for key in table.keys]
        if hidden_path:
            texts.append('r."$path"')
        return f"(SELECT {', '.join(texts)} FROM ({rows}) AS r{joins}) AS {alias}"

    def read_whole(self, memory: int) -> None:
        """Makes DuckDB get each object in one request if all objects are small compared with ``memory``, in bytes.

        Otherwise it sends a request for each column of each row group, and ministack reads the whole object each time.
        """
        tables = [files for _, table, files in self._scanned if table.serde == PARQUET]  # others have been copied
        total = sum({location: size for files in tables for location, size in files}.values())
        whole = total if total <= memory * _WHOLE_SHARE else 0
        # DuckDB does not count these bytes.
        self.connection.execute(f"SET force_download = {whole > 0}; SET memory_limit = '{memory - whole}B'")

    def scanned_bytes(self, sql: str) -> int:
        """The bytes that Athena would bill for a query in DuckDB's SQL: of Parquet, only the columns that it names.

        Row groups that are skipped by their statistics count, too.
        """
        total = 0
        for alias, table, files in self._scanned:
            if table.serde != PARQUET:
                total += sum(size for _, size in files)
                continue
            named = [column.name for column in table.columns if f'{alias}."{column.name}"' in sql]
            if named and files:
                found = self.connection.execute(
                    "SELECT sum(total_compressed_size) FROM parquet_metadata(?)"
                    # the keys and the values of a map have paths below the map's
                    " WHERE list_contains(?, lower(split_part(path_in_schema, ', ', 1)))",
                    [sorted({location for location, _ in files}), named],
                ).fetchone()
                total += int(found[0] or 0) if found else 0
        return total

    def _registered(self, database: str, name: str) -> list[Partition]:
        table = self.table(database, name)
        return [] if table is None else self.catalog.partitions(table)

    def _pruned(self, table: Table, alias: str, conditions: Sequence[str]) -> list[Partition]:
        if not table.keys:
            return [Partition((), table.location)]
        partitions = self._partitions(table.database, table.name)
        if not conditions or not partitions:
            return partitions
        keys = {key.name: [item.values[place] for item in partitions] for place, key in enumerate(table.keys)}
        self.connection.register("$partitions", pa.table({"$number": range(len(partitions)), **keys}))
        typed = [
            f'CAST(nullif("{key.name}", {quote(NULL_PARTITION)}) AS {key.type.duck}) AS "{key.name}"'
            for key in table.keys
        ]
        try:
            met = self.connection.execute(
                f'SELECT "$number" FROM (SELECT "$number", {", ".join(typed)} FROM "$partitions") AS {alias}'
                f" WHERE {' AND '.join(conditions)}"
            ).fetchall()
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            return partitions  # if a condition fails for some value, it is left to the scan
        return [partitions[number] for (number,) in sorted(met)]


def objects(s3: Any, location: str) -> Iterator[tuple[str, int]]:
    """Location and size of each object that Hive reads in a folder: not those that begin with ``_`` or ``.``."""
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            below = item["Key"][len(prefix) :]
            if item["Size"] and not any(part.startswith(("_", ".")) for part in below.split("/")):
                if _GLOB.search(item["Key"]):
                    raise not_supported(f"the object key {item['Key']}")
                yield f"s3://{bucket}/{item['Key']}", item["Size"]


def _key_values(table: Table, partition: Partition) -> str:
    return ", ".join(_key_value(*one) for one in zip(table.keys, partition.values, strict=True))


def _key_value(key: Column, value: str) -> str:
    if value == NULL_PARTITION:
        return f"CAST(NULL AS {key.type.duck})"
    return f"CAST({quote(value)} AS {key.type.duck})"
