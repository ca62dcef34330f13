"""Statements: values go into names and literals only where they cannot change the statement."""

from pathlib import Path

import pytest

from smart_hub.shared.sql import SqlValueError, StringLiteral, render, statement


def test_values_are_filled_in_and_comments_left_out() -> None:
    text = "-- ${not_a_value}\nSELECT *, \"$path\"\n  -- indented\nFROM ${table} WHERE dt = '${day}' LIMIT ${n}"
    assert render(text, {"table": "usage", "day": "2019-12-21", "n": 3}) == (
        "SELECT *, \"$path\"\nFROM usage WHERE dt = '2019-12-21' LIMIT 3"
    )


def test_a_string_literal_has_its_quotes_doubled() -> None:
    assert render("SELECT ${file}", {"file": StringLiteral("s3://b/O'Hara ${x}.json")}) == (
        "SELECT 's3://b/O''Hara ${x}.json'"
    )


def test_a_placeholder_without_a_value_is_refused() -> None:
    with pytest.raises(SqlValueError, match=r"\$\{a\} has no value"):
        render("SELECT ${a}", {"b": 1})


@pytest.mark.parametrize("value", ["", "a b", "x'", 'x"', "a;b", "a--b", "a\nb", "(1)", "${a}", "ü"])
def test_a_value_that_could_be_sql_is_refused(value: str) -> None:
    with pytest.raises(SqlValueError, match="a: "):
        render("SELECT '${a}'", {"a": value})


@pytest.mark.parametrize("value", ["s3://b-1/warehouse/usage/dt=2019-12-21/version=v0/", "staging_usage_v0", "1.5"])
def test_names_locations_and_numbers_are_accepted(value: str) -> None:
    assert render("${a}", {"a": value}) == value


def test_an_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "convert").mkdir()
    (tmp_path / "convert" / "usage.sql").write_text("SELECT ${day}")
    with pytest.raises(SqlValueError, match=r"^convert/usage\.sql: "):
        statement(tmp_path, "convert/usage")
