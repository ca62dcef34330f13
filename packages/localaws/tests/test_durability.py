"""What the server has acknowledged survives `kill -9` of its whole process group."""

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
    aws.kill()
    aws.start()


def test_objects_keep_their_metadata(fresh_aws: LocalAws) -> None:
    # given objects: plain, with everything that a PUT can say, overwritten, uploaded in parts, deleted
    s3 = fresh_aws.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="a/plain", Body=b"hello")
    s3.put_object(
        Bucket="kept",
        Key="a/told",
        Body=b"",
        ContentType="application/json",
        ContentEncoding="gzip",
        Metadata={"origin": "test"},
        Tagging="step=1",
    )
    s3.put_object(Bucket="kept", Key="a/twice", Body=b"old", Metadata={"which": "old"})
    s3.put_object(Bucket="kept", Key="a/twice", Body=b"new")
    upload = s3.create_multipart_upload(Bucket="kept", Key="parts", Metadata={"in": "parts"})["UploadId"]
    parts = []
    for number, body in enumerate([b"x" * 5 * 2**20, b"y"], start=1):
        part = s3.upload_part(Bucket="kept", Key="parts", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(Bucket="kept", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.put_object(Bucket="kept", Key="gone", Body=b"x")
    s3.delete_object(Bucket="kept", Key="gone")
    before = {item["Key"]: item for item in s3.list_objects_v2(Bucket="kept")["Contents"]}

    # when the server is killed and started again
    restart(fresh_aws)

    # expect all of them as they were
    s3 = fresh_aws.client("s3")
    after = {item["Key"]: item for item in s3.list_objects_v2(Bucket="kept")["Contents"]}
    assert after == before
    assert set(after) == {"a/plain", "a/told", "a/twice", "parts"}
    assert after["a/plain"]["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'  # MD5 of hello
    told = s3.head_object(Bucket="kept", Key="a/told")
    assert (told["ContentType"], told["ContentEncoding"]) == ("application/json", "gzip")
    assert told["Metadata"] == {"origin": "test"}
    assert s3.get_object_tagging(Bucket="kept", Key="a/told")["TagSet"] == [{"Key": "step", "Value": "1"}]
    twice = s3.get_object(Bucket="kept", Key="a/twice")
    assert (twice["Body"].read(), twice["Metadata"]) == (b"new", {})
    assert s3.head_object(Bucket="kept", Key="parts")["Metadata"] == {"in": "parts"}


def test_bucket_settings_are_kept(fresh_aws: LocalAws) -> None:
    # given a bucket with settings, an empty one and a deleted one
    s3 = fresh_aws.client("s3")
    for bucket in ("settings", "empty", "deleted"):
        s3.create_bucket(Bucket=bucket)
    policy = {"Version": "2012-10-17", "Statement": []}
    s3.put_bucket_policy(Bucket="settings", Policy=json.dumps(policy))
    s3.put_bucket_tagging(Bucket="settings", Tagging={"TagSet": [{"Key": "stack", "Value": "x"}]})
    s3.delete_bucket(Bucket="deleted")

    # when the server is killed and started again
    restart(fresh_aws)

    # expect the two buckets and the settings
    s3 = fresh_aws.client("s3")
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {"settings", "empty"}
    assert json.loads(s3.get_bucket_policy(Bucket="settings")["Policy"]) == policy
    assert s3.get_bucket_tagging(Bucket="settings")["TagSet"] == [{"Key": "stack", "Value": "x"}]


def test_a_deployed_stack_is_kept_with_all_its_resources(fresh_aws: LocalAws) -> None:
    # given a stack whose completion was acknowledged
    formation = fresh_aws.client("cloudformation")
    formation.create_stack(StackName="kept", TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_NAMED_IAM"])
    formation.get_waiter("stack_create_complete").wait(StackName="kept", WaiterConfig={"Delay": 0.05})

    # when the server is killed and started again
    restart(fresh_aws)

    # expect the stack, what it made, and that it can still be deleted
    formation = fresh_aws.client("cloudformation")
    stack = formation.describe_stacks(StackName="kept")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]} == {"Bucket": "from-stack"}
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

    # when the server is killed and started again
    restart(fresh_aws)

    # expect every one
    found = fresh_aws.client("glue").get_partitions(DatabaseName="kept", TableName="readings")["Partitions"]
    assert {int(partition["Values"][0]) for partition in found} == set(range(40))


def test_a_session_of_a_role_outlives_the_server(fresh_aws: LocalAws) -> None:
    # given somebody with a session of a role
    session = fresh_aws.session("kept", {"s3:ListAllMyBuckets": "*"})
    s3 = session.client("s3", endpoint_url=fresh_aws.endpoint)
    s3.list_buckets()

    # when the server was killed and has started again, expect the session to hold, and its rights alone
    restart(fresh_aws)
    s3 = session.client("s3", endpoint_url=fresh_aws.endpoint)
    s3.list_buckets()
    with pytest.raises(ClientError, match="is not authorized to perform: s3:CreateBucket"):
        s3.create_bucket(Bucket="denied")


def test_a_function_runs_again(fresh_aws: LocalAws) -> None:
    # given a function that ran
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

    # when the server is killed and started again
    restart(fresh_aws)

    # expect that it runs as before
    assert invoke() == {"seen": "hello"}


def test_what_cannot_be_saved_is_not_acknowledged(fresh_aws: LocalAws) -> None:
    # given a state folder in which the catalog's file cannot be written
    blocker = fresh_aws.state / "state" / "glue.json" / "in-the-way"
    blocker.mkdir(parents=True)

    # when the catalog is changed, expect an error
    with pytest.raises(ClientError) as raised:
        fresh_aws.client("glue").create_database(DatabaseInput={"Name": "lost"})
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
