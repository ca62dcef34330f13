"""Queries on the DuckDB engine, as in Trino: names, grouping, order, joins, views."""

import pytest

from localaws.athena.errors import QueryError
from localaws.testing.sql import FakeSource, query, rows, table

pytestmark = pytest.mark.unit

THREE = "FROM UNNEST(ARRAY[3, 1, 2]) AS t (x)"
PAIRS = "FROM UNNEST(ARRAY['a', 'b', 'a'], ARRAY[1, 2, 3]) AS t (k, n)"
GAPS = "FROM UNNEST(ARRAY[2, NULL, 1]) AS t (x)"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # Names in ORDER BY refer to the select list first, even in expressions; NULLs are last in both directions.
        (f"SELECT x {GAPS} ORDER BY x", "1 2 -"),
        (f"SELECT x {GAPS} ORDER BY x DESC", "2 1 -"),
        (f"SELECT x {GAPS} ORDER BY x DESC NULLS FIRST", "- 2 1"),
        (f"SELECT -x AS x {THREE} ORDER BY x", "-3 -2 -1"),
        (f"SELECT -x AS x {THREE} ORDER BY x + 0", "-3 -2 -1"),
        (f"SELECT -x AS x {THREE} ORDER BY t.x", "-1 -2 -3"),
        (f"SELECT -x AS y {THREE} ORDER BY x", "-1 -2 -3"),
        (f"SELECT x {THREE} ORDER BY 1 DESC", "3 2 1"),
        (f"SELECT DISTINCT x + 1 {THREE} ORDER BY x + 1", "2 3 4"),
        (f"SELECT DISTINCT x AS y {THREE} ORDER BY x", "1 2 3"),
        ("SELECT x FROM UNNEST(ARRAY[1e0, 0e0 / 0, -1e0 / 0]) AS t (x) ORDER BY x", "-Infinity 1.0 NaN"),
        ("SELECT x FROM UNNEST(ARRAY[1e0, 0e0 / 0, 1e0 / 0]) AS t (x) ORDER BY x DESC", "NaN Infinity 1.0"),
        ("SELECT DISTINCT x FROM UNNEST(ARRAY[1e0, -0e0, 1e0]) AS t (x) ORDER BY x", "-0.0 1.0"),
        ("SELECT x FROM UNNEST(ARRAY[1e0, -0e0]) AS t (x) UNION ALL SELECT 5e0 ORDER BY 1 DESC", "5.0 1.0 -0.0"),
        (f"SELECT x {THREE} ORDER BY x OFFSET 1", "2 3"),
        (f"SELECT x {THREE} ORDER BY x OFFSET 1 LIMIT 1", "2"),
        (f"SELECT x {THREE} LIMIT 0", ""),
        # Grouping.
        (f"SELECT k, sum(n) {PAIRS} GROUP BY k ORDER BY k", "a,4 b,2"),
        (f"SELECT k, sum(n) AS s {PAIRS} GROUP BY 1 ORDER BY s DESC, 1", "a,4 b,2"),
        (f"SELECT sum(n) {PAIRS} GROUP BY k ORDER BY max(n)", "2 4"),
        (f"SELECT n % 2 + 1, count(*) {PAIRS} GROUP BY n % 2 ORDER BY 1", "1,1 2,2"),
        (f"SELECT (k), count(*) {PAIRS} GROUP BY k HAVING count(*) > 1", "a,2"),
        (f"SELECT 'c', count(*) {PAIRS} GROUP BY k ORDER BY 2", "c,1 c,2"),
        (f"SELECT count(*) {PAIRS} WHERE n > 9", "0"),
        (f"SELECT count(*) {PAIRS} WHERE n > 9 GROUP BY k", ""),
        (f"SELECT 1 {PAIRS} HAVING max(n) > 1", "1"),
        # Aggregates over no rows, and over NULLs.
        (
            f"SELECT count(*), count(n), sum(n), avg(n), max(n), count_if(n > 1), bool_and(n > 1) {PAIRS} WHERE n > 9",
            "0,0,-,-,-,0,-",
        ),
        (f"SELECT count(*), count(x), sum(x), avg(x), min(x) {GAPS}", "3,2,3,1.5,1"),
        (f"SELECT count(DISTINCT k), count(*) FILTER (WHERE n > 1) {PAIRS}", "2,2"),
        ("SELECT sum(x) FROM UNNEST(ARRAY[1.5, 2.25]) AS t (x)", "3.75"),
        # Windows; in a grouped query, they are over the groups.
        (f"SELECT x, row_number() OVER (ORDER BY x DESC) {GAPS} ORDER BY 2", "2,1 1,2 -,3"),
        (f"SELECT n, sum(n) OVER (PARTITION BY k ORDER BY n) {PAIRS} ORDER BY n", "1,1 2,2 3,4"),
        (f"SELECT k, sum(count(*)) OVER () {PAIRS} GROUP BY k ORDER BY k", "a,3 b,3"),
        (f"SELECT rank() OVER (ORDER BY k) {PAIRS} ORDER BY 1", "1 1 3"),
        ("SELECT x, count(*) OVER (PARTITION BY x) FROM (SELECT -0e0 AS x)", "-0.0,1"),
        # Set operations.
        (f"SELECT x {THREE} UNION ALL SELECT 2.5 ORDER BY x", "1.0 2.0 2.5 3.0"),
        (f"SELECT x {THREE} UNION SELECT 3 ORDER BY 1 DESC", "3 2 1"),
        ("SELECT 1 AS a UNION SELECT 1 UNION ALL SELECT 1", "1 1"),
        ("SELECT 1 AS a UNION ALL SELECT 1 UNION SELECT 1", "1"),
        ("SELECT NULL AS a UNION ALL SELECT 2 ORDER BY a + 1", "2 -"),
        # WITH: names hide tables and outer names, and end with their query.
        ("WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a, b", "1,2"),
        ("WITH a AS (SELECT 1 AS x) SELECT (SELECT max(x) FROM a) + 1", "2"),
        ("WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH a AS (SELECT 2 AS x) SELECT * FROM a) CROSS JOIN a", "2,1"),
        ("WITH A (n) AS (SELECT 1) SELECT a.N FROM a", "1"),
        # Joins.
        ("SELECT l.x, r.y FROM (SELECT 1 AS x) AS l LEFT JOIN (SELECT 2 AS y) AS r ON l.x = r.y", "1,-"),
        (
            "SELECT x FROM (SELECT 1 AS x) AS l LEFT JOIN (SELECT 2 AS y) AS r ON l.x = r.y WHERE r.y IS NULL",
            "1",
        ),
        (
            "SELECT * FROM (SELECT nullif(1, 1) AS x) AS l JOIN (SELECT nullif(1, 1) AS y) AS r ON x = y",
            "",
        ),
        ("SELECT a, x FROM (SELECT 1 AS a) CROSS JOIN UNNEST(ARRAY[a, a + 1]) AS t (x) ORDER BY x", "1,1 1,2"),
        ("SELECT * FROM UNNEST(ARRAY[1, 2], ARRAY['a']) AS t (x, y) ORDER BY x", "1,a 2,-"),
        # Subqueries as values.
        ("SELECT (SELECT 1 WHERE false)", "-"),
        (f"SELECT x {THREE} WHERE x = (SELECT max(x) {THREE})", "3"),
    ],
)
def test_a_query_returns_trinos_rows(sql: str, expected: str) -> None:
    found = " ".join(",".join(cell or "-" for cell in row) for row in rows(sql))

    assert found == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1, 2 AS b", ["_col0", "b"]),
        ('SELECT 1 AS Foo, 2 AS "A b"', ["Foo", "A b"]),
        ("SELECT FOO FROM (SELECT 1 AS foo)", ["FOO"]),
        ("SELECT (foo), (foo + 1) FROM (SELECT 1 AS foo)", ["foo", "_col1"]),
        ("SELECT *, 1 FROM (SELECT 1 AS Foo, 2)", ["Foo", "_col1", "_col2"]),
        ("SELECT t.* FROM (SELECT 1 AS a) AS t (b)", ["b"]),
        ("SELECT * FROM (SELECT 1 AS a, 2 AS a)", ["a", "a"]),
        ("SELECT 1 AS a UNION ALL SELECT 2 AS b", ["a"]),
        ("SELECT x AS a, x FROM (SELECT 1 AS x)", ["a", "x"]),
    ],
)
def test_columns_have_trinos_names(sql: str, expected: list[str]) -> None:
    columns, _ = query(sql)

    assert [name for name, _ in columns] == expected


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        # Only ORDER BY can use an alias.
        (f"SELECT x AS y {THREE} WHERE y > 1", "COLUMN_NOT_FOUND: line 1:58: Column 'y' cannot be resolved"),
        (f"SELECT x AS y {THREE} GROUP BY y", "COLUMN_NOT_FOUND: "),
        (f"SELECT x AS y {THREE} GROUP BY 1 HAVING y > 1", "COLUMN_NOT_FOUND: "),
        ("SELECT 1 AS x, x", "COLUMN_NOT_FOUND: line 1:16: "),
        ("SELECT _col0 FROM (SELECT 1)", "COLUMN_NOT_FOUND: "),
        ("SELECT x FROM (SELECT 1 AS x) AS t (y)", "COLUMN_NOT_FOUND: "),
        ("SELECT a FROM (SELECT 1 AS a, 2 AS a)", "AMBIGUOUS_NAME: line 1:8: Column 'a' is ambiguous"),
        ("SELECT a.x FROM (SELECT 1 AS x) AS a, (SELECT 1 AS x) AS b WHERE x = 1", "AMBIGUOUS_NAME: "),
        (f"SELECT x AS a, -x AS a {THREE} ORDER BY a", "AMBIGUOUS_NAME: "),
        ("SELECT *", "COLUMN_NOT_FOUND: "),
        ("SELECT u.* FROM (SELECT 1 AS a) AS t", "TABLE_NOT_FOUND: line 1:8: Unable to resolve reference u"),
        ("SELECT 1 FROM x", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.db.x' does not exist"),
        ("SELECT 1 FROM other.x", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.other.x' does not exist"),
        ("SELECT 1 FROM hive.db.x", "CATALOG_NOT_FOUND: line 1:15: "),
        ("WITH a AS (SELECT 1 AS x), a AS (SELECT 2 AS x) SELECT * FROM a", "DUPLICATE_NAMED_QUERY: line 1:28: "),
        ("WITH a (n, m) AS (SELECT 1) SELECT n FROM a", "MISMATCHED_COLUMN_ALIASES: "),
        # Grouping.
        (f"SELECT x, count(*) {THREE}", "EXPRESSION_NOT_AGGREGATE: line 1:8: 'x' must be an aggregate expression"),
        (f"SELECT *, count(*) {THREE}", "EXPRESSION_NOT_AGGREGATE: "),
        (f"SELECT x {THREE} HAVING true", "EXPRESSION_NOT_AGGREGATE: "),
        (f"SELECT x {THREE} ORDER BY count(*)", "EXPRESSION_NOT_AGGREGATE: "),
        (f"SELECT max(x) AS m {THREE} ORDER BY x", "EXPRESSION_NOT_AGGREGATE: "),
        (f"SELECT 1 + n {PAIRS} GROUP BY n + 1", "EXPRESSION_NOT_AGGREGATE: line 1:12: "),
        (f"SELECT k {PAIRS} GROUP BY CAST(k AS varchar(1))", "EXPRESSION_NOT_AGGREGATE: "),
        (f"SELECT n >= 1 AND n <= 2 {PAIRS} GROUP BY n BETWEEN 1 AND 2", "EXPRESSION_NOT_AGGREGATE: "),
        (f"SELECT sum(n) OVER () {PAIRS} GROUP BY k", "EXPRESSION_NOT_AGGREGATE: "),
        (f"SELECT k {PAIRS} GROUP BY 2", "INVALID_COLUMN_REFERENCE: "),
        (f"SELECT k {PAIRS} GROUP BY -1", "INVALID_COLUMN_REFERENCE: "),
        (f"SELECT x {THREE} ORDER BY 2", "INVALID_COLUMN_REFERENCE: "),
        (f"SELECT x {THREE} WHERE max(x) > 1", "EXPRESSION_NOT_SCALAR: "),
        (f"SELECT x {THREE} GROUP BY max(x)", "EXPRESSION_NOT_SCALAR: "),
        (f"SELECT x {THREE} WHERE row_number() OVER () > 1", "EXPRESSION_NOT_SCALAR: "),
        (f"SELECT count(*) {THREE} HAVING row_number() OVER () > 1", "NESTED_WINDOW: "),
        (f"SELECT max(max(x)) {THREE}", "NESTED_AGGREGATION: "),
        (f"SELECT sum(row_number() OVER ()) {THREE}", "NESTED_WINDOW: "),
        (f"SELECT row_number() {THREE}", "MISSING_OVER: "),
        (f"SELECT max(x) AS x {THREE} ORDER BY max(x)", "COLUMN_NOT_FOUND: line 1:70: Invalid reference to output"),
        (f"SELECT DISTINCT x {THREE} ORDER BY x + 1", "EXPRESSION_NOT_IN_DISTINCT: "),
        # Set operations and subqueries.
        ("SELECT 1 UNION ALL SELECT 'a'", "TYPE_MISMATCH: column 1 in UNION query has incompatible types"),
        ("SELECT 1 UNION ALL SELECT 1, 2", "TYPE_MISMATCH: UNION query has different number of fields: 1, 2"),
        (f"SELECT x AS a {THREE} UNION ALL SELECT 2 AS b ORDER BY b", "COLUMN_NOT_FOUND: "),
        ("SELECT (SELECT 1 UNION ALL SELECT 2)", "SUBQUERY_MULTIPLE_ROWS: "),
        # Sums.
        ("SELECT sum(x) FROM UNNEST(ARRAY[9223372036854775807, 1]) AS t (x)", "NUMERIC_VALUE_OUT_OF_RANGE: "),
    ],
)
def test_an_error_of_trino_is_the_same_here(sql: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        rows(sql)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT (SELECT t.x) {THREE}",
        f"SELECT (SELECT max(y) FROM UNNEST(ARRAY[1]) AS u (y) WHERE y < x) {THREE}",
        f"SELECT x {THREE} WHERE x IN (SELECT 3)",
        f"SELECT x {THREE} WHERE EXISTS (SELECT 3)",
        f"SELECT *, 7 {THREE} GROUP BY 1",
        f"SELECT x {THREE} ORDER BY 'a'",
        "SELECT x FROM (SELECT 1e0 AS x) ORDER BY x NULLS FIRST",
        f"SELECT max(x) {THREE} GROUP BY ROLLUP (x)",
        "SELECT * FROM (SELECT 1 AS x) AS l RIGHT JOIN (SELECT 1 AS y) AS r ON l.x = r.y",
        "SELECT * FROM (SELECT 1 AS x) AS l JOIN (SELECT 1 AS x) AS r USING (x)",
        "SELECT * FROM (SELECT 1 AS x) AS l, (SELECT 2 AS x) AS l",
        "SELECT 1 EXCEPT SELECT 2",
        "VALUES 1 ORDER BY 1",
        "VALUES (count(*))",
        "WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT n FROM a",
        f"SELECT sum(x) OVER (ORDER BY x ROWS 1 PRECEDING) {THREE}",
        f"SELECT count(DISTINCT x) OVER () {THREE}",
        f"SELECT max(x) {THREE} WINDOW w AS (ORDER BY x)",
        "SELECT max(x) FROM UNNEST(ARRAY[1e0, 0e0 / 0]) AS t (x)",
        "SELECT x FROM UNNEST(ARRAY[1]) WITH ORDINALITY AS t (x, n)",
        "EXPLAIN SELECT 1",
    ],
)
def test_unsupported_queries_are_refused(sql: str) -> None:
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: .* run it with the Trino engine"):
        rows(sql)


