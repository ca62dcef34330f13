"""The deployment's AWS as its Airflow connection has it."""

from collections.abc import Callable
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.config import Config

# A page is waited for: where AWS cannot be reached (a web server without a way out) it has to say so soon.
PATIENCE = Config(connect_timeout=3, read_timeout=15, retries={"total_max_attempts": 2}, max_pool_connections=16)


def clients(aws_conn_id: str) -> Callable[[str], Any]:
    """Makes boto3's client of a service, as the connection has it: credentials, role, region, endpoint.

    In the API server the provider's hooks find connections where the scheduler does: environment, secrets
    backend, metadata database (airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded).
    """

    def client(service: str) -> Any:
        hook = AwsBaseHook(aws_conn_id=aws_conn_id, client_type=service)
        return hook.get_client_type(config=hook.config.merge(PATIENCE))

    return client
