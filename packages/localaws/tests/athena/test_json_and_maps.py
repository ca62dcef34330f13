"""JSON values, maps and lambdas on the DuckDB engine, and the related string functions.

Expected values were seen on a Trino 476; `conformance/corpus/json.sql` and `maps.sql` compare many more.
"""

from itertools import product

import pytest

from localaws.athena.errors import QueryError
from localaws.testing.sql import FakeSource, query, rows, table

pytestmark = pytest.mark.unit


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Keys are sorted at any depth, by UTF-16; the last of equal keys counts; blanks are dropped.
        ('{"b": 1, "a": {"z": 1, "y": [2, {"d": 1, "c": 2}]}}', '{"a":{"y":[2,{"c":2,"d":1}],"z":1},"b":1}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"a":{"b":1,"b":2},"a":{"c":3,"c":4}}', '{"a":{"c":4}}'),
        ('{"\\uff5e":1,"😀":2}', '{"\\uD83D\\uDE00":2,"～":1}'),
        ("{}", "{}"),
        ('{"":1}', '{"":1}'),
        (" [ ] ", "[]"),
        # Numbers as Java writes them.
        ("1.5769152e9", "1.5769152E9"),
        ("2.50", "2.5"),
        ("0.001", "0.001"),
        ("0.0001", "1.0E-4"),
        ("9999999.5", "9999999.5"),
        ("10000000.0", "1.0E7"),
        ("1E5", "100000.0"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("5e-324", "4.9E-324"),
        ("1e400", '"Infinity"'),
        ("-1e400", '"-Infinity"'),
        ("1e-400", "0.0"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.1234567890123456789", "0.12345678901234568"),
        # Strings: unnecessary escapes are dropped, a lone surrogate stays.
        ('"\\u00e4\\/"', '"ä/"'),
        ('"\\u0001\\b\\f\\n\\r\\t\\"\\\\"', '"\\u0001\\b\\f\\n\\r\\t\\"\\\\"'),
        ('"😀"', '"\\uD83D\\uDE00"'),
        ('"\\ud800"', '"\\uD800"'),
        ("null", "null"),
        ("true", "true"),
    ],
)
def test_a_json_value_has_one_text(text: str, expected: str) -> None:
    assert rows(f"SELECT json_format(json_parse({_literal(text)})), json_parse({_literal(text)})") == [(expected,) * 2]


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", "{", '{"a"}', "{'a':1}", "{a:1}", '{"a":1,}', "[1,]", '{"a":1} x', "{}{}", "nul", "True"),
        *("01", "1.", ".5", "+1", "-", "NaN", "Infinity", "0x10", '"\\x"', '"a\tb"', '"a\x01b"', "\ufeff{}"),
        *("\u00a01", "/* c */ 1", "1 // c", '"\\u12"'),
    ],
)
def test_texts_that_are_not_json(text: str) -> None:
    assert rows(f"SELECT TRY(json_parse({_literal(text)}))") == [(None,)]
    assert rows(f"SELECT TRY(CAST(json_parse({_literal(text)}) AS map(varchar, json)))") == [(None,)]
    with pytest.raises(QueryError, match=r"^INVALID_FUNCTION_ARGUMENT: Cannot convert value to JSON: "):
        rows(f"SELECT json_parse({_literal(text)})")


def test_too_deeply_nested_brackets_are_refused() -> None:
    deep, deeper, deepest = ("[" * depth + "]" * depth for depth in (800, 900, 1002))
    assert rows(f"SELECT json_format(json_parse('{deep}'))") == [(deep,)]
    for text in (deeper, deepest):
        with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: JSON of more than 800 brackets"):
            rows(f"SELECT TRY(json_parse(x)) FROM UNNEST(ARRAY['{text}']) AS t (x)")
    cast = "TRY(CAST(json_parse(x) AS map(varchar, json)))"
    assert rows(f"SELECT {cast} FROM UNNEST(ARRAY['{deepest}']) AS t (x)") == [(None,)]
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: JSON of more than 800 brackets"):
        rows(f"SELECT {cast} FROM UNNEST(ARRAY['{deeper}']) AS t (x)")


