"""The one interface behind which a query engine sits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from localaws.athena.catalog import Column


@dataclass(frozen=True)
class Outcome:
    """What a statement gave.

    rows: cells as Athena's texts, None for NULL; columns is empty for a statement without a result, a CTAS.
    files: the objects that a CTAS or UNLOAD wrote, None for other statements.
    """

    columns: tuple[Column, ...] = ()
    rows: Sequence[Sequence[str | None]] = field(default=())
    scanned_bytes: int = 0
    statement_type: str = "DML"
    files: Sequence[str] | None = None


class Running(Protocol):
    """One statement on its way. ``run`` is called once, in a thread of its own; ``cancel`` from any other."""

    def run(self) -> Outcome:
        """Raises QueryError when the statement fails, Cancelled when it was stopped."""

    def cancel(self) -> None: ...


class Engine(Protocol):
    """Runs queries, CREATE TABLE AS and views against the catalog and the objects of one store."""

    def statement(self, sql: str, database: str, clients: Any, max_bytes: int | None = None) -> Running:
        """One statement, cancelled when it would scan more than ``most_bytes``. Raises QueryError."""
