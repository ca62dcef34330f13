"""Arguments that the operators of all DAGs share."""

from datetime import timedelta
from typing import Any

from smart_hub.core.settings import Settings
from smart_hub.orchestration.alerts import failure_alerts
from smart_hub.orchestration.retries import FunctionRetryPolicy

# A function can take 900 seconds, its Timeout; boto3 must neither give up earlier nor invoke it a second time.
LAMBDA_INVOCATION_ARGS: dict[str, Any] = {
    "botocore_config": {"read_timeout": 910, "tcp_keepalive": True, "retries": {"max_attempts": 0}},
    "execution_timeout": timedelta(minutes=16),
    "retry_policy": FunctionRetryPolicy(),
}


def default_args(settings: Settings) -> dict[str, Any]:
    """For ``DAG(default_args=…)``: owner, connection, retries, time limit, alerts."""
    return {
        "owner": "smart-hub",
        "aws_conn_id": settings.aws_conn_id,
        "retries": 2,
        "retry_delay": timedelta(seconds=15),
        "retry_exponential_backoff": 4,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=30),
        "on_failure_callback": failure_alerts(settings),
    }
