"""A laptop's settings, as docs/settings.md lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ops.environment import airflow_environment
from ops.settings import ROOT, LaptopSettings


class Recorder(Mapping[str, str]):
    """An environment in which nothing is set; it remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> str:
        self.asked.append(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_the_docs_list_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").partition("## A laptop's")[2]
    documented = dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]+)`|none) \|", text, re.MULTILINE))
    environment = Recorder()
    unset = LaptopSettings.from_environment(environment)

    assert sorted(documented) == sorted(set(environment.asked))
    # given each documented default by hand, expect the settings that nothing set has
    assert LaptopSettings.from_environment(documented) == unset


def test_the_users_settings_of_the_dags_reach_airflow_but_for_those_that_lead_elsewhere(tmp_path: Path) -> None:
    users = {
        "SMART_HUB_RETENTION_HOURS": "48",
        "SMART_HUB_STACK": "production",
        "SMART_HUB_DATA_BUCKET": "production",
        "SMART_HUB_AWS_CONN_ID": "production",
        "SMART_HUB_SOURCE": "s3://production",
        "SMART_HUB_LOCAL": str(tmp_path),
    }
    settings = LaptopSettings.from_environment(users)

    reached = {k: v for k, v in airflow_environment(settings).items() if k.startswith("SMART_HUB_")}

    assert reached == {
        "SMART_HUB_RETENTION_HOURS": "48",
        "SMART_HUB_STACK": "smart-hub",
        "SMART_HUB_DATA_BUCKET": settings.data_bucket,
        "SMART_HUB_AWS_CONN_ID": "aws_default",
        "SMART_HUB_SOURCE": str(ROOT / "include" / "data"),
        "SMART_HUB_MIRROR": "true",
        "SMART_HUB_INCLUDE": str(ROOT / "include"),
    }
