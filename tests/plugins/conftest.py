"""A temporary AIRFLOW_HOME, set before Airflow is imported, and AWS in memory."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws
from moto.s3.models import FakeKey

REPOSITORY = Path(__file__).parents[2]

_HOME = tempfile.TemporaryDirectory(prefix="smart-hub-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name

from tests.fake_aws import BUCKET, DAY, RUN_ID, FakeAws  # noqa: E402
from tests.plugins.step_1 import FILES  # noqa: E402


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """AWS with an empty data bucket and the raw tables, for all hooks of the provider and our operators."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

    from smart_hub.operators import base

    with mock_aws():
        fake = FakeAws(BUCKET)
        fake.add_tables("raw_usage", "raw_mappings", "raw_locations", "raw_rates")
        monkeypatch.setattr(AwsGenericHook, "get_conn", lambda hook: fake.client(hook.client_type))
        monkeypatch.setattr(base, "clients", lambda aws_conn_id: fake.client)
        yield fake


@pytest.fixture
def kms(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes ETags differ from the MD5 of the body, as for objects that S3 encrypts with KMS."""
    monkeypatch.setattr(FakeKey, "etag", property(lambda key: f'"{hashlib.md5(b"kms" + key.value).hexdigest()}"'))


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[..., Any]:
    """Makes settings with the data bucket, the package's include folder and the given ones."""
    from smart_hub.core.settings import Settings

    def make(**environ: str) -> Settings:
        given = {"SMART_HUB_DATA_BUCKET": BUCKET, "SMART_HUB_INCLUDE": str(REPOSITORY / "include"), **environ}
        return Settings.from_environment(tmp_path, given)

    return make


class Outlets(dict[Any, Any]):
    def __missing__(self, outlet: Any) -> Any:
        partitions: list[str] = []
        self[outlet] = SimpleNamespace(partitions=partitions, add_partitions=partitions.append, extra={})
        return self[outlet]


class TaskInstance:
    """The part of Airflow's task instance that the operators use, with results of earlier tasks and active runs."""

    def __init__(self, results: dict[str, Any], active: set[str]) -> None:
        self.id = "0199c0de-0000-7000-8000-000000000001"
        self._results = results
        self._active = active

    def xcom_pull(self, task_ids: str) -> Any:
        return self._results.get(task_ids)

    def get_dr_count(self, dag_id: str, run_ids: list[str], states: list[str]) -> int:
        assert sorted(states) == ["queued", "running"]
        return len(self._active & set(run_ids))


@pytest.fixture
def context_of() -> Callable[..., Any]:
    """Makes the context of a task in the run of 2019-12-21."""

    def make(results: dict[str, Any] | None = None, active: set[str] | None = None, **more: Any) -> dict[str, Any]:
        return {
            "params": {"usage_date": None},
            "partition_key": DAY,
            "run_id": RUN_ID,
            "ti": TaskInstance(results or {}, active or {RUN_ID}),
            "outlet_events": Outlets(),
            **more,
        }

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source folder with one file of each data set."""
    for name, text in FILES.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "source"


@pytest.fixture
def copy(aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]) -> Callable[..., Any]:
    """Runs step 1 with a source and settings."""

    from smart_hub.operators import CopyRawDataOperator

    def run(source: object, **environ: str) -> dict[str, Any]:
        settings = settings_of(SMART_HUB_SOURCE=str(source), **environ)
        aws.calls.clear()
        result: dict[str, Any] = CopyRawDataOperator(task_id="copy", settings=settings).execute(context_of())
        return result

    return run
