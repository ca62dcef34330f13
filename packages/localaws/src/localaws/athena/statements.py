"""Athena's handling of statements before and after an engine runs them, the same for every engine.

- ExecutionParameters replace the question marks:
  https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
- A CREATE TABLE AS without a location gets one below the result location:
  https://docs.aws.amazon.com/athena/latest/ug/ctas-considerations-limitations.html
- UNLOAD is a CREATE TABLE AS whose table is dropped: https://docs.aws.amazon.com/athena/latest/ug/unload.html
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import Token, TokenType
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError

from localaws.athena.engine import Engine, Outcome, Running
from localaws.athena.errors import QueryError
from localaws.athena.properties import after_name, place, properties, unexpected

_PARAMETERISED = ("SELECT", "WITH", "VALUES", "TABLE", "(", "INSERT", "UNLOAD")
_UNLOAD_PROPERTIES = ("format", "compression", "partitioned_by", "field_delimiter")
_POSITION = re.compile(r"line (\d+):(\d+)")
_LITERAL = re.compile(
    r"""(?P<negative>-\s*)?\d+(\.\d*)?(E[+-]?\d+)?
    | ((DATE|TIME|TIMESTAMP|DECIMAL|X)\s*)?'([^']|'')*'
    | TRUE | FALSE | NULL""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Edited:
    """A text with replaced parts (first character, end, replacement), in their order."""

    original: str
    edits: Sequence[tuple[int, int, str]] = ()

    @property
    def text(self) -> str:
        ends = [0, *(end for _, end, _ in self.edits)]
        parts = [self.original[end:first] + new for end, (first, _, new) in zip(ends, self.edits, strict=False)]
        return "".join(parts) + self.original[ends[-1] :]

    def in_original(self, error: QueryError) -> QueryError:
        """The error with its position in the edited text, ``line 1:8``, changed to that in the original."""
        match = _POSITION.match(error.message)
        if match is None or not self.edits:
            return error
        lines = self.text.split("\n")
        offset = sum(len(line) + 1 for line in lines[: int(match[1]) - 1]) + int(match[2]) - 1
        before = self.original[: self._origin(offset)]
        position = f"line {before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        return QueryError(error.code, position + error.message[match.end() :])

    def _origin(self, offset: int) -> int:
        """The original position of a character of the edited text; for a replacement, its beginning."""
        moved = 0
        for first, end, new in self.edits:
            if offset < first + moved:
                break
            if offset < first + moved + len(new):
                return first
            moved += len(new) - (end - first)
        return offset - moved


@dataclass(frozen=True)
class Prepared:
    """A statement for an engine.

    writes: the folder that it writes files to, or ""; table: whether it creates a table there (CREATE TABLE AS);
    temporary: the table to drop afterwards (UNLOAD), or "".
    """

    sql: Edited
    writes: str = ""
    table: bool = False
    temporary: str = ""

    def on(self, engine: Engine, database: str, clients: Any, max_bytes: int | None) -> "Statement":
        """The statement on an engine. Raises QueryError."""
        try:
            running = engine.statement(self.sql.text, database, clients, max_bytes)
        except QueryError as error:
            raise self.sql.in_original(error) from error
        return Statement(self, running, database, clients)


@dataclass
class Statement:
    """A statement on an engine, and the work after it."""

    prepared: Prepared
    running: Running
    database: str
    clients: Any

    def cancel(self) -> None:
        self.running.cancel()

    def run(self) -> Outcome:
        """Raises QueryError, with positions in the user's text, and Cancelled."""
        try:
            outcome = self.running.run()
        except QueryError as error:
            raise self.prepared.sql.in_original(error) from error
        finally:
            self._drop()
        if not self.prepared.writes:
            return outcome
        statement_type = "DDL" if self.prepared.table else "DML"
        return replace(outcome, statement_type=statement_type, files=self._files())

    def _drop(self) -> None:
        glue = self.clients.client("glue")
        if self.prepared.temporary:
            with suppress(glue.exceptions.EntityNotFoundException):  # if the statement failed
                glue.delete_table(DatabaseName=self.database, Name=self.prepared.temporary)

    def _files(self) -> list[str]:
        """All objects in the folder, which had to be empty before."""
        bucket, _, prefix = self.prepared.writes.removeprefix("s3://").partition("/")
        pages = self.clients.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [f"s3://{bucket}/{item['Key']}" for page in pages for item in page.get("Contents", [])]


def prepare(sql: str, parameters: Sequence[str], folder: str, execution_id: str) -> Prepared:
    """The statement with its parameters; `folder`, s3://…/, is for a table without a location.

    Raises QueryError for wrong parameters, and for an invalid UNLOAD.
    """
    tokens = tokens_of(sql)
    words = [token.text.upper() for token in tokens]
    if parameters and not (words[:1] and words[0] in _PARAMETERISED) and words[:2] != ["CREATE", "TABLE"]:
        raise not_parameterised()
    edits = _with_parameters(tokens, parameters)
    if words[:1] == ["UNLOAD"]:
        return _unload(sql, tokens, edits, f"temp_table_{execution_id.replace('-', '_')}")
    if words[:2] == ["CREATE", "TABLE"] and "AS" in words:
        return _create_table(sql, tokens, words, edits, folder)
    return Prepared(Edited(sql, edits))


