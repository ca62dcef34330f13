"""The Trino engine without a server: its statements, and how it reads the protocol."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from localaws.athena.errors import Cancelled, QueryError
from localaws.athena.trino import CATALOG, Translated, TrinoEngine, View, as_text, type_of
from localaws.service import AwsClients

PLACE = "s3://b/t/"
LOCATION = f"external_location = '{PLACE}'"
CLIENTS = AwsClients("http://127.0.0.1:1")  # of the root user, whose permissions are not checked
ONE_WRITER = {"task_min_writer_count": "1", "task_max_writer_count": "1"}


@pytest.mark.parametrize(
    ("sql", "statement_type"),
    [
        ("SELECT 1", "DML"),
        ("WITH a AS (SELECT 1) TABLE a", "DML"),
        ("(SELECT 1) UNION (SELECT 2)", "DML"),
        ("-- why\nVALUES 1", "DML"),
        ("EXPLAIN SELECT 1", "UTILITY"),
        ("EXPLAIN ANALYZE VERBOSE SELECT 1", "UTILITY"),
        ("EXPLAIN (TYPE DISTRIBUTED) SELECT 1", "UTILITY"),
        ("EXPLAIN (SELECT 1)", "UTILITY"),
    ],
)
def test_a_statement_is_sent_unchanged(sql: str, statement_type: str) -> None:
    translated = Translated.of(sql)
    assert (translated.sql, translated.statement_type, translated.session) == (sql, statement_type, {})


@pytest.mark.parametrize(
    ("sql", "explained"),
    [
        ("SELECT 1", "SELECT 1"),
        ("EXPLAIN ANALYZE VERBOSE SELECT 1", " SELECT 1"),
        ("EXPLAIN (TYPE IO) (SELECT 1)", " (SELECT 1)"),
        ("CREATE VIEW v AS SELECT 1 a", "SELECT 1 a"),
        ("INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1"),
    ],
)
def test_the_query_of_a_statement_can_be_explained(sql: str, explained: str) -> None:
    assert Translated.of(sql).explained == explained


@pytest.mark.parametrize(
    ("sql", "view"),
    [
        ("create or replace view V as select 1 a", View("", "v", "select 1 a")),
        ('CREATE VIEW d."v" AS SELECT 1 a', View("d", "v", "SELECT 1 a")),
        ("CREATE VIEW awsdatacatalog.d.v AS SELECT 1 a", View("d", "v", "SELECT 1 a")),
    ],
)
def test_the_name_of_a_view_is_parsed(sql: str, view: View) -> None:
    assert Translated.of(sql) == Translated(sql, "DDL", view=view)


def test_semicolons_and_comments_at_the_end_are_dropped() -> None:
    assert Translated.of("SELECT ';' -- all\n; ;").sql == "SELECT ';'"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "SET SESSION a = 1",
        "CALL system.x()",
        "CREATE SCHEMA s",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 a",
        "CREATE TABLE t (a bigint)",
        "CREATE TABLE t AS SELECT 1 a",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN ANALYZE INSERT INTO t SELECT 1",
        "",
    ],
)
def test_statements_that_athena_does_not_have_are_refused(sql: str) -> None:
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: "):
        Translated.of(sql)


def test_trinos_clauses_of_views_are_refused() -> None:
    with pytest.raises(QueryError, match=r"^SYNTAX_ERROR: line 2:3: mismatched input 'SECURITY'"):
        Translated.of("CREATE VIEW v\n  SECURITY INVOKER AS SELECT 1 a")


def test_compression_becomes_a_session_property_and_positions_stay() -> None:
    lines = [
        "CREATE TABLE t WITH (",
        "format = 'PARQUET',",
        "write_compression = 'SNAPPY',",
        LOCATION,
        ") AS SELECT x",
    ]
    expected = [*lines[:2], " " * len(lines[2]), *lines[3:]]
    translated = Translated.of("\n".join(lines))
    assert translated.sql.split("\n") == expected
    assert translated.session == {f"{CATALOG}.compression_codec": "SNAPPY"}


def test_a_property_is_removed_from_the_end_with_its_comma() -> None:
    translated = Translated.of(f"CREATE TABLE t WITH ({LOCATION}, parquet_compression = 'zstd') AS SELECT 1 a")
    assert translated.sql == f"CREATE TABLE t WITH ({LOCATION}{' ' * 30}) AS SELECT 1 a"
    assert translated.session == {f"{CATALOG}.compression_codec": "ZSTD"}


def test_partitions_and_buckets_are_written_by_one_writer_with_athenas_limit() -> None:
    buckets = "bucketed_by = ARRAY['a', 'b'], bucket_count = 2"
    sql = f"CREATE TABLE d.t WITH ({LOCATION}, {buckets}) AS SELECT 1 a, 2 b"
    assert Translated.of(sql) == Translated(sql, "DDL", ONE_WRITER, location=PLACE)
    assert Translated.of("INSERT INTO t SELECT 1").session == ONE_WRITER
    assert Translated.of(f"CREATE TABLE IF NOT EXISTS t WITH ({LOCATION}) AS SELECT 1 a").session == {}


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        (
            f"{LOCATION}, foo = 1",
            f"INVALID_TABLE_PROPERTY: line 2:{len(LOCATION) + 3}: .* property 'foo' does not",
        ),
        (f"{LOCATION}, transactional = true", "INVALID_TABLE_PROPERTY: .* property 'transactional' does not"),
        (f"{LOCATION}, format = 'RCTEXT'", "INVALID_TABLE_PROPERTY: Unsupported format = 'RCTEXT'"),
        (
            f"{LOCATION}, write_compression = 'LZMA'",
            "INVALID_TABLE_PROPERTY: Unsupported write_compression = 'LZMA'",
        ),
        (f"{LOCATION}, orc_compression = 'ZSTD'", "INVALID_TABLE_PROPERTY: Unsupported orc_compression"),
        (f"{LOCATION}, table_type = 'ICEBERG'", "NOT_SUPPORTED: table_type = 'ICEBERG'"),
        ("format = 'PARQUET'", "NOT_SUPPORTED: CREATE TABLE AS without external_location"),
        (f"{LOCATION},", "SYNTAX_ERROR: line 2:"),
    ],
)
def test_a_property_that_athena_does_not_have_is_an_error(properties: str, error: str) -> None:
    with pytest.raises(QueryError, match=f"^{error}"):
        Translated.of(f"CREATE TABLE t WITH (\n{properties}) AS SELECT 1 a")


def signature(name: str, *arguments: Any) -> dict[str, Any]:
    return {"rawType": name, "arguments": [{"value": one} for one in arguments]}


BIGINT, DOUBLE, VARCHAR = signature("bigint"), signature("double"), signature("varchar", 2147483647)
ROW = signature(
    "row",
    {"fieldName": {"name": "x"}, "typeSignature": DOUBLE},
    {"typeSignature": signature("array", VARCHAR)},
)


@pytest.mark.parametrize(
    ("description", "cell", "text"),
    [
        (BIGINT, 9007199254740993, "9007199254740993"),
        (DOUBLE, 1e-5, "1.0E-5"),
        (DOUBLE, 12345678.0, "1.2345678E7"),
        (DOUBLE, 2, "2.0"),
        (DOUBLE, "NaN", "NaN"),
        (DOUBLE, "-Infinity", "-Infinity"),
        (signature("real"), 0.1, "0.1"),
        (signature("boolean"), False, "false"),
        (signature("decimal", 10, 2), "1.10", "1.10"),
        (signature("date"), "2019-12-21", "2019-12-21"),
        (signature("timestamp", 3), "2019-12-21 08:00:00.000", "2019-12-21 08:00:00.000"),
        (signature("varbinary"), "ZWY=", "65 66"),
        (VARCHAR, "", ""),
        (VARCHAR, None, None),
        (signature("array", DOUBLE), [1.5, None], "[1.5, null]"),
        (signature("map", VARCHAR, DOUBLE), {"a": 1e7}, "{a=1.0E7}"),
        (ROW, [0.5, ["a"]], "{x=0.5, field1=[a]}"),
    ],
)
def test_cells_read_as_in_athenas_result_files(description: dict[str, Any], cell: Any, text: str | None) -> None:
    assert as_text(cell, type_of(description)) == text


def test_types_are_athenas() -> None:
    named = [type_of(one) for one in (VARCHAR, signature("varchar", 3), signature("real"), signature("decimal", 5, 2))]
    assert [(one.name, one.args) for one in named] == [
        ("varchar", ()),
        ("varchar", (3,)),
        ("float", ()),
        ("decimal", (5, 2)),
    ]


class Server(ThreadingHTTPServer):
    """A server with Trino's protocol, which returns given pages; records the requests."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.pages = pages
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.turned = threading.Event()  # a page after the first has been sent
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def page(self, number: int) -> dict[str, Any]:
        last = number >= len(self.pages) - 1
        following = {} if last else {"nextUri": f"{self.url}/{number + 1}"}
        stats = {"state": "RUNNING", "physicalInputBytes": 10 * number}
        return {"id": "q", "infoUri": self.url, "stats": stats, **following, **self.pages[number]}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        sql = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append(("POST", sql, dict(self.headers)))
        self.answer(0)

    def do_GET(self) -> None:
        self.server.asked.append(("GET", self.path, {}))
        self.answer(int(self.path[1:]))
        self.server.turned.set()

    def do_DELETE(self) -> None:
        self.server.asked.append(("DELETE", self.path, {}))
        self.send_response(204)
        self.end_headers()

    def answer(self, number: int) -> None:
        body = json.dumps(self.server.page(number)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def serve() -> Iterator[Any]:
    servers: list[Server] = []

    def start(*pages: dict[str, Any]) -> Server:
        servers.append(Server(*pages))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


COLUMNS = {"columns": [{"name": "n", "type": "bigint", "typeSignature": BIGINT}]}


def test_rows_of_all_pages_have_their_types_and_the_bytes_read(serve: Any) -> None:
    server = serve({}, {**COLUMNS, "data": [[1], [None]]}, {}, {**COLUMNS, "data": [[3]]})
    outcome = TrinoEngine(server.url).statement("SELECT n FROM t", "smart_hub", CLIENTS).run()
    assert [(column.name, column.type.name) for column in outcome.columns] == [("n", "bigint")]
    assert outcome.rows == [("1",), (None,), ("3",)]
    assert outcome.scanned_bytes == 30
    (_, sql, headers) = server.asked[0]
    assert sql == "SELECT n FROM t"
    assert headers["X-Trino-Catalog"] == "awsdatacatalog"
    assert headers["X-Trino-Schema"] == "smart_hub"
    assert headers["X-Trino-Time-Zone"] == "UTC"


def test_a_created_table_returns_no_rows(serve: Any) -> None:
    server = serve({}, {**COLUMNS, "data": [[5]], "updateType": "CREATE TABLE", "updateCount": 5})
    sql = f"CREATE TABLE t WITH ({LOCATION}, write_compression = 'SNAPPY') AS SELECT 1 a"
    outcome = TrinoEngine(server.url).statement(sql, "smart_hub", CLIENTS).run()
    assert (outcome.columns, outcome.rows, outcome.statement_type) == ((), (), "DDL")
    assert server.asked[0][2]["X-Trino-Session"] == "awsdatacatalog.compression_codec=SNAPPY"


def test_an_error_has_trinos_name_position_and_message(serve: Any) -> None:
    error = {
        "errorName": "COLUMN_NOT_FOUND",
        "errorType": "USER_ERROR",
        "message": "line 1:8: Column 'x' cannot be resolved",
    }
    server = serve({}, {"error": error})
    with pytest.raises(QueryError, match=r"^COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved$"):
        TrinoEngine(server.url).statement("SELECT x", "smart_hub", CLIENTS).run()


def test_a_cancelled_statement_is_cancelled_on_the_server(serve: Any) -> None:
    server = serve(*[{}] * 100_000)
    statement = TrinoEngine(server.url).statement("SELECT 1", "smart_hub", CLIENTS)
    ended: list[BaseException] = []

    def run() -> None:
        try:
            statement.run()
        except Cancelled as cancelled:
            ended.append(cancelled)

    thread = threading.Thread(target=run)
    thread.start()
    assert server.turned.wait(10)
    statement.cancel()
    thread.join(10)
    assert len(ended) == 1
    assert server.asked[-1][0] == "DELETE"


def test_a_statement_cancelled_before_it_runs_is_not_continued(serve: Any) -> None:
    server = serve({}, {**COLUMNS, "data": [[1]]})
    statement = TrinoEngine(server.url).statement("SELECT 1", "smart_hub", CLIENTS)
    statement.cancel()
    with pytest.raises(Cancelled):
        statement.run()
    assert [method for method, _, _ in server.asked] == ["POST", "DELETE"]


def test_a_statement_is_cancelled_at_the_limit_of_scanned_bytes(serve: Any) -> None:
    server = serve(*[{}] * 10)  # a page reads ten bytes
    with pytest.raises(Cancelled, match="Bytes scanned limit was exceeded"):
        TrinoEngine(server.url).statement("SELECT 1", "smart_hub", CLIENTS, 25).run()
    assert server.asked[-1][:2] == ("DELETE", "/4")
    within = serve({}, {}, {**COLUMNS, "data": [[1]]})
    assert TrinoEngine(within.url).statement("SELECT 1", "smart_hub", CLIENTS, 25).run().rows == [("1",)]


def test_an_unreachable_server_is_named() -> None:
    with pytest.raises(QueryError, match=r"^GENERIC_INTERNAL_ERROR: Trino at http://127\.0\.0\.1:1 does not answer"):
        TrinoEngine("http://127.0.0.1:1").statement("SELECT 1", "smart_hub", CLIENTS).run()