@pytest.fixture
def source() -> FakeSource:
    source = FakeSource()
    source.add(
        table("readings", "hub string, n bigint, data struct<s_01:double,s_02:double>", "dt string"),
        "('a', 1, {'s_01': 0.5, 's_02': NULL}, '2019-12-21'), ('b', 2, NULL, '2019-12-22')",
    )
    source.add(table("costs", "hub string, cost double", "dt date"), "('a', 2.5, '2019-12-21')")
    return source


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT data.s_01, data.s_02, data IS NULL FROM readings ORDER BY n", "0.5,-,false -,-,true"),
        ('SELECT "HUB", Readings.N FROM "Readings" ORDER BY 2', "a,1 b,2"),
        ("SELECT hub, dt FROM db.readings AS r WHERE r.dt = '2019-12-22'", "b,2019-12-22"),
        ('SELECT "$path" FROM readings WHERE n = 1', "s3://b/file"),
        ("SELECT data FROM readings WHERE n = 1", "{s_01=0.5, s_02=null}"),
        ("SELECT data.s_01 FROM readings GROUP BY data ORDER BY 1", "0.5 -"),
        ("WITH readings AS (SELECT 7 AS n) SELECT n FROM readings", "7"),
        ("SELECT (SELECT count(*) FROM costs WHERE dt = DATE '2019-12-21') + n FROM readings ORDER BY 1", "2 3"),
    ],
)
def test_a_query_on_tables_returns_trinos_rows(source: FakeSource, sql: str, expected: str) -> None:
    assert " ".join(",".join(cell or "-" for cell in row) for row in rows(sql, source)) == expected


