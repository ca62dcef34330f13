"""IAM, enforced for every caller.

ministack enforces it for its own actions (``AUTH=true``): signatures, roles, policies, conditions, with AWS's messages.
For Athena and Glue it checks a single resource per request, often the wrong one. Therefore, this module lists the
resources of their actions, according to AWS's service authorization reference, and has ministack's evaluator decide;
then the request continues with the root user's permissions. Only the root user can call actions that are not listed.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsglue.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError
from ministack.core import iam_evaluator
from ministack.core.iam_actions import identity_denial_message
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import iam
from ministack.services.sts import register_session

from localaws.asgi import Message
from localaws.records import Records
from localaws.service import ACCOUNT, REGION, AwsClients, Caller, ServiceError

Body = dict[str, Any]

SERVICES = {"AmazonAthena": "athena", "AWSGlue": "glue"}
DENIED = ("AccessDenied", "AccessDeniedException")  # the codes of S3 and Glue
_SESSION_SECONDS = 12 * 3600  # longer than any job or crawl runs
_SESSION_KEY = re.compile(rb"\bASIA[A-Z0-9]{12,}\b")
_CATALOG = "catalog"


def _database(body: Body) -> list[str]:
    return [_CATALOG, f"database/{body['Name']}"]


def _tables_of(name: Callable[[Body], str]) -> Callable[[Body], list[str]]:
    def resources(body: Body) -> list[str]:
        database = body["DatabaseName"]
        return [_CATALOG, f"database/{database}", f"table/{database}/{name(body)}"]

    return resources


def _named(kind: str, field: str) -> Callable[[Body], list[str]]:
    return lambda body: [f"{kind}/{body[field]}"]


def _unbounded(body: Body) -> list[str]:
    return ["*"]


_GLUE: dict[str, Callable[[Body], list[str]]] = {
    "GetDatabase": _database,
    **dict.fromkeys(("GetTable", "DeleteTable"), _tables_of(lambda body: str(body["Name"]))),
    **dict.fromkeys(("CreateTable", "UpdateTable"), _tables_of(lambda body: str(body["TableInput"]["Name"]))),
    "GetTables": _tables_of(lambda body: "*"),
    **dict.fromkeys(
        (
            "BatchCreatePartition",
            "BatchDeletePartition",
            "BatchGetPartition",
            "BatchUpdatePartition",
            "CreatePartition",
            "DeletePartition",
            "GetPartition",
            "GetPartitions",
            "UpdatePartition",
        ),
        _tables_of(lambda body: str(body["TableName"])),
    ),
    **dict.fromkeys(("GetCrawler", "StartCrawler", "StopCrawler"), _named("crawler", "Name")),
    "ListCrawls": _named("crawler", "CrawlerName"),
    **dict.fromkeys(("GetClassifier", "GetCrawlerMetrics"), _unbounded),
    **dict.fromkeys(("BatchStopJobRun", "GetJob", "GetJobRun", "GetJobRuns", "StartJobRun"), _named("job", "JobName")),
}
_OF_WORKGROUP = {"GetWorkGroup", "ListQueryExecutions", "StartQueryExecution"}
_OF_QUERY = {"GetQueryExecution", "GetQueryResults", "GetQueryRuntimeStatistics", "StopQueryExecution"}


def register() -> None:
    """Correct ministack's ``aws:PrincipalArn``: it is the ARN of a session's role, not that of the session.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    iam_evaluator._resolve_condition_key = _condition_key


_ministacks_condition_key = iam_evaluator._resolve_condition_key


def _condition_key(key: str, context: iam_evaluator.EvalContext) -> Any:
    session = context.principal_arn
    if key.lower() != "aws:principalarn" or ":assumed-role/" not in session:
        return _ministacks_condition_key(key, context)
    name, account = session.split("/")[1], session.split(":")[4]
    role = iam._roles.get_scoped(account, None, name)  # its ARN has a path, which that of a session does not
    return role["Arn"] if role else f"arn:aws:iam::{account}:role/{name}"


