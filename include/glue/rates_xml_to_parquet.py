"""Step 4, Glue job: converts the rates of raw/rates/ to Parquet, one row per state, local year, month and hour of day.

Runs unchanged as a Python shell job (Python 3.9, pyarrow 7) and as the driver script of a Spark job.
Arguments: --data-bucket, --database, --content-hash (of raw/rates/ in step 1), --version (to write).

The raw format is XML, `<root><row><state>ca</state><year>2019</year><month>12</month><from>00:00:00</from>
<to>00:59:59</to><type>off-peak</type><rate>5.051</rate></row>…</root>`; a row's elements can be in any order.
The job fails for any other format, because a wrong or missing rate makes all costs of its hour wrong or missing.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple
from xml.parsers import expat

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

ARGUMENTS = ("--data-bucket", "--database", "--content-hash", "--version")
RAW = "raw/rates/"
TABLE = "rate_versions"
SCHEMA = pa.schema(
    [
        ("state", pa.string()),
        ("year", pa.int32()),
        ("month", pa.int32()),
        ("hour", pa.int32()),
        ("type", pa.string()),
        ("cents_per_kwh", pa.float64()),
    ]
)
MAX_VALUE_CHARACTERS = 64
FIELDS = {
    "state": (r"[a-z]{2}", "two lower-case letters"),
    "year": (r"20[0-9]{2}|2100", "a year from 2000 to 2100"),
    "month": (r"0?[1-9]|1[0-2]", "a month from 1 to 12"),
    "from": (r"([01][0-9]|2[0-3]):00:00", "the start of an hour, 00:00:00 to 23:00:00"),
    "to": (r"([01][0-9]|2[0-3]):59:59", "the end of an hour, 00:59:59 to 23:59:59"),
    "type": (r"off-peak|partial-peak|peak", "off-peak, partial-peak or peak"),
    "rate": (
        r"[0-9]+(\.[0-9]*)?|\.[0-9]+",
        f"cents per kWh as a decimal number of 0 or more, in at most {MAX_VALUE_CHARACTERS} characters",
    ),
}


class RatesError(ValueError):
    """An argument is missing, or the raw data are invalid. The message has the position and the expected value."""


class Row(NamedTuple):
    """One `<row>` of a file: its position, and the text and line of each of its fields."""

    where: str
    texts: dict[str, str]
    lines: dict[str, int]

    def error(self, field: str, expected: str) -> RatesError:
        text = self.texts[field]
        shown = repr(text if len(text) <= 40 else text[:40] + "…")
        return RatesError(f"{self.where}, field {field} in line {self.lines[field]}: {shown} is not {expected}")


class Rate(NamedTuple):
    """A valid row: the rate of a state's local hours from `first` to `last`, both included, in a month."""

    where: str
    state: str
    year: int
    month: int
    first: int
    last: int
    type: str
    cents_per_kwh: float


def parse_arguments(argv: list[str]) -> dict[str, str]:
    """Returns the values of ARGUMENTS, from `--name value` or `--name=value`; Glue's own arguments are ignored.

    Raises RatesError if one is missing.
    """
    values: dict[str, str] = {}
    for argument, following in zip(argv, [*argv[1:], ""]):
        name, equals, value = argument.partition("=")
        values[name] = value if equals else following
    for name in ARGUMENTS:
        if not values.get(name) or values[name].startswith("--"):
            raise RatesError(f"argument {name} is missing: pass a value for each of {', '.join(ARGUMENTS)}")
    return {name: values[name] for name in ARGUMENTS}


def content_hash(objects: Iterable[tuple[str, str]]) -> str:
    """A copy of smart_hub.shared.content_hash.content_hash, because a Glue job is one file."""
    digest = hashlib.sha256()
    for key, etag in sorted(objects):
        digest.update("{}\t{}\n".format(key, etag.strip('"')).encode())
    return digest.hexdigest()


