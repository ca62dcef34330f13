"""From XML to the table: parse, validate, expand, to_table."""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FILE = "s3://data/raw/rates/ca.xml"
ROW = {
    "state": "ca",
    "year": "2019",
    "month": "12",
    "from": "00:00:00",
    "to": "23:59:59",
    "type": "off-peak",
    "rate": "5.051",
}


def row(**changes: str) -> str:
    """One row in one line; `start` and `end` set from and to."""
    names = {"start": "from", "end": "to"}
    fields = {**ROW, **{names.get(name, name): value for name, value in changes.items()}}
    return "<row>{}</row>".format("".join(f"<{name}>{text}</{name}>" for name, text in fields.items()))


def root(*rows: str) -> str:
    """A file with one row a line, from line 2 on."""
    return "<root>\n{}\n</root>\n".format("\n".join(rows))


def convert(script: ModuleType, xml: str | bytes, chunk: int = 1 << 20) -> list[tuple[Any, ...]]:
    """The table's rows; the file comes in chunks of this many bytes."""
    raw = xml if isinstance(xml, bytes) else xml.encode()
    chunks = (raw[start : start + chunk] for start in range(0, len(raw), chunk))
    table = script.to_table(script.expand(map(script.validate, script.parse(FILE, chunks))))
    return list(zip(*table.to_pydict().values()))


def refusal(script: ModuleType, xml: str | bytes) -> str:
    with pytest.raises(script.RatesError) as caught:
        convert(script, xml)
    message = str(caught.value)
    assert "\n" not in message  # Glue shows the last line of an exception
    return message


THREE_PERIODS = """<?xml version="1.0" encoding="UTF-8"?>
<root>
  <row>
    <state>or</state><year>2020</year><month>1</month>
    <from>07:00:00</from><to>21:59:59</to><type>peak</type><rate>0</rate>
  </row>
  <!-- the night is one price -->
  <row>
    <rate>12.50</rate><type>off-peak</type>
    <to>06:59:59</to><from>00:00:00</from><month>01</month><year>2020</year><state>or</state>
  </row>
  <row>
    <state>or</state><year>2020</year><month>1</month>
    <from>22:00:00</from><to>23:59:59</to><type>partial&#45;peak</type><rate><![CDATA[.75]]></rate>
  </row>
</root>
"""
# Seven hours of night, fifteen of day, two of evening: written down from the file above.
THREE_PERIODS_BY_HAND = (
    [("or", 2020, 1, hour, "off-peak", 12.5) for hour in (0, 1, 2, 3, 4, 5, 6)]
    + [("or", 2020, 1, hour, "peak", 0.0) for hour in (7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)]
    + [("or", 2020, 1, 22, "partial-peak", 0.75), ("or", 2020, 1, 23, "partial-peak", 0.75)]
)


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 20])
def test_rows_of_several_hours_become_one_row_an_hour_for_any_chunk_size(script: ModuleType, chunk: int) -> None:
    assert convert(script, THREE_PERIODS, chunk) == THREE_PERIODS_BY_HAND


def test_a_row_that_the_parser_reports_at_the_end_of_the_file(script: ModuleType) -> None:
    # expat 2.6 and later parses an incomplete token again when its input has doubled, or at the end of the file
    start, end = root(row()).split("</row>")
    chunks = [start.encode(), b"<!--" + b"x" * 1000, b"--></row>" + end.encode()]
    assert [found.texts for found in script.parse(FILE, chunks)] == [ROW]


def test_an_hour_a_row(script: ModuleType) -> None:
    cents = {0: "5.051", 12: "19.9", 23: "4.25"}
    rows = [
        row(start=f"{hour:02}:00:00", end=f"{hour:02}:59:59", rate=cents.get(hour, "7")) for hour in reversed(range(24))
    ]
    table = convert(script, root(*rows))
    assert len(table) == 24
    assert table[0] == ("ca", 2019, 12, 0, "off-peak", 5.051)
    assert table[12] == ("ca", 2019, 12, 12, "off-peak", 19.9)
    assert table[13] == ("ca", 2019, 12, 13, "off-peak", 7.0)
    assert table[23] == ("ca", 2019, 12, 23, "off-peak", 4.25)


def test_sorted_by_state_year_month_hour(script: ModuleType) -> None:
    rows = [row(state="wa", year="2100"), row(month="1", year="2020"), row(month="10"), row(month="9")]
    keys = [key[:3] for key in convert(script, root(*rows))[::24]]
    assert keys == [("ca", 2019, 9), ("ca", 2019, 10), ("ca", 2020, 1), ("wa", 2100, 12)]


