"""Runs statements on a Trino server, the engine that Athena version 3 is built on.

The server's Glue metastore and S3 must be this local AWS. It gets statements as they are, except for Athena's own
syntax: compression is a property of tables in Athena, and of the session in Trino. Constructs that only Trino has
(statements, table properties, clauses of views) are refused.
"""

import base64
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from sqlglot import Token, TokenType
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from trino.client import ClientSession, TrinoQuery, TrinoRequest
from trino.exceptions import HttpError, TrinoConnectionError, TrinoQueryError

from localaws.access import is_root, require, table_arns
from localaws.athena.catalog import Catalog, Column
from localaws.athena.engine import Outcome
from localaws.athena.errors import SCAN_LIMIT, Cancelled, QueryError
from localaws.athena.properties import after_name, place, properties, unexpected
from localaws.athena.statements import Edited
from localaws.athena.text import java_double
from localaws.athena.types import Type
from localaws.service import ServiceError

CATALOG = "awsdatacatalog"
_QUERIES = ("SELECT", "WITH", "VALUES", "TABLE", "(")
_EXPLAIN = re.compile(r"EXPLAIN\b\s*(?:ANALYZE\b(\s+VERBOSE\b)?|\(\s*(?:TYPE|FORMAT)\b[^()]*\))?", re.IGNORECASE)
# https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html
_KEPT_PROPERTIES = {"format", "external_location", "partitioned_by", "bucketed_by", "bucket_count"}
_COMPRESSIONS = {"write_compression": None, "parquet_compression": "PARQUET", "orc_compression": "ORC"}
_FORMATS = ("PARQUET", "ORC", "AVRO", "JSON", "TEXTFILE")
_CODECS = ("NONE", "SNAPPY", "GZIP", "ZSTD", "LZ4")
# With a writer per thread, each writer would have the limit of 100 partitions and buckets.
_ONE_WRITER = {"task_min_writer_count": "1", "task_max_writer_count": "1"}
_EXPLAIN_IO = "EXPLAIN (TYPE IO, FORMAT JSON) "
_REQUEST_SECONDS = 60  # of one request; Trino responds within a second, even if only with "keep polling"


@dataclass(frozen=True)
class TrinoEngine:
    """A server at `url`, http://host:port."""

    url: str

    def statement(self, sql: str, database: str, clients: Any, max_bytes: int | None = None) -> "TrinoStatement":
        """Raises QueryError for a statement that Athena does not have."""
        return TrinoStatement(self.url, Translated.of(sql), database, clients, max_bytes)


