"""Binary values on the DuckDB engine: results, Trino's errors, and unsupported calls.

Expected values were seen on a Trino 476; `conformance/corpus/binary.sql` compares many more.
"""

import pytest

from localaws.athena.errors import QueryError
from localaws.testing.sql import FakeSource, query, rows, table

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("sql", "type_", "expected"),
    [
        ("X'61fF'", "varbinary", "61 ff"),
        ("X''", "varbinary", ""),
        ("to_utf8('äb')", "varbinary", "c3 a4 62"),
        ("to_utf8('')", "varbinary", ""),
        ("from_utf8(to_utf8('äb'))", "varchar", "äb"),
        ("from_utf8(X'c3a462')", "varchar", "äb"),
        ("length(to_utf8('äb'))", "bigint", "3"),
        ("to_hex(X'00abcd')", "varchar", "00ABCD"),
        ("from_hex('00aBCd')", "varbinary", "00 ab cd"),
        ("from_hex('')", "varbinary", ""),
        ("to_base64(X'fbff')", "varchar", "+/8="),
        ("from_base64('+/8=')", "varbinary", "fb ff"),
        ("from_base64('YR==')", "varbinary", "61"),
        ("from_base64('YWJj')", "varbinary", "61 62 63"),
        ("from_base64('YQ')", "varbinary", "61"),
        ("from_base64('YWI')", "varbinary", "61 62"),
        ("from_base64('')", "varbinary", ""),
        ("md5(to_utf8('a'))", "varbinary", "0c c1 75 b9 c0 f1 b6 a8 31 c3 99 e2 69 77 26 61"),
        ("to_hex(sha1(X''))", "varchar", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"),
        ("to_base64(sha256(to_utf8('a')))", "varchar", "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="),
        ("X'61' || X'62'", "varbinary", "61 62"),
        ("concat(X'61', X'62', X'63')", "varbinary", "61 62 63"),
        # Bytes are unsigned, and a prefix sorts before the whole.
        ("X'61' = to_utf8('a')", "boolean", "true"),
        ("X'61' <> X'6100'", "boolean", "true"),
        ("X'61' < X'ff' AND X'61' < X'6100' AND X'' < X'00'", "boolean", "true"),
        ("X'61' IN (X'62', NULL)", "boolean", None),
        ("X'61' IS DISTINCT FROM NULL", "boolean", "true"),
        ("greatest(X'61', X'ff')", "varbinary", "ff"),
        ("coalesce(NULL, X'61')", "varbinary", "61"),
        ("nullif(X'61', X'61')", "varbinary", None),
        ("CASE X'61' WHEN to_utf8('a') THEN X'01' END", "varbinary", "01"),
        ("ARRAY[X'6162', NULL]", "array(varbinary)", "[61 62, null]"),
        ("transform(ARRAY['a', NULL], x -> to_utf8(x))", "array(varbinary)", "[61, null]"),
        ("from_hex(nullif('', ''))", "varbinary", None),
        ("from_base64(nullif('', ''))", "varbinary", None),
        ("to_utf8(nullif('', ''))", "varbinary", None),
        ("from_utf8(nullif(X'', X''))", "varchar", None),
    ],
)
def test_a_call_has_trinos_type_and_value(sql: str, type_: str, expected: str | None) -> None:
    assert query(f"SELECT {sql}") == ([("_col0", type_)], [(expected,)])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("6100ff00", "a\0\ufffd\0"),
        ("f09f9880", "😀"),
        ("efbfbe", "\ufffe"),
        # Bytes that begin no sequence are replaced one by one, …
        ("ff", "\ufffd"),
        ("8080", "\ufffd\ufffd"),
        ("fe80", "\ufffd\ufffd"),
        # … a truncated sequence is replaced as one, …
        ("c3", "\ufffd"),
        ("c328", "\ufffd("),
        ("e282", "\ufffd"),
        ("e28228", "\ufffd("),
        ("f09f98c3a4", "\ufffdä"),
        # … and so is an invalid one: overlong, half of a surrogate pair, beyond the last character.
        ("c0af", "\ufffd"),
        ("e08080", "\ufffd"),
        ("f0808080", "\ufffd"),
        ("eda080edb080", "\ufffd\ufffd"),
        ("f4908080", "\ufffd"),
        ("f88880808061", "\ufffda"),
        ("fc8480808080", "\ufffd"),
        ("fc848080808080", "\ufffd\ufffd"),
    ],
)
def test_invalid_utf8_becomes_the_replacement_character(data: str, text: str) -> None:
    assert rows(f"SELECT from_utf8(X'{data}'), from_utf8(x) FROM UNNEST(ARRAY[X'{data}']) AS t (x)") == [(text,) * 2]


def test_binary_values_are_grouped_and_ordered_by_their_bytes() -> None:
    of = "FROM UNNEST(ARRAY[X'ff', X'61', NULL, X'', X'61']) AS t (x)"

    assert rows(f"SELECT x, count(*) {of} GROUP BY x ORDER BY x") == [("", "1"), ("61", "2"), ("ff", "1"), (None, "1")]
    assert rows(f"SELECT DISTINCT x {of} ORDER BY x DESC") == [("ff",), ("61",), ("",), (None,)]
    assert rows(f"SELECT min(x), max(x), count(x), count(DISTINCT x), array_agg(x ORDER BY x) {of}") == [
        ("", "ff", "4", "3", "[, 61, 61, ff, null]")
    ]


