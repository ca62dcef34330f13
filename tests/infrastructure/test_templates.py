"""Rules for the templates that hold for every deployment."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.templates import load
from smart_hub.shared.layout import RESULTS_PREFIX, STAGING_PREFIX, raw_prefix, table_prefix
from tests.cfn import resolved

INFRASTRUCTURE = Path(__file__).resolve().parents[2] / "include" / "infrastructure"

# Glue's actions without resource-level permissions:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsglue.html
WITHOUT_RESOURCE = {
    "glue:CreateClassifier",
    "glue:CreateCrawler",
    "glue:DeleteClassifier",
    "glue:GetClassifier",
    "glue:GetCrawlerMetrics",
    "glue:UpdateClassifier",
}


def template(name: str) -> dict[str, Any]:
    return load((INFRASTRUCTURE / name).read_text())


BOOTSTRAP, MAIN = template("bootstrap.yaml"), template("smart_hub.yaml")
RESOURCES: dict[str, dict[str, Any]] = MAIN["Resources"]


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: item["Properties"] for name, item in RESOURCES.items() if item["Type"] == kind}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed() -> list[Any]:
    """All Allow statements of both templates, by the name of their resource."""
    found = []
    for loaded in (BOOTSTRAP, MAIN):
        for name, item in loaded["Resources"].items():
            properties = item["Properties"]
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
            documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
            for document in documents:
                for statement in document["Statement"]:
                    if statement["Effect"] == "Allow":
                        found.append(pytest.param(statement, id=f"{name}-{statement['Sid']}"))
    assert len(found) > 30
    return found


@pytest.mark.parametrize("file", ["bootstrap.yaml", "smart_hub.yaml"])
def test_a_template_is_within_cloudformations_limits(file: str) -> None:
    text = (INFRASTRUCTURE / file).read_text()

    # The bootstrap template is sent in the request, the main one from a bucket:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert len(text.encode()) <= (51_200 if file == "bootstrap.yaml" else 1_000_000)
    # no aliases: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    assert not [event for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)]


@pytest.mark.parametrize(
    ("loaded", "stack"), [(BOOTSTRAP, "StackName"), (MAIN, "AWS::StackName")], ids=["bootstrap", "main"]
)
def test_every_name_derives_from_the_stacks_name(loaded: dict[str, Any], stack: str) -> None:
    names = {}
    for resource, item in loaded["Resources"].items():
        kind, properties = item["Type"].split("::")[-1], item["Properties"]
        properties = properties.get("DatabaseInput", properties.get("XMLClassifier", properties))
        for key in ("Name", f"{kind}Name", f"{kind.removeprefix('Managed')}Name", "ManagedPolicyName"):
            if key in properties:
                names[resource] = json.dumps(properties[key])

    # tables live in the database, a bucket's policy has no name
    nameless = {
        r for r, item in loaded["Resources"].items() if item["Type"].split("::")[-1] in ("Table", "BucketPolicy")
    }
    assert set(names) == set(loaded["Resources"]) - nameless
    assert {resource: name for resource, name in names.items() if stack not in name} == {}


@pytest.mark.parametrize("statement", allowed())
def test_no_statement_allows_all_actions_or_resources(statement: dict[str, Any]) -> None:
    actions = as_list(statement["Action"])

    assert [action for action in actions if "*" in action] == []
    if "*" in as_list(statement["Resource"]):
        assert set(actions) <= WITHOUT_RESOURCE
    else:
        assert not set(actions) & WITHOUT_RESOURCE


def test_roles_are_passed_to_glue_and_lambda_only() -> None:
    statements = [parameter.values[0] for parameter in allowed()]
    passing = [statement for statement in statements if "iam:PassRole" in as_list(statement["Action"])]

    assert [s["Condition"] for s in passing] == [
        {"StringEquals": {"iam:PassedToService": ["glue.amazonaws.com", "lambda.amazonaws.com"]}}
    ]


def test_the_deployment_role_may_create_update_and_delete_every_kind_of_resource() -> None:
    nouns = {
        "AWS::Athena::WorkGroup": "athena:{}WorkGroup",
        "AWS::Glue::Classifier": "glue:{}Classifier",
        "AWS::Glue::Crawler": "glue:{}Crawler",
        "AWS::Glue::Database": "glue:{}Database",
        "AWS::Glue::Job": "glue:{}Job",
        "AWS::Glue::Table": "glue:{}Table",
        "AWS::IAM::ManagedPolicy": "iam:{}Policy",
        "AWS::IAM::Role": "iam:{}Role",
        "AWS::Lambda::Function": "lambda:{}Function",
        "AWS::Logs::LogGroup": "logs:{}LogGroup",
        "AWS::S3::Bucket": "s3:{}Bucket",
        "AWS::S3::BucketPolicy": "s3:{}BucketPolicy",
    }
    # create and update actions with other names
    other = {
        "s3:CreateBucketPolicy": "s3:PutBucketPolicy",
        "s3:UpdateBucketPolicy": "s3:PutBucketPolicy",
        "s3:UpdateBucket": "s3:PutLifecycleConfiguration",
        "logs:UpdateLogGroup": "logs:PutRetentionPolicy",
        "iam:UpdatePolicy": "iam:CreatePolicyVersion",
        "lambda:UpdateFunction": "lambda:UpdateFunctionCode",
    }
    policies = BOOTSTRAP["Resources"]["DeploymentRole"]["Properties"]["Policies"]
    permitted = {a for p in policies for s in p["PolicyDocument"]["Statement"] for a in as_list(s["Action"])}

    needed = {
        nouns[item["Type"]].format(verb) for item in RESOURCES.values() for verb in ("Create", "Update", "Delete")
    }
    assert {other.get(action, action) for action in needed} - permitted == set()


@pytest.mark.parametrize(("loaded", "bucket"), [(BOOTSTRAP, "ArtifactsBucket"), (MAIN, "DataBucket")])
def test_a_bucket_is_reached_over_tls_only(loaded: dict[str, Any], bucket: str) -> None:
    (statement,) = loaded["Resources"][f"{bucket}Policy"]["Properties"]["PolicyDocument"]["Statement"]

    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": f"{bucket}.Arn"}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]


def test_only_leftovers_of_runs_expire() -> None:
    rules = RESOURCES["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]

    assert {rule["Status"] for rule in rules} == {"Enabled"}
    assert {r["Prefix"]: r["ExpirationInDays"] for r in rules if "ExpirationInDays" in r} == {
        STAGING_PREFIX: 7,
        RESULTS_PREFIX: 7,
    }
    assert [r["AbortIncompleteMultipartUpload"] for r in rules if "Prefix" not in r] == [{"DaysAfterInitiation": 7}]


@pytest.mark.parametrize("data_set", ["usage", "mappings", "locations", "rates"])
def test_a_crawler_adds_partitions_and_changes_no_schema(data_set: str) -> None:
    crawler = RESOURCES[f"{data_set.capitalize()}Crawler"]["Properties"]

    assert crawler["SchemaChangePolicy"] == {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    assert json.loads(crawler["Configuration"]) == {
        "Version": 1.0,
        "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
    }


def test_tables_lie_where_the_layout_says() -> None:
    tables = [one["TableInput"] for one in of_type("AWS::Glue::Table").values()]
    found = {one["Name"]: one["StorageDescriptor"].get("Location") for one in tables}
    expected = {
        # raw_usage and raw_usage_lines have the same prefix
        name: raw_prefix(name.removeprefix("raw_").removesuffix("_lines"))
        if name.startswith("raw_")
        else table_prefix(name)
        for name, location in found.items()
        if location
    }

    assert len(expected) > 10
    assert {name: {"Fn::Sub": f"s3://${{DataBucket}}/{prefix}"} for name, prefix in expected.items()} == {
        name: found[name] for name in expected
    }


@pytest.mark.parametrize(("loaded", "bucket"), [(BOOTSTRAP, "ArtifactsBucket"), (MAIN, "DataBucket")])
def test_noncurrent_versions_of_a_versioned_bucket_expire(loaded: dict[str, Any], bucket: str) -> None:
    properties = loaded["Resources"][bucket]["Properties"]
    rules = properties["LifecycleConfiguration"]["Rules"]

    expiring = [rule for rule in rules if "NoncurrentVersionExpiration" in rule]
    assert bool(expiring) == ("VersioningConfiguration" in properties)
    assert [rule for rule in rules if "AbortIncompleteMultipartUpload" in rule]


@pytest.mark.parametrize(("loaded", "bucket"), [(BOOTSTRAP, "ArtifactsBucket"), (MAIN, "DataBucket")])
def test_a_bucket_is_encrypted_with_the_given_key(loaded: dict[str, Any], bucket: str) -> None:
    needed = {"AWS::StackName": "smart-hub", "ArtifactsBucket": "a", "CodeKey": "c", "ScriptKey": "s"}
    needed = {name: needed[name] for name in needed if name.startswith("AWS") or name in loaded["Parameters"]}
    key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

    made = {given: resolved(loaded, **needed, KmsKeyArn=given) for given in ("", key)}

    encryption = {
        given: resources[bucket]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        for given, resources in made.items()
    }
    assert encryption[""] == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    assert encryption[key] == [
        {
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
            "BucketKeyEnabled": True,
        }
    ]
    assert made[key].keys() - made[""].keys() == {"EncryptionPolicy"}


def test_every_role_that_reads_or_writes_the_bucket_may_use_its_key() -> None:
    attached = {role["Ref"] for role in RESOURCES["EncryptionPolicy"]["Properties"]["Roles"]}

    assert attached == {name for name, item in RESOURCES.items() if item["Type"] == "AWS::IAM::Role"}


def test_only_airflow_may_assume_the_teardown_role() -> None:
    (statement,) = BOOTSTRAP["Resources"]["TeardownRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    orchestrate = RESOURCES["AirflowRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (taken,) = [one for one in orchestrate if one["Action"] == "sts:AssumeRole"]

    airflow, other = statement["Condition"]["ArnLike"]["aws:PrincipalArn"]
    assert airflow["Fn::Sub"].endswith(":role/${StackName}-airflow")
    assert other == {"Fn::If": ["HasAirflowPrincipal", {"Ref": "AirflowPrincipal"}, {"Ref": "AWS::NoValue"}]}
    assert taken["Resource"]["Fn::Sub"].endswith(":role/bootstrap/${AWS::StackName}-teardown")
