"""Expressions on the DuckDB engine: Trino's results and errors, and unsupported expressions.

Expected values follow Trino's documentation of functions and types, https://trino.io/docs/current/, and were seen on
a Trino 476.
"""

import pytest

from localaws.athena.duck import aggregates, functions
from localaws.athena.duck.signatures import base_of, check, of_kind, signatures
from localaws.athena.errors import QueryError
from localaws.athena.types import Type, from_hive
from localaws.testing.sql import query, rows

pytestmark = pytest.mark.unit

NAN = "0e0 / 0"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # Precedence: % binds like * and /, || the least, NOT above AND above OR.
        ("7 % 3 * 2", "2"),
        ("10 - 7 % 3", "9"),
        ("8 / 4 / 2", "1"),
        ("1 - 2 - 3", "-4"),
        ("NOT true AND false", "false"),
        ("true OR true AND false", "true"),
        ("1 + 1 BETWEEN 0 + 1 AND 2 * 2", "true"),
        ("'a' || 'b' = 'ab'", "true"),
        # IN, BETWEEN and CASE compare in one type; as doubles, 2^53 and 2^53 + 1 are equal.
        ("9007199254740993 IN (9007199254740992, 1e0)", "true"),
        ("9007199254740992 BETWEEN 9007199254740993 AND 1e300", "true"),
        ("CASE 9007199254740993 WHEN 9007199254740992 THEN 'x' WHEN 1e0 THEN 'y' END", "x"),
        ("9007199254740993 IN (9007199254740992, 1)", "false"),
        ("1 IN (2, NULL)", None),
        # Integers divide towards zero; NULL by zero is NULL.
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("-7 % 2", "-1"),
        ("nullif(1, 1) / 0", None),
        ("-2147483648", "-2147483648"),
        ("-9223372036854775808", "-9223372036854775808"),
        # Decimals keep all digits.
        ("1.50 * 2.5", "3.750"),
        ("1.5 + 1", "2.5"),
        ("0.1 + 0.2 = 0.3", "true"),
        ("CAST(1.005 AS decimal(5, 2))", "1.01"),
        ("CAST(-1.005 AS decimal(5, 2))", "-1.01"),
        ("CAST(1.005e0 AS decimal(5, 2))", "1.01"),
        ("CAST(5e-5 AS decimal(5, 2))", "0.00"),
        ("CAST(-5e-7 AS decimal(10, 6))", "-0.000001"),
        ("CAST(1.25e20 AS decimal(22, 1))", "125000000000000000000.0"),
        ("TRY_CAST(1.5e38 AS decimal(38, 0))", None),
        ("CAST(2.5e0 AS bigint)", "3"),
        ("CAST(-2.5e0 AS bigint)", "-3"),
        ("CAST(2.5 AS integer)", "3"),
        ("CAST(-0.5 AS varchar)", "-0.5"),
        # Doubles: NaN equals nothing and has no order; division by zero is infinite.
        (f"{NAN} = {NAN}", "false"),
        (f"{NAN} <> {NAN}", "true"),
        (f"NOT ({NAN} < 1)", "true"),
        (f"{NAN} BETWEEN 0 AND 1", "false"),
        (f"{NAN} NOT IN (1e0, NULL)", None),
        (f"{NAN} > nullif(1e0, 1e0)", None),
        ("1e0 / 0", "Infinity"),
        ("0.1e0 + 0.2e0", "0.30000000000000004"),
        ("1e-5", "1.0E-5"),
        ("12345678e0", "1.2345678E7"),
        ("round(2.5e0)", "3.0"),
        ("round(-2.5e0)", "-3.0"),
        ("round(-0e0)", "0.0"),
        ("round(2.345e0, 2)", "2.35"),
        ("sqrt(-1)", "NaN"),
        ("is_finite(1)", "true"),
        ("is_finite(1e0 / 0)", "false"),
        # Three-valued logic.
        ("NULL = 1", None),
        ("NULL IN (1)", None),
        ("3 IN (1, NULL)", None),
        ("1 IN (1, NULL)", "true"),
        ("3 NOT IN (1, 2)", "true"),
        ("5 BETWEEN 1 AND NULL", None),
        ("0 BETWEEN 1 AND NULL", "false"),
        ("false AND nullif(true, true)", "false"),
        ("true OR nullif(true, true)", "true"),
        ("NULL IS NULL", "true"),
        ("CASE WHEN NULL THEN 1 ELSE 2 END", "2"),
        ("CASE WHEN false THEN 1 END", None),
        ("CASE 1 WHEN 1 THEN 'a' ELSE 'bb' END", "a"),
        ("if(true, 1, 2)", "1"),
        ("if(false, 1)", None),
        ("coalesce(NULL, 'a', 'bcd')", "a"),
        ("nullif(2, 1.0)", "2"),
        # Strings compare by code point, including blanks; a backslash is not an escape.
        ("'a' < 'B'", "false"),
        ("'a' = 'a '", "false"),
        ("'a' < 'ä'", "true"),
        ("'it''s'", "it's"),
        ("'a' || 'b' || ''", "ab"),
        ("concat('a', 'b', 'c')", "abc"),
        ("length('äb')", "2"),
        ("upper('ab')", "AB"),
        ("'abc' LIKE '_b%'", "true"),
        ("'abc' NOT LIKE 'b'", "true"),
        (r"'a\b' LIKE 'a\b'", "true"),
        ("CAST('abc' AS varchar(2))", "ab"),
        # Texts and numbers.
        ("CAST('+12' AS bigint)", "12"),
        ("CAST('1e3' AS double)", "1000.0"),
        # A long decimal becomes the double nearest to it: 2^53 + 1 + 0.5 lies between 2^53 and 2^53 + 2.
        ("CAST(9007199254740993.5000 AS double)", "9.007199254740994E15"),
        ("CAST(CAST(0.1e0 AS decimal(38, 18)) AS double)", "0.1"),
        ("CAST('.5' AS double)", "0.5"),
        ("CAST(nullif('', '') AS double)", None),
        ("CAST(true AS varchar)", "true"),
        ("CAST(' 12 ' AS bigint)", "12"),
        ("CAST('1d' AS double)", "1.0"),
        ("CAST('NaN' AS double)", "NaN"),
        ("CAST('2020-1-1' AS date)", "2020-01-01"),
        # A failed cast is NULL for TRY_CAST and TRY; TRY_CAST does not catch errors of its argument.
        ("TRY_CAST('12' AS bigint)", "12"),
        ("TRY_CAST('a' AS bigint)", None),
        ("TRY_CAST('1.5' AS integer)", None),
        ("TRY_CAST('9223372036854775808' AS bigint)", None),
        ("TRY_CAST('' AS double)", None),
        ("TRY_CAST('Ärger' AS double)", None),
        ("TRY_CAST('2020-02-30' AS date)", None),
        ("TRY_CAST('2020-01-01T00:00' AS date)", None),
        ("TRY_CAST(1e300 AS bigint)", None),
        ("TRY_CAST(300 AS tinyint)", None),
        ("TRY(CAST(CAST('300' AS bigint) AS tinyint))", None),
        ("TRY(CAST('7' AS bigint))", "7"),
        # 0.0 and -0.0 are the same, and so are NULL and NULL, NaN and NaN.
        ("NULL IS DISTINCT FROM 1", "true"),
        ("NULL IS NOT DISTINCT FROM NULL", "true"),
        ("1 IS DISTINCT FROM 1.0", "false"),
        (f"{NAN} IS DISTINCT FROM {NAN}", "false"),
        ("0e0 IS DISTINCT FROM -0e0", "false"),
        # Patterns: $ is also before a last line end, ^ only at the start, the dot does not match a line end.
        ("regexp_like('xay', 'a')", "true"),
        ("regexp_like('xay', '^a')", "false"),
        ("regexp_like('ab\n', 'b$')", "true"),
        ("regexp_like('ab\nc', 'b$')", "false"),
        ("regexp_like('ab', '^a' || 'b$')", "true"),
        ("regexp_like('a\nb', 'a.b')", "false"),
        ("regexp_like('a\x0bb', 'a\\sb')", "true"),
        ("regexp_extract('dt=2019-12-21/x', 'dt=([0-9]{4})-', 1)", "2019"),
        ("regexp_extract('abcd', '(a|ab)(?:c|bcd)(d*)', 2)", ""),
        ("regexp_extract('abc', 'z(b)', 1)", None),
        # New York's day has 25 hours when its clocks go back, and 23 when they go forward; São Paulo's began at 1.
        ("to_unixtime(with_timezone(TIMESTAMP '2019-12-21 00:00:00', 'America/Los_Angeles'))", "1.5769152E9"),
        (
            "to_unixtime(with_timezone(DATE '2019-11-04', 'America/New_York'))"
            " - to_unixtime(with_timezone(DATE '2019-11-03', 'America/New_York'))",
            "90000.0",
        ),
        (
            "to_unixtime(with_timezone(DATE '2019-03-11', 'America/New_York'))"
            " - to_unixtime(with_timezone(DATE '2019-03-10', 'America/New_York'))",
            "82800.0",
        ),
        ("to_unixtime(with_timezone(DATE '2018-11-04', 'America/Sao_Paulo'))", "1.5413004E9"),
        ("TRY(with_timezone(DATE '2019-12-21', 'America/Portland')) IS NULL", "true"),
        ("TRY(with_timezone(DATE '2019-12-21', 'America/Los_Angeles')) IS NULL", "false"),
        ("TRY(CAST(at_timezone(from_unixtime(0, 'UTC'), nullif('', '')) AS timestamp))", None),
        ("TRY(CAST(at_timezone(from_unixtime(0, 'UTC'), 'Asia/Tokyo') AS timestamp))", "1970-01-01 09:00:00.000"),
        ("TRY(CAST(from_unixtime(9223372036854775807, 'UTC') AS timestamp))", None),
        ("from_unixtime(0, nullif('', '')) IS NULL", "true"),
        # Arrays as strings.
        ("slice(ARRAY[1, 2, 3], 2, 20)", "[2, 3]"),
        ("slice(ARRAY[1, 2, 3], 4, 1)", "[]"),
        ("slice(ARRAY[1, 2, 3], 1, 0)", "[]"),
        ("array_join(ARRAY['a', NULL, 'b'], ', ')", "a, b"),
        ("array_join(slice(ARRAY['a'], 2, 1), ', ')", ""),
        (
            "array_join(slice(array_agg(x ORDER BY x), 1, 3), ', ')"
            " FROM UNNEST(ARRAY['b', NULL, 'a', 'd', 'c']) AS t (x)",
            "a, b, c",
        ),
        (
            "array_join(array_agg(DISTINCT x ORDER BY x DESC) FILTER (WHERE x > 'a'), '')"
            " FROM UNNEST(ARRAY['b', 'a', 'c', 'b']) AS t (x)",
            "cb",
        ),
        ("array_join(array_agg(x ORDER BY x) FILTER (WHERE x > 'z'), '') FROM UNNEST(ARRAY['b']) AS t (x)", None),
        ("greatest(1, 2.5, 2)", "2.5"),
        ("least(TIMESTAMP '2020-01-01 00:00:00', DATE '2019-01-01')", "2019-01-01 00:00:00"),
        ("greatest(1, NULL)", None),
        ("greatest(-1e0, 0e0)", "0.0"),
        # Dates and times.
        ("CAST('2020-02-29' AS date)", "2020-02-29"),
        ("CAST(TIMESTAMP '2019-12-21 08:00:00' AS varchar)", "2019-12-21 08:00:00"),
        ("CAST(TIMESTAMP '2019-12-21 08:00:00.5' AS varchar)", "2019-12-21 08:00:00.5"),
        ("CAST('2019-12-21 08:00:00' AS timestamp)", "2019-12-21 08:00:00.000"),
        ("CAST(TIMESTAMP '2019-12-21 23:59:59.999' AS date)", "2019-12-21"),
        ("DATE '2019-12-21' < TIMESTAMP '2019-12-21 00:00:01'", "true"),
        ("date_trunc('week', DATE '2020-05-03')", "2020-04-27"),
        ("date_trunc('HOUR', TIMESTAMP '2020-05-03 04:05:06.789')", "2020-05-03 04:00:00.000"),
        ("day_of_week(DATE '2020-05-03')", "7"),
        ("hour(TIMESTAMP '2020-05-03 04:05:06')", "4"),
        # The instant of 1576915200 is 2019-12-21 08:00 in Greenwich; clocks in New York went back at 06:00 UTC
        # on 3 November 2019 (1572760800) from -4 to -5 hours.
        ("CAST(from_unixtime(1576915200, 'America/Los_Angeles') AS timestamp)", "2019-12-21 00:00:00.000"),
        ("CAST(from_unixtime(1576915200, 'Asia/Kolkata') AS timestamp)", "2019-12-21 13:30:00.000"),
        ("CAST(from_unixtime(1572760799, 'America/New_York') AS timestamp)", "2019-11-03 01:59:59.000"),
        ("CAST(from_unixtime(1572760800, 'America/New_York') AS timestamp)", "2019-11-03 01:00:00.000"),
        ("CAST(from_unixtime(-1, 'UTC') AS timestamp)", "1969-12-31 23:59:59.000"),
        ("CAST(from_unixtime(nullif(1, 1), 'UTC') AS timestamp)", None),
        ("cardinality(ARRAY[1, NULL])", "2"),
        ("ARRAY['a', NULL]", "[a, null]"),
    ],
)
def test_an_expression_has_trinos_value(sql: str, expected: str | None) -> None:
    assert rows(f"SELECT {sql}") == [(expected,)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("2147483647", "integer"),
        ("2147483648", "bigint"),
        ("-2147483648", "integer"),
        ("1.50", "decimal(3, 2)"),
        ("0.5", "decimal(1, 1)"),
        ("1e0", "double"),
        ("'abc'", "varchar(3)"),
        ("1 + CAST(1 AS bigint)", "bigint"),
        ("CAST(1 AS tinyint) + CAST(1 AS tinyint)", "tinyint"),
        ("1.5 + CAST(1 AS bigint)", "decimal(21, 1)"),
        ("1.5 * 2", "decimal(12, 1)"),
        ("1.5 + 1e0", "double"),
        ("coalesce(1, 2.5)", "decimal(11, 1)"),
        ("CASE WHEN true THEN 'a' ELSE 'bcd' END", "varchar(3)"),
        ("'a' || 'b'", "varchar"),
        ("lower('ab')", "varchar(2)"),
        ("TIMESTAMP '2019-12-21 08:00:00'", "timestamp(0)"),
        ("TIMESTAMP '2019-12-21 08:00:00.12'", "timestamp(2)"),
        ("CAST('2019-12-21' AS timestamp)", "timestamp(3)"),
        ("round(5)", "integer"),
        ("year(DATE '2020-01-01')", "bigint"),
    ],
)
def test_an_expression_has_trinos_type(sql: str, expected: str) -> None:
    columns, _ = query(f"SELECT {sql}")

    assert columns == [("_col0", expected)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("y", "COLUMN_NOT_FOUND: line 1:8: Column 'y' cannot be resolved"),
        ("t.y FROM (SELECT 1 AS x) AS t", "COLUMN_NOT_FOUND: line 1:8: Column 't.y' cannot be resolved"),
        ("1 = '1'", "TYPE_MISMATCH: line 1:10: Cannot apply operator: integer = varchar(1)"),
        ("x = 'a' FROM (SELECT 1 AS x)", "TYPE_MISMATCH: line 1:10: Cannot apply operator: integer = varchar(1)"),
        ("DATE '2020-01-01' = '2020-01-01'", "TYPE_MISMATCH: line 1:26: Cannot apply operator: date = varchar(10)"),
        ("1 + 'a'", "TYPE_MISMATCH: line 1:10: Cannot apply operator: integer + varchar(1)"),
        ("1 + nosuch(2)", "FUNCTION_NOT_FOUND: line 1:12: Function 'nosuch' not registered"),
        ("abs('abc')", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (varchar(3)) for function abs"),
        ("abs(1, 2)", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer, integer) for function abs"),
        ("round('a')", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (varchar(1)) for function round"),
        ("regexp_like(1, 'a')", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer, varchar(1)) for"),
        ("sum('a')", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (varchar(1)) for function sum"),
        ("max_by(1)", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer) for function max_by"),
        (
            "rank(1) OVER (ORDER BY 1)",
            "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer) for function",
        ),
        ("nosuch(1) OVER ()", "FUNCTION_NOT_FOUND: line 1:8: Function 'nosuch' not registered"),
        ("abs(1) OVER ()", "FUNCTION_NOT_WINDOW: "),
        (
            "abs(1) FILTER (WHERE true)",
            "FUNCTION_NOT_AGGREGATE: line 1:8: Filter is only valid for aggregation",
        ),
        ("lag(1)", "MISSING_OVER: line 1:8: Window function system.builtin.lag requires an OVER clause"),
        ("'a' || 1", "FUNCTION_NOT_FOUND: line 1:12: Unexpected parameters (varchar(1), integer) for function concat"),
        ("1 AND true", "TYPE_MISMATCH: line 1:8: Logical expression term must evaluate to a boolean"),
        ("CASE WHEN 1 THEN 1 END", "TYPE_MISMATCH: line 1:18: CASE WHEN clause must evaluate to a boolean"),
        ("coalesce(1, 'a')", "TYPE_MISMATCH: line 1:8: All COALESCE operands must be the same type"),
        ("DATE '2020-02-30'", "INVALID_LITERAL: line 1:13: '2020-02-30' is not a valid DATE literal"),
        ("9223372036854775808", "SYNTAX_ERROR: line 1:8: Invalid numeric literal: 9223372036854775808"),
        # Compared values have a common type, even if the result is NULL.
        ("NULL IN ('a', 1)", "TYPE_MISMATCH: line 1:"),
        ("NULL BETWEEN 'a' AND 1", "TYPE_MISMATCH: line 1:"),
        ("CASE NULL WHEN 'a' THEN 1 WHEN 2 THEN 3 END", "TYPE_MISMATCH: line 1:"),
        (
            "sum(x) FROM UNNEST(ARRAY[99999999999999999999999999999999999999., 1.]) AS t (x)",
            "NUMERIC_VALUE_OUT_OF_RANGE: ",
        ),
        ("1 IS DISTINCT FROM 'a'", "TYPE_MISMATCH: line 1:10: Cannot check if integer is identical to varchar(1)"),
        ("TRY_CAST(CAST('a' AS bigint) AS integer)", "INVALID_CAST_ARGUMENT: Cannot cast 'a' to BIGINT"),
        (
            "CAST(at_timezone(from_unixtime(0, 'UTC'), 'America/Portland') AS timestamp)",
            "INVALID_FUNCTION_ARGUMENT: 'America/Portland' is not a valid time zone",
        ),
        (
            "TRY_CAST(x AS bigint) FROM (SELECT 'a' AS x) GROUP BY CAST(x AS bigint)",
            "EXPRESSION_NOT_AGGREGATE: ",
        ),
        ("greatest(1, 'a')", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer, varchar(1)) for function"),
        ("1/0", "DIVISION_BY_ZERO: Division by zero"),
        ("2147483647 + 1", "NUMERIC_VALUE_OUT_OF_RANGE: "),
        ("- 2147483648 - 1", "NUMERIC_VALUE_OUT_OF_RANGE: "),
        ("-x FROM (SELECT -2147483648 AS x)", "NUMERIC_VALUE_OUT_OF_RANGE: "),
        ("abs(x) FROM (SELECT -2147483648 AS x)", "NUMERIC_VALUE_OUT_OF_RANGE: "),
        ("CAST(300 AS tinyint)", "NUMERIC_VALUE_OUT_OF_RANGE: "),
        ("CAST(1e10 AS integer)", "NUMERIC_VALUE_OUT_OF_RANGE: "),
        ("CAST(1e300 AS bigint)", "INVALID_CAST_ARGUMENT: "),
        ("CAST(1000 AS decimal(3, 0))", "INVALID_CAST_ARGUMENT: "),
        ("CAST('a' AS bigint)", "INVALID_CAST_ARGUMENT: Cannot cast 'a' to BIGINT"),
        ("CAST('1.5' AS bigint)", "INVALID_CAST_ARGUMENT: Cannot cast '1.5' to BIGINT"),
        ("CAST('' AS double)", "INVALID_CAST_ARGUMENT: Cannot cast '' to DOUBLE"),
        ("CAST('abc' AS double)", "INVALID_CAST_ARGUMENT: Cannot cast 'abc' to DOUBLE"),
        ("CAST('2020-02-30' AS date)", "INVALID_CAST_ARGUMENT: Value cannot be cast to date: 2020-02-30"),
        ("CAST('99999999999999999999' AS bigint)", "INVALID_CAST_ARGUMENT: "),
    ],
)
def test_an_error_of_trino_is_the_same_here(sql: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        rows(f"SELECT {sql}")
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    "sql",
    [
        "substr('abc', -1)",
        "every(x = 1) FROM (SELECT 1 AS x)",
        "max_by(x, y) FROM (SELECT 1 AS x, 2 AS y)",
        "every(x = 1) OVER () FROM (SELECT 1 AS x)",
        "lag(x) OVER (ORDER BY x) FROM (SELECT 1 AS x)",
        "array_position(ARRAY[1], 1)",
        "format('%s', 1)",
        "concat_ws('a', 'b', 'c', 'd')",
        "approx_distinct(1)",
        "try(1 / 0)",
        "try(nullif(1 / 0, 1))",
        "CAST('0x1p3' AS double)",
        "TRY_CAST('١' AS bigint)",
        "TRY_CAST('20200-01-01' AS date)",
        "TRY(CAST(from_unixtime(0, 'America/Portland') AS timestamp))",
        "TRY(CAST(from_unixtime(0, 'America/Coyhaique') AS timestamp))",
        "TRY(CAST(at_timezone(from_unixtime(0, 'UTC'), 'EST') AS timestamp))",
        "TRY(CAST(at_timezone(from_unixtime(0, 'UTC'), '') AS timestamp))",
        "to_unixtime(with_timezone(TIMESTAMP '2019-11-03 01:30:00', 'America/New_York'))",
        "to_unixtime(with_timezone(TIMESTAMP '1900-01-01 00:00:00', 'America/New_York'))",
        "regexp_like('a', '(?i)A')",
        "regexp_like('a', 'a++')",
        "regexp_like('a', '[[:alpha:]]')",
        r"regexp_like('a', 'a\b')",
        "regexp_like('a', '(a*)*')",
        "regexp_like('a', 'a{,2}')",
        "regexp_extract('a', '(a)?', 1)",
        "regexp_extract('a', '(a)|b', 1)",
        "regexp_extract('a', 'a', 1)",
        "array_agg(x) FROM (SELECT 1 AS x)",
        "array_agg(x ORDER BY y) FROM (SELECT 1 AS x, 2 AS y)",
        "slice(ARRAY[1], -1, 1)",
        "greatest(1e0, 0e0 / 0)",
        "greatest(-0e0, 0e0)",
        "5e0 % 2e0",
        "1.5 / 2",
        "NULL + 1",
        "+5",
        "DATE '2020-01-01' + INTERVAL '1' DAY",
        "round(2.5)",
        "upper('straße')",
        "'a' LIKE 'a' ESCAPE '!'",
        "ARRAY[]",
        "ARRAY[1] = ARRAY[1]",
        "(1, 2)",
        "current_date = current_date",
        "CAST(1 AS boolean)",
        "CAST(1e0 AS varchar)",
        "CASE x WHEN x THEN 1 END FROM (SELECT 1 AS x)",
        "CASE coalesce(NULL, x) WHEN x THEN 1 END FROM (SELECT 1 AS x)",
        "CAST(12345678901234567.5 AS double)",
        "TIMESTAMP '2020-01-01 00:00:00.1234'",
        "from_unixtime(0, 'UTC')",
        "CAST(from_unixtime(0, 'EST') AS timestamp)",
        "CAST(from_unixtime(0, 'america/new_york') AS timestamp)",
        "CAST(from_unixtime(1.5, 'UTC') AS timestamp)",
        "CAST(from_unixtime(9223372036854775807, 'UTC') AS timestamp)",
        "sum(x) FROM (SELECT 9223372036854775807 AS x UNION ALL SELECT 1 UNION ALL SELECT -5)",
        'count("$bucket") FROM (SELECT 1 AS x)',
    ],
)
def test_unsupported_expressions_are_refused(sql: str) -> None:
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: .* run it with the Trino engine"):
        rows(f"SELECT {sql}")


def test_an_error_in_a_branch_that_is_not_taken_does_not_occur() -> None:
    assert rows("SELECT CASE WHEN x = 3 THEN 0 ELSE 1/0 END FROM (SELECT 3 AS x)") == [("0",)]


def test_the_column_of_an_error_is_counted_in_its_line() -> None:
    with pytest.raises(QueryError, match=r"^COLUMN_NOT_FOUND: line 3:5: "):
        rows("SELECT 1,\n  2, -- two\n    nosuch")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec 1", "SYNTAX_ERROR: line 1:1: mismatched input"),
        ("SELECT 1 WHERE", "SYNTAX_ERROR: line 1:15: "),
        ("SELECT a::int FROM t", "SYNTAX_ERROR: "),
        ("SELECT DISTINCT ON (a) b FROM t", "SYNTAX_ERROR: "),
        ("SELECT 'abc", "SYNTAX_ERROR: "),
    ],
)
def test_trinos_grammar_validates_statements(sql: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        rows(sql)
    assert str(raised.value).startswith(message)


_INTEGERS = ("tinyint", "smallint", "integer", "bigint")


def test_every_translation_is_of_a_function_that_trino_has() -> None:
    # given Trino's own list; "integers" stands for each integer type, "numbers" for doubles
    recorded = {
        (one.name, base_of(one.result), tuple(base_of(argument) for argument in one.arguments))
        for all_of_it in signatures().values()
        for one in all_of_it
    }

    # when each translation is looked up
    missing = []
    for name, translations in functions._SCALARS.items():
        for wanted, result, _ in translations:
            for integer in _INTEGERS if "integers" in wanted else ("",):
                given = tuple({"integers": integer, "numbers": "double"}.get(one, one) for one in wanted)
                if (name, result.name if result else given[0], given) not in recorded:
                    missing.append((name, given))

    # expect all of them, with the right kinds
    assert missing == []
    assert of_kind("scalar") >= functions._FORMS.keys() - {"coalesce", "nullif"}
    assert of_kind("aggregate") >= aggregates.AGGREGATES
    assert of_kind("window") >= aggregates.WINDOW_FUNCTIONS.keys()


def test_every_function_accepts_the_arguments_of_its_signatures() -> None:
    for name in ("abs", "length", "array_join", "regexp_extract", "date", "max_by"):
        for one in signatures()[name]:
            known = [_known_type(argument) for argument in one.arguments]
            if None not in known:
                check(name, [of for of in known if of is not None])


def _known_type(written: str) -> Type | None:
    of = from_hive({"integer": "int", "varchar(x)": "string", "varchar": "string"}.get(written, written))
    return of if base_of(written) == of.name else None
