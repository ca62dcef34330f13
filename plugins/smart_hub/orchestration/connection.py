"""boto3's clients for the Airflow connection of the settings."""

from collections.abc import Callable, Mapping
from functools import cache
from threading import Lock
from typing import Any

import boto3
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.config import Config


def clients(
    aws_conn_id: str, config: Config | None = None, credentials: Mapping[str, Any] | None = None
) -> Callable[[str], Any]:
    """Returns a function from the name of a service to its boto3 client, with the connection's settings.

    All clients share one session, while each of the provider's hooks creates a session and assumes the connection's
    role again. config: overrides the connection's; credentials: of another role, as STS returns them.

    In the API server the provider's hooks find connections where the scheduler does: environment, secrets
    backend, metadata database (airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded).
    """
    hook = AwsBaseHook(aws_conn_id=aws_conn_id, client_type="sts")
    lock = Lock()  # clients are thread-safe, a session is not

    @cache
    def session() -> boto3.Session:
        if credentials is None:
            return hook.get_session(region_name=hook.region_name)
        return boto3.Session(
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials["SessionToken"],
            hook.region_name or hook.conn_config.region_name,
        )

    @cache
    def client(service: str) -> Any:
        address = hook.conn_config.get_service_endpoint_url(service)
        merged = hook.config.merge(config) if config else hook.config
        with lock:
            return session().client(service, endpoint_url=address, config=merged, verify=hook.verify)  # type: ignore[call-overload]

    return client
