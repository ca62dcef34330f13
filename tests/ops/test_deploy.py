"""The deploy command against a local AWS of its own."""

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import socket
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops import deploy, package
from ops.cloudformation import DeployError, url_of
from smart_hub.core import stacks
from tests.ops.conftest import Deployed

pytestmark = pytest.mark.service

KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = "arn:aws:sns:us-east-1:000000000000:alerts"
ROOT = Path(__file__).resolve().parents[2]


def test_the_outputs_have_the_names_that_all_else_goes_by(deployed: Deployed) -> None:
    assert deployed.outputs == {
        "DataBucket": "smart-hub-data-000000000000-us-east-1",
        "Database": "smart_hub",
        "Workgroup": "smart-hub",
        "RatesJob": "smart-hub-rates",
        "ConvertFunction": "smart-hub-convert",
        "TransformFunction": "smart-hub-transform",
        "CompactFunction": "smart-hub-compact",
        "AirflowRoleArn": "arn:aws:iam::000000000000:role/smart-hub-airflow",
        "MwaaExecutionPolicy": (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",'
            '"Resource":"arn:aws:iam::000000000000:role/smart-hub-airflow"}}'
        ),
    }
    assert deployed.lines[-1] == "smart-hub: created"


def test_a_second_deployment_changes_nothing(deployed: Deployed) -> None:
    cfn = deployed.client("cloudformation")
    events = len(cfn.describe_stack_events(StackName="smart-hub")["StackEvents"])

    outputs, lines = deployed.again()

    assert lines == ["smart-hub-bootstrap: no changes", "smart-hub: no changes"]
    assert outputs == deployed.outputs
    assert len(cfn.describe_stack_events(StackName="smart-hub")["StackEvents"]) == events


