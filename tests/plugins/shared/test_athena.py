"""AthenaRunner starts queries together, waits for them, and stops them after an error."""

from collections.abc import Callable

import pytest

from smart_hub.shared.athena import AthenaRunner, QueryFailed, QueryTimedOut, request_token
from tests.fake_aws import FakeAws

VERSION = "v0123456789abcdef"


@pytest.fixture
def athena_with(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AthenaRunner]:
    """A runner with so many seconds left, whose pauses take no time."""

    def make(seconds: float = 100.0) -> AthenaRunner:
        clock = [seconds]
        monkeypatch.setattr("time.sleep", lambda pause: clock.__setitem__(0, clock[0] - pause))
        return AthenaRunner(
            client=aws.client("athena"),
            workgroup="smart-hub",
            database="smart_hub",
            output="s3://the-data/athena-results/run/",
            version=VERSION,
            seconds_left=lambda: clock[0],
        )

    return make


def test_all_statements_are_started_before_the_runner_waits(
    aws: FakeAws, athena_with: Callable[..., AthenaRunner]
) -> None:
    assert athena_with().run("SELECT 1", "SELECT 2") == ["1", "2"]
    assert [operation for operation, _ in aws.calls] == [
        "StartQueryExecution",
        "StartQueryExecution",
        "GetQueryExecution",
        "GetQueryExecution",
    ]
    assert aws.stopped == []


def test_a_query_has_workgroup_database_output_and_token(
    aws: FakeAws, athena_with: Callable[..., AthenaRunner]
) -> None:
    athena_with().run("SELECT 1")
    assert aws.called("StartQueryExecution") == [
        {
            "QueryString": "SELECT 1",
            # printf 'v0123456789abcdef\nSELECT 1' | sha256sum
            "ClientRequestToken": "9ed65e486e10883c1a32027d0a8b63d6474d7164e12f7512fc3060a3bfd09c6b",
            "QueryExecutionContext": {"Database": "smart_hub"},
            "ResultConfiguration": {"OutputLocation": "s3://the-data/athena-results/run/"},
            "WorkGroup": "smart-hub",
        }
    ]


def test_another_attempt_or_statement_has_another_token() -> None:
    tokens = {
        request_token("v1", "SELECT 1"),
        request_token("v2", "SELECT 1"),
        request_token("v1", "SELECT 2"),
    }
    assert len(tokens) == 3
    # Athena takes 32 to 128 characters
    assert {len(token) for token in tokens} == {64}


def test_the_runner_polls_until_a_query_ends(aws: FakeAws, athena_with: Callable[..., AthenaRunner]) -> None:
    states = iter(["QUEUED", "RUNNING", "RUNNING", "SUCCEEDED"])
    aws.outcome = lambda statement: (next(states), "")
    athena_with().run("SELECT 1")
    assert len(aws.called("GetQueryExecution")) == 4


def test_if_a_query_fails_the_others_are_stopped(aws: FakeAws, athena_with: Callable[..., AthenaRunner]) -> None:
    # Given three queries, the second of which fails while the third runs
    outcomes = {"SELECT 1": "SUCCEEDED", "SELECT 2": "FAILED", "SELECT 3": "RUNNING"}
    aws.outcome = lambda statement: (outcomes[statement], "TABLE_NOT_FOUND: t")
    # When they run, expect an error with the reason, the query and its statement
    with pytest.raises(QueryFailed, match=r"FAILED: TABLE_NOT_FOUND: t \(query 2: SELECT 2"):
        athena_with().run("SELECT 1", "SELECT 2", "SELECT 3")
    # Expect only the running one to be stopped
    assert aws.stopped == ["3"]


def test_on_a_timeout_all_queries_are_stopped(aws: FakeAws, athena_with: Callable[..., AthenaRunner]) -> None:
    aws.outcome = lambda statement: ("RUNNING", "")
    with pytest.raises(QueryTimedOut, match="time ran out while RUNNING"):
        athena_with(seconds=0.2).run("SELECT 1", "SELECT 2")
    assert sorted(aws.stopped) == ["1", "2"]


def test_if_a_statement_cannot_be_started_the_earlier_ones_are_stopped(
    aws: FakeAws, athena_with: Callable[..., AthenaRunner]
) -> None:
    from botocore.exceptions import ParamValidationError

    # botocore refuses an empty statement
    with pytest.raises(ParamValidationError):
        athena_with().run("SELECT 1", "")
    assert aws.stopped == ["1"]


def test_stop_cancels_running_queries(aws: FakeAws, athena_with: Callable[..., AthenaRunner]) -> None:
    # Given a runner that is stopped, as by a signal, while it waits
    athena = athena_with()

    def killed(statement: str) -> tuple[str, str]:
        athena.stop()
        return "RUNNING", ""

    aws.outcome = killed
    with pytest.raises(QueryFailed, match="CANCELLED"):
        athena.run("SELECT 1")
    assert aws.stopped == ["1"]


def test_if_a_query_cannot_be_stopped_the_others_are_stopped_and_the_first_error_is_raised(
    aws: FakeAws, athena_with: Callable[..., AthenaRunner]
) -> None:
    # Given three queries, of which the first fails and the second cannot be stopped
    aws.outcome = lambda statement: ("FAILED", "no such table") if statement == "SELECT 1" else ("RUNNING", "")
    aws.unstoppable = {"2"}
    # When they run, expect the first one's error, and the third stopped
    with pytest.raises(QueryFailed, match="no such table"):
        athena_with().run("SELECT 1", "SELECT 2", "SELECT 3")
    assert aws.stopped == ["3"]


def test_rows_are_dicts_and_null_is_none(aws: FakeAws, athena_with: Callable[..., AthenaRunner]) -> None:
    aws.rows = [["rule", "sample"], ["a", "x"], ["b", None]]
    assert athena_with().rows("SELECT …") == [{"rule": "a", "sample": "x"}, {"rule": "b", "sample": None}]
