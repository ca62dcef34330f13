"""Who may do what: IAM, in force for every caller.

ministack enforces it for what it answers (``AUTH=true``): signatures, roles, policies, conditions, AWS's own words of
denial. Of Athena and Glue it knows too little: it takes one resource for a request, and often the wrong one. So what
these two need stands here, as AWS's service authorization reference has it, and is decided by ministack's evaluator;
then the request goes on with the root's rights. An action whose needs do not stand here is refused to all but the root.

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
from ministack.services.sts import register_session

from localaws.asgi import Message
from localaws.records import Records
from localaws.service import ACCOUNT, REGION, AwsClients, Caller, ServiceError

Body = dict[str, Any]

SERVICES = {"AmazonAthena": "athena", "AWSGlue": "glue"}
DENIED = ("AccessDenied", "AccessDeniedException")  # the codes of S3 and Glue
_SESSION_SECONDS = 12 * 3600  # longer than anything that runs here under a role
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


class Access:
    """Decides about requests to Athena and Glue. workgroup_of: of a query's id, None for an unknown one."""

    def __init__(self, workgroup_of: Callable[[str], str | None]) -> None:
        self._workgroup_of = workgroup_of

    def check(self, target: str, caller: Caller, scope: Message, body: bytes) -> Body:
        """The request, read. Raises ServiceError when its signature is wrong, it is not JSON, or its caller has not
        the rights."""
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
        """What the action is checked against: ARNs from their resource part on, or "*"."""
        try:
            if service == "glue" and action in _GLUE:
                return _GLUE[action](body)
            if service == "athena" and action in _OF_WORKGROUP:
                return [f"workgroup/{body.get('WorkGroup', 'primary')}"]
            if service == "athena" and action in _OF_QUERY:
                # Who asks for an unknown query is told so by the service.
                return self._of_queries([body["QueryExecutionId"]])
            if service == "athena" and action == "BatchGetQueryExecution":
                return self._of_queries(body["QueryExecutionIds"])
        except KeyError as missing:
            raise ServiceError("InvalidInputException", f"{action} without {missing}") from missing
        raise ServiceError(
            "AccessDeniedException",
            f"The local AWS does not know what rights {service}:{action} needs: it refuses it to all but the root",
        )

    def _of_queries(self, queries: list[str]) -> Sequence[str]:
        """The workgroups of the queries that are known."""
        return sorted({f"workgroup/{found}" for query in queries if (found := self._workgroup_of(query))})


def is_root(caller: Caller | AwsClients) -> bool:
    """Whether it is the account itself, who may do everything."""
    return bool(caller.access_key_id) and iam_evaluator.is_root_access_key(caller.access_key_id)


def require(clients: AwsClients, action: str, arn: str) -> None:
    """For what is done in a caller's stead, not with their credentials, which the store has.

    action: as policies name it, s3:GetObject. Raises ServiceError when the caller may not do it.
    """
    set_request_account_id(ACCOUNT)
    set_request_region(REGION)
    iam_evaluator.pin_request_origin("127.0.0.1", True)
    _enforce(clients.access_key_id, action, REGION, arn)


def table_arns(clients: AwsClients, database: str, table: str) -> list[str]:
    """What an action on a table is checked against."""
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
    """The request in the root's name, whose signature ministack does not look at."""
    headers = []
    for name, value in scope["headers"]:
        if name.lower() == b"authorization":
            value = re.sub(rb"Credential=[^/]+/", b"Credential=%s/" % clients.access_key_id.encode(), value)
        if name.lower() != b"x-amz-security-token":
            headers.append((name, value))
    return {**scope, "headers": headers}


def acting_for(clients: AwsClients, caller: Caller) -> AwsClients:
    """The store with the caller's own credentials. Raises ServiceError when they have expired meanwhile."""
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
    """The store with a session of the role (a name or an ARN) that the service, glue.amazonaws.com, takes on.

    Raises ServiceError when there is no such role, or it does not trust the service.
    """
    name = role.rpartition("/")[2]
    try:
        found = clients.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        raise ServiceError("InvalidInputException", f"Role {role} cannot be found: {error}") from error
    if not any(_trusts(statement, service) for statement in found["AssumeRolePolicyDocument"]["Statement"]):
        raise ServiceError(
            "InvalidInputException",
            f"Service is unable to assume provided role {role}. Please verify role's TrustPolicy: {service} has to"
            " be allowed sts:AssumeRole, without a condition for all that the local AWS knows",
        )
    key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(32)
    account = found["Arn"].split(":")[4]
    register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            "UserId": f"{found['RoleId']}:{session}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + _SESSION_SECONDS,
            "AccountId": account,
            "PrincipalType": "AssumedRole",
        },
    )
    return replace(clients, access_key_id=key, secret_access_key=secret, session_token=token)


class Sessions:
    """Sessions of roles, which outlive the process: who was given one has it until it expires."""

    def __init__(self, records: Records) -> None:
        self._records = records
        for session in records.list("session"):
            if session["Expiration"] > time.time():
                register_session(session["AccessKeyId"], session)
            else:
                records.delete("session", session["AccessKeyId"])

    def keep(self, answer: bytes) -> None:
        """Keep the session that an answer of STS gives, if it does; but none with a policy of its own."""
        for key in {found.decode() for found in _SESSION_KEY.findall(answer)}:
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
    """Tell ministack's evaluator of the request that it is asked about."""
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
