"""make report: a file when there is something to report, a sentence when there is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops import customer_report
from ops.settings import UserError
from smart_hub.page.store import Store
from tests.fake_aws import BUCKET
from tests.plugins.page.conftest import DAYS, HUB, READINGS, PublishedAws


@pytest.fixture
def store() -> Store:
    aws = PublishedAws(BUCKET)
    for day in DAYS:
        aws.publish("usage_cost", day, READINGS[day])
    return Store("smart_hub", BUCKET, aws.client, "the test's keys")


def test_the_report_is_named_after_hub_and_days(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = customer_report.write(store, HUB, "", "")
    assert path == Path(f"smart-hub-{HUB}-{DAYS[0]}-{DAYS[1]}.html")
    assert "4.60 kWh" in path.read_text(encoding="utf-8")


def test_the_file_may_be_named(store: Store, tmp_path: Path) -> None:
    assert customer_report.write(store, HUB, DAYS[1], DAYS[1], tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("hub", "first", "sentence"),
    [
        ("", "", "which hub"),
        ("0000", "", "Hub 0000 has no published usage"),
        ("../../x", "", "not the id of a hub"),
        (HUB, "2019-02-30", "not a day"),
        (HUB, "2020-01-01", "Nothing is published from 2020-01-01"),
    ],
)
def test_nothing_to_report(store: Store, tmp_path: Path, hub: str, first: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        customer_report.write(store, hub, first, "", tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_an_accounts_tables_need_its_bucket(capsys: pytest.CaptureFixture[str]) -> None:
    assert customer_report.main(["--hub", HUB, "--region", "eu-west-1"]) == 1
    assert "--region needs --bucket" in capsys.readouterr().err
