"""Athena's API on the local AWS: executions and their states, tokens, results, limits."""

import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.athena.service import Athena
from localaws.records import Records
from localaws.service import AwsClients, Caller
from localaws.testing import TEXT, AthenaClient, LocalAws

# Far more rows than can be counted during a test.
ENDLESS = (
    "SELECT count(*) FROM "
    + " CROSS JOIN ".join(
        f"UNNEST(ARRAY[{', '.join(map(str, range(100)))}]) AS t{number} (x{number})" for number in range(8)
    )
    + " WHERE x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 > 3"
)


def refused(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**request)
    assert raised.value.response["Error"]["Code"] == "InvalidRequestException"
    return str(raised.value.response["Error"]["Message"])


def test_an_execution_is_described(athena: AthenaClient) -> None:
    execution = athena.run("SELECT 1 AS n")

    assert execution["Query"] == "SELECT 1 AS n"
    assert execution["StatementType"] == "DML"
    assert execution["WorkGroup"] == "primary"
    assert execution["QueryExecutionContext"] == {"Database": athena.database}
    location = f"s3://{athena.bucket}/results/{execution['QueryExecutionId']}.csv"
    assert execution["ResultConfiguration"]["OutputLocation"] == location
    assert execution["Status"]["SubmissionDateTime"] <= execution["Status"]["CompletionDateTime"]
    assert execution["QueryExecutionId"] in athena.api.list_query_executions()["QueryExecutionIds"]


def test_null_and_the_empty_string_differ_in_results(athena: AthenaClient) -> None:
    execution = athena.run(
        "SELECT '' AS a, CAST(NULL AS varchar) AS b, 'x,\"y\"' || chr AS c FROM (SELECT '\n' AS chr)"
    )

    assert athena.all_rows(execution["QueryExecutionId"]) == [("a", "b", "c"), ("", None, 'x,"y"\n')]
    key = f"results/{execution['QueryExecutionId']}.csv"
    assert athena.s3.get_object(Bucket=athena.bucket, Key=key)["Body"].read() == b'"a","b","c"\n"",,"x,""y""\n"\n'


def test_columns_are_described(athena: AthenaClient) -> None:
    execution = athena.run("SELECT 1.25 AS d, 'abc' AS s, 1e0 AS f, CAST('x' AS varchar) AS v")

    answer = athena.api.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    found = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(one["Name"], one["Type"], one["Precision"], one["Scale"]) for one in found] == [
        ("d", "decimal", 3, 2),
        ("s", "varchar", 3, 0),
        ("f", "double", 17, 0),
        ("v", "varchar", 2147483647, 0),
    ]


def test_results_come_in_pages_of_a_thousand_rows(athena: AthenaClient) -> None:
    # given 2,500 rows and the one with the name of the column
    fifty = f"UNNEST(ARRAY[{', '.join(map(str, range(50)))}])"
    sql = f"SELECT 50 * a + b AS n FROM {fifty} AS t (a) CROSS JOIN {fifty} AS u (b) ORDER BY n"
    execution_id = athena.run(sql)["QueryExecutionId"]

    sizes, request = [], {"QueryExecutionId": execution_id}
    while True:
        answer = athena.api.get_query_results(**request)
        sizes.append(len(answer["ResultSet"]["Rows"]))
        if "NextToken" not in answer:
            break
        request["NextToken"] = answer["NextToken"]

    assert sizes == [1000, 1000, 501]
    assert athena.all_rows(execution_id) == [("n",), *((str(n),) for n in range(2500))]


def test_deleted_results_are_an_error(athena: AthenaClient) -> None:
    execution_id = athena.run("SELECT 1")["QueryExecutionId"]
    athena.s3.delete_object(Bucket=athena.bucket, Key=f"results/{execution_id}.csv")

    assert "Could not find results" in refused(athena.api.get_query_results, QueryExecutionId=execution_id)


def test_a_failed_query_has_no_results(athena: AthenaClient) -> None:
    execution_id = athena.start("SELECT nosuch")
    athena.wait(execution_id)

    message = refused(athena.api.get_query_results, QueryExecutionId=execution_id)
    assert message == "Query did not finish successfully. Final query state: FAILED"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (" ", "Query string cannot be empty"),
        ("SELECT 1; SELECT 2", "Only one sql statement is allowed. Got: SELECT 1; SELECT 2"),
        ("SELECT 1;; DROP TABLE t;", "Only one sql statement is allowed."),
        (
            f"SELECT '{'ü' * 131_072}'",
            "1 validation error detected: Value at 'queryString' failed to satisfy constraint: Member must have length"
            " less than or equal to 262144",
        ),
    ],
)
def test_an_invalid_request_is_refused(athena: AthenaClient, sql: str, message: str) -> None:
    assert refused(athena.start, sql=sql).startswith(message)


def test_a_query_of_262144_bytes_is_run(athena: AthenaClient) -> None:
    head = "SELECT 1 AS n --"

    assert athena.rows(head + "x" * (262_144 - len(head))) == [("1",)]


