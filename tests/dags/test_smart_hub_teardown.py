"""The DAG that deletes the stack: what it asks for before it does."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError

DAG_FILE = Path(__file__).parents[2] / "dags" / "smart_hub_teardown.py"


@pytest.fixture
def dag(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SMART_HUB_STACK", "hub-two")
    return DagBag(dag_folder=DAG_FILE).dags["smart_hub_teardown"]


def test_it_looks_asks_and_removes_in_this_order_and_never_by_the_clock(dag: Any) -> None:
    assert {task.task_id: (type(task).__name__, task.upstream_task_ids) for task in dag.tasks} == {
        "preview": ("TeardownPreviewOperator", set()),
        "approve": ("ApprovalOperator", {"preview"}),
        "remove": ("TeardownOperator", {"approve"}),
    }
    assert {task.trigger_rule for task in dag.tasks} == {"all_success"}
    assert not dag.timetable.can_be_scheduled
    assert dag.max_active_runs == 1


def test_the_stacks_name_is_typed_exactly(dag: Any) -> None:
    param = dag.params.get_param("stack")

    assert param.resolve(value="hub-two") == "hub-two"
    for other in ("hub-tw", "hub-two-bootstrap", "smart-hub", "hub.two", "", None):
        with pytest.raises(ParamValidationError):
            param.resolve(value=other)
    # without an escape of the hyphen, which browsers refuse in a pattern
    assert param.schema["pattern"] == "^hub-two$"


def test_there_is_no_name_to_begin_with(dag: Any) -> None:
    with pytest.raises(ParamValidationError):
        dag.params.get_param("stack").resolve()


@pytest.mark.parametrize("error", ["HITLRejectException", "HITLTimeoutError"])
def test_a_no_and_a_silence_of_a_day_are_final(dag: Any, error: str) -> None:
    from airflow.providers.standard import exceptions
    from airflow.sdk import RetryAction

    approve = dag.task_dict["approve"]
    decision = approve.retry_policy.evaluate(getattr(exceptions, error)("no"), 1, approve.retries)

    assert (approve.fail_on_reject, approve.response_timeout) == (True, timedelta(days=1))
    assert decision.action is RetryAction.FAIL


def test_the_removal_ends_before_its_session_does(dag: Any) -> None:
    assert dag.task_dict["remove"].execution_timeout < timedelta(hours=1)


def test_a_wrong_name_in_the_settings_does_not_break_the_dag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_HUB_STACK", "[Hub")

    bag = DagBag(dag_folder=DAG_FILE)

    assert bag.import_errors == {}
    assert bag.dags["smart_hub_teardown"].params.get_param("stack").resolve(value="[Hub") == "[Hub"  # type: ignore[attr-defined]