def test_the_schema_and_the_rows_survive_parquet(script: ModuleType) -> None:
    table = script.to_table(script.expand(map(script.validate, script.parse(FILE, [THREE_PERIODS.encode()]))))
    file = io.BytesIO()
    pq.write_table(table, file)
    back = pq.read_table(io.BytesIO(file.getvalue()))
    assert [(field.name, field.type) for field in back.schema] == [
        ("state", pa.string()),
        ("year", pa.int32()),
        ("month", pa.int32()),
        ("hour", pa.int32()),
        ("type", pa.string()),
        ("cents_per_kwh", pa.float64()),
    ]
    assert list(zip(*back.to_pydict().values())) == THREE_PERIODS_BY_HAND


@pytest.mark.parametrize("text", ["0", "5", "5.", ".5", "0.000001", "00012.5", "1" * 64])
def test_rates_that_are_decimal_numbers(script: ModuleType, text: str) -> None:
    assert convert(script, root(row(rate=text)))[0][-1] == float(text)


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("state", "CA", "two lower-case letters"),
        ("state", "cal", "two lower-case letters"),
        ("state", "çà", "two lower-case letters"),
        ("state", "", "two lower-case letters"),
        ("year", "1999", "a year from 2000 to 2100"),
        ("year", "2101", "a year from 2000 to 2100"),
        ("year", "19", "a year from 2000 to 2100"),
        ("year", "\uff12\uff10\uff11\uff19", "a year from 2000 to 2100"),
        ("month", "0", "a month from 1 to 12"),
        ("month", "13", "a month from 1 to 12"),
        ("month", "December", "a month from 1 to 12"),
        ("month", "1.0", "a month from 1 to 12"),
        ("from", "24:00:00", "the start of an hour"),
        ("from", "00:30:00", "the start of an hour"),
        ("from", "0:00:00", "the start of an hour"),
        ("from", "00:00", "the start of an hour"),
        ("to", "24:59:59", "the end of an hour"),
        ("to", "23:59:00", "the end of an hour"),
        ("to", "23:59:59Z", "the end of an hour"),
        ("type", "Peak", "off-peak, partial-peak or peak"),
        ("type", "super-off-peak", "off-peak, partial-peak or peak"),
        ("rate", "-0.01", "a decimal number of 0 or more"),
        ("rate", "nan", "a decimal number of 0 or more"),
        ("rate", "inf", "a decimal number of 0 or more"),
        ("rate", "1e999", "a decimal number of 0 or more"),
        ("rate", "1,5", "a decimal number of 0 or more"),
        ("rate", "1_0", "a decimal number of 0 or more"),
        ("rate", "0x10", "a decimal number of 0 or more"),
        ("rate", "", "a decimal number of 0 or more"),
        ("rate", ".", "a decimal number of 0 or more"),
        ("rate", " 5", "a decimal number of 0 or more"),
        ("rate", "5\n", "a decimal number of 0 or more"),
    ],
)
def test_an_invalid_value_is_reported_with_its_place(script: ModuleType, field: str, text: str, expected: str) -> None:
    # given a good row, then a bad one whose field stands alone in line 5
    bad = row().replace(f"<{field}>{ROW[field]}", f"\n\n<{field}>{text}")
    message = refusal(script, root(row(state="wa"), bad))
    assert f"{FILE}, row 2, line 3, field {field} in line 5: {text!r} is not " in message
    assert expected in message


def test_a_row_that_ends_before_it_starts(script: ModuleType) -> None:
    message = refusal(script, root(row(start="22:00:00", end="05:59:59")))
    assert message.startswith(f"{FILE}, row 1, line 2, field to in line 2: '05:59:59' is not after from, 22:00:00")


def test_a_long_value_is_refused_at_once_and_truncated_in_the_message(script: ModuleType) -> None:
    # given a number of 65 digits, then one without end: the parser must not go on reading it
    assert "row 1, line 2, field rate in line 2: '1111" in refusal(script, root(row(rate="1" * 65)))

    def endless() -> Any:
        yield b"<root><row><rate>"
        for _ in range(3):
            yield b"1" * 50
        raise AssertionError("read on after the value had grown too long")

    with pytest.raises(script.RatesError) as caught:
        list(script.parse(FILE, endless()))
    assert f"'{'1' * 40}…' is not cents per kWh" in str(caught.value)
    # a text of the maximum length is not truncated
    assert f"'{'x' * 40}' is not" in refusal(script, root(row(state="x" * 40)))
    assert f"'{'x' * 40}…' is not" in refusal(script, root(row(state="x" * 41)))


