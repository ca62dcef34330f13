"""The files of Athena's results, the same for every query engine. They are read page by page.

https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
"""

import re
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from localaws.athena.catalog import Column
from localaws.athena.engine import Outcome
from localaws.service import AwsClients

MANIFEST = "-manifest.csv"  # the file that lists what a CTAS or UNLOAD wrote

Rows = list[list[str | None]]

_CELL = re.compile(rb'("[^"]*(?:""[^"]*)*")?(,|\n)')
_PRECISIONS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "double": 17, "timestamp": 3}


def write(clients: AwsClients, document: dict[str, Any], outcome: Outcome, is_ddl: bool) -> str:
    """Write the result's file; returns its location. A statement without a result has a location, but no file."""
    suffix = ".txt" if is_ddl else ".csv" if outcome.columns else ""
    folder = "tables/" if outcome.files is not None and outcome.statement_type == "DDL" else ""
    location = f"{document['ResultConfiguration']['OutputLocation']}{folder}{document['QueryExecutionId']}{suffix}"
    if outcome.files is not None:
        _put(clients, f"{location}{MANIFEST}", "".join(f"{file}\n" for file in outcome.files).encode())
    if suffix:
        _put(clients, location, _as_lines(outcome.rows) if is_ddl else _as_csv(outcome))
    return location


def _put(clients: AwsClients, location: str, text: bytes) -> None:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    clients.client("s3").put_object(Bucket=bucket, Key=key, Body=text)


def page(clients: AwsClients, location: str, begin: int, max_rows: int) -> tuple[Rows, int | None]:
    """At most ``max_rows`` rows from a byte of the file on, and the byte at which the next page begins, if any.

    Raises ClientError if the file cannot be read.
    """
    bucket, _, key = location.removeprefix("s3://").partition("/")
    try:
        answer = clients.client("s3").get_object(Bucket=bucket, Key=key, Range=f"bytes={begin}-")
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidRange":  # an empty file
            return [], None
        raise
    data: bytes = answer["Body"].read()
    rows, length = _line_rows(data, max_rows) if location.endswith(".txt") else _csv_rows(data, max_rows)
    return rows, begin + length if length < len(data) else None


def column_info(column: Column, is_ddl: bool) -> dict[str, Any]:
    """The column as GetQueryResults describes it."""
    type_ = column.type
    precision, scale = _PRECISIONS.get(type_.name, 0), 0
    if type_.name == "decimal":
        precision, scale = type_.args
    elif type_.name == "varchar":
        precision = type_.args[0] if type_.args else 2147483647
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": "string" if is_ddl else type_.name,
        "Precision": 0 if is_ddl else precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": type_.name == "varchar" and not is_ddl,
    }


def _as_csv(outcome: Outcome) -> bytes:
    """Every value in quotes, NULL as an empty field; the first line has the names of the columns."""
    names: Sequence[str | None] = [column.name for column in outcome.columns]
    lines = (",".join(map(_quoted, row)) for row in (names, *outcome.rows))
    return "".join(f"{line}\n" for line in lines).encode()


def _quoted(cell: str | None) -> str:
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


def _csv_rows(data: bytes, max_rows: int) -> tuple[Rows, int]:
    """At most ``max_rows`` rows of a CSV file, and their length in bytes."""
    rows: Rows = []
    row: list[str | None] = []
    for match in _CELL.finditer(data):
        cell = match[1]
        row.append(None if cell is None else cell[1:-1].replace(b'""', b'"').decode())
        if match[2] == b"\n":
            rows.append(row)
            row = []
            if len(rows) == max_rows:
                return rows, match.end()
    return rows, len(data)


def _as_lines(rows: Sequence[Sequence[str | None]]) -> bytes:
    """The rows of a SHOW or DESCRIBE, a tab between the cells."""
    return "".join("\t".join(cell or "" for cell in row) + "\n" for row in rows).encode()


def _line_rows(data: bytes, max_rows: int) -> tuple[Rows, int]:
    """At most ``max_rows`` rows of such a file, and their length in bytes."""
    lines = data.split(b"\n")[:-1][:max_rows]
    return [list(line.decode().split("\t")) for line in lines], sum(len(line) + 1 for line in lines)
