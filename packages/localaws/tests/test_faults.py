"""Faults on request: each effect as a client of AWS meets it, and the rules about when it strikes."""

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

from localaws.faults import BOUND, SERVICES, Faults, InvalidRule
from localaws.faults import Rule as Judged
from localaws.service import Store
from localaws.testing.athena import TEXT, AthenaClient
from localaws.testing.server import Aws, archive, expect_ended
from ops.deploy import deploy
from smart_hub.shared.layout import run_name
from tests.docs.pages import PAGES, blocks, spans

Rule = dict[str, Any]
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


class Admin:
    """/_localaws/faults of one server."""

    def __init__(self, aws: Aws) -> None:
        self.url = f"{aws.endpoint}/_localaws/faults"

    def ask(self, method: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url, data, method=method)) as answer:
            return json.load(answer)

    def inject(self, *rules: Rule) -> None:
        self.ask("PUT", list(rules))

    def struck(self) -> list[int]:
        return [rule["struck"] for rule in self.ask("GET")]

    def refusal(self, body: Any) -> str:
        with pytest.raises(HTTPError) as raised:
            self.ask("PUT", body)
        with raised.value as answer:
            assert answer.code == 400
            return str(json.load(answer)["message"])


@pytest.fixture
def faults(aws: Aws) -> Iterator[Admin]:
    admin = Admin(aws)
    yield admin
    admin.ask("DELETE")


@pytest.fixture(scope="module")
def athena(aws: Aws) -> AthenaClient:
    return AthenaClient.of_its_own(aws, "faulty")


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
def test_errors_are_those_of_the_services(aws: Aws, faults: Admin, error: Any, expected: tuple[str, int]) -> None:
    # given one error for all services
    faults.inject(*({"service": service, "effect": {"error": error}} for service in ("athena", "glue", "lambda")))

    # when each is called, expect a client to read it, and that each rule has struck once
    assert error_of(aws.client("athena").get_query_execution, QueryExecutionId="any") == expected
    assert error_of(aws.client("glue").get_databases) == expected
    assert error_of(aws.client("lambda").invoke, FunctionName="any", Payload=b"{}") == expected
    assert faults.struck() == [1, 1, 1]


def test_errors_of_s3_are_xml(aws: Aws, athena: AthenaClient, faults: Admin) -> None:
    # given S3 that fails for some keys: by a PUT, by all that reads
    s3 = aws.client("s3")
    slow_down = {"error": {"code": "SlowDown", "status": 503, "message": "Please reduce your request rate."}}
    faults.inject(
        {"service": "s3", "action": "PUT", "match": "^faulty/a b/c$", "effect": slow_down},
        {"service": "s3", "match": "^faulty/d", "effect": {"error": 500}},
        {"service": "s3", "match": "prefix=e", "effect": {"error": 503}},
    )

    # expect their codes, for a body larger than what is sent before an answer, too
    assert error_of(s3.put_object, Bucket="faulty", Key="a b/c", Body=b"x" * 5_000_000) == ("SlowDown", 503)
    assert error_of(s3.get_object, Bucket="faulty", Key="d") == ("InternalError", 500)
    assert error_of(s3.head_object, Bucket="faulty", Key="d") == ("500", 500)  # has no body that could say more
    assert error_of(s3.list_objects_v2, Bucket="faulty", Prefix="e") == ("SlowDown", 503)
    # and other keys to be as ever
    s3.put_object(Bucket="faulty", Key="other", Body=b"x")
    assert s3.get_object(Bucket="faulty", Key="other")["Body"].read() == b"x"
    assert error_of(s3.get_object, Bucket="faulty", Key="a b/c") == ("NoSuchKey", 404)


