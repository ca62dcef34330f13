"""Fault injection: each effect as AWS clients see it, and the conditions of rules."""

import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.faults import BOUND, SERVICES, FaultRule, Faults, InvalidRule
from localaws.service import AwsClients
from localaws.testing import TEXT, AthenaClient, LocalAws, StartFailed, function_zip
from tests.processes import wait_until_ended

PAGE = (Path(__file__).parents[1] / "docs" / "faults.md").read_text(encoding="utf-8")
THROTTLED = {"error": {"code": "ThrottlingException", "status": 400, "message": "Rate exceeded"}}
TWO_FILES = {"service": "athena", "effect": {"query": "two_files"}}
ROWS = "SELECT x, k FROM UNNEST(ARRAY[1, 2, 3], ARRAY['a', 'b', 'a']) AS t (x, k)"
ONE_BUCKET = "bucketed_by = ARRAY['k'], bucket_count = 1"
FUNCTION = """
import boto3, os, time

def handler(event, context):
    boto3.client("s3").put_object(Bucket="worked", Key="pid", Body=str(os.getpid()))
    time.sleep(600)
"""


@pytest.fixture
def faults(aws: LocalAws) -> Iterator[LocalAws]:
    """The session's local AWS, without fault rules before and after the test."""
    aws.clear_faults()
    yield aws
    aws.clear_faults()


def refusal(aws: LocalAws, rules: Any) -> str:
    """Why the server refuses these rules."""
    request = urllib.request.Request(f"{aws.endpoint}/_localaws/faults", json.dumps(rules).encode(), method="PUT")
    with pytest.raises(HTTPError) as raised:
        urllib.request.urlopen(request)
    with raised.value as response:
        assert response.code == 400
        return str(json.load(response)["message"])


@pytest.fixture(scope="module")
def athena(aws: LocalAws) -> AthenaClient:
    return AthenaClient.create(aws, "faulty")


def error_of(call: Any, **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as raised:
        call(**request)
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def ctas(athena: AthenaClient, name: str, properties: str = "") -> str:
    more = f", {properties}" if properties else ""
    return f"CREATE TABLE {name} WITH (external_location = 's3://{athena.bucket}/{name}/'{more}) AS {ROWS}"


def tables(athena: AthenaClient) -> list[str]:
    return [one["Name"] for one in athena.glue.get_tables(DatabaseName=athena.database)["TableList"]]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (THROTTLED["error"], ("ThrottlingException", 400)),
        ({"code": "TooManyRequestsException", "status": 429}, ("TooManyRequestsException", 429)),
        (500, ("InternalFailure", 500)),
        (503, ("ServiceUnavailable", 503)),
    ],
)
def test_errors_have_the_format_of_the_service(faults: LocalAws, error: Any, expected: tuple[str, int]) -> None:
    # given one error for all services
    faults.set_faults(*({"service": service, "effect": {"error": error}} for service in ("athena", "glue", "lambda")))

    # when each is called, expect the client to raise it, and one hit of each rule
    assert error_of(faults.client("athena").get_query_execution, QueryExecutionId="any") == expected
    assert error_of(faults.client("glue").get_databases) == expected
    assert error_of(faults.client("lambda").invoke, FunctionName="any", Payload=b"{}") == expected
    assert faults.fault_hits() == [1, 1, 1]