@pytest.mark.parametrize(
    ("text", "double", "bigint", "varchar"),
    [
        ("1", "1.0", "1", "1"),
        ("2.5", "2.5", "3", "2.5E0"),
        ("-2.5", "-2.5", "-3", "-2.5E0"),
        ("-0.0", "-0.0", "0", "-0E0"),
        ("0.0", "0.0", "0", "0E0"),
        ("1e3", "1000.0", "1000", "1.0E3"),
        ("0.0025", "0.0025", "0", "2.5E-3"),
        ("12345678.5", "1.23456785E7", "12345679", "1.23456785E7"),
        ('"2.5"', "2.5", "-", "2.5"),
        ('" 7 "', "7.0", "7", " 7 "),
        ('"7\\t"', "7.0", "7", "7\t"),
        ('"1d"', "1.0", "-", "1d"),
        ('"NaN"', "NaN", "-", "NaN"),
        ('""', "-", "-", ""),
        ('"x\\n"', "-", "-", "x\n"),
        ('"😀"', "-", "-", "😀"),
        ("true", "1.0", "1", "true"),
        ("false", "0.0", "0", "false"),
        ("null", None, None, None),
        ("[1]", "-", "-", "-"),
        ("{}", "-", "-", "-"),
        ("9223372036854775807", "9.223372036854775807E18", "9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9.223372036854775807E18", "-", "9223372036854775808"),
        ("1e400", "Infinity", "-", "Infinity"),
    ],
)
def test_json_is_cast(text: str, double: str | None, bigint: str | None, varchar: str | None) -> None:
    """``-`` stands for an error."""
    for of, expected in (("double", double), ("bigint", bigint), ("varchar", varchar)):
        wanted = None if expected in (None, "-") else expected
        (found,) = rows(f"SELECT TRY(CAST(json_parse({_literal(text)}) AS {of}))")[0]
        assert (found and float(found) if of == "double" and wanted != "NaN" else found) == (
            wanted and float(wanted) if of == "double" and wanted != "NaN" else wanted
        )
        sql = f"SELECT CAST(json_parse({_literal(text)}) AS {of})"
        if expected == "-":
            with pytest.raises(QueryError, match=r"^INVALID_CAST_ARGUMENT: "):
                rows(sql)
        else:
            assert rows(sql) == [(found,)]


# Texts, their direct casts, and their casts by json_parse(), which sorts keys and keeps the last of equal keys.
OBJECTS = [
    ('{"b":1,"a":2.5}', ("{b=1, a=2.5}", "{b=1.0, a=2.5}"), ("{a=2.5, b=1}", "{a=2.5, b=1.0}")),
    ('{"b": 1, "a": "x"}', ('{b=1, a="x"}', None), ('{a="x", b=1}', None)),
    ('{"b":1,"b":"2"}', (None, None), ('{b="2"}', "{b=2.0}")),
    ('{"b":1e3,"a":0.10}', ("{b=1000.0, a=0.1}", "{b=1000.0, a=0.1}"), ("{a=0.1, b=1000.0}", "{a=0.1, b=1000.0}")),
    ('{"a":null,"b":true}', ("{a=null, b=true}", "{a=null, b=1.0}"), ("{a=null, b=true}", "{a=null, b=1.0}")),
    ('{"b":{"z":1,"y":2},"a":[1, 2]}', ('{b={"z":1,"y":2}, a=[1,2]}', None), ('{a=[1,2], b={"y":2,"z":1}}', None)),
    ('{"b":{"z":1,"y":2,"z":3}}', ('{b={"z":3,"y":2}}', None), ('{b={"y":2,"z":3}}', None)),
    ('{"b":{"z":1,"y":null,"z":3}}', ('{b={"z":3,"y":null}}', None), ('{b={"y":null,"z":3}}', None)),
    ('{"a":"\\u00e4😀\\n"}', ('{a="ä😀\\n"}', None), ('{a="ä😀\\n"}', None)),
    ('{"a\\u0041":1}', ("{aA=1}", "{aA=1.0}"), ("{aA=1}", "{aA=1.0}")),
    ('{"\\ud800":1,"a":2}', ("{?=1, a=2}", "{?=1.0, a=2.0}"), ("{a=2, ?=1}", "{a=2.0, ?=1.0}")),
    ('{"\\ud800":1,"?":2}', (None, None), (None, None)),
    ("{}", ("{}", "{}"), ("{}", "{}")),
    ("null", (None, None), (None, None)),
    ("[1]", (None, None), (None, None)),
    ("1", (None, None), (None, None)),
]


