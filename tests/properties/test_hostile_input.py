"""Whatever comes in: a right answer, or an error that says what is at fault; no other exception, no injection."""

import json
import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from string import Template
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.__main__ import main as generate
from smart_hub.shared import sql
from smart_hub.shared.layout import REFERENCE_TABLES
from tests.glue.conftest import load

ROOT = Path(__file__).parents[2]
STATEMENTS = sorted((ROOT / "include" / "sql").rglob("*.sql"))
HOSTILE = st.one_of(
    st.sampled_from(
        [
            "'; DROP TABLE usage_cost; --",
            "' OR ''='",
            "a\nb",
            "a\x00b",
            "-- x",
            "/* x */",
            "${day}",
            "${jndi:ldap://x}",
            "../../etc/passwd",
            "Zürich ☃ 𝟙",
            "1e999",
            "NaN",
            "９",
            "9" * 30,
            "9" * 5000,
            "\u202e",
            "",
        ]
    ),
    st.text(max_size=40),
)

SAFE = st.from_regex(r"[A-Za-z0-9_./:=-]{1,20}", fullmatch=True)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load(ROOT / "include" / "glue" / "rates_xml_to_parquet.py")


@pytest.fixture(scope="module")
def event() -> ModuleType:
    sys.path.insert(0, str(ROOT / "include" / "lambdas"))
    import event

    return event


# The Glue script

GOOD = {
    "state": "ca",
    "year": "2019",
    "month": "12",
    "from": "00:00:00",
    "to": "23:59:59",
    "type": "peak",
    "rate": "5.1",
}


def document(rows: list[dict[str, str]]) -> bytes:
    def escaped(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    texts = ("".join(f"<{name}>{escaped(text)}</{name}>" for name, text in row.items()) for row in rows)
    return f"<root>{''.join(f'<row>{text}</row>' for text in texts)}</root>".encode("utf-8", "surrogatepass")


def outcome(refusal: type[Exception], call: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Any, str]:
    """The result of a call, or the text of its error, which must be of one type."""
    try:
        return call(*arguments, **named), ""
    except refusal as error:
        return None, str(error)


def rates(script: ModuleType, text: bytes, size: int) -> Any:
    """The rates of a file that comes in chunks, None when it is refused by name."""
    chunks = (text[start : start + size] for start in range(0, len(text), size))
    rows = script.parse("s3://b/raw/rates/r.xml", chunks)
    hours, error = outcome(script.RatesError, lambda: script.expand(map(script.validate, rows)))
    assert hours or "raw/rates/" in error
    assert len(error) < 1000
    return hours


@given(st.sampled_from(sorted(GOOD)), HOSTILE, st.integers(1, 64))
def test_a_rate_with_any_field_is_taken_or_refused_by_name(
    script: ModuleType, field: str, value: str, size: int
) -> None:
    hours = rates(script, document([{**GOOD, field: value}]), size)

    if hours is not None:  # then the value is one of the field's own
        assert re.fullmatch(script.FIELDS[field][0], value, re.ASCII)
        assert len(hours) == 24


@given(st.binary(max_size=200), st.integers(1, 64))
def test_any_bytes_are_refused(script: ModuleType, text: bytes, size: int) -> None:
    assert rates(script, text, size) is None


@given(st.data())
@settings(max_examples=300)
def test_a_damaged_file_is_refused_or_means_the_same(script: ModuleType, data: st.DataObject) -> None:
    # given a good file in which some bytes are lost, doubled or replaced
    good = document([GOOD])
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 8)))
    damaged = good[:start] + data.draw(st.binary(max_size=8)) + good[end:]

    hours = rates(script, damaged, data.draw(st.integers(1, 64)))

    assert hours is None or len(hours) == 24


