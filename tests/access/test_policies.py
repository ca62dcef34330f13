"""Every statement of every policy is needed: each is taken away in turn, and what needs it must fail for want of it.

What AWS needs and the local AWS does not ask for stands in needed_on_aws.yaml, with the page that says so.
"""

import copy
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from botocore.exceptions import ClientError

from benchmarks.dag_runner import TaskError
from ops.settings import ROOT
from ops.templates import load
from smart_hub.core import teardown
from smart_hub.core.stacks import StackError
from tests.access.conftest import TOPIC, RestrictedDeployment

TEMPLATES = {
    "bootstrap": ROOT / "include" / "infrastructure" / "bootstrap.yaml",
    "smart_hub": ROOT / "include" / "infrastructure" / "smart_hub.yaml",
    "quicksight": ROOT / "include" / "quicksight" / "quicksight.yaml",
}
STACKS = {"bootstrap": "smart-hub-bootstrap", "smart_hub": "smart-hub"}
NEEDED_ON_AWS = yaml.safe_load((Path(__file__).parent / "needed_on_aws.yaml").read_text())
# How AWS says no, and libraries that tell only the status.
DENIED = re.compile(r"not authorized to perform: (\w+:\w+)|AccessDenied|Access Denied|\b403\b|Permission denied")


class Statement(NamedTuple):
    """A statement: its template, the logical id of its role or policy, an inline policy's name or "", its Sid."""

    template: str
    resource: str
    policy: str
    sid: str

    @property
    def name(self) -> str:
        return f"{self.template}/{self.resource}.{self.sid}"


def statements() -> list[Statement]:
    """All statements of the templates' policies for principals."""
    found = []
    for template, path in TEMPLATES.items():
        for resource, item in load(path.read_text())["Resources"].items():
            policies = item["Properties"].get("Policies", []) if item["Type"] == "AWS::IAM::Role" else []
            documents = [(policy["PolicyName"], policy["PolicyDocument"]) for policy in policies]
            if item["Type"] == "AWS::IAM::ManagedPolicy":
                documents = [("", item["Properties"]["PolicyDocument"])]
            for policy, document in documents:
                found += [Statement(template, resource, policy, one["Sid"]) for one in document["Statement"]]
    return found


LOCAL = [one for one in statements() if one.name not in NEEDED_ON_AWS]
OF_TEARDOWN = [one for one in LOCAL if one.resource == "TeardownRole" or one.sid == "TearDown"]
OF_NOTICES = [one for one in LOCAL if one.resource == "NotificationPolicy"]
OF_A_DAY = [one for one in LOCAL if one not in [*OF_TEARDOWN, *OF_NOTICES]]


def named(of: list[Statement]) -> Any:
    return pytest.mark.parametrize("statement", of, ids=[one.name for one in of])


def test_with_all_statements_the_day_runs(deployment: RestrictedDeployment) -> None:
    # given the policies as deployed, when a day runs, expect no failure
    deployment.run_another_day()


@named(OF_A_DAY)
def test_without_a_statement_the_day_fails(deployment: RestrictedDeployment, statement: Statement) -> None:
    # given the policies without one statement, when a day runs, expect it to fail because an action is denied
    with Without(deployment, statement) as without:
        try:
            deployment.run_another_day()
        except TaskError as error:
            without.expect_denial(str(error))
        else:
            pytest.fail(f"{statement.name} is not needed: remove it, or say in needed_on_aws.yaml why AWS needs it")


@named(OF_TEARDOWN)
def test_without_a_statement_the_stack_is_not_removed(deployment: RestrictedDeployment, statement: Statement) -> None:
    # given the policies without one statement, and a stack that holds objects
    deployment.aws.client("s3").put_object(Bucket="smart-hub-data-000000000000-us-east-1", Key="staging/x", Body=b"x")

    # when the stack is removed as the DAG does it, expect a refusal, before the stack is deleted
    with Without(deployment, statement) as without, pytest.raises((ClientError, StackError)) as raised:
        teardown.remove(lambda service: deployment.client(service, "bootstrap/smart-hub-teardown"), "smart-hub", print)
    without.expect_denial(str(raised.value))
    stack = deployment.aws.client("cloudformation").describe_stacks(StackName="smart-hub")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"


