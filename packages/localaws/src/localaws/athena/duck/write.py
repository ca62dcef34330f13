"""Writes rows as the Parquet objects of a table, for CREATE TABLE AS and INSERT INTO."""

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from botocore.exceptions import ClientError

from localaws.athena.catalog import NULL_PARTITION, Column, Values
from localaws.athena.duck.operators import quote
from localaws.athena.duck.scan import objects
from localaws.athena.duck.serdes import add_function
from localaws.athena.errors import QueryError, not_supported

COMPRESSIONS = ("SNAPPY", "GZIP", "ZSTD")
# Athena's maximum of partitions × buckets per statement.
MAX_WRITERS = 100
# The number of files of a table without buckets and partitions; the number of rows of DuckDB's row groups.
FILES = 2
_ROW_GROUP = 122_880
# Types whose text in a folder's name is known, and texts that are not escaped there.
_KEY_TYPES = ("tinyint", "smallint", "integer", "bigint", "varchar", "date")
_KEY_TEXT = re.compile(rf"[\w.-]+|{NULL_PARTITION}", re.ASCII)


@dataclass(frozen=True)
class Writer:
    """The writer of one statement; the names of all its objects begin with ``name``.

    Methods take the rows as DuckDB's text of a query.
    """

    connection: duckdb.DuckDBPyConnection
    s3: Any
    compression: str
    # Named as Hive names buckets, so that Trino knows the bucket of a file although empty buckets have none.
    name: str = field(default_factory=lambda: f"000000_0_{uuid.uuid4().hex[:12]}")
    used: list[str] = field(default_factory=list)  # the folders written to

    def held(self, rows: str) -> str:
        """The rows in a temporary table: errors occur here, before anything is written."""
        self.connection.execute(f"CREATE TEMP TABLE held AS {rows}")
        return "SELECT * FROM held"

    def file(self, rows: str, target: str) -> None:
        """Writes one object; none without rows, because deleting an empty object would need a permission."""
        self.used.append(target.rpartition("/")[0] + "/")
        self._copy(rows, target, ", WRITE_EMPTY_FILE false")

    def files(self, rows: str, location: str, count: int) -> None:
        """Writes ``count`` objects. As on Athena, there can be several, and rows are in no order."""
        self.used.append(location)
        numbered = f'SELECT *, row_number() OVER () % {count} AS "$file" FROM ({rows})'
        names = f"OVERWRITE_OR_IGNORE, HIVE_FILE_PATTERN false, FILENAME_PATTERN '{self.name}_{{i}}'"
        self._copy(numbered, location.rstrip("/"), f', PARTITION_BY ("$file"), {names}')

    def folders(self, rows: str, location: str, keys: Sequence[Column]) -> dict[Values, str]:
        """Writes each partition to one or more objects; returns locations by partition values."""
        names = ", ".join(f'"{key.name}"' for key in keys)
        self._copy(rows, location.rstrip("/"), f", PARTITION_BY ({names}), FILENAME_PATTERN '{self.name}_{{i}}'")
        locations = {}
        for place, _ in objects(self.s3, location):
            folder = place.removeprefix(location).rpartition("/")[0]
            locations[tuple(part.partition("=")[2] for part in folder.split("/"))] = f"{location}{folder}/"
        _check_partitions(locations, keys)
        return locations

    def values(self, rows: str, keys: Sequence[Column]) -> list[Values]:
        """The partitions of the rows. Raises QueryError if there are too many, or one is not covered."""
        texts = f"SELECT DISTINCT {', '.join(map(_text, keys))} FROM ({rows}) ORDER BY ALL LIMIT {MAX_WRITERS + 1}"
        fetched = self.connection.execute(texts).fetchall()
        _check_partitions(fetched, keys)
        return fetched

    def partitions(self, rows: str, keys: Sequence[Column], places: Mapping[Values, str]) -> None:
        """Writes each partition to one object. The rows are read once per partition: see ``held``."""
        names = ", ".join(f'"{key.name}"' for key in keys)
        for values, location in places.items():
            of_one = " AND ".join(f"{_text(key)} = {quote(value)}" for key, value in zip(keys, values, strict=True))
            self.file(f"SELECT * EXCLUDE ({names}) FROM ({rows}) WHERE {of_one}", f"{location}{self.name}.parquet")

    def buckets(self, rows: str, location: str, by: Sequence[str], count: int) -> None:
        """Writes an object for each bucket."""
        parts = [rows] if count == 1 else self._buckets(rows, by, count)
        for number, part in enumerate(parts):
            self.file(part, f"{location}{number:06}{self.name[6:]}.parquet")

    def _buckets(self, rows: str, by: Sequence[str], count: int) -> list[str]:
        """The rows of each bucket, in their order."""
        name = f'"{by[0]}"'
        self.connection.execute("SET preserve_insertion_order = true")
        self.connection.execute(f"CREATE TEMP TABLE rows AS {rows}")
        described = self.connection.execute(f"DESCRIBE SELECT {name} FROM rows").fetchone()
        if len(by) > 1 or described is None or described[1] != "VARCHAR":
            raise not_supported("several buckets by other than one string")
        bucket_of = add_function(self.connection, lambda text: hive_bucket(text, count), "INTEGER", pa.int32())
        self.connection.execute(
            f"CREATE TEMP TABLE buckets AS SELECT {name} AS value, coalesce({bucket_of}({name}), 0) AS bucket"
            f" FROM (SELECT DISTINCT {name} FROM rows)"
        )
        return [
            f"SELECT rows.* FROM rows JOIN buckets ON rows.{name} IS NOT DISTINCT FROM value WHERE bucket = {bucket}"
            " ORDER BY rows.rowid"
            for bucket in range(count)
        ]

    def _copy(self, rows: str, target: str, options: str) -> None:
        self.connection.execute(f"SET partitioned_write_flush_threshold = {_ROW_GROUP}")  # bounds the memory
        self.connection.execute(
            f"COPY ({rows}) TO {quote(target)} (FORMAT parquet, COMPRESSION {self.compression}{options})"
        )

    def undo(self) -> None:
        """Deletes the objects that ``file`` and ``files`` wrote, if the caller has the permission."""
        for location in self.used:
            bucket, _, prefix = location.removeprefix("s3://").partition("/")
            with suppress(ClientError):
                answer = self.s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}{self.name}")
                for item in answer.get("Contents", []):
                    self.s3.delete_object(Bucket=bucket, Key=item["Key"])