def test_a_star_does_not_include_the_path(source: FakeSource) -> None:
    columns, _ = query('SELECT *, "$path" FROM costs', source)

    assert [name for name, _ in columns] == ["hub", "cost", "dt", "$path"]


@pytest.mark.parametrize(
    ("where", "pruned"),
    [
        ("dt = '2019-12-21'", 1),
        ("dt IN ('2019-12-21', '2019-12-22') AND (dt BETWEEN '2019-12-01' AND '2019-12-21')", 2),
        ("dt = '2019-12-21' OR dt = '2019-12-22'", 1),
        ("r.dt = '2019-12-21' AND n = 1", 1),
        ("dt = '2019-12-21' OR n = 2", 0),
        ("dt = hub", 0),
        ("dt = (SELECT max(dt) FROM readings)", 0),
    ],
)
def test_conditions_on_partition_keys_only_prune(source: FakeSource, where: str, pruned: int) -> None:
    rows(f"SELECT 1 FROM readings AS r WHERE {where}", source)

    assert len(source.pruned["readings"]) == pruned


def test_where_does_not_prune_the_optional_side_of_a_left_join(source: FakeSource) -> None:
    sql = "SELECT r.hub FROM readings AS r LEFT JOIN costs AS c ON r.hub = c.hub WHERE c.dt IS NULL AND r.dt > ''"

    assert rows(sql, source) == [("b",)]
    assert source.pruned["costs"] == []
    assert len(source.pruned["readings"]) == 1