@pytest.mark.parametrize(("text", "at_once", "apart"), OBJECTS)
def test_json_becomes_a_map(
    text: str, at_once: tuple[str | None, str | None], apart: tuple[str | None, str | None]
) -> None:
    of = f"UNNEST(ARRAY[{_literal(text)}]) AS t (x)"

    def select(json: str, cast: str = "CAST") -> str:
        return ", ".join(f"TRY({cast}({json} AS map(varchar, {one})))" for one in ("json", "double"))

    assert rows(f"SELECT {select('json_parse(x)')} FROM {of}") == [at_once]
    assert rows(f"SELECT {select('TRY(json_parse(x))')} FROM {of}") == [apart]
    assert rows(f"SELECT {select('json_parse(x)', 'TRY_CAST')} FROM {of}") == [apart]
    assert rows(f"SELECT {select('j')} FROM (SELECT TRY(json_parse(x)) AS j FROM {of})") == [apart]
    assert rows(f"SELECT {select(f'json_parse({_literal(text)})')}") == [apart]


ROW = "row(s varchar, b bigint, n integer, m map(varchar, double))"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"s":"a","b":1,"n":2,"m":{"x":1,"w":2.5}}', "{s=a, b=1, n=2, m={x=1.0, w=2.5}}"),
        (' { "m" : {"x" : 1} , "b": 1 }\r', "{s=null, b=1, n=null, m={x=1.0}}"),
        ('{"S":"a","B":1}', "{s=a, b=1, n=null, m=null}"),
        ('{"b":1,"b":2}', None),
        ('{"b":1,"B":2}', None),
        ('{"z":1,"z":2,"b":{"y":1}}', None),
        ('{"z":1,"z":2,"b":3}', "{s=null, b=3, n=null, m=null}"),
        ('{"m":{"a":1,"a":2}}', None),
        ('{"m":{"a":"2.5","b":null,"c":true}}', "{s=null, b=null, n=null, m={a=2.5, b=null, c=1.0}}"),
        ('{"m":{"a":"x"}}', None),
        ('{"m":{"a":1e400,"b":-0}}', "{s=null, b=null, n=null, m={a=Infinity, b=0.0}}"),
        ('{"m":[]}', None),
        ('{"s":5,"b":" 1","n":"5"}', "{s=5, b=1, n=5, m=null}"),
        ('{"s":1.5,"b":1.5,"n":-0.5}', "{s=1.5E0, b=2, n=-1, m=null}"),
        ('{"s":null,"b":true}', "{s=null, b=1, n=null, m=null}"),
        ('{"n":2147483648}', None),
        ('{"n":2147483647.6}', None),
        ('{"n":-2147483648}', "{s=null, b=null, n=-2147483648, m=null}"),
        ('{"b":9223372036854775808}', None),
        ('{"s":{"a":1}}', None),
        ('["a",1,2,{"a":1}]', "{s=a, b=1, n=2, m={a=1.0}}"),
        ('["a",1]', None),
        ('{"b":1,}', None),
        ("{}", "{s=null, b=null, n=null, m=null}"),
        ("null", None),
        ("5", None),
    ],
)
def test_json_becomes_a_row(text: str, expected: str | None) -> None:
    of = f"UNNEST(ARRAY[{_literal(text)}]) AS t (x)"
    assert rows(f"SELECT TRY(CAST(json_parse(x) AS {ROW})) FROM {of}") == [(expected,)]
    if expected is None and text != "null":
        with pytest.raises(QueryError, match=r"^INVALID_CAST_ARGUMENT: "):
            rows(f"SELECT CAST(json_parse(x) AS {ROW}) FROM {of}")


def test_json_parse_keeps_the_last_of_duplicate_fields() -> None:
    of = """UNNEST(ARRAY['{"b":1,"b":2}']) AS t (x)"""
    assert rows(f"SELECT CAST(TRY(json_parse(x)) AS row(b bigint)) FROM {of}") == [("{b=2}",)]


