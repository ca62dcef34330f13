"""The DAG's task that refreshes the data sets of the dashboard."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import ClientError, ParamValidationError
from botocore.stub import Stubber

from smart_hub.orchestration import macros
from tests.plugins.conftest import REPOSITORY

ACCOUNT, DATA_SET = "111122223333", "smart-hub-usage_cost"
ANSWER = {"IngestionStatus": "INITIALIZED"}


@pytest.fixture
def quicksight(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """Responses of QuickSight's client, in order; the client validates requests against the service's model."""
    client = boto3.client("quicksight", region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
    monkeypatch.setattr(AwsGenericHook, "conn", property(lambda hook: {"quicksight": client}[hook.client_type]))
    monkeypatch.setattr(AwsGenericHook, "account_id", ACCOUNT)
    with Stubber(client) as stubber:
        yield stubber


@pytest.fixture
def refresh(context_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> tuple[str, Callable[[], Any]]:
    """The expected id of a data set's ingestion, and a function that runs its task."""
    monkeypatch.setenv("SMART_HUB_QUICKSIGHT", "true")
    bag = DagBag(dag_folder=REPOSITORY / "dags" / "smart_hub_usage.py")
    task: Any = bag.dags["smart_hub_usage"].task_dict["refresh_quicksight"]
    assert DATA_SET in task.expand_input.value["data_set_id"]
    operator = task.unmap({"data_set_id": DATA_SET})
    context = context_of()
    operator.render_template_fields({**context, **macros.MACROS})
    # renamed after version 9.34 of the provider
    setattr(operator, "waiter_delay" if hasattr(operator, "waiter_delay") else "check_interval", 0)
    return macros.version(context), lambda: operator.execute(context)


def ingestion(ingestion_id: str, status: str, **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:dataset/{DATA_SET}/ingestion/{ingestion_id}"
    return {"Ingestion": {"Arn": arn, "IngestionStatus": status, "CreatedTime": "2026-01-02T12:00:00Z", **more}}


def test_a_data_set_is_refreshed_in_full_and_waited_for(quicksight: Stubber, refresh: Any) -> None:
    version, start = refresh
    named = {"AwsAccountId": ACCOUNT, "DataSetId": DATA_SET, "IngestionId": version}
    quicksight.add_response("create_ingestion", ANSWER, {**named, "IngestionType": "FULL_REFRESH"})
    for status in ("QUEUED", "RUNNING", "COMPLETED"):
        quicksight.add_response("describe_ingestion", ingestion(version, status), named)

    start()

    quicksight.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_failed_refresh_fails_its_task(
    quicksight: Stubber, refresh: Any, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    version, start = refresh
    quicksight.add_response("create_ingestion", ANSWER)
    error = {"ErrorInfo": {"Type": "DATA_SOURCE_AUTH_FAILED", "Message": "no"}}
    for _ in range(2):  # its state, and then why
        quicksight.add_response("describe_ingestion", ingestion(version, status, **error))

    # older providers have the reason in the error, newer ones in the log
    with pytest.raises(
        (AirflowException, RuntimeError), match=rf"DATA_SOURCE_AUTH_FAILED|cancelled|{status}"
    ) as raised:
        start()
    if status == "FAILED":
        assert "DATA_SOURCE_AUTH_FAILED" in str(raised.value) + caplog.text


def test_a_refused_request_fails_the_task(quicksight: Stubber, refresh: Any) -> None:
    _, start = refresh
    quicksight.add_client_error("create_ingestion", "LimitExceededException", "32 a day")

    with pytest.raises(ClientError, match="32 a day"):
        start()


def test_the_stub_does_check_parameters(quicksight: Stubber) -> None:
    quicksight.add_response("create_ingestion", ANSWER)

    with pytest.raises(ParamValidationError, match="IngestionId"):
        quicksight.client.create_ingestion(AwsAccountId=ACCOUNT, DataSetId=DATA_SET)