def test_errors_of_s3_are_xml(athena: AthenaClient, faults: LocalAws) -> None:
    # given errors of S3 for some keys: of a PUT, of all reads
    s3 = faults.client("s3")
    slow_down = {"error": {"code": "SlowDown", "status": 503, "message": "Please reduce your request rate."}}
    faults.set_faults(
        {"service": "s3", "action": "PUT", "match": "^faulty/a b/c$", "effect": slow_down},
        {"service": "s3", "match": "^faulty/d", "effect": {"error": 500}},
        {"service": "s3", "match": "prefix=e", "effect": {"error": 503}},
    )

    # expect their codes, even for a body that is larger than the client's first packet
    assert error_of(s3.put_object, Bucket="faulty", Key="a b/c", Body=b"x" * 5_000_000) == ("SlowDown", 503)
    assert error_of(s3.get_object, Bucket="faulty", Key="d") == ("InternalError", 500)
    assert error_of(s3.head_object, Bucket="faulty", Key="d") == ("500", 500)  # a HEAD has no body with the code
    assert error_of(s3.list_objects_v2, Bucket="faulty", Prefix="e") == ("SlowDown", 503)
    # expect other keys to work
    s3.put_object(Bucket="faulty", Key="other", Body=b"x")
    assert s3.get_object(Bucket="faulty", Key="other")["Body"].read() == b"x"
    assert error_of(s3.get_object, Bucket="faulty", Key="a b/c") == ("NoSuchKey", 404)


def test_a_rule_lets_some_requests_pass_then_hits_some_and_the_first_rule_wins(
    faults: LocalAws,
) -> None:
    # given a rule that lets one request pass and hits two, before a rule that hits all
    faults.set_faults(
        {"name": "some", "service": "glue", "action": "GetDatabases", "after": 1, "times": 2, "effect": THROTTLED},
        {"name": "all", "service": "glue", "action": "GetDatabases", "effect": {"error": 500}},
    )
    glue = faults.client("glue")

    # when there are five requests, and one with another action
    codes = [error_of(glue.get_databases)[0] for _ in range(5)]
    glue.get_crawlers()

    # expect the second and third to be hit by the first rule, the others by the second
    assert codes == ["InternalFailure", *["ThrottlingException"] * 2, *["InternalFailure"] * 2]
    assert [(rule["name"], rule["struck"]) for rule in faults.faults()] == [("some", 2), ("all", 3)]


def test_rules_are_replaced_and_do_not_outlive_the_server(fresh_aws: LocalAws) -> None:
    # given two rules that are replaced by one
    fresh_aws.set_faults({"service": "s3", "effect": {"error": 500}}, {"service": "glue", "effect": {"error": 500}})
    fresh_aws.set_faults({"service": "glue", "effect": THROTTLED})
    assert error_of(fresh_aws.client("glue").get_databases)[0] == "ThrottlingException"

    # when the server starts again, expect no rules
    assert fresh_aws.stop() == 0
    fresh_aws.start()
    assert fresh_aws.faults() == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("fails", "a rule is an object"),
        ({"service": "sqs", "effect": THROTTLED}, "service is one of athena, glue, s3, lambda"),
        ({"service": "s3", "effect": THROTTLED, "key": "a"}, "unknown: key; a rule has action, after, effect"),
        ({"service": "s3"}, "effect is an object with one of error, delay_seconds, query"),
        ({"service": "s3", "effect": {"explodes": True}}, "effect is an object with one of"),
        ({"service": "s3", "effect": {"error": 500, "delay_seconds": 1}}, "effect is an object with one of"),
        ({"service": "s3", "effect": {"error": 404}}, "error is 500, 503 or an object"),
        ({"service": "s3", "effect": {"error": {"code": "SlowDown"}}}, "an error has code, status"),
        ({"service": "s3", "effect": {"error": {"code": 5, "status": 500}}}, "code and message are strings"),
        ({"service": "s3", "effect": {"delay_seconds": "1"}}, "delay_seconds is a number"),
        ({"service": "athena", "effect": {"query": "explodes"}}, "effect query is one of fails, hangs"),
        ({"service": "glue", "effect": {"query": "fails"}}, "effect query belongs to service athena"),
        (
            {"service": "glue", "action": "StartJobRun", "effect": {"crawl": "FAILED"}},
            "effect crawl belongs to action StartCrawler",
        ),
        ({"service": "s3", "effect": THROTTLED, "times": -1}, "times is a number >= 0"),
        ({"service": "s3", "effect": THROTTLED, "after": True}, "after is a number >= 0"),
        ({"service": "s3", "effect": THROTTLED, "match": 1}, "match is a string"),
        ({"service": "s3", "effect": THROTTLED, "match": "a("}, "match 'a(': missing ), unterminated"),
    ],
)
def test_an_invalid_rule_changes_nothing(faults: LocalAws, rule: Any, message: str) -> None:
    # given a rule, when a list with a valid and an invalid rule is put
    good = {"service": "s3", "match": "never", "effect": {"error": 500}}
    faults.set_faults(good)

    # expect an error with the invalid rule, and no change
    assert refusal(faults, [good, rule]).startswith(f"rule 2: {message}")
    assert faults.faults() == [{**good, "struck": 0}]


