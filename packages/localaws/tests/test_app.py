"""The application in front of ministack: health, corrections of ministack's responses, refusals."""

import json
import urllib.request

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from localaws.testing import LocalAws


def test_health_answers_when_ready(aws: LocalAws) -> None:
    # given a running server, when its health is requested
    with urllib.request.urlopen(f"{aws.endpoint}/_localaws/health") as answer:
        document = json.load(answer)

    # expect the documented response
    assert (answer.status, document) == (200, {"status": "ok"})


def test_a_table_without_a_description_has_none(aws: LocalAws) -> None:
    # given one table without a description and one with
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": "described"})
    glue.create_table(DatabaseName="described", TableInput={"Name": "bare"})
    glue.create_table(DatabaseName="described", TableInput={"Name": "full", "Description": "sales by day"})

    # when they are read one by one and as a list
    bare = glue.get_table(DatabaseName="described", Name="bare")["Table"]
    tables = glue.get_tables(DatabaseName="described")["TableList"]

    # expect a description only where one was given, as on AWS
    assert "Description" not in bare
    assert {table["Name"]: table.get("Description") for table in tables} == {
        "bare": None,
        "full": "sales by day",
    }


def test_tables_are_found_by_a_regular_expression(aws: LocalAws) -> None:
    # given tables, one of which matches a regular expression that matches none as a glob
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": "searched"})
    for name in ("staging_usage", "usage", "unstaging_usage"):
        glue.create_table(DatabaseName="searched", TableInput={"Name": name})

    # when it is searched, expect that table
    found = glue.get_tables(DatabaseName="searched", Expression="staging_.*")["TableList"]
    assert [table["Name"] for table in found] == ["staging_usage"]

    # expect an error for an invalid expression
    with pytest.raises(ClientError, match="InvalidInputException"):
        glue.get_tables(DatabaseName="searched", Expression="staging_(")


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("dt >= '2019-12-21'", ["2019-12-21", "2019-12-22"]),
        ("dt >= '2019-12-20' AND dt <= '2019-12-21'", ["2019-12-20", "2019-12-21"]),
        ("dt IN ('2019-12-22', '2020-01-01')", ["2019-12-22"]),
        ("state LIKE 'c%'", ["2019-12-22"]),
        ("dt > '2020-01-01'", []),
    ],
)
def test_partitions_are_filtered_by_their_keys(
    aws: LocalAws, partitioned: str, expression: str, days: list[str]
) -> None:
    # given three days, when they are listed with an expression, expect those that match
    found = aws.client("glue").get_partitions(DatabaseName=partitioned, TableName="usage", Expression=expression)
    assert [partition["Values"][0] for partition in found["Partitions"]] == days


@pytest.mark.parametrize(
    "expression",
    ["dt >=", "day = '2019-12-21'", "1 = 1; DROP TABLE x", "lower(state) = 'ca'", "dt > DATE '2019-12-21'"],
)
def test_an_invalid_partition_filter_is_refused(aws: LocalAws, partitioned: str, expression: str) -> None:
    with pytest.raises(ClientError, match="InvalidInputException"):
        aws.client("glue").get_partitions(DatabaseName=partitioned, TableName="usage", Expression=expression)


@pytest.fixture(scope="module")
def partitioned(aws: LocalAws) -> str:
    """A database with the table usage, partitioned by day and state."""
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": "partitioned"})
    keys = [{"Name": "dt", "Type": "date"}, {"Name": "state", "Type": "string"}]
    glue.create_table(DatabaseName="partitioned", TableInput={"Name": "usage", "PartitionKeys": keys})
    for values in (["2019-12-20", "or"], ["2019-12-21", "or"], ["2019-12-22", "ca"]):
        glue.create_partition(DatabaseName="partitioned", TableName="usage", PartitionInput={"Values": values})
    return "partitioned"


def test_an_action_that_ministack_only_simulates_is_refused(aws: LocalAws) -> None:
    # given an action that ministack answers with made-up data, when it is called, expect an error
    with pytest.raises(ClientError, match="does not cover StartWorkflowRun"):
        aws.client("glue").start_workflow_run(Name="anything")


@pytest.mark.parametrize(("service", "action"), [("athena", "list_query_executions"), ("glue", "get_databases")])
def test_a_request_that_is_not_json_is_refused(aws: LocalAws, service: str, action: str) -> None:
    def truncate(request: AWSRequest, **_: object) -> None:
        request.data = "{"

    # given an action of our services or of ministack, and a body that is truncated before it is signed
    client = aws.client(service)
    client.meta.events.register_first(f"before-sign.{service}", truncate)
    try:
        # when it is called, expect the service's error
        with pytest.raises(ClientError, match=r"SerializationException.*not JSON"):
            getattr(client, action)()
    finally:
        client.meta.events.unregister(f"before-sign.{service}", truncate)