def test_a_page_has_a_maximum_size(athena: AthenaClient) -> None:
    execution_id = athena.run("SELECT 1")["QueryExecutionId"]

    assert "maximum allowed length 1000" in refused(
        athena.api.get_query_results, QueryExecutionId=execution_id, MaxResults=1001
    )
    assert "'maxResults' failed to satisfy constraint: Member must have value less than or equal to 50" in refused(
        athena.api.list_query_executions, MaxResults=51
    )
    assert len(athena.api.list_query_executions(MaxResults=1)["QueryExecutionIds"]) == 1


@pytest.mark.parametrize("sql", ["SELECT nosuch", "SHOW COLUMNS IN nosuch", "MSCK REPAIR TABLE nosuch"])
def test_an_error_in_a_statement_is_the_users(athena: AthenaClient, sql: str) -> None:
    assert athena.wait(athena.start(sql))["Status"]["AthenaError"]["ErrorCategory"] == 2


def test_only_the_default_catalog_is_supported(athena: AthenaClient) -> None:
    def state(catalog: str) -> dict[str, Any]:
        context = {"Catalog": catalog, "Database": athena.database}
        output = {"OutputLocation": f"s3://{athena.bucket}/results/"}
        started = athena.api.start_query_execution(
            QueryString="SELECT 1", QueryExecutionContext=context, ResultConfiguration=output
        )
        return dict(athena.wait(started["QueryExecutionId"])["Status"])

    assert state("AwsDataCatalog")["State"] == "SUCCEEDED"
    assert state("awsdatacatalog")["State"] == "SUCCEEDED"
    assert state("nosuch")["StateChangeReason"] == "NOT_SUPPORTED: the catalog nosuch is not covered by the local AWS"


@pytest.mark.parametrize("sql", ["SELECT 'a;b' AS c;", "-- first; second\nSELECT 'a;b' AS c -- third; \n ; "])
def test_a_semicolon_ends_a_statement_except_in_strings_and_comments(athena: AthenaClient, sql: str) -> None:
    assert athena.rows(sql) == [("a;b",)]


def test_the_same_token_returns_the_same_execution(athena: AthenaClient) -> None:
    token = "the-same-token-in-all-of-these-requests"

    first = athena.start("SELECT 1", ClientRequestToken=token)

    assert athena.start("SELECT 1", ClientRequestToken=token) == first
    message = refused(athena.start, sql="SELECT 2", ClientRequestToken=token)
    assert message == "Idempotent parameters do not match"


def test_twenty_queries_at_once(athena: AthenaClient) -> None:
    started = [athena.start(f"SELECT {number} AS n") for number in range(20)]

    for number, execution_id in enumerate(started):
        assert athena.wait(execution_id)["Status"]["State"] == "SUCCEEDED"
        assert athena.all_rows(execution_id)[1] == (str(number),)


def test_running_and_queued_queries_can_be_stopped(athena: AthenaClient) -> None:
    # given: more endless queries than run at once
    started = [athena.start(ENDLESS) for _ in range(10)]
    states = {athena.execution(one)["Status"]["State"] for one in started}
    assert "SUCCEEDED" not in states

    stops = [
        threading.Thread(target=athena.api.stop_query_execution, kwargs={"QueryExecutionId": one}) for one in started
    ]
    for stop in stops:
        stop.start()
    for stop in stops:
        stop.join()

    for one in started:
        status = athena.wait(one)["Status"]
        assert (status["State"], status["StateChangeReason"]) == ("CANCELLED", "Query was cancelled by the user")
    # expect free threads, and no effect of stopping an ended query
    assert athena.rows("SELECT 1") == [("1",)]
    athena.api.stop_query_execution(QueryExecutionId=started[0])
    assert athena.execution(started[0])["Status"]["State"] == "CANCELLED"


def test_a_table_that_is_stopped_while_it_is_made_is_not_registered(athena: AthenaClient) -> None:
    location = f"s3://{athena.bucket}/stopped/"
    execution_id = athena.start(
        f"CREATE TABLE stopped WITH (external_location = '{location}') AS {ENDLESS.replace('count(*)', 'x0')}"
    )
    athena.wait_until_running(execution_id)

    athena.api.stop_query_execution(QueryExecutionId=execution_id)

    assert athena.wait(execution_id)["Status"]["State"] == "CANCELLED"
    names = [one["Name"] for one in athena.glue.get_tables(DatabaseName=athena.database)["TableList"]]
    assert "stopped" not in names


@pytest.fixture
def workgroup(athena: AthenaClient) -> Any:
    """Creates a workgroup; returns its name."""

    def make(name: str, **configuration: Any) -> str:
        output = {"OutputLocation": f"s3://{athena.bucket}/{name}/"}
        athena.api.create_work_group(Name=name, Configuration={"ResultConfiguration": output, **configuration})
        return name

    return make


