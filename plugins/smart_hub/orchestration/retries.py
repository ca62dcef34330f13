"""Which failures are worth another try."""

import json
from typing import Any

from airflow.providers.standard.exceptions import HITLRejectException, HITLTimeoutError
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryDecision, RetryPolicy, RetryRule

# Error types of include/lambdas/event.py that another try would meet again.
_NON_RETRYABLE = {"InvalidEvent", "NonRetryableError"}

# For a task that asks somebody: an answer, and none in time, are not asked for again.
APPROVAL_RETRY_POLICY = ExceptionRetryPolicy(
    rules=[RetryRule(exception=[HITLRejectException, HITLTimeoutError], action=RetryAction.FAIL)]
)


class FunctionRetryPolicy(RetryPolicy):
    """For tasks that invoke a function: none where the function says that another try would end the same way."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        error = _function_error(exception)
        if error.get("errorType") in _NON_RETRYABLE:
            return RetryDecision.fail(reason=error.get("errorMessage"))
        return RetryDecision.default()


class JobRetryPolicy(RetryPolicy):
    """For the task that runs the job: none where the rates are at fault (RatesError of include/glue).

    Glue's ErrorMessage is the last line of the script's traceback, as the local AWS has it. A real account was never
    asked: should it word that otherwise, the job is tried again as after any other failure.
    """

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        if "RatesError: " in str(exception):
            return RetryDecision.fail(reason=str(exception))
        return RetryDecision.default()


def _function_error(exception: BaseException) -> dict[str, Any]:
    """What the function raised, as Lambda reports it; empty when the failure is none of the function's.

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