def test_changed_code_is_deployed_and_nothing_else(deployed: Deployed, tmp_path: Path) -> None:
    # given: the repository with one statement changed
    for folder in ("include", "plugins/smart_hub"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    with (tmp_path / "include/sql/convert/readings.sql").open("a") as statement:
        statement.write("-- changed\n")
    deployed.again("other")

    _, lines = deployed.again("other", root=tmp_path)

    code = package.code(tmp_path)
    assert code.key != package.code().key
    assert f"uploaded s3://other-artifacts-000000000000-us-east-1/{code.key}" in lines
    # Airflow's role names the functions, so CloudFormation looks at it again.
    assert [line for line in lines if line.startswith("other: ")] == [
        "other: modify AWS::IAM::Role AirflowRole, replacement: no",
        "other: modify AWS::Lambda::Function CompactFunction, replacement: no",
        "other: modify AWS::Lambda::Function ConvertFunction, replacement: no",
        "other: modify AWS::Lambda::Function TransformFunction, replacement: no",
        "other: updated",
    ]
    function = deployed.client("lambda").get_function_configuration(FunctionName="other-convert")
    assert function["CodeSha256"] == base64.b64encode(hashlib.sha256(code.body).digest()).decode()


def test_a_parameter_keeps_its_value_until_another_is_given(deployed: Deployed) -> None:
    def cutoff() -> int:
        workgroup = deployed.client("athena").get_work_group(WorkGroup="kept")["WorkGroup"]
        return int(workgroup["Configuration"]["BytesScannedCutoffPerQuery"])

    deployed.again("kept", parameters={"BytesScannedCutoff": "20000000"})
    _, lines = deployed.again("kept")
    assert (lines[-1], cutoff()) == ("kept: no changes", 20_000_000)

    deployed.again("kept", parameters={"BytesScannedCutoff": "30000000"})
    assert cutoff() == 30_000_000


def test_an_unknown_parameter_is_refused_by_name(deployed: Deployed) -> None:
    with pytest.raises(DeployError, match="no parameter Cutoff; it has AirflowPrincipal, ArtifactsBucket"):
        deployed.again(parameters={"Cutoff": "1"})


def test_a_failure_names_the_resource_and_the_next_deployment_needs_no_hand(deployed: Deployed) -> None:
    # given: a database of the stack's name, made by somebody else
    glue = deployed.client("glue")
    glue.create_database(DatabaseInput={"Name": "taken"})

    with pytest.raises(DeployError, match=r"^stack taken: AWS::Glue::Database Database failed: .*already exists"):
        deployed.again("taken")

    glue.delete_database(Name="taken")
    assert deployed.again("taken")[0]["Database"] == "taken"


def everything(deployed: Deployed) -> dict[str, Any]:
    """What a dry run could have changed: stacks with their last change, change sets, objects of all buckets."""
    cfn, s3 = deployed.client("cloudformation"), deployed.client("s3")
    stacks = [s for s in cfn.list_stacks()["StackSummaries"] if s["StackStatus"] != "DELETE_COMPLETE"]
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    versions = [v for bucket in buckets for v in s3.list_object_versions(Bucket=bucket).get("Versions", [])]
    return {
        "stacks": {(s["StackName"], s["StackStatus"], s.get("LastUpdatedTime")) for s in stacks},
        "change sets": [
            c
            for s in stacks
            for c in cfn.list_change_sets(StackName=s["StackName"])["Summaries"]
            if c["ExecutionStatus"] == "AVAILABLE"
        ],
        "objects": {(v["Key"], v["VersionId"]) for v in versions},
        "classifiers": [
            next(iter(c.values()))["Name"] for c in deployed.client("glue").get_classifiers()["Classifiers"]
        ],
    }


def test_a_dry_run_before_the_first_deployment_says_what_it_would_make_and_makes_nothing(deployed: Deployed) -> None:
    before = everything(deployed)

    outputs, lines = deployed.again("unborn", dry_run=True)

    assert outputs == {}
    assert "unborn-bootstrap: add AWS::IAM::Role TeardownRole" in lines
    assert "unborn: add AWS::S3::Bucket DataBucket" in lines
    assert not [line for line in lines if "SourcePolicy" in line]
    assert everything(deployed) == before


def test_a_dry_run_says_what_would_change_and_changes_nothing(deployed: Deployed, tmp_path: Path) -> None:
    # given: changed code, a template that nobody has uploaded yet, another value of a parameter
    for folder in ("include", "plugins/smart_hub"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    for file in ("include/sql/convert/readings.sql", "include/infrastructure/smart_hub.yaml"):
        with (tmp_path / file).open("a") as text:
            text.write("-- changed\n" if file.endswith("sql") else "# changed\n")
    before = everything(deployed)

    outputs, lines = deployed.again(dry_run=True, root=tmp_path, parameters={"BytesScannedCutoff": "20000000"})

    assert outputs == deployed.outputs
    assert f"would upload s3://smart-hub-artifacts-000000000000-us-east-1/{package.code(tmp_path).key}" in lines
    assert "smart-hub: modify AWS::Lambda::Function ConvertFunction, replacement: no" in lines
    assert "smart-hub: modify AWS::Athena::WorkGroup Workgroup, replacement: no" in lines
    assert lines[0] == "smart-hub-bootstrap: no changes"
    assert everything(deployed) == before


def test_a_dry_run_of_a_main_stack_that_is_gone_leaves_none_behind(deployed: Deployed) -> None:
    deployed.again("half")
    stacks.delete(deployed.client("cloudformation"), "half", lambda line: None)
    before = everything(deployed)

    outputs, lines = deployed.again("half", dry_run=True)

    assert outputs == {}
    assert "half: add AWS::S3::Bucket DataBucket" in lines
    assert everything(deployed) == before


def test_source_topic_and_key_come_by_parameter_and_go_with_it(deployed: Deployed) -> None:
    def attached(role: str) -> set[str]:
        policies = deployed.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {policy["PolicyName"].removeprefix("more-") for policy in policies}

    def results() -> dict[str, Any]:
        workgroup = deployed.client("athena").get_work_group(WorkGroup="more")["WorkGroup"]
        configuration: dict[str, Any] = workgroup["Configuration"]["ResultConfiguration"]["EncryptionConfiguration"]
        return configuration

    # given a deployment with all of them
    outputs, _ = deployed.again(
        "more",
        parameters={
            "KmsKeyArn": KEY,
            "NotificationTopicArn": TOPIC,
            **deploy.source_parameters("s3://elsewhere/raw/hubs/"),
        },
    )

    assert (outputs["Source"], outputs["NotificationTopicArn"]) == ("s3://elsewhere/raw/hubs/", TOPIC)
    assert attached("more-airflow") == {"query", "source", "notification", "encryption"}
    assert attached("more-convert") == {"query", "encryption"}
    assert attached("more-crawlers") == {"encryption"}
    assert attached("more-deployment") == {"deployment-encryption"}
    # (the bucket's own encryption, which the base does not make of a template, is tests/infrastructure's)
    assert results() == {"EncryptionOption": "SSE_KMS", "KmsKey": KEY}

    # when it is deployed again they stay, without being named
    assert deployed.again("more")[1] == ["more-bootstrap: no changes", "more: no changes"]

    # and go when they are named empty
    none = {"KmsKeyArn": "", "NotificationTopicArn": "", "SourceBucket": "", "SourcePrefix": ""}
    outputs, _ = deployed.again("more", parameters=none)
    assert "Source" not in outputs
    assert attached("more-airflow") == {"query"}
    assert attached("more-deployment") == set()
    assert results() == {"EncryptionOption": "SSE_S3"}


@pytest.mark.parametrize(
    ("source", "bucket", "prefix"),
    [("s3://elsewhere", "elsewhere", ""), ("s3://elsewhere/a/b", "elsewhere", "a/b/"), ("s3://e/a/", "e", "a/")],
)
def test_a_source_is_a_bucket_and_a_prefix(source: str, bucket: str, prefix: str) -> None:
    assert deploy.source_parameters(source) == {"SourceBucket": bucket, "SourcePrefix": prefix}


@pytest.mark.parametrize("source", ["/home/me/data", "include/data", "s3://", "https://bucket.example"])
def test_a_source_that_no_airflow_on_aws_sees_is_refused(source: str) -> None:
    with pytest.raises(DeployError, match=f"^SOURCE={re.escape(source)} is not s3://.*aws s3 sync"):
        deploy.source_parameters(source)


def test_the_template_lies_where_cloudformation_finds_it_on_aws() -> None:
    # as the AWS CLI gives it: an address of S3 over TLS, with bucket and key in the path
    s3 = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="-", aws_secret_access_key="-")

    assert url_of(s3, "a-bucket", "template/1.yaml") == "https://s3.eu-west-1.amazonaws.com/a-bucket/template/1.yaml"


@pytest.mark.parametrize("name", ["Smart-Hub", "-hub", "hub-", "h", "a" * 26, "smart_hub"])
def test_a_name_that_no_bucket_can_bear_is_refused(session: boto3.Session, name: str) -> None:
    with pytest.raises(DeployError, match=f"^'{name}' is not a valid name"):
        deploy.deploy(session, name)


def test_the_command_prints_the_outputs(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    assert deploy.main(["--region", "us-east-1", "--endpoint-url", deployed.endpoint]) == 0

    printed = capsys.readouterr().out
    assert "DataBucket = smart-hub-data-000000000000-us-east-1\n" in printed
    settings = dict(line.strip().split("=", 1) for line in printed.split("Airflow's settings:\n")[1].splitlines())
    assert settings["SMART_HUB_STACK"] == "smart-hub"
    assert settings["SMART_HUB_DATA_BUCKET"] == "smart-hub-data-000000000000-us-east-1"
    (connection,) = shlex.split(settings["AIRFLOW_CONN_AWS_DEFAULT"])
    assert json.loads(connection) == {
        "conn_type": "aws",
        "extra": {"region_name": "us-east-1", "role_arn": "arn:aws:iam::000000000000:role/smart-hub-airflow"},
    }


def test_the_command_takes_source_and_key_and_shows_without_changing(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    before = everything(deployed)

    where = ["--endpoint-url", deployed.endpoint, "--region", "us-east-1"]
    assert deploy.main([*where, "--source", "s3://e/raw", "--kms-key", KEY, "--dry-run"]) == 0

    printed = capsys.readouterr().out
    # (AWS says "add" of what a condition brings in; the base says "modify")
    assert "AWS::IAM::ManagedPolicy SourcePolicy" in printed
    assert "smart-hub: modify AWS::S3::Bucket DataBucket" in printed
    assert printed.endswith("Nothing was changed.\n")
    assert everything(deployed) == before


def test_the_command_says_that_nothing_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given: a port that is bound, so that nobody else takes it, and does not listen
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"

        assert deploy.main(["--endpoint-url", address]) == 1

    message = capsys.readouterr().err
    assert address in message
    assert "is the local AWS running" in message


def test_the_command_asks_for_missing_credentials(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    assert deploy.main(["--endpoint-url", endpoint]) == 1

    assert "AWS_ACCESS_KEY_ID" in capsys.readouterr().err
