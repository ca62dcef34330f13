"""Which errors of the functions and of the job are retried."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowException

from smart_hub.orchestration.retries import FunctionRetryPolicy, JobRetryPolicy


def failure(payload: Any) -> ValueError:
    """The error that the provider's operator raises."""
    return ValueError("Lambda function execution resulted in error", {"ResponseMetadata": {}, "Payload": payload})


def raised(kind: str) -> ValueError:
    return failure(json.dumps({"errorMessage": "clear the run from step_3_convert", "errorType": kind}))


@pytest.mark.parametrize("kind", ["InvalidEvent", "NonRetryableError"])
def test_errors_that_a_retry_cannot_repair_are_not_retried(kind: str) -> None:
    decision = FunctionRetryPolicy().evaluate(raised(kind), 1, 3)
    assert (decision.action, decision.reason) == (RetryAction.FAIL, "clear the run from step_3_convert")


@pytest.mark.parametrize(
    "exception",
    [
        raised("QueryFailed"),
        raised("Sandbox.Timedout"),
        failure("no JSON"),
        failure("[]"),
        failure(None),
        ValueError("Lambda function did not execute", "{}"),
        ValueError(),
        ConnectionError("reset"),
    ],
)
def test_other_errors_are_retried(exception: Exception) -> None:
    assert FunctionRetryPolicy().evaluate(exception, 1, 3).action == RetryAction.DEFAULT


def test_the_functions_define_the_errors_of_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "include" / "lambdas")
    event = importlib.import_module("event")
    names = {name for name, kind in vars(event).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {"InvalidEvent", "NonRetryableError"} <= names


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("RatesError: s3://data/raw/rates/r.xml, row 3: 'x' is not cents per kWh", RetryAction.FAIL),
        ("no reason given", RetryAction.DEFAULT),
        ("ClientError: An error occurred (SlowDown)", RetryAction.DEFAULT),
    ],
)
def test_invalid_rates_are_not_retried(message: str, action: RetryAction) -> None:
    # given the error of StrictGlueJobHook, with the last line of the job's script
    failed = AirflowException(f"Exiting Job jr_1 Run State: FAILED: {message}")

    assert JobRetryPolicy().evaluate(failed, 1, 3).action == action
