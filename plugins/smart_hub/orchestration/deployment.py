"""Whether AWS has the resources that the settings name: checked once, when a run starts."""

from collections.abc import Callable
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, PartialCredentialsError

from smart_hub.core.settings import SETTINGS, Problem, Settings
from smart_hub.shared.layout import CONTRACT, CONTRACT_PARAMETER

_NOT_FOUND = {"NoSuchBucket", "InvalidRequestException", "EntityNotFoundException"}
# Error codes of S3 and Athena for missing permissions and for invalid keys.
_ACCESS_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_INCOMPLETE_CONNECTION = (NoCredentialsError, PartialCredentialsError, NoRegionError)
_BUCKET, _STACK, _CONNECTION = "SMART_HUB_DATA_BUCKET", "SMART_HUB_STACK", "SMART_HUB_AWS_CONN_ID"


def problems(settings: Settings, clients: Callable[[str], Any]) -> list[Problem]:
    """The problems with connection, bucket and stack. Calls AWS three times.

    clients: returns boto3's client of a service for that connection.

    Does not catch transient errors, such as throttling: the task's retries handle them.
    """
    connection = settings.aws_conn_id
    if connection != SETTINGS[_CONNECTION].default:
        try:
            AwsBaseHook.get_connection(connection)
        except AirflowNotFoundException:
            # The provider would use any other credentials that it finds.
            return [Problem(_CONNECTION, f"there is no connection {connection}")]

    def check(service: str, call: Callable[[Any], object], setting: str, resource: str) -> Problem | None:
        region = "?"
        try:
            client = clients(service)
            region = client.meta.region_name
            call(client)
        except _INCOMPLETE_CONNECTION as error:
            return Problem(_CONNECTION, f"the connection {connection} does not work: {error}")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _NOT_FOUND:
                return Problem(setting, f"there is no {resource} in {region}; is the stack deployed there?")
            if code not in _ACCESS_DENIED:
                raise
            # A role that cannot be assumed has nothing to do with the resource.
            if error.operation_name.startswith("AssumeRole"):
                return Problem(_CONNECTION, f"the connection {connection} does not work: {error}")
            return Problem(setting, f"the connection {connection} ({_CONNECTION}) has no access to {resource}: {error}")
        return None

    bucket, workgroup = settings.data_bucket, settings.workgroup
    results = (
        check("s3", lambda s3: s3.list_objects_v2(Bucket=bucket, MaxKeys=1), _BUCKET, f"bucket {bucket}"),
        check("athena", lambda athena: athena.get_work_group(WorkGroup=workgroup), _STACK, f"workgroup {workgroup}"),
    )
    if found := list(dict.fromkeys(problem for problem in results if problem)):
        return found

    contract = ""

    def read_contract(glue: Any) -> None:
        nonlocal contract
        parameters = glue.get_database(Name=settings.database)["Database"].get("Parameters", {})
        contract = parameters.get(CONTRACT_PARAMETER, "1")

    if problem := check("glue", read_contract, _STACK, f"database {settings.database}"):
        return [problem]
    if contract != CONTRACT:
        message = (
            f"the stack {settings.stack} is of another version than these DAGs (contract {contract}, not {CONTRACT}):"
            " deploy both from one version, as described in docs/upgrade.md"
        )
        return [Problem(_STACK, message)]
    return []
