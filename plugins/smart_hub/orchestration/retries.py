"""Retry policies: failures that another try would meet again are not retried."""

import json
from typing import Any

from airflow.providers.standard.exceptions import HITLRejectException, HITLTimeoutError
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryDecision, RetryPolicy, RetryRule

# Error types of include/lambdas/event.py.
_NON_RETRYABLE = {"InvalidEvent", "NonRetryableError"}

# A rejection, or no answer in time, is final.
APPROVAL_RETRY_POLICY = ExceptionRetryPolicy(
    rules=[RetryRule(exception=[HITLRejectException, HITLTimeoutError], action=RetryAction.FAIL)]
)


class FunctionRetryPolicy(RetryPolicy):
    """For tasks that invoke a function: no retry of the error types that the functions declare as final."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        error = _function_error(exception)
        if error.get("errorType") in _NON_RETRYABLE:
            return RetryDecision.fail(reason=error.get("errorMessage"))
        return RetryDecision.default()


class JobRetryPolicy(RetryPolicy):
    """For the task that runs the job: no retry of invalid rates (RatesError of include/glue).

    It expects the last line of the script's traceback in Glue's ErrorMessage. This is not verified on a real account;
    with another message, the job is retried as after any other failure.
    """

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        if "RatesError: " in str(exception):
            return RetryDecision.fail(reason=str(exception))
        return RetryDecision.default()


def _function_error(exception: BaseException) -> dict[str, Any]:
    """The function's error as Lambda reports it; empty if the failure is not an error of the function.

    LambdaInvokeFunctionOperator raises ValueError(text, {"Payload": JSON, …}).
    """
    match exception.args:
        case (_, {"Payload": str(payload)}):
            try:
                error = json.loads(payload)
            except ValueError:
                return {}
            return error if isinstance(error, dict) else {}
    return {}