@pytest.mark.parametrize(
    "sql",
    [
        "CAST(j AS map(varchar, json)) FROM (SELECT json_parse(x) AS j FROM UNNEST(ARRAY['{}']) AS t (x))",
        "CAST(json_parse(x) AS map(varchar, json)) FROM (SELECT '{}' AS x)",
        "CAST(json_parse(x) AS map(varchar, json)) FROM (SELECT '{}' AS x UNION ALL SELECT line FROM t)",
        "CAST(IF(true, json_parse(x)) AS map(varchar, json)) FROM UNNEST(ARRAY['{}']) AS t (x)",
    ],
)
def test_a_cast_is_refused_if_trino_perhaps_skips_json_parse(sql: str) -> None:
    source = FakeSource()
    source.add(table("t", "line string"), "('{}')")
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: CAST\(json AS map\(varchar, json\)\) apart from json_parse"):
        rows(f"SELECT {sql}", source)


M = """CAST(json_parse('{"b":1,"a":2.5,"c":null}') AS map(varchar, double))"""
J = """CAST(json_parse('{"b":1,"a":{"z":1,"y":"x"},"c":null}') AS map(varchar, json))"""


@pytest.mark.parametrize(
    ("sql", "type_", "expected"),
    [
        (f"element_at({M}, 'a')", "double", "2.5"),
        (f"element_at({M}, 'c')", "double", None),
        (f"element_at({M}, 'd')", "double", None),
        (f"element_at({J}, 'c')", "json", "null"),
        (f"element_at({J}, 'c') IS NULL", "boolean", "false"),
        (f"element_at({J}, 'd') IS NULL", "boolean", "true"),
        (f"json_format(element_at({J}, 'a'))", "varchar", '{"y":"x","z":1}'),
        (f"cardinality({M})", "bigint", "3"),
        (f"map_keys({M})", "array(varchar)", "[a, b, c]"),
        (f"map_values({M})", "array(double)", "[2.5, 1.0, null]"),
        (f"array_join(map_keys({M}), ',')", "varchar", "a,b,c"),
        (f"map_filter({M}, (k, v) -> v > 1)", "map(varchar, double)", "{a=2.5}"),
        (f"map_filter({M}, (k, v) -> false)", "map(varchar, double)", "{}"),
        (f"map_filter({M}, (K, V) -> k IN ('b', 'c') AND v IS NULL)", "map(varchar, double)", "{c=null}"),
        (f"transform_values({M}, (k, v) -> k || '!')", "map(varchar, varchar)", "{a=a!, b=b!, c=c!}"),
        (
            f"transform_values({M}, (k, v) -> CASE k WHEN 'a' THEN 1 END)",
            "map(varchar, integer)",
            "{a=1, b=null, c=null}",
        ),
        (f"transform_values({J}, (k, v) -> TRY(CAST(v AS bigint)))", "map(varchar, bigint)", "{a=null, b=1, c=null}"),
        (
            f"transform_values({J}, (k, v) -> json_format(v))",
            "map(varchar, varchar)",
            '{a={"y":"x","z":1}, b=1, c=null}',
        ),
        (f"TRY(map_filter({J}, (k, v) -> TRY(CAST(v AS double)) = 1e0))", "map(varchar, json)", "{b=1}"),
        (f"CAST({M} AS json)", "json", '{"a":2.5,"b":1.0,"c":null}'),
        (f"CAST({J} AS json)", "json", '{"a":{"y":"x","z":1},"b":1,"c":null}'),
        (f"CAST(CAST({J} AS json) AS map(varchar, json))", "map(varchar, json)", '{a={"y":"x","z":1}, b=1, c=null}'),
        ("CAST(NULL AS map(varchar, json))", "map(varchar, json)", None),
        (f"coalesce({M}, {M})", "map(varchar, double)", "{a=2.5, b=1.0, c=null}"),
        ("filter(ARRAY[1, NULL, 3], x -> x > 1)", "array(integer)", "[3]"),
        ("transform(ARRAY[1, NULL], x -> x IS NULL)", "array(boolean)", "[false, true]"),
        ("transform(ARRAY[1, 2], x -> cardinality(filter(ARRAY[1, 2], y -> y > x)))", "array(bigint)", "[1, 0]"),
        ("element_at(ARRAY[1, 2], 2)", "integer", "2"),
        ("element_at(ARRAY[1, 2], 3)", "integer", None),
        # Strings
        ("split('a}b}', '}')", "array(varchar(4))", "[a, b, ]"),
        ("split('', ',')", "array(varchar(0))", "[]"),
        ("replace('abcabc', 'bc', 'x')", "varchar(13)", "axax"),
        ("replace('abc', 'b')", "varchar(3)", "ac"),
        ("substr('äbcd', 2, 2)", "varchar(4)", "bc"),
        ("substr('abc', 2)", "varchar(3)", "bc"),
        ("substr('abc', 9)", "varchar(3)", ""),
        ("trim('\t a\u2003\n')", "varchar(5)", "a"),
        ("trim('\u00a0a')", "varchar(2)", "\u00a0a"),
        ("ltrim(' a ')", "varchar(3)", "a "),
        ("rtrim(' a ')", "varchar(3)", " a"),
        ("starts_with('abc', 'ab')", "boolean", "true"),
        ("strpos('äbc', 'c')", "bigint", "3"),
        ("strpos('abc', 'x')", "bigint", "0"),
        ("regexp_replace('a1b22', '[0-9]+', '#')", "varchar(17)", "a#b#"),
        ("regexp_replace('a1b22', '([0-9])')", "varchar(5)", "ab"),
        ("regexp_count('abcab', 'ab?')", "bigint", "2"),
        (r"""regexp_like('{"a":1} {"b":{}}', '^(\{[^{}]*(\{[^{}]*\}[^{}]*)?\}\s*)+$')""", "boolean", "true"),
    ],
)
def test_a_call_has_trinos_type_and_value(sql: str, type_: str, expected: str | None) -> None:
    assert query(f"SELECT {sql}") == ([("_col0", type_)], [(expected,)])


