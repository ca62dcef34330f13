"""Accepted statements are cached across processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localaws.athena.duck import syntax
from localaws.athena.errors import QueryError

pytestmark = pytest.mark.unit


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The statements that the grammar has parsed; the cache is a file of the test."""
    statements: list[str] = []
    grammar = syntax.parse_statement

    def parse_statement(sql: str) -> object:
        statements.append(sql)
        return grammar(sql)

    monkeypatch.setattr(syntax, "parse_statement", parse_statement)
    monkeypatch.setattr(syntax, "CACHE", tmp_path / "none" / "accepted.txt")
    syntax._accepted.cache_clear()
    yield statements
    syntax._accepted.cache_clear()


def in_another_process() -> None:
    syntax._accepted.cache_clear()


def test_a_statement_of_a_cached_form_is_not_parsed_again(parsed: list[str]) -> None:
    # given
    syntax.parse("SELECT a FROM t WHERE b = 'x'")
    # when a statement with other names and literals has the same form, in another process
    in_another_process()
    syntax.parse("select c FROM u\nWHERE d = 'it''s' -- so")
    # expect
    assert parsed == ["SELECT a FROM t WHERE b = 'x'"]


@pytest.mark.parametrize("sql", ["SELECT a FROM t WHERE b == 'x'", "SELECT a t FROM WHERE", "SELECT"])
def test_rejected_statements_are_not_cached(parsed: list[str], sql: str) -> None:
    for _ in range(2):
        with pytest.raises(QueryError, match=r"mismatched|extraneous|no viable"):
            syntax.parse(sql)
        in_another_process()
    assert parsed == [sql, sql]


def test_a_cache_that_cannot_be_written_is_ignored(parsed: list[str], tmp_path: Path) -> None:
    (tmp_path / "none").write_text("a file instead of the folder")
    for _ in range(2):
        syntax.parse("SELECT a FROM t")
        in_another_process()
    assert len(parsed) == 2


def test_a_full_cache_is_emptied(parsed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "_MAX_CACHED", 2)

    for sql in ("SELECT a", "SELECT a, b", "SELECT a, b, c"):
        syntax.parse(sql)

    assert len(syntax.CACHE.read_text().splitlines()) == 1
    in_another_process()
    syntax.parse("SELECT d, e, f")
    assert len(parsed) == 3


def test_the_cache_of_a_server_is_in_its_state_folder(parsed: list[str], tmp_path: Path) -> None:
    syntax.cache_in(tmp_path / "state")

    syntax.parse("SELECT a")

    assert [path.parent for path in tmp_path.rglob("accepted*.txt")] == [tmp_path / "state"]