@pytest.mark.parametrize(
    "text",
    [
        b"<!DOCTYPE r [" + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)) + b"]>"
        b"<root>&a11;</root>",
        b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><root><row><state>&x;</state></row></root>',
        b"<root><row><state>" + b"a" * 10_000_000 + b"</state></row></root>",
        b"<root>" * 100_000,
        b"<root>" + b"<row></row>" * 100_000 + b"</root>",
    ],
    ids=["billion laughs", "another file", "ten megabytes of a state", "deep", "rows of nothing"],
)
def test_a_bomb_is_refused_at_once(script: ModuleType, text: bytes) -> None:
    assert rates(script, text, 65536) is None


# The functions' events

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), HOSTILE),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(HOSTILE, inner, max_size=3)),
    max_leaves=8,
)
EVENT = {
    "day": "2019-12-21",
    "run": "2019-12-21-0a1b2c3d4e5f",
    "version": "v0123456789abcdef",
    "content_hashes": dict.fromkeys(REFERENCE_TABLES, "a" * 64),
    "readings_table": "staging_usage_v1111111111111111",
    "damaged": [],
}


@given(JSON)
def test_an_event_of_any_form_is_refused(event: ModuleType, given_event: Any) -> None:
    with pytest.raises(event.InvalidEvent):
        event.validated(given_event, data_sets=REFERENCE_TABLES)


@given(st.sampled_from([*EVENT, "content_hashes.mappings"]), JSON)
def test_a_field_of_any_value_is_taken_or_refused_by_name(event: ModuleType, field: str, value: Any) -> None:
    # given an event as step 5 gets it, but for one field
    given_event = json.loads(json.dumps(EVENT))
    if field == "content_hashes.mappings":
        given_event["content_hashes"]["mappings"] = value
    else:
        given_event[field] = value

    checked, error = outcome(
        event.InvalidEvent,
        event.validated,
        given_event,
        data_sets=REFERENCE_TABLES,
        tables=["readings_table"],
        others=["damaged"],
    )

    if checked is None:
        assert field.split(".")[0] in error
    else:  # what is taken can be no more than a date, a name or a hash
        assert all(re.fullmatch(r"[\w-]+", text, re.ASCII) for text in (checked["day"], checked["run"]))
        assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in checked["content_hashes"].values())
        assert re.fullmatch(r"\w+", checked["readings_table"], re.ASCII)


# Statements


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_changes_what_a_statement_is(path: Path, data: st.DataObject) -> None:
    # given values of any text for the placeholders of a statement
    text = path.read_text(encoding="utf-8")
    values: dict[str, str | int] = {
        name: data.draw(st.one_of(HOSTILE, SAFE)) for name in sorted(Template(text).get_identifiers())
    }
    harmless: dict[str, str | int] = dict.fromkeys(values, "x")

    rendered, error = outcome(sql.SqlValueError, sql.render, text, values)

    if rendered is None:
        assert any(name in error for name in values)
        return
    # expect the words of the statement as they are with harmless ones
    structure = re.compile(r"['\";()]|--|/\*|\*/|\s")
    assert structure.findall(rendered) == structure.findall(sql.render(text, harmless))


# The generator

NUMBERS_AND_DAYS = ["--hubs", "--from", "--to", "--days", "--seed", "--files-per-day", "--processes", "--channels"]


@given(st.lists(st.sampled_from(NUMBERS_AND_DAYS), max_size=2), st.data())
@settings(max_examples=60, deadline=None)  # a value that is right starts processes
def test_the_generator_takes_its_arguments_or_says_which_is_wrong(names: list[str], data: st.DataObject) -> None:
    values = [data.draw(st.one_of(HOSTILE, st.dates(max_value=date(1999, 1, 1)).map(str))) for _ in names]
    arguments = [text for pair in zip(names, values, strict=True) for text in pair]
    out = str(ROOT / "README.md" / "nowhere")  # below a file, so nothing can ever be written

    with pytest.raises(SystemExit) as ended:
        generate([*arguments, "--out", out])

    assert ended.value.code == 2
