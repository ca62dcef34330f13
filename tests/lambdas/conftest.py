"""The functions' environment, their statements, and AWS in memory."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from tests.fake_aws import BUCKET, FakeAws

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "include" / "lambdas"))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """AWS with an empty data bucket, the tables of converted reference data, and crawled raw tables.

    No reading is repeated.
    """
    import event

    monkeypatch.setattr(event, "SQL", REPOSITORY / "include" / "sql")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name, value in {"DATABASE": "smart_hub", "WORKGROUP": "smart-hub", "DATA_BUCKET": BUCKET}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        fake = FakeAws(BUCKET)
        fake.add_tables("mapping_versions", "location_versions", "rate_versions")
        fake.crawl()
        fake.rows = [["repeated"], ["0"]]
        monkeypatch.setattr(event, "boto3", SimpleNamespace(client=fake.client))
        yield fake


@pytest.fixture
def context() -> Any:
    """Lambda's context, with all of its 900 seconds left."""
    return SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
