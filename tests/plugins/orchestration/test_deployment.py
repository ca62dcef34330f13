"""The first task of a run: what it says of settings that are wrong, or that name what AWS does not have."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from botocore.exceptions import ClientError, NoRegionError

from smart_hub.operators import CopyRawDataOperator, RollBackOperator
from smart_hub.orchestration import deployment
from smart_hub.shared.layout import CONTRACT, CONTRACT_PARAMETER
from tests.fake_aws import FakeAws, Refused

FIRST_TASKS = [CopyRawDataOperator, RollBackOperator]


def test_of_what_is_there_nothing_is_said(aws: FakeAws, settings_of: Callable[..., Any]) -> None:
    assert deployment.problems(settings_of(), aws.client) == []
    # and it took no more than this
    assert [name for name, _ in aws.calls] == ["ListObjectsV2", "GetWorkGroup", "GetDatabase"]


def test_a_bucket_and_a_stack_that_are_not_there_are_named(aws: FakeAws, settings_of: Callable[..., Any]) -> None:
    settings = settings_of(SMART_HUB_DATA_BUCKET="another-data", SMART_HUB_STACK="another-hub")
    assert deployment.problems(settings, aws.client) == [
        "SMART_HUB_DATA_BUCKET: there is no bucket another-data in us-east-1; is the stack deployed there?",
        "SMART_HUB_STACK: there is no workgroup another-hub in us-east-1; is the stack deployed there?",
    ]


@pytest.mark.parametrize(("parameters", "contract"), [({}, "1"), ({CONTRACT_PARAMETER: "3"}, "3")])
def test_a_stack_of_another_version_is_refused(
    aws: FakeAws, settings_of: Callable[..., Any], parameters: dict[str, str], contract: str
) -> None:
    aws.database_parameters = parameters
    (problem,) = deployment.problems(settings_of(), aws.client)
    assert problem.startswith("SMART_HUB_STACK: the stack smart-hub is of another version than these DAGs")
    assert f"(contract {contract}, not {CONTRACT})" in problem


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "UnrecognizedClientException"])
def test_rights_that_are_lacking_are_told_with_the_words_of_aws(
    aws: FakeAws, settings_of: Callable[..., Any], code: str
) -> None:
    aws.refusal = Refused(403, code, "the user may not")
    bucket, stack = deployment.problems(settings_of(), aws.client)
    settings, said = bucket.split(": ", 1)
    assert settings == "SMART_HUB_DATA_BUCKET or SMART_HUB_AWS_CONN_ID"
    assert said.startswith("AWS refuses bucket the-data to the connection aws_default: ")
    assert said.endswith("the user may not")
    assert stack.startswith(
        "SMART_HUB_STACK or SMART_HUB_AWS_CONN_ID: AWS refuses workgroup smart-hub to the connection"
    )


def test_what_may_pass_by_itself_is_left_to_the_retries(aws: FakeAws, settings_of: Callable[..., Any]) -> None:
    aws.refusal = Refused(400, "ThrottlingException", "Rate exceeded")
    with pytest.raises(ClientError, match="Rate exceeded"):
        deployment.problems(settings_of(), aws.client)


def test_a_connection_of_the_users_own_has_to_be_there(
    aws: FakeAws, settings_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def connection(conn_id: str) -> None:
        raise AirflowNotFoundException(conn_id)

    monkeypatch.setattr(AwsBaseHook, "get_connection", connection)
    # the one that Airflow's provider does without is not asked for
    assert deployment.problems(settings_of(), aws.client) == []
    assert deployment.problems(settings_of(SMART_HUB_AWS_CONN_ID="aws_hub"), aws.client) == [
        "SMART_HUB_AWS_CONN_ID: there is no connection aws_hub"
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
def test_a_connection_that_leads_nowhere_is_named_once(
    settings_of: Callable[..., Any], error: Exception, said: str
) -> None:
    def client(service: str) -> None:
        raise error

    assert deployment.problems(settings_of(), client) == [
        f"SMART_HUB_AWS_CONN_ID: the connection aws_default does not do: {said}"
    ]


@pytest.mark.parametrize("operator", FIRST_TASKS)
def test_a_first_task_names_every_setting_before_it_asks_aws(
    operator: Any, aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]
) -> None:
    task = operator(task_id="first", settings=settings_of(SMART_HUB_DATA_BUCKET="", SMART_HUB_RETENTION_HOURS="a day"))
    with pytest.raises(
        AirflowFailException, match=r"SMART_HUB_DATA_BUCKET: not set.*SMART_HUB_RETENTION_HOURS: expected"
    ):
        task.execute(context_of())
    assert aws.calls == []


@pytest.mark.parametrize("operator", FIRST_TASKS)
def test_a_first_task_fails_before_it_does_anything_where_the_stack_is_not_there(
    operator: Any, aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]
) -> None:
    task = operator(task_id="first", settings=settings_of(SMART_HUB_STACK="another-hub"))
    with pytest.raises(AirflowFailException, match="SMART_HUB_STACK: there is no workgroup another-hub"):
        task.execute(context_of())
    assert [name for name, _ in aws.calls] == ["ListObjectsV2", "GetWorkGroup"]