class TrinoStatement:
    """One statement in its own session, whose time zone is UTC as on Athena."""

    def __init__(self, url: str, translated: "Translated", database: str, clients: Any, max_bytes: int | None) -> None:
        self.url = url
        self.translated = translated
        self.database = database
        self.clients = clients
        self.max_bytes = max_bytes
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        """Takes effect with the next response of the server, within a second."""
        self.cancelled.set()

    def run(self) -> Outcome:
        if not is_root(self.clients):
            self._require_permissions()
        view = self.translated.view
        if view is None:
            return self._send(self.translated)
        try:
            columns = self._send(Translated(f"SELECT * FROM (\n{view.query}\n) LIMIT 0", "DML")).columns
        except QueryError:
            return self._send(self.translated)  # fails, too, with the position in the user's text
        # Types that Hive does not have are an error here, before anything is created.
        declared = [{"Name": column.name, "Type": column.type.hive} for column in columns]
        outcome = self._send(self.translated)
        self._declare(view.database or self.database, view.name, declared)
        return outcome

    def _require_permissions(self) -> None:
        """Check that the caller has the permissions that the statement needs: the server itself has the root user's.

        Raises QueryError without the permissions, and for a statement that cannot be planned.
        """
        explained = Edited(self.translated.explained, [(0, 0, _EXPLAIN_IO)])
        try:
            ((plan,),) = self._send(Translated(explained.text, "UTILITY", self.translated.session)).rows
        except QueryError as error:
            raise explained.in_original(error) from error
        io = json.loads(plan or "{}")
        written = [io["outputTable"]] if "outputTable" in io else []
        view = self.translated.view
        try:
            for table in (one["table"]["schemaTable"] for one in io["inputTableColumnInfos"]):
                self._require_reading(table["schema"], table["table"])
            for table in (one["schemaTable"] for one in written):
                self._require_writing(table["schema"], table["table"])
            if view is not None:
                self._require_making(view.database or self.database, view.name)
        except ServiceError as error:
            raise QueryError("PERMISSION_DENIED", error.message) from error

    def _require_reading(self, database: str, table: str) -> None:
        for arn in table_arns(self.clients, database, table):
            require(self.clients, "glue:GetTable", arn)
            require(self.clients, "glue:GetPartitions", arn)
        entry = Catalog(self.clients.client("glue")).find(database, table)
        if entry is not None:
            bucket, _, prefix = entry.location.removeprefix("s3://").partition("/")
            require(self.clients, "s3:ListBucket", f"arn:aws:s3:::{bucket}")
            require(self.clients, "s3:GetObject", f"arn:aws:s3:::{bucket}/{prefix}*")

    def _require_writing(self, database: str, table: str) -> None:
        entry = Catalog(self.clients.client("glue")).find(database, table)
        if entry is None:
            self._require_making(database, table)
        location = self.translated.location if entry is None else entry.location
        require(self.clients, "s3:PutObject", f"arn:aws:s3:::{location.removeprefix('s3://')}*")

    def _require_making(self, database: str, table: str) -> None:
        for arn in table_arns(self.clients, database, table):
            require(self.clients, "glue:CreateTable", arn)

    def _declare(self, database: str, view: str, columns: list[dict[str, str]]) -> None:
        """Write the view's columns to the catalog, as Athena does: Trino writes a column called dummy."""
        glue = self.clients.client("glue")
        table = glue.get_table(DatabaseName=database, Name=view)["Table"]
        fields = ("Name", "TableType", "Parameters", "ViewOriginalText", "ViewExpandedText", "StorageDescriptor")
        table_input = {name: table[name] for name in fields}
        table_input["StorageDescriptor"]["Columns"] = columns
        glue.update_table(DatabaseName=database, TableInput=table_input)

    def _send(self, translated: "Translated") -> Outcome:
        address = urlsplit(self.url)
        session = ClientSession(
            user="athena",
            source="local-aws",
            catalog=CATALOG,
            schema=self.database,
            timezone="UTC",
            properties=dict(translated.session),
        )
        with requests.Session() as http:
            http.trust_env = False  # never use the user's proxies
            request = TrinoRequest(
                address.hostname or "",
                address.port or 80,
                session,
                http_session=http,
                http_scheme=address.scheme,
                max_attempts=1,  # a repeated POST could run a statement twice
                request_timeout=_REQUEST_SECONDS,
            )
            query = TrinoQuery(request, translated.sql, legacy_primitive_types=True, stats_callback=self._check)
            try:
                return _outcome(query, translated.statement_type)
            except Cancelled:
                query.cancel()
                raise
            except TrinoQueryError as error:
                if error.error_name == "USER_CANCELED":
                    raise Cancelled from error
                raise QueryError(str(error.error_name), error.message) from error
            except (TrinoConnectionError, HttpError, requests.RequestException) as error:
                raise QueryError(
                    "GENERIC_INTERNAL_ERROR",
                    f"Trino at {self.url} does not answer, start it, or set --trino-url: {error}",
                ) from error

    def _check(self, stats: dict[str, Any]) -> None:
        """Called with each response of the server."""
        if self.cancelled.is_set():
            raise Cancelled
        if self.max_bytes is not None and _scanned_bytes(stats) > self.max_bytes:
            raise Cancelled(SCAN_LIMIT)