def tokens_of(sql: str) -> list[Token]:
    """The statement's tokens; none for a text with an unclosed quote, which the engine reports."""
    try:
        tokens = Dialect.get_or_raise("trino").tokenize(sql)
    except TokenError:
        return []
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    return tokens


def not_parameterised() -> QueryError:
    """The error of ExecutionParameters with any other statement."""
    return QueryError(
        "NOT_SUPPORTED", "Parameterized queries are supported only for SELECT, INSERT INTO, CTAS, and UNLOAD statements"
    )


def _with_parameters(tokens: Sequence[Token], parameters: Sequence[str]) -> list[tuple[int, int, str]]:
    if not parameters and any(token.token_type == TokenType.MATCH_RECOGNIZE for token in tokens):
        return []  # a question mark in its patterns is not a parameter
    marks = [token for token in tokens if token.token_type == TokenType.PLACEHOLDER]
    if len(marks) != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}",
        )
    return [
        (mark.start, mark.end + 1, _literal(number, text))
        for number, (mark, text) in enumerate(zip(marks, parameters, strict=True), 1)
    ]


def _literal(number: int, text: str) -> str:
    """The parameter, if it is a single literal: it must not change the statement's syntax."""
    match = _LITERAL.fullmatch(text.strip())
    if match is None:
        raise QueryError(
            "NOT_SUPPORTED",
            f"execution parameter {number}, {text}, is not a literal: the local AWS covers no other"
            " parameters; a string needs single quotes",
        )
    return f"({match[0]})" if match["negative"] else match[0]


def _create_table(
    sql: str, tokens: Sequence[Token], words: Sequence[str], edits: list[tuple[int, int, str]], folder: str
) -> Prepared:
    if_not_exists = list(words[2:5]) == ["IF", "NOT", "EXISTS"]
    at = after_name(tokens, 5 if if_not_exists else 2)
    if list(words[at : at + 2]) == ["WITH", "("]:
        listed, end = properties(tokens, at + 2)
        location = next((one.value for one in listed if one.name == "external_location"), "")
        insert = (tokens[end].start, f", {_external_location(folder)}")
    elif list(words[at : at + 1]) == ["AS"]:
        location = ""
        insert = (tokens[at].start, f"WITH ({_external_location(folder)}) ")
    else:
        return Prepared(Edited(sql, edits))  # the engine reports the error
    if not location:
        edits = sorted([(insert[0], *insert), *edits])
    # IF NOT EXISTS: the folder of an existing table does not have new files.
    writes = folder if not location else "" if if_not_exists else _folder(location)
    return Prepared(Edited(sql, edits), writes, table=True)


def _unload(sql: str, tokens: Sequence[Token], edits: list[tuple[int, int, str]], table: str) -> Prepared:
    """``UNLOAD (query) TO 's3://…' WITH (format = 'PARQUET')``."""
    _expect(tokens, 1, TokenType.L_PAREN, "'('")
    end = _closing(tokens, 1)
    if end + 1 >= len(tokens) or tokens[end + 1].text.upper() != "TO":
        raise unexpected(tokens, end + 1, "TO")
    _expect(tokens, end + 2, TokenType.STRING, "<string>")
    _expect(tokens, end + 3, TokenType.WITH, "WITH")
    _expect(tokens, end + 4, TokenType.L_PAREN, "'('")
    listed, last = properties(tokens, end + 5)
    if last + 1 < len(tokens):
        raise unexpected(tokens, last + 1, "<EOF>")
    for one in listed:
        if one.name not in _UNLOAD_PROPERTIES:
            raise QueryError("NOT_SUPPORTED", f"{place(one.tokens[0])}: UNLOAD has no property {one.name}")
    if "format" not in [one.name for one in listed]:
        raise QueryError("INVALID_TABLE_PROPERTY", "UNLOAD needs the property format")
    location = _folder(tokens[end + 2].text)
    texts = [_external_location(location)]
    for one in listed:
        name = "write_compression" if one.name == "compression" else one.name
        texts.append(f"{name} = {sql[one.tokens[2].start : one.tokens[-1].end + 1]}")
    head = (0, tokens[1].end + 1, f"CREATE TABLE {table} WITH ({', '.join(texts)}) AS ")
    tail = (tokens[end].start, len(sql), "")
    return Prepared(Edited(sql, [head, *edits, tail]), location, temporary=table)


def _expect(tokens: Sequence[Token], at: int, kind: TokenType, expected: str) -> None:
    if at >= len(tokens) or tokens[at].token_type != kind:
        raise unexpected(tokens, at, expected)


def _closing(tokens: Sequence[Token], at: int) -> int:
    """The index of the closing parenthesis."""
    depth = 0
    for number, token in enumerate(tokens[at:], at):
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if not depth:
            return number
    raise unexpected(tokens, len(tokens), "')'")


def _external_location(folder: str) -> str:
    return "external_location = '" + folder.replace("'", "''") + "'"


def _folder(location: str) -> str:
    return location if location.endswith("/") else f"{location}/"