def test_rules_that_are_not_a_list(faults: LocalAws) -> None:
    assert refusal(faults, {"rules": []}) == "expected a list of rules"


def test_two_files_need_the_duckdb_engine() -> None:
    # given a server with the Trino engine, when the rule is loaded, expect an error
    async def app(*message: Any) -> None:
        """Never called."""

    with pytest.raises(InvalidRule, match="rule 1: effect two_files needs the DuckDB engine"):
        Faults(app, AwsClients("http://127.0.0.1:1"), two_files=False).load(json.dumps([TWO_FILES]))


def test_a_client_retries_a_throttled_request(faults: LocalAws, athena: AthenaClient) -> None:
    # given a client with boto3's own retries, and one throttled request
    client = boto3.session.Session("test", "test", region_name="us-east-1").client(
        "athena", endpoint_url=faults.endpoint, config=Config(retries={"mode": "standard"})
    )
    faults.set_faults({"service": "athena", "action": "StartQueryExecution", "times": 1, "effect": THROTTLED})

    # when it starts a query, expect it to run
    output = {"OutputLocation": f"s3://{athena.bucket}/results/"}
    started = client.start_query_execution(QueryString="SELECT 1", ResultConfiguration=output)
    assert athena.wait(started["QueryExecutionId"])["Status"]["State"] == "SUCCEEDED"
    assert started["ResponseMetadata"]["RetryAttempts"] == 1
    assert faults.fault_hits() == [1]


def test_a_delayed_response_is_otherwise_normal(faults: LocalAws, athena: AthenaClient) -> None:
    # given a delay for queries with `slow`
    faults.set_faults({"service": "athena", "match": "slow", "effect": {"delay_seconds": 0.5}})

    # when one runs, expect its result after the delay
    begun = time.monotonic()
    assert athena.rows("SELECT 'slow'") == [("slow",)]
    assert time.monotonic() - begun >= 0.5


@pytest.mark.parametrize("effect", ["fails", "fails_after_writing"])
def test_a_query_fails_before_or_after_it_has_written(faults: LocalAws, athena: AthenaClient, effect: str) -> None:
    # given the fault for a CREATE TABLE AS that begins with comments
    name = f"made_{effect}"
    faults.set_faults({"service": "athena", "match": name, "effect": {"query": effect}, "times": 1})
    sql = f"-- CREATE\n/* TABLE */ {ctas(athena, name)}"

    # when it runs, expect files only if it fails after writing, and no table
    assert athena.failure(sql) == "GENERIC_INTERNAL_ERROR: An injected fault"
    assert len(athena.keys(f"{name}/")) == (2 if effect == "fails_after_writing" else 0)
    assert [table for table in tables(athena) if table.startswith(("made", "failed"))] == []
    assert faults.fault_hits() == [1]


def test_fails_after_writing_does_not_affect_a_select(faults: LocalAws, athena: AthenaClient) -> None:
    # given the rule for all queries, when a SELECT runs, expect its result
    faults.set_faults({"service": "athena", "effect": {"query": "fails_after_writing"}})
    assert athena.rows("SELECT 'CREATE TABLE'") == [("CREATE TABLE",)]
    assert faults.fault_hits() == [0]


