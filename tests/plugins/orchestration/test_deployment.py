"""The first task of a run: its errors for invalid settings, and for settings that name resources AWS does not have."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from botocore.exceptions import ClientError, NoRegionError

from smart_hub.core.settings import Problem
from smart_hub.operators import CopyRawDataOperator, RollBackOperator
from smart_hub.orchestration import deployment
from smart_hub.shared.layout import CONTRACT, CONTRACT_PARAMETER
from tests.fake_aws import FakeAws, Refused

FIRST_TASKS = [CopyRawDataOperator, RollBackOperator]


def test_existing_resources_are_no_problem(aws: FakeAws, settings_of: Callable[..., Any]) -> None:
    assert deployment.problems(settings_of(), aws.client) == []
    # with no other requests
    assert [name for name, _ in aws.calls] == ["ListObjectsV2", "GetWorkGroup", "GetDatabase"]


def test_a_missing_bucket_and_a_missing_stack_are_reported(aws: FakeAws, settings_of: Callable[..., Any]) -> None:
    settings = settings_of(SMART_HUB_DATA_BUCKET="another-data", SMART_HUB_STACK="another-hub")
    assert deployment.problems(settings, aws.client) == [
        Problem("SMART_HUB_DATA_BUCKET", "there is no bucket another-data in us-east-1; is the stack deployed there?"),
        Problem("SMART_HUB_STACK", "there is no workgroup another-hub in us-east-1; is the stack deployed there?"),
    ]


@pytest.mark.parametrize(("parameters", "contract"), [({}, "1"), ({CONTRACT_PARAMETER: "3"}, "3")])
def test_a_stack_of_another_version_is_refused(
    aws: FakeAws, settings_of: Callable[..., Any], parameters: dict[str, str], contract: str
) -> None:
    aws.database_parameters = parameters
    (problem,) = deployment.problems(settings_of(), aws.client)
    assert problem.setting == "SMART_HUB_STACK"
    assert problem.message.startswith("the stack smart-hub is of another version than these DAGs")
    assert f"(contract {contract}, not {CONTRACT})" in problem.message


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "UnrecognizedClientException"])
def test_a_missing_permission_is_reported_with_the_message_of_aws(
    aws: FakeAws, settings_of: Callable[..., Any], code: str
) -> None:
    aws.refusal = Refused(403, code, "the user may not")
    bucket, stack = deployment.problems(settings_of(), aws.client)
    connection = "the connection aws_default (SMART_HUB_AWS_CONN_ID)"
    assert bucket.setting == "SMART_HUB_DATA_BUCKET"
    assert bucket.message.startswith(f"{connection} has no access to bucket the-data: ")
    assert bucket.message.endswith("the user may not")
    assert stack.setting == "SMART_HUB_STACK"
    assert stack.message.startswith(f"{connection} has no access to workgroup smart-hub: ")


def test_transient_errors_are_left_to_the_retries(aws: FakeAws, settings_of: Callable[..., Any]) -> None:
    aws.refusal = Refused(400, "ThrottlingException", "Rate exceeded")
    with pytest.raises(ClientError, match="Rate exceeded"):
        deployment.problems(settings_of(), aws.client)


def test_a_connection_with_another_id_has_to_exist(
    aws: FakeAws, settings_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def connection(conn_id: str) -> None:
        raise AirflowNotFoundException(conn_id)

    monkeypatch.setattr(AwsBaseHook, "get_connection", connection)
    # Airflow's provider works without aws_default
    assert deployment.problems(settings_of(), aws.client) == []
    assert deployment.problems(settings_of(SMART_HUB_AWS_CONN_ID="aws_hub"), aws.client) == [
        Problem("SMART_HUB_AWS_CONN_ID", "there is no connection aws_hub")
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoRegionError(), "You must specify a region."),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "not this role"}}, "AssumeRole"),
            "An error occurred (AccessDenied) when calling the AssumeRole operation: not this role",
        ),
    ],
)
def test_an_incomplete_connection_is_reported_once(
    settings_of: Callable[..., Any], error: Exception, said: str
) -> None:
    def client(service: str) -> None:
        raise error

    assert deployment.problems(settings_of(), client) == [
        Problem("SMART_HUB_AWS_CONN_ID", f"the connection aws_default does not work: {said}")
    ]


@pytest.mark.parametrize("operator", FIRST_TASKS)
def test_a_first_task_names_every_invalid_setting_before_it_calls_aws(
    operator: Any, aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]
) -> None:
    task = operator(task_id="first", settings=settings_of(SMART_HUB_DATA_BUCKET="", SMART_HUB_RETENTION_HOURS="a day"))
    with pytest.raises(
        AirflowFailException, match=r"SMART_HUB_DATA_BUCKET: not set.*SMART_HUB_RETENTION_HOURS: expected"
    ):
        task.execute(context_of())
    assert aws.calls == []


@pytest.mark.parametrize("operator", FIRST_TASKS)
def test_a_first_task_fails_before_it_changes_anything_if_the_stack_does_not_exist(
    operator: Any, aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]
) -> None:
    task = operator(task_id="first", settings=settings_of(SMART_HUB_STACK="another-hub"))
    with pytest.raises(AirflowFailException, match="SMART_HUB_STACK: there is no workgroup another-hub"):
        task.execute(context_of())
    assert [name for name, _ in aws.calls] == ["ListObjectsV2", "GetWorkGroup"]


@pytest.mark.parametrize("operator", FIRST_TASKS)
def test_a_first_task_logs_deprecated_settings(
    operator: Any, aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any], capsys: Any
) -> None:
    # given the old name of a setting, and a bucket that does not exist
    with pytest.warns(FutureWarning, match="SMART_HUB_KEEP_HOURS"):
        settings = settings_of(SMART_HUB_KEEP_HOURS="48", SMART_HUB_DATA_BUCKET="another-data")
    task = operator(task_id="first", settings=settings)
    with pytest.raises(AirflowFailException):
        task.execute(context_of())
    # expect the warning in the log of the task, although it fails
    assert "SMART_HUB_KEEP_HOURS is now called SMART_HUB_RETENTION_HOURS" in capsys.readouterr().out
