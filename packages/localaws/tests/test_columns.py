"""Columns as tests write them."""

import pytest

from localaws.testing.columns import parse_columns

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", []),
        ("a int", [("a", "int")]),
        ("a decimal(10, 2), b map<string, int>", [("a", "decimal(10, 2)"), ("b", "map<string, int>")]),
        ("a struct<x:int, y:array<int>>, b date", [("a", "struct<x:int, y:array<int>>"), ("b", "date")]),
    ],
)
def test_a_comma_within_a_type_ends_no_column(text: str, columns: list[tuple[str, str]]) -> None:
    assert parse_columns(text) == columns
