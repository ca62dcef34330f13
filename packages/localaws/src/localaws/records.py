"""Our services' own records (query executions, job runs, crawls): JSON documents in one SQLite file."""

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
    """Documents by kind and id. What `put` has returned from survives the death of the process."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # A commit waits for the write, not for the disk: it outlives the process, not a power cut.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(SCHEMA)

    def put(self, kind: str, id: str, document: dict[str, Any]) -> None:
        """Store the document, instead of an earlier one of this kind and id if there is one."""
        with self._lock:
            self._database.execute(
                "INSERT INTO record (kind, id, document) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document",
                (kind, id, json.dumps(document)),
            )

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        """The document, or None where there is none."""
        with self._lock:
            row = self._database.execute("SELECT document FROM record WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        return None if row is None else json.loads(row[0])

    def list(self, kind: str) -> list[dict[str, Any]]:
        """All documents of the kind, in the order in which they were first put."""
        with self._lock:
            rows = self._database.execute(
                "SELECT document FROM record WHERE kind = ? ORDER BY number", (kind,)
            ).fetchall()
        return [json.loads(document) for (document,) in rows]

    def delete(self, kind: str, id: str) -> None:
        """Forget the document, if there is one."""
        with self._lock:
            self._database.execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, id))

    def close(self) -> None:
        """Close the file; the records stay."""
        with self._lock:
            self._database.close()
