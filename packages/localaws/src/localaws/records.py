"""Records of our services (query executions, job runs, crawls): JSON documents in one SQLite file."""

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (kind, id)
)
"""


class Records:
    """Documents by kind and id. A document survives a crash of the process once `put` has returned."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # A commit waits for the write, not for the disk: it survives a crash of the process, not a power failure.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(SCHEMA)

    def put(self, kind: str, id: str, document: dict[str, Any]) -> None:
        """Store the document; replaces an earlier one of this kind and id."""
        with self._lock:
            self._database.execute(
                "INSERT INTO record (kind, id, document) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document",
                (kind, id, json.dumps(document)),
            )

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        """The document, or None."""
        with self._lock:
            row = self._database.execute("SELECT document FROM record WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        return None if row is None else json.loads(row[0])

    def list(self, kind: str) -> list[dict[str, Any]]:
        """All documents of the kind, in the order in which they were first stored."""
        with self._lock:
            rows = self._database.execute(
                "SELECT document FROM record WHERE kind = ? ORDER BY number", (kind,)
            ).fetchall()
        return [json.loads(document) for (document,) in rows]

    def delete(self, kind: str, id: str) -> None:
        """Delete the document, if it exists."""
        with self._lock:
            self._database.execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, id))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