@pytest.mark.parametrize("field", list(ROW))
def test_a_missing_field_is_named(script: ModuleType, field: str) -> None:
    bad = row(state="wa").replace(f"<{field}>{'wa' if field == 'state' else ROW[field]}</{field}>", "")
    assert refusal(script, root(row(), bad)) == f"{FILE}, row 2, line 3: {field} missing, expected once a row"


@pytest.mark.parametrize("field", list(ROW))
def test_a_repeated_field_is_named(script: ModuleType, field: str) -> None:
    element = f"<{field}>{ROW[field]}</{field}>"
    message = refusal(script, root(row().replace(element, element + "\n" + element)))
    assert message == f"{FILE}, row 1, line 3: field {field} is repeated, expected once a row"


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<rates></rates>", "row 0, line 1: <rates> outermost, expected root"),
        ("<row/>", "row 0, line 1: <row> outermost, expected root"),
        ("<root>\n<line/></root>", "row 0, line 2: <line> inside <root>, expected row"),
        ("<root>\n<root/></root>", "row 0, line 2: <root> inside <root>, expected row"),
        ("<root><state>ca</state></root>", "row 0, line 1: <state> inside <root>, expected row"),
        (
            "<root>\n<row><row/></row></root>",
            "row 1, line 2: <row> inside <row>, expected state, year, month",
        ),
        ("<root><row>\n<price>1</price></row></root>", "row 1, line 2: <price> inside <row>, expected state"),
        ("<root><row><State>ca</State></row></root>", "row 1, line 1: <State> inside <row>, expected state"),
        (
            "<root><row><rate><b>1</b></rate></row></root>",
            "row 1, line 1: <b> inside <rate>, expected text only",
        ),
        ("<root><row><rate><rate>1</rate></rate></row></root>", "<rate> inside <rate>, expected text only"),
        ("<root xmlns='urn:x'/>", "row 0, line 1: <root> has the attribute 'xmlns', expected none"),
        ("<root><row id='1'/></root>", "row 1, line 1: <row> has the attribute 'id', expected none"),
        ("<root><row><rate unit='c'>1</rate></row></root>", "<rate> has the attribute 'unit', expected none"),
        ("<root>\ntext</root>", "row 0, line 2: text 'text' inside <root>, expected elements only"),
        (
            "<root><row>\n7<rate>7</rate></row></root>",
            "row 1, line 2: text '7' inside <row>, expected elements",
        ),
    ],
)
def test_unknown_elements_attributes_and_text_are_refused(script: ModuleType, xml: str, expected: str) -> None:
    assert f"{FILE}, row " in refusal(script, xml)
    assert expected in refusal(script, xml)


@pytest.mark.parametrize(
    "xml",
    [
        "<?xml version='1.0' encoding='{}'?><root/>",
        "<{}/>",
        "<root {}='1'/>",
        "<root>{}</root>",
    ],
    ids=["encoding", "element", "attribute", "text"],
)
def test_long_text_is_truncated_in_the_message(script: ModuleType, xml: str) -> None:
    message = refusal(script, xml.format("x" * 41))
    assert "x" * 40 in message
    assert "x" * 41 not in message


BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [
  <!ENTITY a "ha">{}
]>
<root><row><state>&j;</state></row></root>
""".format("".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghi", "bcdefghij")))


@pytest.mark.parametrize(
    "xml",
    [
        BILLION_LAUGHS,
        "<?xml version='1.0'?>\n<!DOCTYPE root>\n" + root(row()),
        "<!-- -->\n<!DOCTYPE root SYSTEM 'file:///etc/passwd'>\n" + root(row()),
        "\n<!DOCTYPE root [<!ENTITY e SYSTEM 'http://127.0.0.1/'>]>\n" + root(row(state="&e;")),
        "\n<!DOCTYPE root [<!ENTITY % p '<!ENTITY q \"ca\">'> %p;]>\n" + root(row(state="&q;")),
    ],
    ids=["billion laughs", "empty", "system", "external entity", "parameter entity"],
)
def test_a_document_type_declaration_is_refused(script: ModuleType, xml: str) -> None:
    message = refusal(script, xml)
    assert message == f"{FILE}, row 0, line 2: has a document type declaration (DTD), expected none"


GOOD = root(row())
NOT_WELL_FORMED = "expected one whole, well-formed XML document in UTF-8"


@pytest.mark.parametrize(
    ("xml", "where"),
    [
        (b"", "row 0, line 1: no element found"),
        (GOOD[: GOOD.index("<to>")], "row 1, line 2: no element found"),
        (GOOD[: GOOD.index("<to>") + 2], "row 1, line 2: unclosed token"),
        (GOOD[: GOOD.index("</root>")], "row 1, line 3: no element found"),
        (GOOD + GOOD, "row 1, line 4: junk after document element"),
        (GOOD.replace("</rate>", "</state>"), "row 1, line 2: mismatched tag"),
        (GOOD.replace("5.051", "&e;"), "row 1, line 2: undefined entity"),
        (GOOD.replace("5.051", "<!ENTITY e 'x'>"), "row 1, line 2: not well-formed (invalid token)"),
        (GOOD.replace("5.051", "a & b"), "row 1, line 2: not well-formed (invalid token)"),
        (GOOD.replace("ca", "çà").encode("latin-1"), "row 1, line 2: not well-formed (invalid token)"),
        (GOOD.encode("utf-32"), "row 0, line 1: not well-formed (invalid token)"),
        (GOOD.replace("ca", "c\0").encode(), "row 1, line 2: not well-formed (invalid token)"),
        (b"\x1f\x8b\x08\x00", "row 0, line 1: not well-formed (invalid token)"),
        ("state,year,month\nca,2019,12\n", "row 0, line 1: syntax error"),
    ],
)
def test_a_file_must_be_one_complete_xml_document_in_utf_8(script: ModuleType, xml: str | bytes, where: str) -> None:
    assert refusal(script, xml) == f"{FILE}, {where}; {NOT_WELL_FORMED}"


def test_a_truncated_file_is_refused(script: ModuleType) -> None:
    whole = THREE_PERIODS.strip().encode()
    for length in range(len(whole)):
        with pytest.raises(script.RatesError):
            list(script.parse(FILE, [whole[:length]]))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_utf_16_is_refused(script: ModuleType, mark: str, encoding: str, chunk: int) -> None:
    with pytest.raises(script.RatesError, match=f"^{FILE}, row 0, line 1: the file is in UTF-16, expected UTF-8$"):
        convert(script, (mark + GOOD).encode(encoding), chunk)


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-16", "windows-1252"])
def test_a_declared_encoding_other_than_utf_8_is_refused(script: ModuleType, encoding: str) -> None:
    message = refusal(script, f"<?xml version='1.0' encoding='{encoding}'?>{GOOD}")
    assert message == f"{FILE}, row 0, line 1: declares the encoding '{encoding}', expected UTF-8"


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"<?xml version='1.0' encoding='utf-8'?>\n", b"<!-- \xc3\xa9 -->"])
def test_a_byte_order_mark_a_declaration_and_non_ascii_comments_pass(script: ModuleType, before: bytes) -> None:
    for chunk in (1, 1 << 20):
        assert len(convert(script, before + GOOD.encode(), chunk)) == 24


def test_two_rates_for_an_hour_name_both_rows(script: ModuleType) -> None:
    # given a night of 0 to 6, a day of 6 to 23
    xml = root(row(end="06:59:59"), row(start="06:00:00"))
    assert refusal(script, xml) == (
        f"{FILE}, row 2, line 3: ca 2019-12 hour 6 has a rate already, from {FILE}, row 1, line 2; remove one row"
    )


def test_the_same_row_twice_is_two_rates(script: ModuleType) -> None:
    assert "row 2, line 3: ca 2019-12 hour 0 has a rate already" in refusal(script, root(row(), row()))
    # the tenth of ten rows, whose name sorts before that of the second
    states = [*(f"a{letter}" for letter in "abcdefghi"), "ab"]
    assert f"row 10, line 11: ab 2019-12 hour 0 has a rate already, from {FILE}, row 2, line 3" in refusal(
        script, root(*(row(state=state) for state in states))
    )


def test_equal_hours_of_other_states_years_and_months_do_not_overlap(script: ModuleType) -> None:
    rows = [row(), row(state="or"), row(year="2020"), row(month="11")]
    assert len(convert(script, root(*rows))) == 4 * 24


def test_hours_without_a_rate_are_named(script: ModuleType) -> None:
    # given a complete California, and an Oregon without the hours 6, 7 and 23
    xml = root(
        row(),
        row(state="or", month="3", end="05:59:59"),
        row(state="or", month="3", start="08:00:00", end="22:59:59"),
    )
    message = refusal(script, xml)
    assert message == "raw/rates/: no rate for or 2019-03 hour 6, 7, 23; add rows for all 24 hours of the month"


@pytest.mark.parametrize("xml", ["<root/>", "<root>\n</root>"])
def test_a_file_without_rows_is_refused(script: ModuleType, xml: str) -> None:
    assert refusal(script, xml).startswith("no rates in raw/rates/")