class Access:
    """Authorizes requests to Athena and Glue. workgroup_of: the workgroup of a query's id, None for an unknown id."""

    def __init__(self, workgroup_of: Callable[[str], str | None]) -> None:
        self._workgroup_of = workgroup_of

    def check(self, target: str, caller: Caller, scope: Message, body: bytes) -> Body:
        """The request's document. Raises ServiceError for a wrong signature, invalid JSON, and missing permissions."""
        prefix, _, action = target.partition(".")
        service = SERVICES[prefix]
        if not caller.access_key_id:
            raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        _pin(caller, scope, body)
        if failure := iam_evaluator.check_credentials(caller.access_key_id, service):
            raise ServiceError(failure.code, failure.message, 403)
        document = _document(body)
        for resource in [] if is_root(caller) else self._resources(service, action, document):
            arn = "*" if resource == "*" else f"arn:aws:{service}:{caller.region}:{caller.account}:{resource}"
            _enforce(caller.access_key_id, f"{service}:{action}", caller.region, arn)
        return document

    def _resources(self, service: str, action: str, body: Body) -> Sequence[str]:
        """The resources of an action: the resource parts of their ARNs, or "*"."""
        try:
            if service == "glue" and action in _GLUE:
                return _GLUE[action](body)
            if service == "athena" and action in _OF_WORKGROUP:
                return [f"workgroup/{body.get('WorkGroup', 'primary')}"]
            if service == "athena" and action in _OF_QUERY:
                # The service itself reports unknown queries.
                return self._of_queries([body["QueryExecutionId"]])
            if service == "athena" and action == "BatchGetQueryExecution":
                return self._of_queries(body["QueryExecutionIds"])
        except KeyError as missing:
            raise ServiceError("InvalidInputException", f"{action} needs {missing}") from missing
        raise ServiceError(
            "AccessDeniedException",
            f"The local AWS does not know the permissions for {service}:{action}: only the root user can call it",
        )

    def _of_queries(self, queries: list[str]) -> Sequence[str]:
        """The workgroups of the queries that are known."""
        return sorted({f"workgroup/{name}" for query in queries if (name := self._workgroup_of(query))})


def is_root(caller: Caller | AwsClients) -> bool:
    """Whether it is the root user, who has all permissions."""
    return bool(caller.access_key_id) and iam_evaluator.is_root_access_key(caller.access_key_id)


def require(clients: AwsClients, action: str, arn: str) -> None:
    """Check a permission of the caller whose credentials `clients` has, for work that is done with the root user's.

    action: as in policies, s3:GetObject. Raises ServiceError without the right.
    """
    set_request_account_id(ACCOUNT)
    set_request_region(REGION)
    iam_evaluator.pin_request_origin("127.0.0.1", True)
    _enforce(clients.access_key_id, action, REGION, arn)


def table_arns(clients: AwsClients, database: str, table: str) -> list[str]:
    """The resources of an action on a table."""
    named = {"DatabaseName": database, "TableName": table}
    return [f"arn:aws:glue:{REGION}:{ACCOUNT}:{one}" for one in _GLUE["GetPartition"](named)]


def _enforce(key: str, action: str, region: str, arn: str) -> None:
    denied = iam_evaluator.enforce(key, action, action.partition(":")[0], region, arn)
    if isinstance(denied, iam_evaluator.AuthError):
        raise ServiceError(denied.code, denied.message, 403)
    if denied is not None:
        message = identity_denial_message(action, denied.principal_arn, arn, denied.decision == "Deny")
        raise ServiceError("AccessDeniedException", message)


def as_root(scope: Message, clients: AwsClients) -> Message:
    """The request as the root user's, whose signature ministack does not check."""
    headers = []
    for name, value in scope["headers"]:
        if name.lower() == b"authorization":
            value = re.sub(rb"Credential=[^/]+/", b"Credential=%s/" % clients.access_key_id.encode(), value)
        if name.lower() != b"x-amz-security-token":
            headers.append((name, value))
    return {**scope, "headers": headers}