@pytest.mark.parametrize(
    ("elements", "condition", "any_all_none"),
    [
        ("ARRAY[1, NULL]", "x = 1", ("true", None, "false")),
        ("ARRAY[NULL, 2]", "x = 1", (None, "false", None)),
        ("ARRAY[1, NULL]", "x = 2", (None, "false", None)),
        ("ARRAY[1, 2]", "x = 3", ("false", "false", "true")),
        ("ARRAY[1, 2]", "x < 3", ("true", "true", "false")),
        ("filter(ARRAY[1], x -> false)", "true", ("false", "true", "true")),
        ("filter(ARRAY[1], x -> false)", "false", ("false", "true", "true")),
    ],
)
def test_a_match_is_null_if_no_element_decides_it_and_one_is_null(
    elements: str, condition: str, any_all_none: tuple[str | None, ...]
) -> None:
    calls = ", ".join(f"{which}_match({elements}, x -> {condition})" for which in ("any", "all", "none"))
    assert query(f"SELECT {calls}") == ([(f"_col{place}", "boolean") for place in range(3)], [any_all_none])


def test_a_lambda_can_use_columns_of_its_row() -> None:
    source = FakeSource()
    source.add(table("t", "n int, m map<string,double>"), "(2, MAP {'a': 1, 'b': 3})")

    assert rows("SELECT map_filter(m, (k, n) -> n > t.n), map_filter(m, (k, v) -> v < n) FROM t", source) == [
        ("{b=3.0}", "{a=1.0}")
    ]


def test_columns_can_have_any_names_beside_a_lambda() -> None:
    source = FakeSource()
    columns = "b string, e string, m map<string,double>, k string, i string, x0 bigint"
    source.add(table("t", columns), """('{"a":{"b":1}}', 'a', MAP {'a': 1}, 'k', 'i', 5)""")
    at_once = "TRY(CAST(json_parse(b) AS map(varchar, json)))"

    assert rows(f"SELECT {at_once}, TRY(CAST(element_at({at_once}, e) AS map(varchar, double))) FROM t", source) == [
        ('{a={"b":1}}', "{b=1.0}")
    ]
    assert rows(
        "SELECT map_filter(m, (e, b) -> e = t.e AND b < x0), element_at(m, e),"
        " transform(map_keys(m), e -> cardinality(map_filter(m, (k, v) -> k = e AND v < x0))) FROM t",
        source,
    ) == [("{a=1.0}", "1.0", "[1]")]
    filtered = "cardinality(map_filter(m, (k, v) -> v > 0))"
    assert rows(f"SELECT {filtered}, count(*) FROM t GROUP BY {filtered}", source) == [("1", "1")]


