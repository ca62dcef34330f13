"""Records: documents by kind and id, in one file."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localaws.records import Records

pytestmark = pytest.mark.unit


def test_documents_are_stored_by_kind_and_id(tmp_path: Path) -> None:
    # given documents of two kinds, one replaced, one deleted
    records = Records(tmp_path / "records.sqlite")
    records.put("run", "b", {"state": "RUNNING"})
    records.put("run", "a", {"state": "RUNNING"})
    records.put("crawl", "b", {"state": "READY"})
    records.put("run", "b", {"state": "ENDED"})
    records.put("run", "c", {"state": "RUNNING"})
    records.delete("run", "c")

    # when the file is opened a second time, without a close
    again = Records(tmp_path / "records.sqlite")

    # expect the last version of each, in the order in which they were first stored
    assert again.get("run", "b") == {"state": "ENDED"}
    assert again.get("crawl", "b") == {"state": "READY"}
    assert again.get("crawl", "a") is None
    assert again.list("run") == [{"state": "ENDED"}, {"state": "RUNNING"}]


def test_threads_can_write_at_the_same_time(tmp_path: Path) -> None:
    # given eight threads, when they put 200 documents, expect all of them
    records = Records(tmp_path / "records.sqlite")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: records.put("run", str(number), {"number": number}), range(200)))
    assert {document["number"] for document in records.list("run")} == set(range(200))
