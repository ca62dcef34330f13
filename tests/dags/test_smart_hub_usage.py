"""The DAG: its steps, their order, and the policies of all tasks."""

import json
import os
import re
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Connection, Variable
from jinja2 import Template

from smart_hub.shared.layout import DAILY_DAG

REPOSITORY = Path(__file__).parents[2]
DAG_FILE = REPOSITORY / "dags" / "smart_hub_usage.py"

STEPS = {
    "step_1_copy_raw_data": "CopyRawDataOperator",
    "step_2_crawl.usage": "CrawlOperator",
    "step_2_crawl.mappings": "CrawlOperator",
    "step_2_crawl.locations": "CrawlOperator",
    "step_2_crawl.rates": "CrawlOperator",
    "step_3_convert": "LambdaInvokeFunctionOperator",
    "step_4_convert_rates": "StrictGlueJobOperator",
    "step_5_transform": "LambdaInvokeFunctionOperator",
    "step_6_compact": "LambdaInvokeFunctionOperator",
    "audit": "AuditOperator",
    "insights.daily_device_cost": "InsightOperator",
    "insights.hourly_load": "InsightOperator",
    "insights.peak_shift": "InsightOperator",
    "insights.hub_day_summary": "InsightOperator",
    "publish": "PublishOperator",
    "refresh_quicksight": "MappedOperator",
    "step_7_clean_up": "CleanUpOperator",
}
CRAWLS = {task_id for task_id in STEPS if task_id.startswith("step_2_crawl.")}


def refuse(*args: Any, **kwargs: Any) -> None:
    raise AssertionError(f"used {args} while the DAG was parsed")


