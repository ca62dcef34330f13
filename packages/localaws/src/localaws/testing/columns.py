"""Columns of tables, written as in a CREATE TABLE."""

from __future__ import annotations

import re


def parse_columns(text: str) -> list[tuple[str, str]]:
    """The names and types of ``a int, b decimal(10, 2), c map<string, int>``."""
    # A comma within a type is not followed by a name and a blank.
    columns = [one.partition(" ") for one in re.split(r",\s+(?=\w+ )", text) if one]
    return [(name, type_) for name, _, type_ in columns]
