"""IAM is enforced, with AWS's messages. Each permission that a request needs is removed in turn."""

import contextlib
import json
import time
from collections.abc import Mapping

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.testing import TEXT, AthenaClient, LocalAws, StatementFailed

REGION = "us-east-1"
CATALOG = f"arn:aws:glue:{REGION}:000000000000"
WORKGROUP = f"arn:aws:athena:{REGION}:000000000000:workgroup/primary"
LINES = "SELECT * FROM access.lines"
# The permissions that it needs, by action.
SELECT = {
    "athena:StartQueryExecution": WORKGROUP,
    "athena:GetQueryExecution": WORKGROUP,
    "athena:GetQueryResults": WORKGROUP,
    "glue:GetDatabase": "*",
    "glue:GetTable": "*",
    "s3:GetBucketLocation": "arn:aws:s3:::access",
    "s3:ListBucket": "arn:aws:s3:::access",
    "s3:GetObject": "arn:aws:s3:::access/*",
    "s3:PutObject": "arn:aws:s3:::access/results/*",
}
ROLE = "arn:aws:sts::000000000000:assumed-role/restricted/test"


@pytest.fixture(scope="module")
def athena(aws: LocalAws) -> AthenaClient:
    made = AthenaClient.create(aws, "access")
    made.table("lines", TEXT, "line string")
    made.put("lines/file", "one\ntwo\n")
    return made


def without(permissions: Mapping[str, str], *actions: str) -> dict[str, str]:
    return {action: resource for action, resource in permissions.items() if action not in actions}


def test_a_caller_with_the_permissions_reads(athena: AthenaClient) -> None:
    assert athena.restricted(SELECT).rows(LINES) == [("one",), ("two",)]


@pytest.mark.parametrize("action", list(SELECT))
def test_a_caller_without_one_of_the_permissions_is_refused(athena: AthenaClient, action: str) -> None:
    # given a caller with all permissions but one, when they query, expect AWS's message, with that action
    with pytest.raises((ClientError, StatementFailed)) as raised:
        athena.restricted(without(SELECT, action)).rows(LINES)
    if action == "s3:GetObject":  # the engine reads the object directly
        assert "Permission denied on S3 path: s3://access/lines/file" in str(raised.value)
    else:
        assert f"{ROLE} is not authorized to perform: {action}" in str(raised.value)


@pytest.mark.parametrize(
    ("sql", "permissions", "wanted"),
    [
        (
            "CREATE TABLE access.made WITH (external_location = 's3://access/made/') AS SELECT 1 AS x",
            {"s3:PutObject": "arn:aws:s3:::access/*"},
            "glue:CreateTable",
        ),
        ("DROP TABLE IF EXISTS access.lines", {}, "glue:DeleteTable"),
        ("CREATE VIEW access.seen AS SELECT 1 AS x", {}, "glue:CreateTable"),
    ],
)
def test_changes_of_the_catalog_need_permissions(
    athena: AthenaClient, sql: str, permissions: Mapping[str, str], wanted: str
) -> None:
    with pytest.raises(StatementFailed, match=f"is not authorized to perform: {wanted}"):
        athena.restricted({**SELECT, **permissions}).run(sql)


def test_a_table_is_written_with_the_callers_permissions(athena: AthenaClient) -> None:
    # given a caller who can create tables, but write only results
    permissions = {**SELECT, "glue:CreateTable": "*"}
    sql = "CREATE TABLE access.elsewhere WITH (external_location = 's3://access/elsewhere/') AS SELECT 1 AS x"

    # when they create one elsewhere, expect an error with the location
    with pytest.raises(StatementFailed, match="Permission denied on S3 path: s3://access/elsewhere/"):
        athena.restricted(permissions).run(sql)


def test_a_bucket_without_rows_needs_no_right_to_delete(athena: AthenaClient) -> None:
    # given a caller who can create tables and write, and eight buckets for one row
    permissions = {**SELECT, "glue:CreateTable": "*", "s3:PutObject": "arn:aws:s3:::access/*"}
    athena.restricted(permissions).run(
        "CREATE TABLE access.hubs WITH (external_location = 's3://access/hubs/', bucketed_by = ARRAY['hub'],"
        " bucket_count = 8) AS SELECT 'a' AS hub"
    )

    # expect no objects for the empty buckets
    assert len(athena.keys("hubs/")) == 1
    assert athena.rows("SELECT hub FROM access.hubs") == [("a",)]


def test_an_insert_deletes_its_objects_if_its_partition_cannot_be_registered(athena: AthenaClient) -> None:
    # given a caller who can read and write all objects, but change nothing in the catalog
    athena.run(
        "CREATE TABLE access.parted WITH (external_location = 's3://access/parted/', partitioned_by = ARRAY['k'])"
        " AS SELECT 1 AS n, 'a' AS k"
    )
    before = athena.keys("parted/")
    everything = "arn:aws:s3:::access/*"
    permissions = {**SELECT, "s3:PutObject": everything, "s3:DeleteObject": everything, "glue:BatchGetPartition": "*"}

    # when they insert into an existing partition, and into a new one
    athena.restricted(permissions).run("INSERT INTO access.parted VALUES (2, 'a')")
    with pytest.raises(StatementFailed, match="is not authorized to perform: glue:BatchCreatePartition"):
        athena.restricted(permissions).run("INSERT INTO access.parted VALUES (3, 'a'), (4, 'b')")

    # expect only the rows of the first
    assert len(athena.keys("parted/")) == len(before) + 1
    assert athena.rows("SELECT n FROM access.parted ORDER BY n") == [("1",), ("2",)]