def test_a_rule_skips_and_strikes_as_often_as_it_says_and_the_first_one_strikes(aws: Aws, faults: Admin) -> None:
    # given a rule that lets one request pass, then strikes two, before one that strikes all
    faults.inject(
        {"name": "some", "service": "glue", "action": "GetDatabases", "after": 1, "times": 2, "effect": THROTTLED},
        {"name": "all", "service": "glue", "action": "GetDatabases", "effect": {"error": 500}},
    )
    glue = aws.client("glue")

    # when there are five requests, and one of another action
    codes = [error_of(glue.get_databases)[0] for _ in range(5)]
    glue.get_crawlers()

    # expect the second and third to be struck by the first rule, the others by the second
    assert codes == ["InternalFailure", *["ThrottlingException"] * 2, *["InternalFailure"] * 2]
    assert [(rule["name"], rule["struck"]) for rule in faults.ask("GET")] == [("some", 2), ("all", 3)]


def test_rules_are_replaced_cleared_and_not_kept(fresh_aws: Aws) -> None:
    # given no rules, then two, then one instead
    faults, glue = Admin(fresh_aws), fresh_aws.client("glue")
    assert faults.ask("GET") == []
    faults.inject({"service": "s3", "effect": {"error": 500}}, {"service": "glue", "effect": {"error": 500}})
    faults.inject({"service": "glue", "effect": THROTTLED})
    assert error_of(glue.get_databases)[0] == "ThrottlingException"

    # when they are deleted, expect none; when the server starts again, none either
    assert faults.ask("DELETE") == []
    glue.get_databases()
    faults.inject({"service": "glue", "effect": THROTTLED})
    assert fresh_aws.stop() == 0
    fresh_aws.start()
    assert Admin(fresh_aws).ask("GET") == []


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
        ({"service": "s3", "effect": {"error": {"code": 5, "status": 500}}}, "code and message are texts"),
        ({"service": "s3", "effect": {"delay_seconds": "1"}}, "delay_seconds is a number"),
        ({"service": "athena", "effect": {"query": "explodes"}}, "effect query is one of fails, hangs"),
        ({"service": "glue", "effect": {"query": "fails"}}, "effect query is one of service athena"),
        (
            {"service": "glue", "action": "StartJobRun", "effect": {"crawl": "FAILED"}},
            "effect crawl is one of action StartCrawler",
        ),
        ({"service": "s3", "effect": THROTTLED, "times": -1}, "times is a number from 0 on"),
        ({"service": "s3", "effect": THROTTLED, "after": True}, "after is a number from 0 on"),
        ({"service": "s3", "effect": THROTTLED, "match": 1}, "match is a text"),
        ({"service": "s3", "effect": THROTTLED, "match": "a("}, "match 'a(': missing ), unterminated"),
    ],
)
def test_a_rule_that_is_none_changes_nothing(faults: Admin, rule: Any, message: str) -> None:
    # given a rule, when another list has a good rule and a bad one
    good = {"service": "s3", "match": "never", "effect": {"error": 500}}
    faults.inject(good)

    # expect the bad one to be named, and the rules to be those of before
    assert faults.refusal([good, rule]).startswith(f"rule 2: {message}")
    assert faults.ask("GET") == [{**good, "struck": 0}]


def test_rules_that_are_no_list(faults: Admin) -> None:
    assert faults.refusal({"rules": []}) == "expected a list of rules"


def test_two_files_need_the_engine_that_can_write_them() -> None:
    # given the faults of a server whose engine is Trino, when the rule comes, expect it to be refused
    async def app(*message: Any) -> None:
        """Is asked nothing."""

    with pytest.raises(InvalidRule, match="rule 1: effect two_files needs the DuckDB engine"):
        Faults(app, Store("http://127.0.0.1:1"), two_files=False).load(json.dumps([TWO_FILES]))


def test_a_client_outlasts_one_throttle(aws: Aws, faults: Admin, athena: AthenaClient) -> None:
    # given a client with boto3's own retries, and one throttled request
    client = boto3.session.Session("test", "test", region_name="us-east-1").client(
        "athena", endpoint_url=aws.endpoint, config=Config(retries={"mode": "standard"})
    )
    faults.inject({"service": "athena", "action": "StartQueryExecution", "times": 1, "effect": THROTTLED})

    # when it starts a query, expect it to run
    output = {"OutputLocation": f"s3://{athena.bucket}/results/"}
    started = client.start_query_execution(QueryString="SELECT 1", ResultConfiguration=output)
    assert athena.ended(started["QueryExecutionId"])["Status"]["State"] == "SUCCEEDED"
    assert started["ResponseMetadata"]["RetryAttempts"] == 1
    assert faults.struck() == [1]


