"""Acknowledged changes survive `kill -9` of the server's whole process group."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from localaws.testing import LocalAws, function_zip

TEMPLATE = """
Parameters:
  Cutoff: {Type: Number, Default: 20000000}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: from-stack
      VersioningConfiguration: {Status: Enabled}
  Database:
    Type: AWS::Glue::Database
    Properties: {CatalogId: "000000000000", DatabaseInput: {Name: from_stack}}
  Table:
    Type: AWS::Glue::Table
    Properties:
      CatalogId: "000000000000"
      DatabaseName: !Ref Database
      TableInput: {Name: readings, PartitionKeys: [{Name: dt, Type: string}]}
  Crawler:
    Type: AWS::Glue::Crawler
    Properties:
      Name: from-stack
      Role: !GetAtt Role.Arn
      Targets: {CatalogTargets: [{DatabaseName: !Ref Database, Tables: [readings]}]}
  Workgroup:
    Type: AWS::Athena::WorkGroup
    Properties:
      Name: from-stack
      WorkGroupConfiguration: {BytesScannedCutoffPerQuery: !Ref Cutoff}
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: from-stack
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: glue.amazonaws.com}, Action: sts:AssumeRole}]
Outputs:
  Bucket: {Value: !Ref Bucket}
"""
HANDLER = """
def handler(event, context):
    return {"seen": event["word"]}
