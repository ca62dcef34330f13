"""Athena's changes to a statement before an engine runs it: parameters, the location of a table, UNLOAD."""

import pytest

from localaws.athena.errors import QueryError
from localaws.athena.statements import Prepared, prepare

pytestmark = pytest.mark.unit

FOLDER = "s3://b/results/tables/q-1/"
UNLOAD = "UNLOAD (SELECT a FROM t) TO 's3://b/u' WITH (format = 'ORC')"


def prepared(sql: str, *parameters: str) -> Prepared:
    return prepare(sql, parameters, FOLDER, "q-1")


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        ("SELECT ? AS a, ?", ["1", "2.5e0"], "SELECT 1 AS a, 2.5e0"),
        ("SELECT a FROM t WHERE b = ?", ["'it''s ?'"], "SELECT a FROM t WHERE b = 'it''s ?'"),
        ("SELECT '?', \"?\", ? -- ?", ["null"], "SELECT '?', \"?\", null -- ?"),
        ("SELECT 3-?", [" -1 "], "SELECT 3-(-1)"),
        ("SELECT a FROM t LIMIT ?", ["5"], "SELECT a FROM t LIMIT 5"),
        ("SELECT ?", ["DATE '2019-12-21'"], "SELECT DATE '2019-12-21'"),
        ("INSERT INTO t VALUES (?)", ["TRUE"], "INSERT INTO t VALUES (TRUE)"),
        ("SELECT a FROM t", [], "SELECT a FROM t"),
    ],
)
def test_parameters_replace_question_marks(sql: str, parameters: list[str], expected: str) -> None:
    assert prepared(sql, *parameters).sql.text == expected


@pytest.mark.parametrize(
    ("sql", "parameters", "counts"),
    [
        ("SELECT ?", [], "expected 1 but found 0"),
        ("SELECT ?, '?'", ["1", "2"], "expected 1 but found 2"),
        ("SELECT 1", ["1"], "expected 0 but found 1"),
    ],
)
def test_parameters_and_question_marks_are_equally_many(sql: str, parameters: list[str], counts: str) -> None:
    with pytest.raises(QueryError) as error:
        prepared(sql, *parameters)
    assert str(error.value) == f"INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: {counts}"


@pytest.mark.parametrize(
    "text", ["abc", "1) OR (1 = 1", "'a' OR 'b'", "'it's'", "'a' --", "(SELECT 1)", "", "1; 2", "'"]
)
def test_a_parameter_must_be_one_literal(text: str) -> None:
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: execution parameter 1, .* is not a literal"):
        prepared("SELECT a FROM t WHERE b = ?", text)


@pytest.mark.parametrize("sql", ["CREATE VIEW v AS SELECT ? a", "EXPLAIN SELECT ?"])
def test_other_statements_have_no_parameters(sql: str) -> None:
    with pytest.raises(
        QueryError, match=r"^NOT_SUPPORTED: Parameterized queries are supported only for SELECT, INSERT"
    ):
        prepared(sql, "1")


def test_question_marks_of_a_pattern_are_not_parameters() -> None:
    sql = "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A B?) DEFINE B AS TRUE)"
    assert prepared(sql).sql.text == sql


@pytest.mark.parametrize(
    ("sql", "text", "writes"),
    [
        (
            "CREATE TABLE d.t AS SELECT 1 a",
            f"CREATE TABLE d.t WITH (external_location = '{FOLDER}') AS SELECT 1 a",
            FOLDER,
        ),
        (
            "CREATE TABLE t\nWITH (format = 'ORC')\nAS SELECT 1 a",
            f"CREATE TABLE t\nWITH (format = 'ORC', external_location = '{FOLDER}')\nAS SELECT 1 a",
            FOLDER,
        ),
        (
            "CREATE TABLE t WITH (external_location = 's3://b/t') AS SELECT 1 a",
            "CREATE TABLE t WITH (external_location = 's3://b/t') AS SELECT 1 a",
            "s3://b/t/",
        ),
        (  # the objects there can belong to an existing table
            "CREATE TABLE IF NOT EXISTS t WITH (external_location = 's3://b/t/') AS SELECT 1 a",
            "CREATE TABLE IF NOT EXISTS t WITH (external_location = 's3://b/t/') AS SELECT 1 a",
            "",
        ),
    ],
)
def test_a_table_without_a_location_is_written_beside_the_results(sql: str, text: str, writes: str) -> None:
    found = prepared(sql)
    assert (found.sql.text, found.writes, found.table, found.temporary) == (text, writes, True, "")


