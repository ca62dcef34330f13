"""Alerts of failed tasks and late runs, and the example in docs/events.md."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, PartitionedAssetTimetable
from airflow.serialization.serialized_objects import DagSerialization

from smart_hub.orchestration.alerts import failure_alerts, late_run_alert
from tests.fake_aws import FakeAws

REPOSITORY = Path(__file__).parents[3]
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"


def test_without_a_topic_there_are_no_alerts(settings_of: Callable[..., Any]) -> None:
    assert failure_alerts(settings_of()) == []
    assert late_run_alert(settings_of()) is None


def test_the_alert_of_a_failed_task_has_its_error_and_log(aws: FakeAws, settings_of: Callable[..., Any]) -> None:
    aws.client("sns").create_topic(Name="alarms")
    (notifier,) = failure_alerts(settings_of(SMART_HUB_SNS_TOPIC_ARN=TOPIC))
    task_instance = SimpleNamespace(task_id="audit", log_url="http://airflow/log")
    dag = DAG(dag_id="smart_hub_usage", schedule=None)

    notifier({"ti": task_instance, "dag": dag, "run_id": "manual__1", "exception": ValueError("few_rejects: 9 of 10")})

    (request,) = aws.called("Publish")
    assert request["TargetArn"] == TOPIC
    assert request["Subject"] == "Smart Hub: audit has failed"
    message = "smart_hub_usage manual__1, task audit: few_rejects: 9 of 10\nhttp://airflow/log"
    assert json.loads(request["Message"]) == {"default": message}


def test_all_tasks_and_daily_runs_have_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_HUB_SNS_TOPIC_ARN", TOPIC)
    dags: dict[str, Any] = DagBag(dag_folder=REPOSITORY / "dags").dags

    without_alerts = {
        (name, task.task_id) for name in dags for task in dags[name].tasks if not task.on_failure_callback
    }
    assert (len(dags), without_alerts) == (3, set())
    dag = dags["smart_hub_usage"]
    (alert,) = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]
    assert alert.interval == timedelta(hours=3)
    assert alert.callback.kwargs["target_arn"] == TOPIC
    assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).dag_id == "smart_hub_usage"


def test_the_example_dag_in_the_docs_is_scheduled_by_the_asset(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "bills.py").write_text(code)

    bag = DagBag(dag_folder=tmp_path)

    assert bag.import_errors == {}
    assert isinstance(bag.dags["bills"].timetable, PartitionedAssetTimetable)