def test_a_map_is_unnested_into_its_entries() -> None:
    source = FakeSource()
    source.add(
        table("t", "n int, m map<string,double>"),
        "(1, MAP {'b': 1, 'a': NULL}), (2, MAP {}), (3, NULL)",
    )

    assert rows("SELECT n, sensor, kwh FROM t CROSS JOIN UNNEST(m) AS v (sensor, kwh) ORDER BY sensor", source) == [
        ("1", "a", None),
        ("1", "b", "1.0"),
    ]
    assert rows(f"SELECT * FROM UNNEST({M}, ARRAY[1, 2]) AS v (k, v, n) ORDER BY k", source) == [
        ("a", "2.5", "1"),
        ("b", "1.0", "2"),
        ("c", None, None),
    ]
    assert rows("SELECT m, map_keys(m) FROM t WHERE n = 1", source) == [("{b=1.0, a=null}", "[b, a]")]


def test_coalesce_keeps_the_texts_of_json() -> None:
    # given more values than DuckDB's vectors have, none of them plain JSON
    source = FakeSource()
    source.add(table("t", "n int, x string"), ", ".join(f"""({n}, '"\\u00e4 of the row {n}"')""" for n in range(3000)))

    for sql in (
        "json_format(coalesce(TRY(json_parse(x)), json_parse('1')))",
        "coalesce(CAST(TRY(json_parse(x)) AS varchar), 'none')",
        "coalesce(CAST(j AS varchar), 'none')",
        "coalesce(r.a, 'none')",
        "coalesce(element_at(map_keys(m), 1), 'none')",
    ):
        nested = """
            CAST(json_parse(concat('{"a":', x, '}')) AS row(a varchar)) AS r,
            CAST(json_parse(concat('{', x, ':1}')) AS map(varchar, double)) AS m
        """
        found = rows(f"SELECT {sql} FROM (SELECT n, x, json_parse(x) AS j, {nested} FROM t) ORDER BY n", source)
        assert [(text or "").strip('"') for (text,) in found] == [f"ä of the row {n}" for n in range(3000)]


@pytest.mark.parametrize("first", [True, False])
def test_no_branch_is_evaluated_for_a_row_that_does_not_take_it(first: bool) -> None:
    texts = ["'1'", "'x'"] * 3000
    of = f"UNNEST(ARRAY[{', '.join(texts if first else texts[::-1])}]) AS t (x)"

    for sql in (
        "CASE WHEN x = 'x' THEN NULL ELSE json_format(json_parse(x)) END",
        "IF(x <> 'x', json_format(json_parse(x)))",
    ):
        found = rows(f"SELECT r, count(*) FROM (SELECT {sql} AS r FROM {of}) GROUP BY r ORDER BY r")
        assert found == [("1", "3000"), (None, "3000")]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("json_parse(1)", "FUNCTION_NOT_FOUND"),
        ("json_format('1')", "FUNCTION_NOT_FOUND"),
        ("CAST(json_parse('[1]') AS map(varchar, json))", "INVALID_CAST_ARGUMENT"),
        ("CAST(json_parse('{\"a\":[1]}') AS map(varchar, double))", "INVALID_CAST_ARGUMENT"),
        (f"map_keys({M}, 1)", "FUNCTION_NOT_FOUND"),
        ("map_keys(ARRAY[1])", "FUNCTION_NOT_FOUND"),
        (f"map_filter({M}, (k, v) -> 1)", "TYPE_MISMATCH"),
        (f"map_filter({M}, (k, v) -> nosuch)", "COLUMN_NOT_FOUND"),
        ("split('a', 1)", "FUNCTION_NOT_FOUND"),
        ("replace('a', 'b', 1)", "FUNCTION_NOT_FOUND"),
        # Unsupported calls
        (f"{M} = {M}", "NOT_SUPPORTED"),
        ("json_parse('1') = json_parse('1')", "NOT_SUPPORTED"),
        ("json_parse('1') AS j FROM (SELECT 1) GROUP BY json_parse('1')", "NOT_SUPPORTED"),
        (f"DISTINCT {M}", "NOT_SUPPORTED"),
        (f"1 AS x UNION SELECT cardinality({M}) UNION SELECT {M}", "TYPE_MISMATCH"),
        (f"count(*) OVER (PARTITION BY {M})", "NOT_SUPPORTED"),
        (f"{M} AS m ORDER BY m", "NOT_SUPPORTED"),
        (f"map_filter({M}, k -> true)", "NOT_SUPPORTED"),
        (f"transform_values({M}, (k, v) -> sum(v))", "NOT_SUPPORTED"),
        ("filter(ARRAY[1], 1)", "NOT_SUPPORTED"),
        ("CAST(json_parse('[1]') AS array(bigint))", "NOT_SUPPORTED"),
        ("CAST('x' AS json)", "NOT_SUPPORTED"),
        ("CAST(json_parse('{}') AS row(a boolean))", "NOT_SUPPORTED"),
        ("CAST(json_parse('{}') AS row(a bigint, A bigint))", "NOT_SUPPORTED"),
        ("CAST(json_parse('{}') AS row(\"A\" bigint))", "NOT_SUPPORTED"),
        ("CAST(json_parse('[1]') AS row(bigint))", "NOT_SUPPORTED"),
        ("replace('a', '', 'x')", "NOT_SUPPORTED"),
        ("regexp_replace('a', 'x*', 'y')", "NOT_SUPPORTED"),
        ("regexp_replace('a', 'a$', 'y')", "NOT_SUPPORTED"),
        ("regexp_replace('a', '(a)', '$1')", "NOT_SUPPORTED"),
        ("substr('abc', 0)", "NOT_SUPPORTED"),
        ("TRY(transform(ARRAY[1], x -> x / 0))", "NOT_SUPPORTED"),
    ],
)
def test_errors_and_unsupported_calls(sql: str, code: str) -> None:
    with pytest.raises(QueryError, match=f"^{code}: "):
        rows(f"SELECT {sql}")