@pytest.fixture(scope="module")
def bag() -> DagBag:
    """The DAG folder, parsed without network, Variables and Connections."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(Variable, "get", refuse)
        patch.setattr(Connection, "get", refuse)
        return DagBag(dag_folder=REPOSITORY / "dags")


@pytest.fixture(scope="module")
def dag(bag: DagBag) -> Any:
    return bag.dags[DAILY_DAG]


def test_the_folder_has_exactly_these_dags_without_an_import_error(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {DAILY_DAG, "smart_hub_roll_back", "smart_hub_teardown"}


def test_each_step_has_its_operator(dag: DAG) -> None:
    assert {task_id: type(task).__name__ for task_id, task in dag.task_dict.items()} == STEPS


def test_the_steps_have_these_upstream_tasks(dag: DAG) -> None:
    assert {task_id: task.upstream_task_ids for task_id, task in dag.task_dict.items()} == {
        "step_1_copy_raw_data": set(),
        **{crawl: {"step_1_copy_raw_data"} for crawl in CRAWLS},
        "step_3_convert": {"step_1_copy_raw_data"},
        "step_4_convert_rates": {"step_1_copy_raw_data"},
        "step_5_transform": {"step_3_convert", "step_4_convert_rates"},
        "step_6_compact": {"step_5_transform"},
        "audit": {"step_6_compact"},
        "insights.daily_device_cost": {"step_6_compact"},
        "insights.hourly_load": {"insights.daily_device_cost"},
        "insights.peak_shift": {"insights.daily_device_cost"},
        "insights.hub_day_summary": {"insights.daily_device_cost", "insights.peak_shift"},
        "publish": {"audit", "insights.hourly_load", "insights.hub_day_summary"},
        "refresh_quicksight": {"publish"},
        "step_7_clean_up": {"publish"},
    }


def test_only_step_5_runs_after_a_skipped_task(dag: DAG) -> None:
    lenient = {task_id for task_id, task in dag.task_dict.items() if task.trigger_rule != "all_success"}
    assert lenient == {"step_5_transform"}
    assert {dag.task_dict[task_id].trigger_rule for task_id in lenient} == {"none_failed_min_one_success"}


def test_tasks_on_shared_resources_run_one_at_a_time(dag: DAG) -> None:
    alone = {task_id for task_id, task in dag.task_dict.items() if task.max_active_tis_per_dag == 1}
    assert alone == {*CRAWLS, "step_4_convert_rates", "publish"}


def test_boto3_waits_for_a_function_and_invokes_it_once(dag: DAG) -> None:
    # Lambda's limit is 900 s; by default, boto3 gives up after 60 s and invokes the function again.
    for task_id in ("step_3_convert", "step_5_transform", "step_6_compact"):
        task: Any = dag.task_dict[task_id]
        assert task.botocore_config["read_timeout"] > 900
        assert task.botocore_config["retries"] == {"max_attempts": 0}
        assert task.execution_timeout > timedelta(seconds=task.botocore_config["read_timeout"])


def test_the_function_and_the_audit_get_the_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_HUB_FILES_PER_DAY", "4")
    dag: Any = DagBag(dag_folder=DAG_FILE).dags[DAILY_DAG]

    payload = Template(dag.task_dict["step_6_compact"].payload).render(
        event=lambda **fields: json.dumps(fields),
        function_result=lambda task_id: {"cost_table": task_id},
        settings=dag.user_defined_macros["settings"],
    )
    assert json.loads(payload) == {"cost_table": "step_5_transform", "files": 4}
    assert dag.task_dict["audit"].settings.files_per_day == 4


def test_each_data_set_of_the_dashboard_is_refreshed_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.amazon.aws.operators.quicksight import QuickSightCreateIngestionOperator

    monkeypatch.setenv("SMART_HUB_STACK", "other-hub")
    monkeypatch.setenv("SMART_HUB_QUICKSIGHT", "true")
    task: Any = DagBag(dag_folder=DAG_FILE).dags[DAILY_DAG].task_dict["refresh_quicksight"]

    assert len(task.expand_input.value["data_set_id"]) == 6
    assert "other-hub-usage_cost" in task.expand_input.value["data_set_id"]
    one = task.unmap({"data_set_id": "other-hub-usage_cost"})
    assert isinstance(one, QuickSightCreateIngestionOperator)
    assert one.ingestion_type == "FULL_REFRESH"


def test_without_a_dashboard_the_refresh_has_no_data_set(dag: DAG) -> None:
    # which Airflow shows as one skipped task:
    # https://airflow.apache.org/docs/apache-airflow/stable/authoring-and-scheduling/dynamic-task-mapping.html
    task: Any = dag.task_dict["refresh_quicksight"]
    assert task.expand_input.value == {"data_set_id": []}


def test_retries_of_crawls_last_longer_than_a_crawl(dag: DAG) -> None:
    # Given the waits between tries as Airflow computes them: delay * factor^(try - 1), up to the longest.
    for task_id in (*CRAWLS, "refresh_quicksight"):
        task: Any = dag.task_dict[task_id]
        delay, longest = task.retry_delay.total_seconds(), task.max_retry_delay.total_seconds()
        waits = [min(delay * task.retry_exponential_backoff**n, longest) for n in range(task.retries)]
        # A crawl takes one to three minutes on AWS, most of it starting and stopping.
        assert sum(waits) > 5 * 60


def test_every_task_has_an_owner_retries_a_time_limit_and_documentation(bag: DagBag) -> None:
    for dag in bag.dags.values():
        assert dag.doc_md
        assert "smart-hub" in dag.tags
        for task in dag.tasks:
            assert task.owner == "smart-hub", task.task_id
            assert (task.retries or 0) >= 2, task.task_id
            assert isinstance(task.execution_timeout, timedelta), task.task_id
            assert task.doc_md, task.task_id


def test_every_aws_operator_uses_the_connection_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a deployment with a stack and a connection of its own
    monkeypatch.setenv("SMART_HUB_STACK", "other-hub")
    monkeypatch.setenv("SMART_HUB_AWS_CONN_ID", "aws_other")
    dag: Any = DagBag(dag_folder=DAG_FILE).dags["smart_hub_usage"]
    # Expect it everywhere
    for task in (task.unmap({"data_set_id": "any"}) if task.is_mapped else task for task in dag.tasks):
        settings = getattr(task, "settings", None)
        assert (settings.aws_conn_id if settings else task.aws_conn_id) == "aws_other", task.task_id
    assert dag.task_dict["step_2_crawl.usage"].crawler_name == "other-hub-usage"
    assert dag.task_dict["step_3_convert"].function_name == "other-hub-convert"
    assert dag.task_dict["step_4_convert_rates"].job_name == "other-hub-rates"


def test_the_dag_parses_without_any_setting_and_with_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_HUB_FILES_PER_DAY", "many")
    monkeypatch.setenv("SMART_HUB_MIRROR", "perhaps")
    monkeypatch.setenv("SMART_HUB_INCLUDE", "/nowhere")
    bag = DagBag(dag_folder=DAG_FILE)
    assert bag.import_errors == {}
    settings = bag.dags[DAILY_DAG].task_dict["step_1_copy_raw_data"].settings  # type: ignore[union-attr]
    named = {problem.setting for problem in settings.problems}
    assert named == {
        "SMART_HUB_DATA_BUCKET",
        "SMART_HUB_FILES_PER_DAY",
        "SMART_HUB_INCLUDE",
        "SMART_HUB_MIRROR",
        "SMART_HUB_SOURCE",  # whose default lies in the include folder
    }


def test_the_first_tasks_of_every_dag_name_invalid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    # Given a mistyped variable
    monkeypatch.setenv("SMART_HUB_DATA_BUKET", "the-data")
    dags = DagBag(dag_folder=REPOSITORY / "dags").dags.values()
    first: list[Any] = [task for dag in dags for task in dag.tasks if not task.upstream_task_ids]
    assert len(first) >= len(dags)
    # When one runs, expect it to fail without a retry, and to name both variables
    for task in first:
        with pytest.raises(AirflowFailException) as raised:
            task.execute({})
        assert "SMART_HUB_DATA_BUCKET: not set" in str(raised.value), task.task_id
        assert "SMART_HUB_DATA_BUKET: there is no such setting; the closest is SMART_HUB_DATA_BUCKET" in str(
            raised.value
        )


def test_the_dag_can_be_serialized(dag: DAG) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    copy = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert set(copy.task_dict) == set(STEPS)
    assert copy.get_task("publish").max_active_tis_per_dag == 1
    assert "usage_date" in copy.params


@pytest.mark.parametrize("day", ["2019-12-21", None])
def test_the_parameter_accepts_a_date_or_nothing(dag: Any, day: str | None) -> None:
    assert dag.params.get_param("usage_date").resolve(value=day) == day


def test_the_parameter_refuses_an_invalid_date(dag: Any) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag.params.get_param("usage_date").resolve(value="2019-13-45")


def test_a_scheduled_run_starts_when_its_day_is_over_everywhere(dag: Any) -> None:
    import pendulum
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable
    from airflow.timetables.base import TimeRestriction

    # Given the clock at noon on the 2nd, UTC
    timetable: Any = decode_timetable(encode_timetable(dag.timetable))
    restriction = TimeRestriction(pendulum.datetime(2026, 3, 2, 12), None, catchup=True)
    # When the scheduler asks for the next run
    run = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    # Expect it to start now, for the 1st: in UTC-12 that has just ended
    assert run.run_after == pendulum.datetime(2026, 3, 2, 12)
    assert run.partition_key == "2026-03-01"


def test_dag_files_define_no_functions() -> None:
    for path in (REPOSITORY / "dags").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(def|class|async|lambda) ", text, re.MULTILINE), path
        assert "Variable" not in text, path
    assert len(DAG_FILE.read_text(encoding="utf-8").splitlines()) <= 180


@pytest.mark.service
def test_parsing_adds_less_than_a_third_of_a_second_to_airflow_and_its_operators() -> None:
    program = """