@pytest.mark.parametrize("resource", ["catalog", "database/access", "table/access/lines"])
def test_a_table_needs_catalog_database_and_itself(athena: AthenaClient, resource: str) -> None:
    # given a caller with permissions on two of the three resources
    three = ("catalog", "database/access", "table/access/lines")
    session = athena.aws.session("restricted", SELECT)
    allowed = [f"{CATALOG}:{one}" for one in three if one != resource]
    document = {"Statement": [{"Effect": "Allow", "Action": "glue:GetTable", "Resource": allowed}]}
    athena.aws.client("iam").put_role_policy(
        RoleName="restricted", PolicyName="permissions", PolicyDocument=json.dumps(document)
    )

    # when they get the table, expect AWS's message
    glue = session.client("glue", endpoint_url=athena.aws.endpoint)
    with pytest.raises(ClientError) as raised:
        glue.get_table(DatabaseName="access", Name="lines")
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    assert f"glue:GetTable on resource: {CATALOG}:{resource} because" in str(raised.value)


def test_only_the_root_user_may_call_actions_whose_permissions_are_unknown(athena: AthenaClient) -> None:
    # given a caller with all permissions
    glue = athena.restricted({"*": "*"}).glue

    # when they call an action whose permissions are unknown, expect an error; root can call it
    with pytest.raises(ClientError, match="does not know the permissions for glue:CreateDatabase"):
        glue.create_database(DatabaseInput={"Name": "unknown"})
    athena.glue.create_database(DatabaseInput={"Name": "unknown"})


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ("arn:aws:iam::000000000000:role/teams/caller", True),
        ("arn:aws:iam::000000000000:role/caller", False),
        ("arn:aws:sts::000000000000:assumed-role/caller/*", False),
    ],
)
def test_the_principal_of_a_session_is_its_role(athena: AthenaClient, principal: str, allowed: bool) -> None:
    # given a session of a role with a path, and another role that trusts a principal by a condition
    iam, sts = athena.aws.client("iam"), athena.aws.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(Path="/teams/", RoleName="caller", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    iam.put_role_policy(RoleName="caller", PolicyName="p", PolicyDocument=json.dumps({"Statement": [statement]}))
    keys = sts.assume_role(RoleArn="arn:aws:iam::000000000000:role/teams/caller", RoleSessionName="test")["Credentials"]
    session = boto3.session.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION
    )
    condition = {"ArnLike": {"aws:PrincipalArn": principal}}
    name = f"trusts-{principal.rpartition(':')[2].replace('/', '-').replace('*', 'any')}"
    document = json.dumps({"Statement": [{**trust, "Condition": condition}]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]

    # when the session assumes the other role, expect the ARN of its role to be compared
    client = session.client("sts", endpoint_url=athena.aws.endpoint)
    if allowed:
        assert client.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    else:
        with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole"):
            client.assume_role(RoleArn=role, RoleSessionName="test")


def test_a_wrong_signature_is_refused(athena: AthenaClient) -> None:
    # given the key of a session with another secret
    keys = athena.aws.session("restricted", SELECT).get_credentials()
    assert keys is not None
    forged = boto3.session.Session(keys.access_key, "guessed", keys.token, region_name=REGION)

    with pytest.raises(ClientError) as raised:
        forged.client("athena", endpoint_url=athena.aws.endpoint).get_work_group(WorkGroup="primary")
    assert raised.value.response["Error"]["Code"] in ("InvalidSignatureException", "SignatureDoesNotMatch")


def test_a_request_without_a_signature_is_refused(athena: AthenaClient) -> None:
    from botocore import UNSIGNED

    glue = boto3.client(
        "glue", endpoint_url=athena.aws.endpoint, region_name=REGION, config=Config(signature_version=UNSIGNED)
    )
    with pytest.raises(ClientError, match="Missing Authentication Token"):
        glue.get_databases()


def test_a_service_that_the_role_does_not_trust_is_refused(athena: AthenaClient) -> None:
    # given a crawler and a job with a role that trusts only Lambda
    iam, glue = athena.aws.client("iam"), athena.glue
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="of-functions", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    targets = {"CatalogTargets": [{"DatabaseName": "access", "Tables": ["lines"]}]}
    glue.create_crawler(Name="distrusted", Role="arn:aws:iam::000000000000:role/of-functions", Targets=targets)
    command = {"Name": "pythonshell", "ScriptLocation": "s3://access/script.py"}
    glue.create_job(Name="distrusted", Role="arn:aws:iam::000000000000:role/of-functions", Command=command)

    # when they start, expect an error with the role
    with pytest.raises(ClientError, match=r"unable to assume provided role .*of-functions"):
        glue.start_crawler(Name="distrusted")
    with pytest.raises(ClientError, match=r"unable to assume provided role .*of-functions"):
        glue.start_job_run(JobName="distrusted")


def test_a_script_of_a_job_works_under_the_jobs_role(athena: AthenaClient) -> None:
    # given a job whose role can only read its script, and a script that lists the bucket
    athena.put("scripts/lists.py", "import boto3\nboto3.client('s3').list_objects_v2(Bucket='access')\n")
    role = athena.aws.role("of-a-job", {"s3:GetObject": "arn:aws:s3:::access/scripts/*"})
    command = {"Name": "pythonshell", "ScriptLocation": "s3://access/scripts/lists.py"}
    athena.glue.create_job(Name="lists", Role=role, Command=command)

    # when it runs
    run = athena.glue.start_job_run(JobName="lists")["JobRunId"]
    deadline = time.monotonic() + 60
    while (found := athena.glue.get_job_run(JobName="lists", RunId=run)["JobRun"])["JobRunState"] in (
        "STARTING",
        "RUNNING",
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    # expect an error
    assert found["JobRunState"] == "FAILED"
    assert "assumed-role/of-a-job/" in found["ErrorMessage"]
    assert "is not authorized to perform: s3:ListBucket" in found["ErrorMessage"]