def test_plain_and_other_texts_have_the_same_results() -> None:
    """A text with an escape is never plain, so this compares DuckDB's parser with ours."""
    numbers = ["0", "-1", "17", "0.5", "-0.0", "0.0", "0.001", "1234567.125", "9999999.9", "123456789012345678"]
    values = [*numbers, '"x"', '""', '"ä"', "true", "false", "{}", '{"z":1, "y":"2"}']
    texts = [f'{{"k{a}":{one}, "j{b}": {other}}}' for (a, one), (b, other) in product(enumerate(values), repeat=2)]
    listed = ", ".join(map(_literal, texts))
    types = ("varchar", "bigint", "integer", "double", "map(varchar, double)")
    row = ", ".join(f"k{a} {types[a % 5]}, j{a} {types[(a + 1) % 5]}" for a in range(len(values)))
    sql = f"""
        SELECT TRY(CAST(json_parse(x) AS row({row}))), json_format(json_parse(x)),
            CAST(json_parse(x) AS map(varchar, json)),
            TRY(CAST(json_parse(x) AS map(varchar, double))),
            transform_values(CAST(json_parse(x) AS map(varchar, json)), (k, v) -> json_format(v)),
            transform_values(CAST(json_parse(x) AS map(varchar, json)), (k, v) -> TRY(CAST(v AS double))),
            transform_values(CAST(json_parse(x) AS map(varchar, json)), (k, v) -> TRY(CAST(v AS bigint))),
            transform_values(CAST(json_parse(x) AS map(varchar, json)), (k, v) -> TRY(CAST(v AS varchar))),
            transform_values(CAST(json_parse(x) AS map(varchar, json)), (k, v) ->
                cardinality(TRY(CAST(v AS map(varchar, json)))))
        FROM (SELECT PLAIN AS x FROM UNNEST(ARRAY[{listed}]) AS t (y))
    """
    assert rows(sql.replace("PLAIN", "y")) == rows(sql.replace("PLAIN", r"""replace(y, '"k', '"\u006b')"""))


def test_doubles_of_any_length_have_the_same_results() -> None:
    numbers = ["0.30000000000000004", "1.7976931348623157e30", "5e-7", "-0", "0e5", "0.1234567890123456789", "-0.0"]
    numbers += ["999999999999999.99999999999999999999", "1234567890123456789", "5E-99", "0.1e+1", "1e-99"]
    texts = ", ".join(f"""'{{"k":{number}}}'""" for number in numbers)
    sql = f"""
        SELECT CAST(json_parse(x) AS map(varchar, double)), CAST(json_parse(x) AS row(k double))
        FROM (SELECT PLAIN AS x FROM UNNEST(ARRAY[{texts}]) AS t (y))
    """
    found = rows(sql.replace("PLAIN", "y"))
    assert found == rows(sql.replace("PLAIN", r"""replace(y, '"k', '"\u006b')"""))
    assert [map_of for map_of, _ in found[:4]] == [
        "{k=0.30000000000000004}",
        "{k=1.7976931348623158E30}",
        "{k=5.0E-7}",
        "{k=0.0}",
    ]