def _outcome(query: TrinoQuery, statement_type: str) -> Outcome:
    fetched = list(query.execute())
    scanned = _scanned_bytes(query.stats)
    if query.update_type is not None:  # it created or filled a table: Trino's row count is not part of Athena's result
        return Outcome((), (), scanned, statement_type)
    columns = tuple(Column(one["name"], type_of(one["typeSignature"])) for one in query.columns or ())
    types = [column.type for column in columns]
    rows = [tuple(as_text(cell, type_) for cell, type_ in zip(row, types, strict=True)) for row in fetched]
    return Outcome(columns, rows, scanned, statement_type)


def _scanned_bytes(stats: dict[str, Any]) -> int:
    """The bytes read from S3, without those exchanged between the stages of the query."""
    return int(stats["physicalInputBytes"])


@dataclass(frozen=True)
class View:
    """The view of a CREATE VIEW; database is "" if it is not named."""

    database: str
    name: str
    query: str


@dataclass(frozen=True)
class Translated:
    """A statement for Trino, with the same positions, and its session properties."""

    sql: str
    statement_type: str
    session: dict[str, str] = field(default_factory=dict)
    view: View | None = None
    location: str = ""  # of the table that it creates
    query: str = ""  # the query of an EXPLAIN

    @property
    def explained(self) -> str:
        """The statement to EXPLAIN for the tables that it reads and writes."""
        return self.view.query if self.view else self.query or self.sql

    @classmethod
    def of(cls, sql: str) -> "Translated":
        """Raises QueryError for statements that Athena does not have."""
        try:
            tokens = Dialect.get_or_raise("trino").tokenize(sql)
        except TokenError as error:
            raise QueryError("SYNTAX_ERROR", str(error)) from error
        while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
            tokens.pop()
        sql = sql[: tokens[-1].end + 1] if tokens else ""
        words = [token.text.upper() for token in tokens]
        if explain := tokens and _EXPLAIN.match(sql, tokens[0].start):
            query = _query(sql[explain.end() :])
            return cls(sql[: explain.end()] + query, "UTILITY", query=query)
        if words and words[0] in _QUERIES:
            return cls(sql, "DML")
        if words[:2] == ["INSERT", "INTO"]:
            return cls(sql, "DML", _ONE_WRITER)
        if words[:2] == ["CREATE", "TABLE"]:
            return _create_table(sql, tokens)
        if words[:2] == ["CREATE", "VIEW"] or words[:4] == ["CREATE", "OR", "REPLACE", "VIEW"]:
            return _create_view(sql, tokens)
        raise QueryError("NOT_SUPPORTED", f"Queries of this type are not supported: {' '.join(words[:3])}")


def _query(sql: str) -> str:
    """The statement, if it is a query. Nothing else can be explained, because ANALYZE runs the statement."""
    translated = Translated.of(sql)
    if translated != Translated(translated.sql, "DML"):
        raise _not_covered("EXPLAIN of other than a query")
    return translated.sql


def _create_view(sql: str, tokens: Sequence[Token]) -> Translated:
    start = 2 if tokens[1].text.upper() == "VIEW" else 4
    end = after_name(tokens, start)
    if [token.text.upper() for token in tokens[end : end + 1]] != ["AS"]:
        raise unexpected(tokens, end, "AS")
    *qualifiers, name = (token.text.lower() for token in tokens[start:end:2])
    view = View(qualifiers[-1] if qualifiers else "", name, sql[tokens[end].end + 1 :].strip())
    return Translated(sql, "DDL", view=view)


