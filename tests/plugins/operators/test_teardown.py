"""The removal of a stack: its order and its errors."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from smart_hub.core import teardown
from smart_hub.core.stacks import StackError

STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/smart-hub/1"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
BUCKET = "smart-hub-data"


class Aws:
    """Services with the given responses, in order; botocore validates requests and responses."""

    def __init__(self) -> None:
        options = {"region_name": "us-east-1", "aws_access_key_id": "-", "aws_secret_access_key": "-"}
        # With a loopback address, the code polls a stack's state as fast as on the local AWS.
        self._clients: dict[str, Any] = {
            name: boto3.client(name, endpoint_url="http://127.0.0.1:9", **options)  # type: ignore[call-overload]
            for name in ("cloudformation", "s3", "glue", "athena")
        }
        self.stubs = {name: Stubber(client) for name, client in self._clients.items()}
        self.cfn, self.s3, self.glue, self.athena = self.stubs.values()

    def client(self, name: str) -> Any:
        return self._clients[name]

    def stack(self, status: str, **more: Any) -> None:
        stack = {"StackName": "smart-hub", "StackId": STACK_ID, "CreationTime": NOW, "StackStatus": status, **more}
        self.cfn.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": ANY})

    def no_stack(self) -> None:
        self.cfn.add_client_error("describe_stacks", "ValidationError", "Stack with id smart-hub does not exist")

    def resources(self, *resources: tuple[str, str]) -> None:
        summaries = [
            {
                "LogicalResourceId": "Any",
                "ResourceType": kind,
                "PhysicalResourceId": name,
                "LastUpdatedTimestamp": NOW,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for kind, name in resources
        ]
        self.cfn.add_response("list_stack_resources", {"StackResourceSummaries": summaries}, {"StackName": "smart-hub"})

    def lists(self, *keys: str) -> None:
        versions = [{"Key": key, "VersionId": "1", "Size": 10} for key in keys]
        self.s3.add_response("list_object_versions", {"Versions": versions}, {"Bucket": BUCKET})

    def deletes(self, *keys: str, errors: tuple[dict[str, str], ...] = ()) -> None:
        wanted = {"Objects": [{"Key": key, "VersionId": "1"} for key in keys], "Quiet": True}
        self.s3.add_response("delete_objects", {"Errors": list(errors)}, {"Bucket": BUCKET, "Delete": wanted})

    def deletion(self, *statuses: str) -> None:
        """Expects the deletion of the stack, with these states while the code waits."""
        self.stack("CREATE_COMPLETE")
        self.cfn.add_response("delete_stack", {}, {"StackName": STACK_ID})
        for status in statuses:
            self.stack(status)


@pytest.fixture
def aws() -> Iterator[Aws]:
    services = Aws()
    for stub in services.stubs.values():
        stub.activate()
    yield services
    for stub in services.stubs.values():
        stub.assert_no_pending_responses()


def remove(aws: Aws) -> list[str]:
    lines: list[str] = []
    teardown.remove(aws.client, "smart-hub", lines.append)
    return lines


def test_objects_that_arrive_while_the_bucket_is_emptied_are_deleted(aws: Aws) -> None:
    lines: list[str] = []
    for keys in (("a", "b"), ("late",), ()):
        aws.lists(*keys)
        if keys:
            aws.deletes(*keys)

    teardown.empty(aws.client("s3"), BUCKET, lines.append)

    assert lines == ["smart-hub-data: emptied, 3 objects deleted"]


def test_emptying_fails_if_objects_keep_arriving(aws: Aws) -> None:
    for _ in range(5):
        aws.lists("a")
        aws.deletes("a")

    with pytest.raises(
        StackError, match="smart-hub-data: new objects arrive as fast as they are deleted: stop the programs"
    ):
        teardown.empty(aws.client("s3"), BUCKET, print)


def test_an_object_that_cannot_be_deleted_is_named(aws: Aws) -> None:
    aws.lists("a")
    aws.deletes("a", errors=({"Key": "a", "Code": "AccessDenied", "Message": "locked"},))

    with pytest.raises(StackError, match="1 objects were not deleted, the first a: AccessDenied locked"):
        teardown.empty(aws.client("s3"), BUCKET, print)


def test_a_missing_bucket_counts_as_empty(aws: Aws) -> None:
    aws.s3.add_client_error("list_object_versions", "NoSuchBucket", http_status_code=404)

    teardown.empty(aws.client("s3"), BUCKET, print)


def test_crawls_job_runs_and_queries_end_before_the_bucket_is_emptied(aws: Aws) -> None:
    aws.stack("CREATE_COMPLETE")
    aws.resources(
        ("AWS::Glue::Crawler", "smart-hub-usage"),
        ("AWS::Glue::Job", "smart-hub-rates"),
        ("AWS::Athena::WorkGroup", "smart-hub"),
        ("AWS::S3::Bucket", BUCKET),
    )
    # given that they first run, then stop, and finally have ended
    for crawler, job, query in (
        ("RUNNING", "RUNNING", "RUNNING"),
        ("STOPPING", "STOPPING", "CANCELLED"),
        ("READY", "STOPPED", "CANCELLED"),
    ):
        aws.glue.add_response("get_crawler", {"Crawler": {"State": crawler}}, {"Name": "smart-hub-usage"})
        aws.glue.add_response("get_job_runs", {"JobRuns": [{"Id": "jr_1", "JobRunState": job}]})
        aws.athena.add_response("list_query_executions", {"QueryExecutionIds": ["q1"]}, {"WorkGroup": "smart-hub"})
        execution = {"QueryExecutionId": "q1", "Status": {"State": query}}
        aws.athena.add_response("batch_get_query_execution", {"QueryExecutions": [execution]})
        if crawler == "RUNNING":
            aws.glue.add_response("stop_crawler", {}, {"Name": "smart-hub-usage"})
            aws.glue.add_response("batch_stop_job_run", {}, {"JobName": "smart-hub-rates", "JobRunIds": ["jr_1"]})
            aws.athena.add_response("stop_query_execution", {}, {"QueryExecutionId": "q1"})
    aws.lists()
    aws.deletion("DELETE_COMPLETE")

    assert remove(aws) == [
        "stopping crawler smart-hub-usage",
        "stopping job run jr_1",
        "stopping query q1",
        "smart-hub: deleted",
    ]


def test_a_crawl_may_end_before_it_is_stopped(aws: Aws) -> None:
    aws.stack("CREATE_COMPLETE")
    aws.resources(("AWS::Glue::Crawler", "smart-hub-usage"))
    aws.glue.add_response("get_crawler", {"Crawler": {"State": "RUNNING"}})
    aws.glue.add_client_error("stop_crawler", "CrawlerNotRunningException")
    aws.glue.add_response("get_crawler", {"Crawler": {"State": "READY"}})
    aws.deletion("DELETE_COMPLETE")

    remove(aws)


def test_a_deletion_that_fails_because_of_a_late_object_is_repeated(aws: Aws) -> None:
    events = [
        {
            "StackId": STACK_ID,
            "EventId": "1",
            "StackName": "smart-hub",
            "Timestamp": NOW,
            "ResourceType": "AWS::S3::Bucket",
            "LogicalResourceId": "DataBucket",
            "PhysicalResourceId": BUCKET,
            "ResourceStatus": "DELETE_FAILED",
            "ResourceStatusReason": "not empty",
        }
    ]
    aws.stack("CREATE_COMPLETE")
    aws.resources(("AWS::S3::Bucket", BUCKET))
    aws.lists()
    aws.deletion("DELETE_FAILED")
    aws.cfn.add_response("describe_stack_events", {"StackEvents": events})
    aws.lists("late")
    # the second try
    aws.stack("DELETE_FAILED")
    aws.resources(("AWS::S3::Bucket", BUCKET))
    aws.lists("late")
    aws.deletes("late")
    aws.lists()
    aws.deletion("DELETE_COMPLETE")

    assert remove(aws) == [
        "smart-hub: new objects in smart-hub-data; trying again",
        "smart-hub-data: emptied, 1 objects deleted",
        "smart-hub: deleted",
    ]


def test_a_stack_that_is_being_updated_keeps_its_data(aws: Aws) -> None:
    aws.stack("UPDATE_IN_PROGRESS")

    with pytest.raises(StackError, match="smart-hub is in state UPDATE_IN_PROGRESS: wait"):
        remove(aws)


def test_a_protected_stack_keeps_its_data(aws: Aws) -> None:
    aws.stack("CREATE_COMPLETE", EnableTerminationProtection=True)

    with pytest.raises(StackError, match="--no-enable-termination-protection --stack-name smart-hub"):
        remove(aws)


def test_a_missing_stack_is_reported(aws: Aws) -> None:
    aws.no_stack()
    assert remove(aws) == ["smart-hub: there is no such stack"]

    aws.no_stack()
    assert teardown.inventory(aws.client, "smart-hub") is None


# The operators


@pytest.fixture
def operator(settings_of: Callable[..., Any]) -> Callable[..., Any]:
    def make(kind: str, **settings: str) -> Any:
        from smart_hub import operators

        return getattr(operators, kind)(task_id="any", settings=settings_of(**settings))

    return make


def context(stack: str = "smart-hub", **active: int) -> Any:
    def get_dr_count(dag_id: str, states: list[str]) -> int:
        assert set(states) == {"queued", "running"}
        return active.get(dag_id, 0)

    return {"params": {"stack": stack}, "ti": SimpleNamespace(get_dr_count=get_dr_count)}


@pytest.mark.parametrize("kind", ["TeardownPreviewOperator", "TeardownOperator"])
@pytest.mark.parametrize("dag_id", ["smart_hub_usage", "smart_hub_roll_back"])
def test_teardown_fails_while_runs_are_active(operator: Callable[..., Any], kind: str, dag_id: str) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=f"2 runs of {dag_id} are queued or running"):
        operator(kind).execute(context(**{dag_id: 2}))


@pytest.mark.parametrize("kind", ["TeardownPreviewOperator", "TeardownOperator"])
def test_teardown_fails_if_another_stack_is_named(operator: Callable[..., Any], kind: str) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="the stack of this deployment is smart-hub, not 'other'"):
        operator(kind).execute(context("other"))


def test_teardown_fails_if_a_setting_is_wrong(operator: Callable[..., Any]) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="SMART_HUB_MIRROR"):
        operator("TeardownOperator", SMART_HUB_MIRROR="perhaps").execute(context())


def test_without_its_role_the_teardown_names_the_command_to_run(
    operator: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from smart_hub.operators import base

    sts = boto3.client("sts", region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
    with Stubber(sts) as stub:
        stub.add_client_error("get_caller_identity", "AccessDenied", "no such role", http_status_code=403)
        monkeypatch.setattr(base, "clients", lambda aws_conn_id: {"sts": sts}.__getitem__)

        with pytest.raises(AirflowFailException, match="make destroy STACK=smart-hub deletes the rest"):
            operator("TeardownOperator").execute(context())