def test_hive_ddl_fails(faults: LocalAws, athena: AthenaClient) -> None:
    # given the fault for a statement of Hive's DDL, when it runs, expect it to fail
    faults.set_faults({"service": "athena", "match": "SHOW", "effect": {"query": "fails"}})
    assert athena.failure("SHOW TABLES") == "GENERIC_INTERNAL_ERROR: An injected fault"


def test_a_query_hangs_until_it_is_stopped(faults: LocalAws, athena: AthenaClient) -> None:
    # given a query that hangs, while another one succeeds
    faults.set_faults({"service": "athena", "match": "hanging", "effect": {"query": "hangs"}})
    hanging = athena.start("SELECT 'hanging'")
    athena.wait_until_running(hanging)
    assert athena.rows("SELECT 1") == [("1",)]
    assert athena.execution(hanging)["Status"]["State"] == "RUNNING"

    # when it is stopped, expect it to be cancelled
    athena.api.stop_query_execution(QueryExecutionId=hanging)
    assert athena.wait(hanging)["Status"]["State"] == "CANCELLED"


def test_the_server_stops_while_a_query_hangs(fresh_aws: LocalAws) -> None:
    # given a query that hangs, when the server is stopped, expect a clean exit
    athena = AthenaClient.create(fresh_aws, "hanging")
    fresh_aws.set_faults({"service": "athena", "effect": {"query": "hangs"}})
    athena.wait_until_running(athena.start("SELECT 1"))
    assert fresh_aws.stop() == 0


def test_a_bucket_is_written_as_two_files(faults: LocalAws, athena: AthenaClient) -> None:
    # given the rule, when a table with one bucket is created, and one without
    faults.set_faults(TWO_FILES)
    athena.run(ctas(athena, "split", ONE_BUCKET))
    athena.run(ctas(athena, "unbucketed"))

    # expect two files with each row once, and one hit of the rule
    files = athena.rows('SELECT "$path", count(*) FROM split GROUP BY 1 ORDER BY 2')
    assert [count for _, count in files] == ["1", "2"]
    assert athena.rows("SELECT x, k FROM split ORDER BY x") == [("1", "a"), ("2", "b"), ("3", "a")]
    assert faults.fault_hits() == [1]


def test_a_job_ends_in_the_injected_state_without_its_script(faults: LocalAws) -> None:
    # given a job whose script does not exist
    glue = faults.client("glue")
    command = {"Name": "pythonshell", "ScriptLocation": "s3://faulty/no-script.py"}
    glue.create_job(Name="faulty", Role=faults.role("job"), Command=command)

    # when the fault is a state, expect the run to end in it
    for state in ("STOPPED", "ERROR", "FAILED"):
        faults.set_faults({"service": "glue", "match": "^faulty$", "effect": {"job": state}})
        run = glue.start_job_run(JobName="faulty")["JobRunId"]
        assert job_run(faults, run)["JobRunState"] == state
        assert faults.fault_hits() == [1]
    assert "cannot be read" not in job_run(faults, run)["ErrorMessage"]