import sys, time
from airflow.sdk import DAG
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.amazon.aws.operators.glue_crawler import GlueCrawlerRunOperator
from airflow.providers.amazon.aws.operators.lambda_function import LambdaInvokeFunctionOperator
start = time.process_time()
import smart_hub_usage
print(time.process_time() - start)
"""
    # CPU time, so that a busy machine does not count.
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{REPOSITORY / 'plugins'}:{REPOSITORY / 'dags'}", **subprocess_environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout.splitlines()[-1]) < 0.3


def subprocess_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("AIRFLOW_HOME", "PATH", "HOME") if name in os.environ}


def test_airflow_imports_no_module_of_the_package_as_a_plugin() -> None:
    # Given Airflow's own reading of .airflowignore, expect that nothing of smart_hub/ is left
    from airflow._shared.module_loading.file_discovery import find_path_from_directory

    found = {
        Path(path).relative_to(REPOSITORY / "plugins")
        for path in find_path_from_directory(str(REPOSITORY / "plugins"), ".airflowignore", "glob")
    }
    modules = {path for path in found if path.suffix == ".py"}
    assert {path for path in modules if path.parts[0] == "smart_hub"} == set()


def test_tasks_that_error_messages_name_exist(dag: Any) -> None:
    # given the task ids in error messages and macros
    sources = [path for folder in ("include", "plugins") for path in (REPOSITORY / folder).rglob("*.py")]
    named = {
        name for path in sources for name in re.findall(r"step_\d_(?!result)[a-z_]+", path.read_text(encoding="utf-8"))
    }

    # expect them in the DAG
    assert {"step_1_copy_raw_data", "step_3_convert", "step_6_compact"} <= named
    assert named <= {task_id.split(".")[0] for task_id in dag.task_ids}
