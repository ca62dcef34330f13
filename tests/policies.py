"""Parliament's judgement of every policy in the templates: ``python -m tests.policies``.

It knows each action of AWS, the resources it goes with and the conditions it takes. Each policy is judged as IAM gets
it: with the functions of CloudFormation worked out, once without and once with every parameter that adds a policy.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import parliament

from ops.package import ROOT
from ops.templates import load
from tests.cfn import ACCOUNT, REGION, resolved

STACK = "smart-hub"
# Findings that stand, as a pattern, with the reason why. One that no finding matches any more is a finding itself.
ACCEPTED = {
    r"DeploymentRole, storage: RESOURCE_POLICY_PRIVILEGE_ESCALATION .*s3:Put(BucketPolicy|LifecycleConfiguration)": (
        "CloudFormation works under this role alone, and sets the bucket's policy and lifecycle: it could not otherwise"
    ),
    r"RESOURCE_MISMATCH athena:(ListTagsFor|Tag|Untag)Resource needs .*:(capacity-reservation|datacatalog)/\*": (
        "one of the kinds of resource is enough; Parliament wants all that the action goes with"
    ),
    r"RESOURCE_MISMATCH logs:Describe(IndexPolicies|LogGroups) needs \*": (
        "both know log groups: https://docs.aws.amazon.com/service-authorization/latest/reference/"
        "list_amazoncloudwatchlogs.html"
    ),
    r"RESOURCE_MISMATCH glue:(CreatePartition|CreateTable|UpdateTable) needs .*:(catalog|database/\*)": (
        "these roles have QueryPolicy too, which grants the same on catalog and database (tests/infrastructure)"
    ),
}
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
# Those without a default, then those that add policies.
PARAMETERS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "include/infrastructure/bootstrap.yaml": (
        {},
        {"KmsKeyArn": KEY, "AirflowPrincipal": f"arn:aws:iam::{ACCOUNT}:role/airflow"},
    ),
    "include/infrastructure/smart_hub.yaml": (
        {"ArtifactsBucket": "artifacts", "CodeKey": "lambda/code.zip", "ScriptKey": "glue/script.py"},
        {
            "KmsKeyArn": KEY,
            "SourceBucket": "source",
            "SourcePrefix": "raw/",
            "NotificationTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts",
        },
    ),
    "include/quicksight/quicksight.yaml": (
        {"OwnerPrincipal": f"arn:aws:quicksight:{REGION}:{ACCOUNT}:group/default/analysts"},
        {"KmsKeyArn": KEY},
    ),
}
# What a GetAtt of Arn gives, by type; all else is a name.
ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}:*",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
}
NAMES = ("BucketName", "FunctionName", "LogGroupName", "RoleName", "Name")


def names(template: dict[str, Any], **parameters: str) -> dict[str, str]:
    """What each resource's Ref and GetAtt of Arn come to."""
    found: dict[str, str] = {}
    for logical, item in resolved(template, **parameters).items():
        properties = item["Properties"]
        properties = properties.get("DatabaseInput", properties.get("TableInput", properties))
        name = next((properties[key] for key in NAMES if isinstance(properties.get(key), str)), logical)
        found[logical] = name
        if item["Type"] in ARNS:
            found[f"{logical}.Arn"] = ARNS[item["Type"]].format(name=name)
    return found


def policies(template: dict[str, Any], **parameters: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and document of every policy of a role, or to be attached to one."""
    known = {"AWS::StackName": STACK, **parameters}
    for logical, item in resolved(template, **known, **names(template, **known)).items():
        properties = item["Properties"]
        for policy in properties.get("Policies", []):
            yield f"{logical}, {policy['PolicyName']}", policy["PolicyDocument"]
        if item["Type"] == "AWS::IAM::ManagedPolicy":
            yield logical, properties["PolicyDocument"]


def findings(document: dict[str, Any]) -> list[str]:
    """What Parliament finds wrong with a policy."""
    found = []
    for one in parliament.analyze_policy_string(json.dumps(document)).findings:
        details = one.detail if isinstance(one.detail, list) else [one.detail]
        for detail in details:
            text = f"{detail['action']} needs {detail['required_format']}" if isinstance(detail, dict) else detail
            found.append(f"{one.issue} {text}")
    return found


def main() -> int:
    judged, wrong, met = 0, 0, set()
    for file, (needed, more) in PARAMETERS.items():
        template = load((ROOT / file).read_text(encoding="utf-8"))
        for parameters in (needed, needed | more):
            for name, document in policies(template, **parameters):
                judged += 1
                for finding in (f"{name}: {one}" for one in findings(document)):
                    if accepted := {pattern for pattern in ACCEPTED if re.search(pattern, finding)}:
                        met |= accepted
                        continue
                    wrong += 1
                    print(f"{file}: {finding}")
    for pattern in sorted(ACCEPTED.keys() - met):
        wrong += 1
        print(f"tests/policies.py: no finding is like {pattern!r} any more: remove it")
    print(f"{judged} policies, {wrong} findings")
    return 1 if wrong or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