def test_a_delayed_answer_comes(faults: Admin, athena: AthenaClient) -> None:
    # given queries over `slow` that are answered late
    faults.inject({"service": "athena", "match": "slow", "effect": {"delay_seconds": 0.5}})

    # when one comes, expect it to be late, and right
    begun = time.monotonic()
    assert athena.rows("SELECT 'slow'") == [("slow",)]
    assert time.monotonic() - begun >= 0.5


@pytest.mark.parametrize("effect", ["fails", "fails_after_writing"])
def test_a_query_fails_before_or_after_it_has_written(faults: Admin, athena: AthenaClient, effect: str) -> None:
    # given a CREATE TABLE AS that is to fail, with comments before it
    name = f"made_{effect}"
    faults.inject({"service": "athena", "match": name, "effect": {"query": effect}, "times": 1})
    sql = f"-- CREATE\n/* TABLE */ {ctas(athena, name)}"

    # when it runs, expect files only of one that fails after writing, a table of none
    assert athena.failure(sql) == "GENERIC_INTERNAL_ERROR: A fault was asked for"
    assert len(athena.keys(f"{name}/")) == (2 if effect == "fails_after_writing" else 0)
    assert [table for table in tables(athena) if table.startswith(("made", "failed"))] == []
    assert faults.struck() == [1]


def test_what_writes_nothing_cannot_fail_after_it(faults: Admin, athena: AthenaClient) -> None:
    # given that rule for all queries, when a SELECT runs, expect it not to be struck
    faults.inject({"service": "athena", "effect": {"query": "fails_after_writing"}})
    assert athena.rows("SELECT 'CREATE TABLE'") == [("CREATE TABLE",)]
    assert faults.struck() == [0]


def test_hive_ddl_fails(faults: Admin, athena: AthenaClient) -> None:
    # given a statement that no engine runs, when it is to fail, expect that
    faults.inject({"service": "athena", "match": "SHOW", "effect": {"query": "fails"}})
    assert athena.failure("SHOW TABLES") == "GENERIC_INTERNAL_ERROR: A fault was asked for"


def test_a_query_hangs_until_it_is_stopped(faults: Admin, athena: AthenaClient) -> None:
    # given a query that hangs, and another one that has ended meanwhile
    faults.inject({"service": "athena", "match": "hanging", "effect": {"query": "hangs"}})
    hanging = athena.start("SELECT 'hanging'")
    athena.running(hanging)
    assert athena.rows("SELECT 1") == [("1",)]
    assert athena.execution(hanging)["Status"]["State"] == "RUNNING"

    # when it is stopped, expect it to be cancelled
    athena.api.stop_query_execution(QueryExecutionId=hanging)
    assert athena.ended(hanging)["Status"]["State"] == "CANCELLED"


def test_the_server_stops_while_a_query_hangs(fresh_aws: Aws) -> None:
    # given a query that hangs, when the server is asked to stop, expect it to
    athena = AthenaClient.of_its_own(fresh_aws, "hanging")
    Admin(fresh_aws).inject({"service": "athena", "effect": {"query": "hangs"}})
    athena.running(athena.start("SELECT 1"))
    assert fresh_aws.stop() == 0


def test_a_bucket_is_written_as_two_files(faults: Admin, athena: AthenaClient) -> None:
    # given the rule, when a table of one bucket is made, and one without
    faults.inject(TWO_FILES)
    athena.run(ctas(athena, "split", ONE_BUCKET))
    athena.run(ctas(athena, "unbucketed"))

    # expect two files with all rows once, and one strike
    files = athena.rows('SELECT "$path", count(*) FROM split GROUP BY 1 ORDER BY 2')
    assert [count for _, count in files] == ["1", "2"]
    assert athena.rows("SELECT x, k FROM split ORDER BY x") == [("1", "a"), ("2", "b"), ("3", "a")]
    assert faults.struck() == [1]


