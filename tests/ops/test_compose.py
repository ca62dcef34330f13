"""The one-shot demo of docker-compose.yaml: the days once, again on demand, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ops import compose, demo, health
from ops.airflow_api import Run
from ops.demo_results import DayResult
from ops.settings import LaptopSettings, UserError

DAYS = ["2019-12-21", "2019-12-22"]


class Airflow:
    """An Airflow that has the runs given."""

    def __init__(self, *runs: Run) -> None:
        self._runs = list(runs)

    def wait_until_parsed(self) -> None:
        pass

    def runs(self) -> list[Run]:
        return self._runs


def finished(day: str, state: str = "success") -> Run:
    return Run(f"run-{day}", day, state, None, True, None, None)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The days of each demo that is started; each succeeds."""
    days: list[list[str]] = []

    def run(settings: LaptopSettings, wanted: list[str], console: Console, begun: float) -> list[DayResult]:
        assert settings.airflow_url == "http://api-server:8080"
        assert settings.aws_client["endpoint_url"] == "http://local-aws:4566"
        days.append(wanted)
        return [DayResult(day, "success", 1.0) for day in wanted]

    monkeypatch.setattr(demo, "run", run)
    for name in ("SOURCE", "FROM", "TO", "ENGINE", "TRINO_URL", "AIRFLOW_PORT", "AWS_PORT"):
        monkeypatch.delenv(name, raising=False)
    return days


def given(monkeypatch: pytest.MonkeyPatch, *runs: Run) -> None:
    monkeypatch.setattr(compose, "Dag", lambda url: Airflow(*runs))


def test_days_that_have_not_run_are_run(monkeypatch: pytest.MonkeyPatch, started: list[list[str]]) -> None:
    given(monkeypatch, finished(DAYS[0]), finished(DAYS[1], "failed"))

    assert compose.main([]) == 0
    assert started == [DAYS]


def test_days_that_have_succeeded_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, *map(finished, DAYS))
    monkeypatch.setenv("AIRFLOW_PORT", "8081")

    assert compose.main([]) == 0
    assert started == []
    # and the addresses are those on the host
    assert "http://127.0.0.1:8081/dags/smart_hub_usage" in capsys.readouterr().out


def test_on_demand_they_are_run_again(monkeypatch: pytest.MonkeyPatch, started: list[list[str]]) -> None:
    given(monkeypatch, *map(finished, DAYS))

    assert compose.main(["--again"]) == 0
    assert started == [DAYS]


def test_the_environment_chooses_the_days_and_empty_means_default(
    monkeypatch: pytest.MonkeyPatch, started: list[list[str]]
) -> None:
    given(monkeypatch)
    monkeypatch.setenv("FROM", "2019-12-22")
    monkeypatch.setenv("TO", "")

    assert compose.main([]) == 0
    assert started == [DAYS[1:]]


def test_days_without_data_are_named(
    monkeypatch: pytest.MonkeyPatch, started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch)

    assert compose.main(["--from", "2019-12-23", "--to", "2019-12-23"]) == 1
    assert "there is no usage of 2019-12-23" in capsys.readouterr().err
    assert started == []


def test_a_trino_that_was_not_started_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def never(settings: LaptopSettings) -> bool:
        assert settings.trino_url == "http://trino:8080"
        return False

    monkeypatch.setattr(health, "trino_is_healthy", never)
    monkeypatch.setattr(compose, "TRINO_SECONDS", 0)

    with pytest.raises(UserError, match="--profile trino up"):
        compose.wait_for_trino(compose.Containers(engine="trino"))


def test_with_trino_the_days_wait_for_it(monkeypatch: pytest.MonkeyPatch, started: list[list[str]]) -> None:
    given(monkeypatch)
    monkeypatch.setenv("ENGINE", "trino")
    waited: list[Any] = []
    monkeypatch.setattr(compose, "wait_for_trino", lambda settings: waited.append((settings.engine, list(started))))

    assert compose.main([]) == 0
    assert waited == [("trino", [])]
    assert started == [DAYS]
