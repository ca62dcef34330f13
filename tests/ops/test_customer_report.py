"""make report: the file it writes and its error messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from ops import customer_report
from ops.settings import UserError
from smart_hub.page.published_data import PublishedData
from tests.fake_aws import BUCKET
from tests.plugins.page.conftest import DAYS, HUB, READINGS, PublishedAws


@pytest.fixture
def data() -> Iterator[PublishedData]:
    with mock_aws():
        aws = PublishedAws(BUCKET)
        for day in DAYS:
            aws.publish("usage_cost", day, READINGS[day])
        yield PublishedData("smart_hub", BUCKET, aws.client, "the test's credentials")


def test_the_report_is_named_after_hub_and_days(
    data: PublishedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = customer_report.write_report(data, HUB, "", "")
    assert path == Path(f"smart-hub-{HUB}-{DAYS[0]}-{DAYS[1]}.html")
    assert "4.60 kWh" in path.read_text(encoding="utf-8")


def test_the_file_name_can_be_given(data: PublishedData, tmp_path: Path) -> None:
    assert customer_report.write_report(data, HUB, DAYS[1], DAYS[1], tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("hub", "first", "message"),
    [
        ("", "", "no hub is given"),
        ("0000", "", "Hub 0000 has no published usage"),
        ("../../x", "", "must be a hub ID"),
        (HUB, "2019-02-30", "not a valid date"),
        (HUB, "2020-01-01", "No data is published from 2020-01-01"),
    ],
)
def test_errors(data: PublishedData, tmp_path: Path, hub: str, first: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        customer_report.write_report(data, hub, first, "", tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_region_requires_bucket(capsys: pytest.CaptureFixture[str]) -> None:
    assert customer_report.main(["--hub", HUB, "--region", "eu-west-1"]) == 1
    assert "--region requires --bucket" in capsys.readouterr().err