def acting_for(clients: AwsClients, caller: Caller) -> AwsClients:
    """Clients with the caller's credentials. Raises ServiceError if these have expired meanwhile."""
    if is_root(caller):
        return clients
    credential = iam_evaluator.resolve_credential(caller.access_key_id, caller.account)
    if isinstance(credential, iam_evaluator.CredentialResolutionError):
        raise ServiceError(credential.code, credential.message, 403)
    return replace(
        clients,
        access_key_id=credential.access_key_id,
        secret_access_key=credential.secret_access_key,
        session_token=credential.session_token,
    )


def under_role(clients: AwsClients, role: str, service: str, session: str) -> AwsClients:
    """Clients with a session of the role (a name or an ARN), which the service, as glue.amazonaws.com, assumes.

    Raises ServiceError if the role does not exist or does not trust the service.
    """
    name = role.rpartition("/")[2]
    try:
        description = clients.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        raise ServiceError("InvalidInputException", f"Role {role} cannot be found: {error}") from error
    if not any(_trusts(statement, service) for statement in description["AssumeRolePolicyDocument"]["Statement"]):
        raise ServiceError(
            "InvalidInputException",
            f"Service is unable to assume provided role {role}. Please verify role's TrustPolicy: {service} has to"
            " be allowed sts:AssumeRole; the local AWS covers no conditions there",
        )
    key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(32)
    account = description["Arn"].split(":")[4]
    register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            "UserId": f"{description['RoleId']}:{session}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + _SESSION_SECONDS,
            "AccountId": account,
            "PrincipalType": "AssumedRole",
        },
    )
    return replace(clients, access_key_id=key, secret_access_key=secret, session_token=token)


class Sessions:
    """Sessions of roles, which survive a restart until they expire."""

    def __init__(self, records: Records) -> None:
        self._records = records
        for session in records.list("session"):
            if session["Expiration"] > time.time():
                register_session(session["AccessKeyId"], session)
            else:
                records.delete("session", session["AccessKeyId"])

    def save(self, response: bytes) -> None:
        """Store the session that a response of STS contains, except for sessions with a policy of their own."""
        for key in {name.decode() for name in _SESSION_KEY.findall(response)}:
            credential = iam_evaluator.resolve_credential(key, ACCOUNT)
            principal = iam_evaluator.resolve_principal(key, ACCOUNT)
            if isinstance(credential, iam_evaluator.CredentialResolutionError):
                continue
            if isinstance(principal, iam_evaluator.AuthError) or principal.limits or credential.expiration is None:
                continue
            session = {
                "AccessKeyId": key,
                "Arn": credential.principal_arn,
                "UserId": credential.principal_id,
                "SecretAccessKey": credential.secret_access_key,
                "SessionToken": credential.session_token,
                "Expiration": credential.expiration,
                "AccountId": credential.account_id,
                "PrincipalType": credential.principal_type,
            }
            self._records.put("session", key, session)


def _trusts(statement: Body, service: str) -> bool:
    principal = statement.get("Principal")
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    return (
        statement["Effect"] == "Allow"
        and "sts:AssumeRole" in _several(statement.get("Action", []))
        and service in _several(services)
        and "Condition" not in statement
    )


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _pin(caller: Caller, scope: Message, body: bytes) -> None:
    """Give ministack's evaluator the request that it decides on."""
    set_request_account_id(caller.account)
    set_request_region(caller.region)
    iam_evaluator.pin_request_origin((scope.get("client") or ("127.0.0.1",))[0], True)
    iam_evaluator.pin_signed_request(scope["method"], scope["raw_path"].decode("latin-1"), {}, scope["headers"])
    iam_evaluator.pin_signed_body(body)


def _document(body: bytes) -> Body:
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError("SerializationException", f"The request is not JSON: {error}") from error
    return document if isinstance(document, dict) else {}