class _Reader:
    """Builds rows from expat's events of one file; refuses everything that is not part of the format."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.number = 0
        self.rows: list[Row] = []
        self.open: list[str] = []  # the elements around the current position, outermost first
        # XML without a declaration is UTF-8, or UTF-16 (see parse). Other bytes cause an ExpatError.
        self.parser = expat.ParserCreate()
        self.parser.XmlDeclHandler = self.declaration
        # Entities can be declared only in a DTD, and expat reports a DTD before it reads its contents.
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text

    def error(self, what: str) -> RatesError:
        return RatesError(f"{self.file}, row {self.number}, line {self.parser.CurrentLineNumber}: {what}")

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.upper() != "UTF-8":
            raise self.error(f"declares the encoding {encoding[:40]!r}, expected UTF-8")

    def doctype(self, *declared: object) -> None:
        raise self.error("has a document type declaration (DTD), expected none")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        depth = len(self.open)
        if name == "row" and depth == 1:
            self.number += 1
            self.row = Row(f"{self.file}, row {self.number}, line {self.parser.CurrentLineNumber}", {}, {})
        expected = (["root"], ["row"], list(FIELDS), [])[depth]
        if name not in expected:
            inside = f"inside <{self.open[-1]}>" if self.open else "outermost"
            raise self.error(f"<{name[:40]}> {inside}, expected {', '.join(expected) or 'text only'}")
        if attributes:
            raise self.error(f"<{name}> has the attribute {min(attributes)[:40]!r}, expected none")
        if depth == 2:
            if name in self.row.texts:
                raise self.error(f"field {name} is repeated, expected once a row")
            self.row.texts[name] = ""
            self.row.lines[name] = self.parser.CurrentLineNumber
        self.open.append(name)

    def text(self, text: str) -> None:
        field = self.open[-1]
        if field in FIELDS:
            self.row.texts[field] += text
            if len(self.row.texts[field]) > MAX_VALUE_CHARACTERS:  # before a long value fills the memory
                raise self.row.error(field, FIELDS[field][1])
        elif text.strip():
            raise self.error(f"text {text.strip()[:40]!r} inside <{field}>, expected elements only")

    def end(self, name: str) -> None:
        self.open.pop()
        if name == "row":
            missing = [field for field in FIELDS if field not in self.row.texts]
            if missing:
                raise RatesError(f"{self.row.where}: {', '.join(missing)} missing, expected once a row")
            self.rows.append(self.row)


def parse(file: str, chunks: Iterable[bytes]) -> Iterator[Row]:
    """Yields the rows of one XML file, which is read in chunks; `file` is its name in error messages.

    Raises RatesError if the file is not UTF-8, is not well-formed, has a DTD, has elements, attributes or text that are
    not part of the format, or if a field is missing or repeated in a row.
    """
    reader = _Reader(file)
    try:
        for chunk in chunks:
            reader.parser.Parse(chunk, False)
            if re.search(rb"[\x00\xfe\xff]", chunk):  # never in UTF-8; expat would accept UTF-16
                raise RatesError(f"{file}, row 0, line 1: the file is in UTF-16, expected UTF-8")
            yield from reader.rows
            reader.rows.clear()
        reader.parser.Parse(b"", True)  # expat can have deferred a part of the last chunk
        yield from reader.rows
    except expat.ExpatError as error:
        reason = f"{expat.ErrorString(error.code)}; expected one whole, well-formed XML document in UTF-8"
        raise RatesError(f"{file}, row {reader.number}, line {error.lineno}: {reason}") from error


def validate(row: Row) -> Rate:
    """Returns the typed row. Raises RatesError if a value does not match FIELDS, or if `to` is before `from`."""
    for field, (pattern, expected) in FIELDS.items():
        if not re.fullmatch(pattern, row.texts[field]):
            raise row.error(field, expected)
    state, year, month, start, end, period, cents = (row.texts[field] for field in FIELDS)
    if end < start:
        raise row.error("to", f"after from, {start}: a row that passes midnight must be two")
    return Rate(row.where, state, int(year), int(month), int(start[:2]), int(end[:2]), period, float(cents))


def expand(rates: Iterable[Rate]) -> dict[tuple[str, int, int, int], Rate]:
    """Returns the rate of each (state, year, month, hour).

    Raises RatesError if there are no rates, if an hour has two rates, or if an hour is missing in a state's month.
    """
    hours: dict[tuple[str, int, int, int], Rate] = {}
    for rate in rates:
        for hour in range(rate.first, rate.last + 1):
            first = hours.setdefault((rate.state, rate.year, rate.month, hour), rate)
            if first is not rate:
                which = f"{rate.state} {rate.year}-{rate.month:02} hour {hour}"
                raise RatesError(f"{rate.where}: {which} has a rate already, from {first.where}; remove one row")
    if not hours:
        raise RatesError(f"no rates in {RAW}: the source needs at least one XML file with rows in rates/")
    for state, year, month in sorted({key[:3] for key in hours}):
        missing = [str(hour) for hour in range(24) if (state, year, month, hour) not in hours]
        if missing:
            which = f"{state} {year}-{month:02} hour {', '.join(missing)}"
            raise RatesError(f"{RAW}: no rate for {which}; add rows for all 24 hours of the month")
    return hours


def to_table(hours: Mapping[tuple[str, int, int, int], Rate]) -> pa.Table:
    """A table of SCHEMA, one row an hour, sorted by state, year, month and hour."""
    rows = [(*key, rate.type, rate.cents_per_kwh) for key, rate in sorted(hours.items())]
    return pa.table([pa.array(values, field.type) for values, field in zip(zip(*rows), SCHEMA)], SCHEMA)


def list_raw(s3: S3Client, bucket: str) -> dict[str, str]:
    """Key → ETag of the raw objects, without the markers of empty folders."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=RAW)
    objects = (item for page in pages for item in page.get("Contents", []))
    return {item["Key"]: item["ETag"] for item in objects if item["Size"] or not item["Key"].endswith("/")}