def test_a_date_partition_is_not_a_string(source: FakeSource) -> None:
    with pytest.raises(QueryError, match=r"^TYPE_MISMATCH: line 1:30: Cannot apply operator: date = varchar\(10\)"):
        rows("SELECT 1 FROM costs WHERE dt = '2019-12-21'", source)


def test_a_view_is_read_in_its_own_database(source: FakeSource) -> None:
    # given two tables of the same name, and a view in the other database
    other = table("costs", "hub string")
    source.tables["other.costs"] = (other, "('z')")
    view = table("v", "hub string", view="SELECT hub FROM costs", view_database="other")
    source.add(view)
    source.scan = lambda of, alias, *_: f"(SELECT 'other' AS hub) AS {alias}" if of is other else ""  # type: ignore[method-assign, misc, assignment]

    assert rows("SELECT hub FROM v", source) == [("other",)]


@pytest.mark.parametrize(
    ("columns", "sql", "message"),
    [
        ("hub string", "SELECT 1 AS hub", "VIEW_IS_STALE: line 1:15: View 'awsdatacatalog.db.v' is stale"),
        ("hub string", "SELECT 'a' AS hub, 1 AS n", "VIEW_IS_STALE: "),
        (
            "n int",
            "SELECT nosuch AS n",
            "INVALID_VIEW: line 1:15: Failed analyzing stored view 'awsdatacatalog.db.v': ",
        ),
        ("n int", "SELECT n FROM v", "VIEW_IS_RECURSIVE: "),
    ],
)
def test_a_view_that_does_not_fit_its_tables(columns: str, sql: str, message: str) -> None:
    source = FakeSource()
    source.add(table("v", columns, view=sql))

    with pytest.raises(QueryError) as raised:
        rows("SELECT 1 FROM v", source)
    assert str(raised.value).startswith(message)


def test_a_view_widens_to_the_types_of_its_columns() -> None:
    source = FakeSource()
    source.add(table("v", "n bigint, s string", view="SELECT 1 AS n, 'a' AS s"))

    assert query("SELECT * FROM v", source) == ([("n", "bigint"), ("s", "varchar")], [("1", "a")])
