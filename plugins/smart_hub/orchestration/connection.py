"""The deployment's AWS as its Airflow connection has it."""

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
    """Gives boto3's client of a service, as the connection has it: credentials, role, region, endpoint.

    All are of one session: a provider's hook makes one of its own, and takes on the connection's role, for each
    service. config: what is to go beyond the connection's own; credentials: as STS gives them, of a role to work under
    instead.

    In the API server the provider's hooks find connections where the scheduler does: environment, secrets
    backend, metadata database (airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded).
    """
    hook = AwsBaseHook(aws_conn_id=aws_conn_id, client_type="sts")
    making = Lock()  # for a session is not thread-safe, as clients are

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
        with making:
            return session().client(service, endpoint_url=address, config=merged, verify=hook.verify)  # type: ignore[call-overload]

    return client