def test_a_job_ends_as_asked_for_without_its_script(aws: Aws, faults: Admin) -> None:
    # given a job whose script does not exist
    glue = aws.client("glue")
    command = {"Name": "pythonshell", "ScriptLocation": "s3://faulty/no-script.py"}
    glue.create_job(Name="faulty", Role=aws.role("job"), Command=command)

    # when it is to end in a state, expect it to be in that one
    for state in ("STOPPED", "ERROR", "FAILED"):
        faults.inject({"service": "glue", "match": "^faulty$", "effect": {"job": state}})
        run = glue.start_job_run(JobName="faulty")["JobRunId"]
        assert job_run(aws, run)["JobRunState"] == state
        assert faults.struck() == [1]
    assert "cannot be read" not in job_run(aws, run)["ErrorMessage"]


def job_run(aws: Aws, run: str) -> dict[str, Any]:
    """The run once it has ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found: dict[str, Any] = aws.client("glue").get_job_run(JobName="faulty", RunId=run)["JobRun"]
        if found["JobRunState"] not in ("STARTING", "RUNNING"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"run {run} is still {found['JobRunState']}")


def test_a_crawl_told_to_fail_fails_once_and_says_so(aws: Aws, faults: Admin, athena: AthenaClient) -> None:
    # given a crawler of a table without partitions
    glue = aws.client("glue")
    athena.table("crawled", TEXT, "line string")
    configuration = {"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}
    glue.create_crawler(
        Name="faulty",
        Role=aws.role("crawler"),
        Targets={"CatalogTargets": [{"DatabaseName": "faulty", "Tables": ["crawled"]}]},
        SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
        Configuration=json.dumps(configuration),
    )
    faults.inject({"service": "glue", "match": "faulty", "effect": {"crawl": "FAILED"}, "times": 1})

    # when it crawls twice, expect the first crawl to fail, the second to succeed
    assert [crawl(aws)["Status"] for _ in range(2)] == ["FAILED", "SUCCEEDED"]
    assert faults.struck() == [1]


def crawl(aws: Aws) -> dict[str, Any]:
    glue = aws.client("glue")
    glue.start_crawler(Name="faulty")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        crawler = glue.get_crawler(Name="faulty")["Crawler"]
        if crawler["State"] == "READY":
            return dict(crawler["LastCrawl"])
        time.sleep(0.02)
    raise AssertionError("the crawler still runs")


def test_a_function_times_out_and_works_on_until_the_server_ends(fresh_aws: Aws) -> None:
    # given a function that works for long
    s3, functions = fresh_aws.client("s3"), fresh_aws.client("lambda")
    s3.create_bucket(Bucket="worked")
    functions.create_function(
        FunctionName="faulty",
        Runtime="python3.11",
        Handler="index.handler",
        Role=fresh_aws.role("function"),
        Timeout=600,
        Code={"ZipFile": archive(FUNCTION)},
    )
    faults = Admin(fresh_aws)
    faults.inject({"service": "lambda", "match": '^faulty\n.*"day": "1"', "effect": {"lambda": "times_out"}})

    # when it is invoked
    answer = functions.invoke(FunctionName="faulty", Payload=json.dumps({"day": "1"}))

    # expect AWS's answer at once, while it works
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    document = json.load(answer["Payload"])
    assert document["errorType"] == "Sandbox.Timedout"
    assert re.fullmatch(r"[0-9a-f-]{36} Task timed out after 600\.00 seconds", document["errorMessage"])
    s3.get_waiter("object_exists").wait(Bucket="worked", Key="pid", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    pid = int(s3.get_object(Bucket="worked", Key="pid")["Body"].read())

    # when the server is asked to stop, expect it to, and the function's process to be gone
    assert fresh_aws.stop() == 0
    expect_ended([pid])


def test_step_6_does_not_take_two_files_for_a_day(tmp_path: Path) -> None:
    # given a server that writes a bucket as two files from its start, and a day's priced usage
    rules = tmp_path / "faults.json"
    rules.write_text(json.dumps([TWO_FILES]))
    aws = Aws(tmp_path / "state", "--faults", str(rules))
    try:
        session = boto3.Session("test", "test", region_name="us-east-1")
        bucket = deploy(session, endpoint_url=aws.endpoint, report=lambda text: None)["DataBucket"]
        athena, cost_table, version = (
            AthenaClient(aws, bucket, "smart_hub"),
            f"staging_cost_v{'0' * 16}",
            "v" + "1" * 16,
        )
        athena.run(
            f"CREATE TABLE {cost_table} WITH (external_location = 's3://{bucket}/staging/cost/') AS"
            " SELECT loc_id, 'Dryer' AS device, 'Cellar' AS location, TIMESTAMP '2019-12-21 00:00:00' AS ts,"
            " TIMESTAMP '2019-12-21 08:00:00' AS ts_utc, 'America/Los_Angeles' AS tz, 'peak' AS type, 1e0 AS kwh,"
            " 5e0 AS cents_per_kwh, 5e0 AS cost, 'or' AS state, 's_01' AS sensor, 'used' AS verdict"
            " FROM UNNEST(ARRAY['a', 'b']) AS t (loc_id)"
        )

        # when step 6 compacts it to one
        event = {"day": "2019-12-21", "run": run_name("2019-12-21", "test"), "version": version}
        answer = aws.client("lambda").invoke(
            FunctionName="smart-hub-compact",
            Payload=json.dumps({**event, "content": {}, "cost_table": cost_table, "files": 1}),
        )

        # expect it to fail and to say why
        document = json.load(answer["Payload"])
        assert answer["FunctionError"] == "Unhandled"
        location = f"s3://{bucket}/warehouse/usage_cost/dt=2019-12-21/version={version}/"
        assert document["errorMessage"].startswith(
            f"{location} holds 2 objects, expected at most 1: Athena wrote a bucket"
        )
        assert Admin(aws).struck() == [1]
    finally:
        aws.kill()


def test_a_file_of_faults_that_are_none(tmp_path: Path) -> None:
    # given a file without rules, when a server is to start with it, expect it to say so
    rules = tmp_path / "faults.json"
    rules.write_text('[{"service": "glue"}]')
    aws = Aws(tmp_path / "state", "--faults", str(rules))
    assert aws.process.wait(timeout=20) == 1
    log = (tmp_path / "state.log").read_text()
    aws.kill()
    assert f"--faults {rules}: rule 1: effect is an object with one of error" in log


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_commands_of_the_page_put_show_and_take_away_its_rule(aws: Aws, faults: Admin) -> None:
    # given docs/faults.md
    (block,) = blocks(PAGES["docs/faults.md"], "sh")
    *put, show, clear = block.replace("http://127.0.0.1:4566", aws.endpoint).splitlines()

    def shell(command: str) -> Any:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    # when its commands are typed, and a query starts in between, expect its rule to strike, and to be gone
    shell("\n".join(put))
    assert error_of(aws.client("athena").start_query_execution, QueryString="SELECT 1") == ("ThrottlingException", 400)
    assert [(rule["name"], rule["struck"]) for rule in shell(show)] == [("busy", 1)]
    shell(clear)
    assert shell(show) == []


def test_the_page_has_all_services_and_effects_and_no_other() -> None:
    page = PAGES["docs/faults.md"]
    told = [json.loads(span) for span in spans(page) if re.fullmatch(r"\{[^…]*\}", span)]

    for effect in told:
        service = next((BOUND[kind][0] for kind in effect if kind in BOUND), "athena")
        Judged.of({"service": service, "effect": effect}, two_files=True)
    assert {kind for effect in told for kind in effect} == {"error", "delay_seconds", *BOUND}
    names = [*SERVICES, *(value for _, _, values in BOUND.values() for value in values)]
    assert [name for name in names if f'"{name}"' not in page and f"`{name}`" not in page] == []