@named(OF_NOTICES)
def test_without_a_statement_nobody_is_told(deployment: RestrictedDeployment, statement: Statement) -> None:
    # given Airflow's role, expect it to reach the topic, and not without the statement
    deployment.client("sns", "smart-hub-airflow").publish(TopicArn=TOPIC, Message="a task failed")
    with Without(deployment, statement) as without, pytest.raises(ClientError) as raised:
        deployment.client("sns", "smart-hub-airflow").publish(TopicArn=TOPIC, Message="a task failed")
    without.expect_denial(str(raised.value))


def test_what_aws_alone_needs_is_still_there() -> None:
    # given the file of exceptions, expect each to name a statement there is, a reason and a page of AWS
    names = {one.name for one in statements()}
    for name, entry in NEEDED_ON_AWS.items():
        assert name in names, name
        assert entry.keys() == {"why", "page"}, name
        assert entry["page"].startswith("https://docs.aws.amazon.com/"), name


class Without:
    """The deployed policies without one statement, as a context."""

    def __init__(self, deployment: RestrictedDeployment, statement: Statement) -> None:
        self._iam = deployment.aws.client("iam")
        self._inline = bool(statement.policy)
        resource = deployment.aws.client("cloudformation").describe_stack_resource(
            StackName=STACKS[statement.template], LogicalResourceId=statement.resource
        )
        self._id = resource["StackResourceDetail"]["PhysicalResourceId"]
        if self._inline:
            self._roles, self._policy = [self._id], statement.policy
            got = self._iam.get_role_policy(RoleName=self._id, PolicyName=self._policy)
            self._whole = got["PolicyDocument"]
        else:
            # Who has the managed policy has one of their own in its stead for a while.
            entities = self._iam.list_entities_for_policy(PolicyArn=self._id)
            self._roles, self._policy = [role["RoleName"] for role in entities["PolicyRoles"]], "instead"
            version = self._iam.get_policy(PolicyArn=self._id)["Policy"]["DefaultVersionId"]
            got = self._iam.get_policy_version(PolicyArn=self._id, VersionId=version)
            self._whole = got["PolicyVersion"]["Document"]
        self._rest = copy.deepcopy(self._whole)
        self._rest["Statement"] = [one for one in self._whole["Statement"] if one["Sid"] != statement.sid]
        (taken,) = [one for one in self._whole["Statement"] if one["Sid"] == statement.sid]
        self._actions = taken["Action"] if isinstance(taken["Action"], list) else [taken["Action"]]

    def expect_denial(self, error: str) -> None:
        """Assert that AWS denied something, and that the denied action, if the error names it, is the statement's."""
        denial = DENIED.search(error)
        assert denial, error
        assert denial[1] is None or denial[1] in self._actions, (error, self._actions)

    def __enter__(self) -> "Without":
        for role in self._roles:
            if not self._inline:
                self._iam.detach_role_policy(RoleName=role, PolicyArn=self._id)
            if self._rest["Statement"]:
                self._put(role, self._rest)
            elif self._inline:
                self._iam.delete_role_policy(RoleName=role, PolicyName=self._policy)
        return self

    def __exit__(self, *_: Any) -> None:
        for role in self._roles:
            if self._inline:
                self._put(role, self._whole)
                continue
            if self._rest["Statement"]:
                self._iam.delete_role_policy(RoleName=role, PolicyName=self._policy)
            self._iam.attach_role_policy(RoleName=role, PolicyArn=self._id)

    def _put(self, role: str, document: dict[str, Any]) -> None:
        self._iam.put_role_policy(RoleName=role, PolicyName=self._policy, PolicyDocument=json.dumps(document))
