"""The functions as Lambda runs them: their environment, the statements beside them, AWS in memory."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fake_aws import BUCKET, FakeAws

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "include" / "lambdas"))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """AWS with an empty data bucket, the tables of converted reference data, and raw tables that were crawled.

    No readings of a hub repeat.
    """
    import event

    fake = FakeAws(BUCKET)
    for table in ("mapping_versions", "location_versions", "rate_versions"):
        fake.tables[table] = f"s3://{BUCKET}/warehouse/{table}/"
    fake.crawl()
    fake.rows = [["repeated"], ["0"]]
    monkeypatch.setattr(event, "boto3", SimpleNamespace(client=fake.client))
    monkeypatch.setattr(event, "SQL", REPOSITORY / "include" / "sql")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name, value in {"DATABASE": "smart_hub", "WORKGROUP": "smart-hub", "DATA_BUCKET": BUCKET}.items():
        monkeypatch.setenv(name, value)
    return fake


@pytest.fixture
def context() -> Any:
    """Lambda's context, with all of its 900 seconds left."""
    return SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