def test_unload_is_a_temporary_table() -> None:
    sql = (
        "UNLOAD (\n  SELECT f(a), ? FROM t\n)\nTO 's3://b/it''s'\n"
        "WITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['c'])"
    )
    found = prepared(sql, "'x'")
    assert found.sql.text == (
        "CREATE TABLE temp_table_q_1 WITH (external_location = 's3://b/it''s/', format = 'PARQUET',"
        " write_compression = 'SNAPPY', partitioned_by = ARRAY['c']) AS \n  SELECT f(a), 'x' FROM t\n"
    )
    assert (found.writes, found.table, found.temporary) == ("s3://b/it's/", False, "temp_table_q_1")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("UNLOAD SELECT 1", r"^SYNTAX_ERROR: line 1:8: mismatched input 'SELECT'\. Expecting: '\('$"),
        ("UNLOAD (SELECT 1", r"^SYNTAX_ERROR: line 1:16: mismatched input '<EOF>'\. Expecting: '\)'$"),
        ("UNLOAD (SELECT 1) WITH (a = 1)", r"^SYNTAX_ERROR: line 1:19: mismatched input 'WITH'\. Expecting: TO$"),
        ("UNLOAD (SELECT 1) TO t", r"^SYNTAX_ERROR: line 1:22: mismatched input 't'\. Expecting: <string>$"),
        ("UNLOAD (SELECT 1) TO 's3://b/u'", r"mismatched input '<EOF>'\. Expecting: WITH$"),
        (f"{UNLOAD} x", r"mismatched input 'x'\. Expecting: <EOF>$"),
        (UNLOAD.replace("format", "compression"), "^INVALID_TABLE_PROPERTY: UNLOAD needs the property format$"),
        (UNLOAD.replace("format", "bucket_count"), "^NOT_SUPPORTED: line 1:46: UNLOAD has no property bucket_count$"),
    ],
)
def test_an_invalid_unload_is_refused(sql: str, reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        prepared(sql)


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT ?, ?, nope FROM t", ["'long text'", "-1"]),
        ("SELECT ?,\n  'a' = ?, nope FROM t", ["'two\nlines'", "1"]),
        ("CREATE TABLE t WITH (format = 'ORC') AS SELECT nope FROM t", []),
        (UNLOAD.replace("SELECT a", "SELECT ?,\n nope"), ["100"]),
    ],
)
def test_an_error_has_its_position_in_the_users_text(sql: str, parameters: list[str]) -> None:
    # given an error at the word nope in the text that the engine gets
    found = prepared(sql, *parameters).sql
    error = QueryError("CODE", f"{_place_of_nope(found.text)}: no such column")
    # expect it at that word in the user's text
    assert found.in_original(error).message == f"{_place_of_nope(sql)}: no such column"


def test_an_error_in_a_parameter_has_the_position_of_its_question_mark() -> None:
    edited = prepared("SELECT a, ? + 1", "'abc'").sql
    assert edited.in_original(QueryError("CODE", "line 1:13: no")).message == "line 1:11: no"


def test_an_error_without_a_position_is_unchanged() -> None:
    error = QueryError("CODE", "no such bucket")
    assert prepared(UNLOAD).sql.in_original(error) is error


def _place_of_nope(text: str) -> str:
    number, line = next((n, line) for n, line in enumerate(text.splitlines(), 1) if "nope" in line)
    return f"line {number}:{line.index('nope') + 1}"
