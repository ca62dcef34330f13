"""A job's run that has ended without success fails its task."""

from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.sdk.exceptions import AirflowException

from smart_hub.operators import StrictGlueJobOperator


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The operator's hook; the job's run is in the state that a test sets."""
    monkeypatch.setattr(GlueJobHook, "get_job_state", lambda hook, job_name, run_id: hook.state)
    return StrictGlueJobOperator(task_id="rates", job_name="smart-hub-rates").hook


@pytest.mark.parametrize("state", ["STOPPED", "ERROR", "EXPIRED", "FAILED", "TIMEOUT"])
def test_any_other_end_than_success_is_a_failure(hook: Any, state: str) -> None:
    hook.state = state
    with pytest.raises(AirflowException, match=r"jr_1 Run State: (FAILED|TIMEOUT)"):
        hook.job_completion("smart-hub-rates", "jr_1")


def test_success_is_success(hook: Any) -> None:
    hook.state = "SUCCEEDED"
    assert hook.job_completion("smart-hub-rates", "jr_1")["JobRunState"] == "SUCCEEDED"