def test_a_workgroup_says_where_results_go(athena: AthenaClient, workgroup: Any) -> None:
    free = workgroup("free", EnforceWorkGroupConfiguration=False)
    enforced = workgroup("enforced", EnforceWorkGroupConfiguration=True)

    def place(group: str, **request: Any) -> str:
        return str(athena.run("SELECT 1", WorkGroup=group, **request)["ResultConfiguration"]["OutputLocation"])

    assert place(free, ResultConfiguration={}).startswith(f"s3://{athena.bucket}/free/")
    assert place(free).startswith(f"s3://{athena.bucket}/results/")
    assert place(enforced).startswith(f"s3://{athena.bucket}/enforced/")
    assert "No output location provided" in refused(athena.start, sql="SELECT 1", ResultConfiguration={})
    assert "is not found" in refused(athena.start, sql="SELECT 1", WorkGroup="nosuch")


def test_an_enforced_workgroup_refuses_a_location_of_its_own_for_a_table(athena: AthenaClient, workgroup: Any) -> None:
    sql = f"CREATE TABLE placed WITH (external_location = 's3://{athena.bucket}/placed/') AS SELECT 1 AS n"

    reason = athena.failure(sql, WorkGroup=workgroup("places", EnforceWorkGroupConfiguration=True))

    assert "submitted with an 'external_location' property to an Athena Workgroup that enforces" in reason
    assert athena.keys("placed/") == []


def test_a_table_without_a_query_is_refused_in_an_enforced_workgroup(athena: AthenaClient, workgroup: Any) -> None:
    sql = "CREATE TABLE empty (n integer) WITH (external_location = 's3://b/empty/')"

    status = athena.wait(athena.start(sql, WorkGroup=workgroup("empty", EnforceWorkGroupConfiguration=True)))["Status"]

    assert status["State"] == "FAILED"
    assert "ValueError" not in status["StateChangeReason"]


def test_a_disabled_workgroup_runs_no_queries(athena: AthenaClient, workgroup: Any) -> None:
    name = workgroup("closed")
    athena.api.update_work_group(WorkGroup=name, State="DISABLED")

    assert refused(athena.start, sql="SELECT 1", WorkGroup=name) == "WorkGroup closed is disabled."

    athena.api.update_work_group(WorkGroup=name, State="ENABLED")
    assert athena.run("SELECT 1", WorkGroup=name)


def test_a_query_that_would_scan_more_than_its_workgroup_allows_is_cancelled(
    athena: AthenaClient, workgroup: Any
) -> None:
    # given: 20 MB, and a limit of 10 MB, the least that Athena takes
    athena.table("large", TEXT, "line string")
    athena.put("large/file", f"{'x' * 1023}\n" * 1024 * 20)
    limited = workgroup("limited", BytesScannedCutoffPerQuery=10 * 1024 * 1024, EnforceWorkGroupConfiguration=False)

    status = athena.wait(athena.start("SELECT count(*) FROM large", WorkGroup=limited))["Status"]

    assert (status["State"], status["StateChangeReason"]) == ("CANCELLED", "Bytes scanned limit was exceeded")
    assert athena.rows("SELECT count(*) FROM large") == [("20480",)]


def test_what_ran_when_the_server_was_killed_has_failed(fresh_aws: LocalAws) -> None:
    # given a finished query and an endless one
    athena = AthenaClient.create(fresh_aws, "killed")
    finished = athena.run("SELECT 1 AS n")["QueryExecutionId"]
    endless = athena.start(ENDLESS)
    athena.wait_until_running(endless)

    fresh_aws.kill()
    fresh_aws.start()

    status = athena.execution(endless)["Status"]
    assert status["State"] == "FAILED"
    assert "stopped while this query ran" in status["StateChangeReason"]
    assert athena.all_rows(finished) == [("n",), ("1",)]
    assert athena.execution(finished)["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED")


def test_the_server_stops_while_queries_run(fresh_aws: LocalAws) -> None:
    athena = AthenaClient.create(fresh_aws, "stopped")
    endless = athena.start(ENDLESS)
    athena.wait_until_running(endless)

    assert fresh_aws.stop() == 0

    fresh_aws.start()
    assert athena.execution(endless)["Status"]["State"] == "CANCELLED"


def test_a_defect_fails_the_query_and_its_traceback_is_logged(
    athena: AthenaClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # given an Athena in this process whose engine has a defect
    class Defective:
        def statement(self, sql: str, database: str, clients: Any, max_bytes: int | None = None) -> Any:
            raise ValueError("defect")

    service = Athena(AwsClients(athena.aws.endpoint), Records(tmp_path / "records.sqlite"), Defective())
    caller = Caller("test", "000000000000", "us-east-1")
    output = {"OutputLocation": f"s3://{athena.bucket}/results/"}

    # when it runs a query
    started = service.handle("StartQueryExecution", {"QueryString": "SELECT 1", "ResultConfiguration": output}, caller)
    service.threads.shutdown(wait=True)

    # expect the error in the query's reason, and the traceback in the log
    status = service.handle("GetQueryExecution", started, caller)["QueryExecution"]["Status"]
    assert (status["State"], status["StateChangeReason"]) == ("FAILED", "GENERIC_INTERNAL_ERROR: ValueError: defect")
    assert status["AthenaError"]["ErrorCategory"] == 1
    assert 'raise ValueError("defect")' in caplog.text
