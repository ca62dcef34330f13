"""Every statement of every policy is needed: each is taken away in turn, and the day must fail for want of it.

What AWS needs and the local AWS does not ask for stands in needed_on_aws.yaml, with the page that says so.
"""

import copy
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from ops.settings import ROOT
from tests.access.conftest import Pipeline
from tests.cfn import load

RESOURCES = load((ROOT / "include" / "infrastructure" / "smart_hub.yaml").read_text())["Resources"]
NEEDED_ON_AWS = yaml.safe_load((Path(__file__).parent / "needed_on_aws.yaml").read_text())
# How AWS says no, and libraries that tell only the status.
DENIED = re.compile(r"not authorized to perform: (\w+:\w+)|AccessDenied|Access Denied|\b403\b|Permission denied")


class Statement(NamedTuple):
    """A statement of a policy: the policy's logical id, the name of an inline one, "" else, and the statement's."""

    resource: str
    policy: str
    sid: str

    @property
    def name(self) -> str:
        return f"{self.resource}.{self.sid}"


def statements() -> list[Statement]:
    """All of the template, conditional ones aside."""
    found = []
    for resource, item in RESOURCES.items():
        if "Condition" in item:
            continue
        if item["Type"] == "AWS::IAM::ManagedPolicy":
            document = item["Properties"]["PolicyDocument"]
            found += [Statement(resource, "", one["Sid"]) for one in document["Statement"]]
        elif item["Type"] == "AWS::IAM::Role":
            for policy in item["Properties"].get("Policies", []):
                document = policy["PolicyDocument"]
                found += [Statement(resource, policy["PolicyName"], one["Sid"]) for one in document["Statement"]]
    return found


LOCAL = [one for one in statements() if one.name not in NEEDED_ON_AWS]


def test_with_all_statements_the_day_runs(pipeline: Pipeline) -> None:
    # given the policies as deployed, when a day runs, expect no failure
    assert pipeline.run() == {}


@pytest.mark.parametrize("statement", LOCAL, ids=[one.name for one in LOCAL])
def test_without_a_statement_the_day_fails(pipeline: Pipeline, statement: Statement) -> None:
    # given the policies without one statement
    with _Without(pipeline, statement) as without:
        # when a day runs
        failures = pipeline.run()

    # expect it to fail for want of one of the statement's actions
    assert failures, f"{statement.name} is not needed here: remove it, or say in needed_on_aws.yaml why AWS needs it"
    denials = [DENIED.search(text) for text in failures.values()]
    assert any(denials), failures
    named = {found[1] for found in denials if found and found[1]}
    assert not named or named & set(without.actions), (failures, without.actions)
    print(f"{statement.name}: {failures}")


def test_what_aws_alone_needs_is_still_there() -> None:
    # given the file of exceptions, expect each to name a statement there is, a reason and a page of AWS
    names = {one.name for one in statements()}
    for name, entry in NEEDED_ON_AWS.items():
        assert name in names, name
        assert entry.keys() == {"why", "page"}, name
        assert entry["page"].startswith("https://docs.aws.amazon.com/"), name


class _Without:
    """The deployed policies without one statement, as a context."""

    def __init__(self, pipeline: Pipeline, statement: Statement) -> None:
        self._iam = pipeline.aws.client("iam")
        self._cfn = pipeline.aws.client("cloudformation")
        self._statement = statement
        self.actions: list[str] = []

    def __enter__(self) -> "_Without":
        physical = self._physical(self._statement.resource)
        if self._statement.policy:
            self._roles = [physical]
            self._name = self._statement.policy
            self._whole = self._iam.get_role_policy(RoleName=physical, PolicyName=self._name)["PolicyDocument"]
        else:
            # A role has the managed policy, or for a while one of its own in its stead.
            entities = self._iam.list_entities_for_policy(PolicyArn=physical)
            self._roles = [role["RoleName"] for role in entities["PolicyRoles"]]
            self._name = "instead"
            version = self._iam.get_policy(PolicyArn=physical)["Policy"]["DefaultVersionId"]
            got = self._iam.get_policy_version(PolicyArn=physical, VersionId=version)
            self._whole = got["PolicyVersion"]["Document"]
        rest = copy.deepcopy(self._whole)
        rest["Statement"] = [one for one in self._whole["Statement"] if one["Sid"] != self._statement.sid]
        (taken,) = [one for one in self._whole["Statement"] if one["Sid"] == self._statement.sid]
        self.actions = taken["Action"] if isinstance(taken["Action"], list) else [taken["Action"]]
        for role in self._roles:
            if not self._statement.policy:
                self._iam.detach_role_policy(RoleName=role, PolicyArn=physical)
            if rest["Statement"]:
                self._iam.put_role_policy(RoleName=role, PolicyName=self._name, PolicyDocument=json.dumps(rest))
            else:
                self._iam.delete_role_policy(RoleName=role, PolicyName=self._name)
        return self

    def __exit__(self, *_: Any) -> None:
        for role in self._roles:
            if self._statement.policy:
                whole = json.dumps(self._whole)
                self._iam.put_role_policy(RoleName=role, PolicyName=self._name, PolicyDocument=whole)
            else:
                self._iam.delete_role_policy(RoleName=role, PolicyName=self._name)
                self._iam.attach_role_policy(RoleName=role, PolicyArn=self._physical(self._statement.resource))

    def _physical(self, resource: str) -> str:
        found = self._cfn.describe_stack_resource(StackName="smart-hub", LogicalResourceId=resource)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])