def job_run(aws: LocalAws, run: str) -> dict[str, Any]:
    """The run after its end."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found: dict[str, Any] = aws.client("glue").get_job_run(JobName="faulty", RunId=run)["JobRun"]
        if found["JobRunState"] not in ("STARTING", "RUNNING"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"run {run} is still {found['JobRunState']}")


def test_an_injected_failure_of_a_crawl(faults: LocalAws, athena: AthenaClient) -> None:
    # given a crawler of a table without partitions
    glue = faults.client("glue")
    athena.table("crawled", TEXT, "line string")
    configuration = {"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}
    glue.create_crawler(
        Name="faulty",
        Role=faults.role("crawler"),
        Targets={"CatalogTargets": [{"DatabaseName": "faulty", "Tables": ["crawled"]}]},
        SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
        Configuration=json.dumps(configuration),
    )
    faults.set_faults({"service": "glue", "match": "faulty", "effect": {"crawl": "FAILED"}, "times": 1})

    # when it crawls twice, expect the first crawl to fail, the second to succeed
    assert [crawl(faults)["Status"] for _ in range(2)] == ["FAILED", "SUCCEEDED"]
    assert faults.fault_hits() == [1]


def crawl(aws: LocalAws) -> dict[str, Any]:
    glue = aws.client("glue")
    glue.start_crawler(Name="faulty")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        crawler = glue.get_crawler(Name="faulty")["Crawler"]
        if crawler["State"] == "READY":
            return dict(crawler["LastCrawl"])
        time.sleep(0.02)
    raise AssertionError("the crawler still runs")


def test_a_function_times_out_and_runs_on_until_the_server_stops(fresh_aws: LocalAws) -> None:
    # given a function that runs long
    s3, functions = fresh_aws.client("s3"), fresh_aws.client("lambda")
    s3.create_bucket(Bucket="worked")
    functions.create_function(
        FunctionName="faulty",
        Runtime="python3.11",
        Handler="index.handler",
        Role=fresh_aws.role("function"),
        Timeout=600,
        Code={"ZipFile": function_zip(FUNCTION)},
    )
    faults = fresh_aws
    faults.set_faults({"service": "lambda", "match": '^faulty\n.*"day": "1"', "effect": {"lambda": "times_out"}})

    # when it is invoked
    answer = functions.invoke(FunctionName="faulty", Payload=json.dumps({"day": "1"}))

    # expect AWS's response at once, while it runs
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    document = json.load(answer["Payload"])
    assert document["errorType"] == "Sandbox.Timedout"
    assert re.fullmatch(r"[0-9a-f-]{36} Task timed out after 600\.00 seconds", document["errorMessage"])
    s3.get_waiter("object_exists").wait(Bucket="worked", Key="pid", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    pid = int(s3.get_object(Bucket="worked", Key="pid")["Body"].read())

    # when the server is stopped, expect a clean exit, without the function's process
    assert fresh_aws.stop() == 0
    wait_until_ended([pid])


def test_a_file_of_invalid_rules_stops_the_start(tmp_path: Path) -> None:
    # given a file with an invalid rule, when a server starts with it, expect a message that names both
    rules = tmp_path / "faults.json"
    rules.write_text('[{"service": "glue"}]')
    with pytest.raises(StartFailed, match=f"--faults {rules}: rule 1: effect is an object with one of error"):
        LocalAws(tmp_path / "state", "--faults", str(rules)).start()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_commands_of_the_page_add_show_and_remove_its_rule(faults: LocalAws) -> None:
    # given docs/faults.md
    (block,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    *put, show, clear = block.replace("http://127.0.0.1:4566", faults.endpoint).splitlines()

    def shell(command: str) -> Any:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    # when its commands are run, and a query starts in between, expect a hit of its rule, then no rules
    shell("\n".join(put))
    assert error_of(faults.client("athena").start_query_execution, QueryString="SELECT 1")[0] == "ThrottlingException"
    assert [(rule["name"], rule["struck"]) for rule in shell(show)] == [("busy", 1)]
    shell(clear)
    assert shell(show) == []


def test_the_page_has_all_services_and_effects() -> None:
    effects = [json.loads(span) for span in re.findall(r"`(\{[^…`]*\})`", PAGE)]
    for effect in effects:
        service = next((BOUND[kind][0] for kind in effect if kind in BOUND), "athena")
        FaultRule.parse({"service": service, "effect": effect}, two_files=True)
    assert {kind for effect in effects for kind in effect} == {"error", "delay_seconds", *BOUND}
    names = [*SERVICES, *(value for _, _, values in BOUND.values() for value in values)]
    assert [name for name in names if f'"{name}"' not in PAGE and f"`{name}`" not in PAGE] == []
