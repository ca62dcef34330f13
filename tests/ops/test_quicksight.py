"""The deployment of the dashboard against a stubbed CloudFormation: what it asks for, in which order.

botocore's stubs check each request and each answer against the models of the services.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from ops import package, quicksight
from ops.cloudformation import DeployError
from smart_hub.core.stacks import StackError

BUCKET, URL = "smart-hub-artifacts-111122223333-us-east-1", "https://us-east-1.quicksight.aws.amazon.com/sn/dashboards/"
STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/smart-hub-quicksight/1"
CHANGES_ID = "arn:aws:cloudformation:us-east-1:111122223333:changeSet/deploy-1/1"
CHANGES = {"ChangeSetName": CHANGES_ID, "StackName": STACK_ID}
OWNER = "arn:aws:quicksight:us-east-1:111122223333:group/default/analysts"
TEMPLATE = package.quicksight(quicksight.without_aliases((package.ROOT / quicksight.TEMPLATE).read_text()))
TEMPLATE_URL = f"http://127.0.0.1:9/{BUCKET}/{TEMPLATE.key}"
KNOWN = [{"ParameterKey": key} for key in ("StackName", "OwnerPrincipal", "ReaderPrincipal")]
TAGS = [{"Key": "project", "Value": "smart-hub"}, {"Key": "stack", "Value": "smart-hub"}]


class Aws:
    """CloudFormation and S3, each of which answers what it is told to, in order, and nothing else."""

    region_name = "us-east-1"

    def __init__(self) -> None:
        options = {"region_name": "us-east-1", "aws_access_key_id": "-", "aws_secret_access_key": "-"}
        # An address of this machine, so that waiting for a stack is as short as for an emulator.
        self._clients: dict[str, Any] = {
            name: boto3.client(name, endpoint_url="http://127.0.0.1:9", **options)  # type: ignore[call-overload]
            for name in ("cloudformation", "s3")
        }
        self.cfn, self.s3 = (Stubber(client) for client in self._clients.values())

    def client(self, name: str, **options: Any) -> Any:
        return self._clients[name]

    def stack(self, name: str, status: str, parameters: tuple[str, ...] = (), **outputs: str) -> None:
        """Answers for a stack."""
        stack = {
            "StackName": name,
            "StackId": STACK_ID,
            "CreationTime": "2026-01-02T12:00:00Z",
            "StackStatus": status,
            "Parameters": [{"ParameterKey": key, "ParameterValue": "-"} for key in parameters],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        }
        self.cfn.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": ANY})

    def no_stack(self, name: str) -> None:
        message = f"Stack with id {name} does not exist"
        self.cfn.add_client_error("describe_stacks", "ValidationError", message, expected_params={"StackName": name})

    def bootstrap(self, uploaded: bool) -> None:
        """Answers for the stack that the main one stands on, and for the template in its bucket."""
        self.stack("smart-hub-bootstrap", "CREATE_COMPLETE", ArtifactsBucket=BUCKET)
        place = {"Bucket": BUCKET, "Key": TEMPLATE.key}
        if uploaded:
            self.s3.add_response("head_object", {}, place)
        else:
            self.s3.add_client_error("head_object", "404", http_status_code=404, expected_params=place)
            self.s3.add_response("put_object", {}, {**place, "Body": TEMPLATE.body})

    def change_set(self, kind: str, parameters: list[dict[str, Any]], **more: Any) -> None:
        """Expects a change set of that kind."""
        self.cfn.add_response("get_template_summary", {"Parameters": KNOWN}, {"TemplateURL": TEMPLATE_URL})
        request = {
            "StackName": "smart-hub-quicksight",
            "ChangeSetName": ANY,
            "ChangeSetType": kind,
            "TemplateURL": TEMPLATE_URL,
            "Parameters": parameters,
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Tags": TAGS,
            **more,
        }
        self.cfn.add_response("create_change_set", {"Id": CHANGES_ID, "StackId": STACK_ID}, request)

    def changes(self, action: str) -> None:
        """Answers that the change set is there, and expects that it is executed."""
        change = {"Action": action, "ResourceType": "AWS::QuickSight::Dashboard", "LogicalResourceId": "Dashboard"}
        answer = {"Status": "CREATE_COMPLETE", "Changes": [{"Type": "Resource", "ResourceChange": change}]}
        for _ in range(2):  # the waiter's question, and the deployment's
            self.cfn.add_response("describe_change_set", answer, CHANGES)
        self.cfn.add_response("execute_change_set", {}, CHANGES)


@pytest.fixture
def aws() -> Iterator[Aws]:
    made = Aws()
    with made.cfn, made.s3:
        yield made
        made.cfn.assert_no_pending_responses()
        made.s3.assert_no_pending_responses()


def deploy(aws: Any, **options: Any) -> SimpleNamespace:
    lines: list[str] = []
    outputs = quicksight.deploy_dashboard(aws, log=lines.append, **options)
    return SimpleNamespace(outputs=outputs, lines=lines)


def test_it_is_created_from_the_template_in_the_artifacts_bucket(aws: Aws) -> None:
    aws.bootstrap(uploaded=False)
    aws.no_stack("smart-hub-quicksight")
    given = [
        {"ParameterKey": "StackName", "ParameterValue": "smart-hub"},
        {"ParameterKey": "OwnerPrincipal", "ParameterValue": OWNER},
    ]
    aws.change_set("CREATE", given, OnStackFailure="DELETE")
    aws.changes("Add")
    for _ in range(2):  # the waiter's question, and the deployment's
        aws.stack("smart-hub-quicksight", "CREATE_COMPLETE", DashboardUrl=URL)

    done = deploy(aws, parameters={"OwnerPrincipal": OWNER})

    assert done.outputs == {"DashboardUrl": URL}
    assert done.lines == [
        f"uploaded s3://{BUCKET}/{TEMPLATE.key}",
        "smart-hub-quicksight: add AWS::QuickSight::Dashboard Dashboard",
        "smart-hub-quicksight: created",
    ]


def test_it_is_updated_in_place_and_keeps_the_parameters_it_has(aws: Aws) -> None:
    aws.bootstrap(uploaded=True)
    aws.stack("smart-hub-quicksight", "UPDATE_COMPLETE", ("StackName", "OwnerPrincipal"))
    kept = [
        {"ParameterKey": "StackName", "ParameterValue": "smart-hub"},
        {"ParameterKey": "OwnerPrincipal", "UsePreviousValue": True},
    ]
    aws.change_set("UPDATE", kept)
    aws.changes("Modify")
    for _ in range(2):
        aws.stack("smart-hub-quicksight", "UPDATE_COMPLETE", DashboardUrl=URL)

    assert deploy(aws).lines == [
        "smart-hub-quicksight: modify AWS::QuickSight::Dashboard Dashboard",
        "smart-hub-quicksight: updated",
    ]


def test_without_a_change_nothing_is_executed(aws: Aws) -> None:
    aws.bootstrap(uploaded=True)
    aws.stack("smart-hub-quicksight", "CREATE_COMPLETE")
    aws.change_set("UPDATE", [{"ParameterKey": "StackName", "ParameterValue": "smart-hub"}])
    failed = {"Status": "FAILED", "StatusReason": "The submitted information didn't contain changes."}
    for _ in range(2):
        aws.cfn.add_response("describe_change_set", failed, CHANGES)
    aws.cfn.add_response("delete_change_set", {}, CHANGES)
    aws.stack("smart-hub-quicksight", "CREATE_COMPLETE", DashboardUrl=URL)

    done = deploy(aws)

    assert (done.outputs, done.lines) == ({"DashboardUrl": URL}, ["smart-hub-quicksight: no changes"])


def test_it_needs_the_main_stack(aws: Aws) -> None:
    aws.no_stack("smart-hub-bootstrap")

    with pytest.raises(DeployError, match="no stack smart-hub-bootstrap: deploy the main stack first"):
        deploy(aws)


def test_it_is_deleted_by_its_id(aws: Aws) -> None:
    lines: list[str] = []
    aws.stack("smart-hub-quicksight", "UPDATE_COMPLETE")
    aws.cfn.add_response("delete_stack", {}, {"StackName": STACK_ID})
    for status in ("DELETE_IN_PROGRESS", "DELETE_COMPLETE"):
        aws.stack("smart-hub-quicksight", status)

    quicksight.delete_dashboard(aws, log=lines.append)  # type: ignore[arg-type]

    assert lines == ["smart-hub-quicksight: deleted"]


def test_there_may_be_nothing_to_delete(aws: Aws) -> None:
    lines: list[str] = []
    aws.no_stack("smart-hub-quicksight")

    quicksight.delete_dashboard(aws, log=lines.append)  # type: ignore[arg-type]

    assert lines == ["smart-hub-quicksight: there is no such stack"]


def test_a_deletion_that_fails_names_the_resource(aws: Aws) -> None:
    aws.stack("smart-hub-quicksight", "CREATE_COMPLETE")
    aws.cfn.add_response("delete_stack", {}, {"StackName": STACK_ID})
    aws.stack("smart-hub-quicksight", "DELETE_FAILED")
    event = {"StackId": STACK_ID, "EventId": "1", "StackName": "-", "Timestamp": "2026-01-02T12:00:00Z"}
    failed = {"ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "in use", "PhysicalResourceId": "rates"}
    kind = {"ResourceType": "AWS::QuickSight::DataSet", "LogicalResourceId": "Rates"}
    began = {"ResourceStatus": "DELETE_IN_PROGRESS", "PhysicalResourceId": STACK_ID}
    before = {"ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "long ago", "PhysicalResourceId": "theme"}
    events = [{**event, **kind, **failed}, {**event, **began}, {**event, **kind, **before}]
    aws.cfn.add_response("describe_stack_events", {"StackEvents": events}, {"StackName": STACK_ID})

    with pytest.raises(StackError, match="smart-hub-quicksight: AWS::QuickSight::DataSet Rates failed: in use"):
        quicksight.delete_dashboard(aws)  # type: ignore[arg-type]


def test_the_command_prints_what_cloudformation_gets(capsys: pytest.CaptureFixture[str]) -> None:
    assert quicksight.main(["--print"]) == 0

    assert capsys.readouterr().out.encode() == TEMPLATE.body