"""


def restart(aws: LocalAws) -> None:
    """Kill the server without a chance to save anything, and start it again."""
    aws.kill()
    aws.start()


def test_objects_survive_with_their_metadata(fresh_aws: LocalAws) -> None:
    # given an object with metadata, and a deleted one
    s3 = fresh_aws.client("s3")
    s3.create_bucket(Bucket="kept")
    for key in ("a/kept", "a/deleted"):
        s3.put_object(Bucket="kept", Key=key, Body=b"hello", ContentEncoding="gzip", Metadata={"origin": "test"})
    s3.delete_object(Bucket="kept", Key="a/deleted")
    before = s3.list_objects_v2(Bucket="kept")["Contents"]

    restart(fresh_aws)

    # expect the object as it was
    s3 = fresh_aws.client("s3")
    assert [item["Key"] for item in before] == ["a/kept"]
    assert s3.list_objects_v2(Bucket="kept")["Contents"] == before
    response = s3.get_object(Bucket="kept", Key="a/kept")
    assert (response["Body"].read(), response["ContentEncoding"]) == (b"hello", "gzip")
    assert response["Metadata"] == {"origin": "test"}


def test_bucket_settings_are_kept(fresh_aws: LocalAws) -> None:
    # given a bucket with settings, an empty one and a deleted one
    s3 = fresh_aws.client("s3")
    for bucket in ("settings", "empty", "deleted"):
        s3.create_bucket(Bucket=bucket)
    policy = {"Version": "2012-10-17", "Statement": []}
    s3.put_bucket_policy(Bucket="settings", Policy=json.dumps(policy))
    s3.put_bucket_tagging(Bucket="settings", Tagging={"TagSet": [{"Key": "stack", "Value": "x"}]})
    s3.delete_bucket(Bucket="deleted")

    restart(fresh_aws)

    # expect the two buckets and the settings
    s3 = fresh_aws.client("s3")
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {"settings", "empty"}
    assert json.loads(s3.get_bucket_policy(Bucket="settings")["Policy"]) == policy
    assert s3.get_bucket_tagging(Bucket="settings")["TagSet"] == [{"Key": "stack", "Value": "x"}]


def test_a_deployed_stack_is_kept_with_all_its_resources(fresh_aws: LocalAws) -> None:
    # given a stack whose completion was acknowledged
    outputs = fresh_aws.deploy("kept", TEMPLATE)

    restart(fresh_aws)

    # expect the stack and its resources, and that it can be deleted
    formation = fresh_aws.client("cloudformation")
    stack = formation.describe_stacks(StackName="kept")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]} == outputs == {"Bucket": "from-stack"}
    assert fresh_aws.client("s3").get_bucket_versioning(Bucket="from-stack")["Status"] == "Enabled"
    glue = fresh_aws.client("glue")
    table = glue.get_table(DatabaseName="from_stack", Name="readings")["Table"]
    assert table["PartitionKeys"] == [{"Name": "dt", "Type": "string"}]
    assert glue.get_crawler(Name="from-stack")["Crawler"]["State"] == "READY"
    assert fresh_aws.client("iam").get_role(RoleName="from-stack")["Role"]["RoleName"] == "from-stack"
    workgroup = fresh_aws.client("athena").get_work_group(WorkGroup="from-stack")["WorkGroup"]
    assert workgroup["Name"] == "from-stack"
    assert workgroup["Configuration"]["BytesScannedCutoffPerQuery"] == 20_000_000
    formation.delete_stack(StackName="kept")
    formation.get_waiter("stack_delete_complete").wait(StackName="kept", WaiterConfig={"Delay": 0.05})
    assert fresh_aws.client("s3").list_buckets()["Buckets"] == []


def test_partitions_registered_at_once_are_all_kept(fresh_aws: LocalAws) -> None:
    # given a table, and 40 partitions acknowledged to eight clients at once
    glue = fresh_aws.client("glue")
    glue.create_database(DatabaseInput={"Name": "kept"})
    glue.create_table(
        DatabaseName="kept",
        TableInput={"Name": "readings", "PartitionKeys": [{"Name": "dt", "Type": "string"}]},
    )

    def register(number: int) -> None:
        glue.create_partition(
            DatabaseName="kept",
            TableName="readings",
            PartitionInput={
                "Values": [str(number)],
                "StorageDescriptor": {"Location": f"s3://kept/{number}/"},
            },
        )

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(register, range(40)))

    restart(fresh_aws)

    # expect all of them
    found = fresh_aws.client("glue").get_partitions(DatabaseName="kept", TableName="readings")["Partitions"]
    assert {int(partition["Values"][0]) for partition in found} == set(range(40))


def test_a_session_of_a_role_outlives_the_server(fresh_aws: LocalAws) -> None:
    # given a session of a role
    session = fresh_aws.session("kept", {"s3:ListAllMyBuckets": "*"})
    s3 = session.client("s3", endpoint_url=fresh_aws.endpoint)
    s3.list_buckets()

    # when the server has restarted, expect the session to be valid, with the same permissions
    restart(fresh_aws)
    s3 = session.client("s3", endpoint_url=fresh_aws.endpoint)
    s3.list_buckets()
    with pytest.raises(ClientError, match="is not authorized to perform: s3:CreateBucket"):
        s3.create_bucket(Bucket="denied")


def test_a_function_runs_again(fresh_aws: LocalAws) -> None:
    # given a function that has run
    role = fresh_aws.role("function")
    fresh_aws.client("lambda").create_function(
        FunctionName="kept",
        Runtime="python3.12",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": function_zip(HANDLER)},
        Timeout=30,
    )

    def invoke() -> object:
        payload = json.dumps({"word": "hello"}).encode()
        answer = fresh_aws.client("lambda").invoke(FunctionName="kept", Payload=payload)
        return json.load(answer["Payload"])

    assert invoke() == {"seen": "hello"}

    restart(fresh_aws)

    # expect that it runs as before
    assert invoke() == {"seen": "hello"}


def test_a_change_that_cannot_be_saved_is_an_error(fresh_aws: LocalAws) -> None:
    # given a state folder in which the catalog's file cannot be written
    blocker = fresh_aws.state / "state" / "glue.json" / "in-the-way"
    blocker.mkdir(parents=True)

    # when the catalog is changed, expect an error
    with pytest.raises(ClientError) as raised:
        fresh_aws.client("glue").create_database(DatabaseInput={"Name": "lost"})
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