def _create_table(sql: str, tokens: Sequence[Token]) -> Translated:
    """A CREATE TABLE AS with Athena's properties: those that Trino does not have become blanks."""
    if_not_exists = [token.text.upper() for token in tokens[2:5]] == ["IF", "NOT", "EXISTS"]
    at = after_name(tokens, 5 if if_not_exists else 2)
    if [token.token_type for token in tokens[at : at + 2]] != [TokenType.WITH, TokenType.L_PAREN]:
        raise _not_covered("CREATE TABLE other than … WITH (external_location = …) AS SELECT")
    listed, end = properties(tokens, at + 2)
    values = {one.name: one.value for one in listed}
    for one in listed:
        if one.name not in _KEPT_PROPERTIES | _COMPRESSIONS.keys() | {"table_type"}:
            raise QueryError(
                "INVALID_TABLE_PROPERTY",
                f"{place(one.tokens[0])}: Catalog '{CATALOG}' table property '{one.name}' does not exist",
            )
    if values.get("table_type", "HIVE").upper() != "HIVE":
        raise _not_covered(f"table_type = '{values['table_type']}'")
    if "external_location" not in values:
        raise _not_covered("CREATE TABLE AS without external_location")
    table_format = values.get("format", "PARQUET").upper()
    if table_format not in _FORMATS:
        raise QueryError("INVALID_TABLE_PROPERTY", f"Unsupported format = '{table_format}'")
    session = dict(_ONE_WRITER) if values.keys() & {"partitioned_by", "bucketed_by"} else {}
    for name in _COMPRESSIONS.keys() & values.keys():
        codec = values[name].upper()
        if codec not in _CODECS or _COMPRESSIONS[name] not in (None, table_format):
            raise QueryError("INVALID_TABLE_PROPERTY", f"Unsupported {name} = '{codec}' for {table_format}")
        session[f"{CATALOG}.compression_codec"] = codec
    retained = [one for one in listed if one.name in _KEPT_PROPERTIES]
    spans = [span for one in retained[:-1] for span in (one.span, one.comma)] + [retained[-1].span]
    text = _blank(sql, tokens[at + 1].end + 1, tokens[end].start, spans)
    return Translated(text, "DDL", session, location=values["external_location"].rstrip("/") + "/")


def _not_covered(what: str) -> QueryError:
    return QueryError("NOT_SUPPORTED", f"{what} is not covered by the local AWS")


def _blank(sql: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> str:
    """The text with blanks from `start` to `end`, except for some spans; positions do not change."""
    text = list(re.sub(r"[^\n]", " ", sql[start:end]))
    for first, last in spans:
        text[first - start : last - start] = sql[first:last]
    return sql[:start] + "".join(text) + sql[end:]


def type_of(signature: dict[str, Any]) -> Type:
    """The type that Trino's protocol describes as ``{"rawType": "decimal", "arguments": [...]}``."""
    name, arguments = signature["rawType"], [one["value"] for one in signature["arguments"]]
    if name == "row":
        fields = (
            ((one.get("fieldName") or {}).get("name") or f"field{number}", type_of(one["typeSignature"]))
            for number, one in enumerate(arguments)
        )
        return Type("row", fields=tuple(fields))
    if name in ("array", "map"):
        return Type(name, fields=tuple(("", type_of(one)) for one in arguments))
    if name == "varchar" and arguments == [2147483647]:
        return Type("varchar")
    return Type("float" if name == "real" else name, tuple(int(one) for one in arguments))


def as_text(cell: Any, type_: Type) -> str | None:
    """A value of Trino's JSON as Athena's result files write it; dates and decimals are strings there."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if type_.name in ("double", "float"):
        return java_double(float(cell))
    if type_.name == "varbinary":
        return base64.b64decode(cell).hex(" ")
    if type_.name == "array":
        return "[" + ", ".join(_inner(one, type_.fields[0][1]) for one in cell) + "]"
    if type_.name == "map":
        key, value = type_.fields[0][1], type_.fields[1][1]
        return "{" + ", ".join(f"{_inner(k, key)}={_inner(v, value)}" for k, v in cell.items()) + "}"
    if type_.name == "row":
        fields = zip(type_.fields, cell, strict=True)
        return "{" + ", ".join(f"{name}={_inner(one, type_)}" for (name, type_), one in fields) + "}"
    return str(cell)


def _inner(cell: Any, type_: Type) -> str:
    text = as_text(cell, type_)
    return "null" if text is None else text