def test_the_bytes_of_a_replacement_character_are_refused() -> None:
    """Local readers replace invalid UTF-8 with it; Trino keeps the bytes."""
    # given a line with a replacement character, and others
    source = FakeSource()
    source.add(table("t", "n int, line string"), "(1, 'ä'), (2, 'K\ufffdhl')")

    # when the texts are selected, expect all of them
    again = "from_utf8(to_utf8(line))"
    assert query(f"SELECT {again} FROM t ORDER BY n", source) == ([("_col0", "varchar")], [("ä",), ("K\ufffdhl",)])
    assert rows(f"SELECT line, {again} FROM t WHERE {again} LIKE 'K%' GROUP BY line", source) == [("K\ufffdhl",) * 2]
    assert rows(f"SELECT {again} FROM t WHERE n = 1 GROUP BY to_utf8(line)", source) == [("ä",)]

    # when the bytes are selected, expect an error for this line only
    for sql in (
        "to_utf8(line)",
        "length(to_utf8(line))",
        "md5(to_utf8(line))",
        "to_utf8(line) = X'61'",
        "to_utf8(line) || X'61'",
        "from_utf8(to_utf8(line) || X'61')",
        "from_utf8(coalesce(to_utf8(line), X'61'))",
    ):
        assert len(rows(f"SELECT {sql} FROM t WHERE n = 1", source)) == 1
        with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: to_utf8\(\) of U\+FFFD"):
            rows(f"SELECT {sql} FROM t", source)


@pytest.mark.parametrize(
    ("sql", "code", "words"),
    [
        ("CAST(X'61' AS varchar)", "TYPE_MISMATCH", "Cannot cast varbinary to varchar"),
        ("CAST(X'61' AS varchar(1))", "TYPE_MISMATCH", "Cannot cast varbinary to varchar(1)"),
        ("CAST(to_utf8('1') AS bigint)", "TYPE_MISMATCH", "Cannot cast varbinary to bigint"),
        ("CAST(X'61' AS json)", "TYPE_MISMATCH", "Cannot cast varbinary to json"),
        ("TRY_CAST(X'61' AS map(varchar, json))", "TYPE_MISMATCH", "Cannot cast varbinary to map(varchar, json)"),
        ("X'61' = 'a'", "TYPE_MISMATCH", "Cannot apply operator: varbinary = varchar(1)"),
        ("X'61' + 1", "TYPE_MISMATCH", ""),
        ("-X'61'", "TYPE_MISMATCH", "Cannot negate varbinary"),
        ("X'61' LIKE 'a'", "TYPE_MISMATCH", "Left side of LIKE expression must "),
        ("IF(true, X'61', 'a')", "TYPE_MISMATCH", ""),
        ("X'61' UNION SELECT 'a'", "TYPE_MISMATCH", ""),
        ("X'61' || 'a'", "FUNCTION_NOT_FOUND", "Unexpected parameters (varbinary, varchar(1)) for function concat"),
        ("md5('a')", "FUNCTION_NOT_FOUND", "Unexpected parameters (varchar(1)) for function md5"),
        ("from_utf8('a')", "FUNCTION_NOT_FOUND", "Unexpected parameters (varchar(1)) for function from_utf8"),
        ("to_utf8(X'61')", "FUNCTION_NOT_FOUND", "Unexpected parameters (varbinary) for function to_utf8"),
        ("upper(X'61')", "FUNCTION_NOT_FOUND", ""),
        ("json_format(X'61')", "FUNCTION_NOT_FOUND", ""),
        ("sum(X'61')", "FUNCTION_NOT_FOUND", ""),
        ("line FROM t GROUP BY from_utf8(to_utf8(line))", "EXPRESSION_NOT_AGGREGATE", "'line' must be"),
        ("from_hex('616')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_hex('zz')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_hex('61 ')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_hex('ä')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_base64('Y')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_base64('YQ=')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_base64('YWJj=')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_base64('YQ==YQ==')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_base64('Y Q=')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("from_base64('-_-_')", "INVALID_FUNCTION_ARGUMENT", ""),
        ("X'6'", "SYNTAX_ERROR", "Binary literal must contain an even number of digits"),
    ],
)
def test_an_error_of_trino_is_the_same_here(sql: str, code: str, words: str) -> None:
    source = FakeSource()
    source.add(table("t", "line string"), "('a')")
    with pytest.raises(QueryError) as raised:
        rows(f"SELECT {sql}", source)
    assert raised.value.code == code
    assert words in raised.value.message


@pytest.mark.parametrize(
    "sql",
    [
        "CAST('a' AS varbinary)",
        "CAST(NULL AS varbinary)",
        "CAST(NULL AS blob)",  # Trino does not have it: the parser reads varbinary
        "X'61' || NULL",
        "to_utf8(NULL)",
        "from_utf8(NULL)",
        "from_utf8(X'ff', '?')",
        "from_hex(X'3631')",
        "from_base64(X'5951')",
        "sha512(X'')",
        "substr(X'6162', 1)",
        "reverse(X'6162')",
        "TRY(from_hex('zz'))",
        "TRY(from_utf8(X'61'))",
        "x'61 62'",
        "x'zz'",
    ],
)
def test_unsupported_calls_are_refused(sql: str) -> None:
    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: .* run it with the Trino engine"):
        rows(f"SELECT {sql}")