def changed(bucket: str, how: str) -> RatesError:
    remedy = "start the run again from step_1_copy_raw_data"
    return RatesError(f"s3://{bucket}/{RAW} has changed since step 1 ({how}): {remedy}")


def read_raw(s3: S3Client, bucket: str, key: str, etag: str) -> Iterator[Row]:
    """Yields the rows of one object. Raises RatesError if it no longer has this ETag."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key, IfMatch=etag)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "NoSuchKey"):
            raise changed(bucket, f"{key} was replaced or removed") from error
        raise
    yield from parse(f"s3://{bucket}/{key}", body.iter_chunks(64 * 1024))


def register(glue: GlueClient, database: str, partition: str, location: str) -> str:
    """Adds a partition of rate_versions at `location`, unless it exists; returns the partition's location."""
    descriptor = glue.get_table(DatabaseName=database, Name=TABLE)["Table"]["StorageDescriptor"]
    descriptor["Location"] = location
    try:
        glue.create_partition(
            DatabaseName=database,
            TableName=TABLE,
            PartitionInput={"Values": [partition], "StorageDescriptor": descriptor},
        )
    except glue.exceptions.AlreadyExistsException:
        # An earlier attempt of this version can have added it, or the request was sent twice.
        answer = glue.get_partition(DatabaseName=database, TableName=TABLE, PartitionValues=[partition])
        return answer["Partition"]["StorageDescriptor"]["Location"]
    return location


def main(argv: list[str]) -> None:
    """Converts and registers the rates. Raises RatesError for a missing argument or invalid data."""
    bucket, database, expected_hash, version = parse_arguments(argv).values()
    s3, glue = boto3.client("s3"), boto3.client("glue")

    objects = list_raw(s3, bucket)
    current_hash = content_hash(objects.items())
    if current_hash != expected_hash:
        raise changed(bucket, f"content hash {expected_hash} then, {current_hash} now")
    print(f"Reading {len(objects)} file(s) of s3://{bucket}/{RAW}, content hash {expected_hash}")
    rows = (row for key, etag in sorted(objects.items()) for row in read_raw(s3, bucket, key, etag))
    table = to_table(expand(map(validate, rows)))

    prefix = f"warehouse/{TABLE}/content={expected_hash}/version={version}/"
    location, key = f"s3://{bucket}/{prefix}", f"{prefix}rates.parquet"
    parquet = pa.BufferOutputStream()
    pq.write_table(table, parquet)
    s3.put_object(Bucket=bucket, Key=key, Body=parquet.getvalue().to_pybytes())
    print(f"Wrote {table.num_rows} rows to s3://{bucket}/{key}")

    registered = register(glue, database, expected_hash, location)
    if registered.rstrip("/") == location.rstrip("/"):
        print(f"Registered partition {expected_hash} of {database}.{TABLE}")
    else:
        s3.delete_object(Bucket=bucket, Key=key)
        print(f"Partition {expected_hash} exists already at {registered} and is kept; s3://{bucket}/{key} is deleted")


if __name__ == "__main__":
    main(sys.argv[1:])
