"""The interface of query engines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from localaws.athena.catalog import Column


@dataclass(frozen=True)
class Outcome:
    """The result of a statement.

    rows: cells as Athena writes them, None for NULL; columns: empty for a statement without a result, as a CTAS.
    files: the objects that a CTAS or UNLOAD wrote, None for other statements.
    """

    columns: tuple[Column, ...] = ()
    rows: Sequence[Sequence[str | None]] = field(default=())
    scanned_bytes: int = 0
    statement_type: str = "DML"
    files: Sequence[str] | None = None


class Running(Protocol):
    """One statement. ``run`` is called once, in its own thread; ``cancel`` from any other thread."""

    def run(self) -> Outcome:
        """Raises QueryError if the statement fails, Cancelled if it was stopped."""

    def cancel(self) -> None: ...


class Engine(Protocol):
    """Runs queries, CREATE TABLE AS and CREATE VIEW on the catalog and objects of one account."""

    def statement(self, sql: str, database: str, clients: Any, max_bytes: int | None = None) -> Running:
        """One statement, which is cancelled if it would scan more than ``max_bytes``. Raises QueryError."""