def hive_bucket(text: str, count: int) -> int:
    """Hive's bucket of a string: its hash 31·h + byte in 32 bits, without the sign, modulo their number."""
    number = 0
    for byte in text.encode():
        number = (31 * number + (byte - 256 if byte > 127 else byte)) & 0xFFFFFFFF
    return (number & 0x7FFFFFFF) % count


def _text(key: Column) -> str:
    """DuckDB's text of a key's value in a folder's name."""
    return f"coalesce(CAST(\"{key.name}\" AS VARCHAR), '{NULL_PARTITION}')"


def check_keys(keys: Sequence[Column]) -> None:
    """Raises QueryError for a partition key of a type that is not covered."""
    for key in keys:
        if key.type.name not in _KEY_TYPES:
            raise not_supported(f"partitions by {key.type}")


def too_many_writers() -> QueryError:
    return QueryError(
        "HIVE_TOO_MANY_OPEN_PARTITIONS",
        f"Exceeded limit of {MAX_WRITERS} open writers for partitions/buckets.",
    )


def _check_partitions(partitions: Collection[Values], keys: Sequence[Column]) -> None:
    for values in partitions:
        if len(values) != len(keys) or not all(map(_KEY_TEXT.fullmatch, values)):
            raise not_supported(f"the partition {'/'.join(values)}")
    if len(partitions) > MAX_WRITERS:
        raise too_many_writers()
