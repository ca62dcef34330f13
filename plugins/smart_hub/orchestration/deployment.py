"""Whether AWS has what the settings name: asked once, when a run starts."""

from collections.abc import Callable
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, PartialCredentialsError

from smart_hub.core.settings import SETTINGS, Settings
from smart_hub.shared.layout import CONTRACT, CONTRACT_PARAMETER

_ABSENT = {"NoSuchBucket", "InvalidRequestException", "EntityNotFoundException"}
# Error codes of S3 and Athena for missing permissions and for invalid keys.
_REFUSED = {
    "AccessDenied",
    "AccessDeniedException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_NO_WAY_IN = (NoCredentialsError, PartialCredentialsError, NoRegionError)
_CONNECTION = "SMART_HUB_AWS_CONN_ID"


def problems(settings: Settings, clients: Callable[[str], Any]) -> list[str]:
    """The problems with connection, bucket and stack, each beginning with the setting's name. Calls AWS three times.

    clients: returns boto3's client of a service for that connection.

    Does not catch transient errors, such as throttling: the task's retries handle them.
    """
    connection = settings.aws_conn_id
    if connection != SETTINGS[_CONNECTION].default:
        try:
            AwsBaseHook.get_connection(connection)
        except AirflowNotFoundException:
            # The provider would go on with whatever credentials it finds.
            return [f"{_CONNECTION}: there is no connection {connection}"]

    def ask(service: str, call: Callable[[Any], object], name: str, what: str) -> str | None:
        region = "?"
        try:
            client = clients(service)
            region = client.meta.region_name
            call(client)
        except _NO_WAY_IN as error:
            return f"{_CONNECTION}: the connection {connection} does not do: {error}"
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _ABSENT:
                return f"{name}: there is no {what} in {region}; is the stack deployed there?"
            if code in _REFUSED:
                # A role that cannot be assumed has nothing to do with what was asked for.
                if error.operation_name.startswith("AssumeRole"):
                    return f"{_CONNECTION}: the connection {connection} does not do: {error}"
                return f"{name} or {_CONNECTION}: AWS refuses {what} to the connection {connection}: {error}"
            raise
        return None

    bucket, workgroup = settings.data_bucket, settings.workgroup
    found = (
        ask(
            "s3",
            lambda s3: s3.list_objects_v2(Bucket=bucket, MaxKeys=1),
            "SMART_HUB_DATA_BUCKET",
            f"bucket {bucket}",
        ),
        ask(
            "athena",
            lambda athena: athena.get_work_group(WorkGroup=workgroup),
            "SMART_HUB_STACK",
            f"workgroup {workgroup}",
        ),
    )
    if missing := list(dict.fromkeys(problem for problem in found if problem)):
        return missing

    contract = ""

    def read_contract(glue: Any) -> None:
        nonlocal contract
        parameters = glue.get_database(Name=settings.database)["Database"].get("Parameters", {})
        contract = parameters.get(CONTRACT_PARAMETER, "1")

    if problem := ask("glue", read_contract, "SMART_HUB_STACK", f"database {settings.database}"):
        return [problem]
    if contract != CONTRACT:
        return [
            f"SMART_HUB_STACK: the stack {settings.stack} is of another version than these DAGs (contract {contract},"
            f" not {CONTRACT}): deploy both from one version, as described in docs/upgrade.md"
        ]
    return []
