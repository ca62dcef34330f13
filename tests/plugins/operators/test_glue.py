"""A failed crawl or job run fails its task; the error has the reason."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.providers.amazon.aws.hooks.glue_crawler import GlueCrawlerHook
from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import WaiterError

from smart_hub.operators import CrawlOperator, StrictGlueJobOperator


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The operator's hook, with a job run whose state a test sets as `hook.state`."""
    monkeypatch.setattr(GlueJobHook, "get_job_state", lambda hook, job_name, run_id: hook.state)
    job_hook: Any = StrictGlueJobOperator(task_id="rates", job_name="smart-hub-rates").hook
    job_hook.conn = SimpleNamespace(get_job_run=lambda **_: {"JobRun": {"ErrorMessage": "rates.xml, row 3: no state"}})
    return job_hook


@pytest.mark.parametrize("state", ["STOPPED", "ERROR", "EXPIRED", "FAILED", "TIMEOUT"])
def test_every_final_state_but_success_is_a_failure(hook: Any, state: str) -> None:
    hook.state = state
    with pytest.raises(AirflowException, match=r"jr_1 Run State: (FAILED|TIMEOUT): rates\.xml, row 3: no state"):
        hook.job_completion("smart-hub-rates", "jr_1")


def test_a_successful_job_succeeds(hook: Any) -> None:
    hook.state = "SUCCEEDED"
    assert hook.job_completion("smart-hub-rates", "jr_1")["JobRunState"] == "SUCCEEDED"


def test_the_error_of_a_failed_crawl_has_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a crawler whose last crawl has failed
    def wait(*_: Any) -> None:
        raise WaiterError("crawler_ready", "terminal failure", {})

    monkeypatch.setattr(GlueCrawlerHook, "wait_for_crawler_completion", wait)
    reason = {"LastCrawl": {"Status": "FAILED", "ErrorMessage": "not authorized to perform: glue:GetTable"}}
    monkeypatch.setattr(GlueCrawlerHook, "get_crawler", lambda *_: reason)
    hook = CrawlOperator(task_id="usage", crawler_name="smart-hub-usage").hook

    # when the operator waits for it, expect the crawler's name and the reason
    with pytest.raises(AirflowException, match="smart-hub-usage: not authorized to perform: glue:GetTable"):
        hook.wait_for_crawler_completion("smart-hub-usage")
