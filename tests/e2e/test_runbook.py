"""docs/runbook.md, done as it says: something is broken, and the page's own commands make it good again.

So is the one of docs/permissions.md, which needs the AWS CLI and the stack as well.
Takes many minutes; `make test-reruns` runs it.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from generator.hubs import CHANNELS
from ops.airflow_api import Dag
from tests.chaos.faults import athena
from tests.chaos.kit import Damage, Kit
from tests.docs.pages import PAGES, blocks
from tests.e2e.environment import DAYS, ROOT, SECONDS, Environment
from tests.ports import free_ports

pytestmark = pytest.mark.long

FIRST, SECOND = DAYS
VALUES = 288 * len(CHANNELS)  # of a hub and day: each channel every five minutes
LATE = "usage-late.json"
BUCKET = "smart-hub-data-000000000000-us-east-1"

Rows = list[dict[str, Any]]


@dataclass
class Book:
    """The page's blocks of commands, by heading; done are those that were executed."""

    environment: Environment
    blocks: dict[str, list[str]]
    done: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, environment: Environment) -> "Book":
        text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
        blocks: dict[str, list[str]] = {}
        for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            heading, _, body = section.partition("\n")
            fences = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", body, re.MULTILINE | re.DOTALL)
            assert {language for _, language, _ in fences} <= {"sh"}, f"{heading}: a block that no test knows to run"
            blocks[heading] = [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, _, block in fences]
        return cls(environment, blocks)

    def do(self, heading: str, part: str, *, answer: str = "", **variables: str) -> str:
        """What the one block under a heading that holds ``part`` prints, after what is to be done before any.

        answer: what is typed in; variables: what the page says that its commands use.
        """
        (block,) = [block for block in self.blocks[heading] if part in block]
        before = self.blocks["Before you begin"]
        printed = self.shell(
            "\n".join([*before, *(f'{name}="{value}"' for name, value in variables.items()), block]), answer
        )
        self.done.update([*before, block])
        return printed

    def shell(self, script: str, answer: str = "") -> str:
        """What a shell prints that has the AWS CLI, and make of this environment."""
        done = subprocess.run(
            ["sh", "-euc", script],
            cwd=ROOT,
            env={
                **os.environ,
                "PATH": f"{ROOT / '.venv-clients' / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "TMPDIR": str(self.environment.local.parent),
                "SMART_HUB_LOCAL": str(self.environment.local),
                "AIRFLOW_PORT": str(self.environment.airflow_port),
                "AWS_PORT": str(self.environment.aws_port),
            },
            input=answer,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def left_out(self) -> list[str]:
        return [block for blocks in self.blocks.values() for block in blocks if block not in self.done]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Services of their own. The source lacks the second day, and one hub's readings of the first."""
    folder = tmp_path_factory.mktemp("runbook")
    source = folder / "source"
    shutil.copytree(ROOT / "include" / "data", source)
    (source / "usage" / f"dt={SECOND}").rename(folder / "second")
    for path in (source / "usage" / f"dt={FIRST}").iterdir():
        lines = path.read_text().splitlines(keepends=True)
        late = [line for line in lines if hub_of(line) == late_hub()]
        if late:
            (folder / "late").write_text("".join(late))
            path.write_text("".join(line for line in lines if line not in late))
    made = Kit(Environment(folder / "local", *free_ports()), source)
    made.up()
    made.dag.wait_until_parsed()
    yield made
    down = made.environment.make("down")
    assert down.returncode == 0, down.stdout


@pytest.fixture(scope="module")
def book(kit: Kit) -> Book:
    return Book.read(kit.environment)


def hub_of(line: str) -> str | None:
    return str(json.loads(line)["loc_id"]) if line.endswith("}\n") else None


def late_hub() -> str:
    """The hub of the first reading of the sample's first file."""
    with (ROOT / "include" / "data" / "usage" / f"dt={FIRST}" / "usage-01.json").open() as file:
        return str(json.loads(file.readline())["loc_id"])


def started(kit: Kit, act: Callable[[], object], dag_id: str = "smart_hub_usage") -> str:
    """The id of the one run that an act has started."""
    dag = Dag(f"http://127.0.0.1:{kit.environment.airflow_port}", dag_id)
    before = {run.run_id for run in dag.runs()}
    act()
    (run_id,) = {run.run_id for run in dag.runs()} - before
    return run_id


def failed_task(kit: Kit, run_id: str) -> str:
    (task,) = [task.task_id for task in kit.dag.tasks(run_id) if task.state == "failed"]
    return task


def published(kit: Kit, day: str) -> Rows:
    """All rows of a day, in one order."""
    return sorted(kit.published(day), key=lambda row: (row["loc_id"], row["sensor"], row["ts_utc"]))


def rewritten(path: Path, old: str, new: Callable[[re.Match[str]], str], count: int = 0) -> str:
    """Changes a file; gives the text it had."""
    text = path.read_text()
    path.write_text(re.sub(old, new, text, count=count))
    assert path.read_text() != text
    return text


def wait_for_backfills(kit: Kit) -> None:
    """Until Airflow has noticed that each has ended: it takes one at a time."""
    url = f"http://127.0.0.1:{kit.environment.airflow_port}/api/v2/backfills"
    deadline = time.monotonic() + SECONDS
    while True:
        answer = httpx.get(url, params={"dag_id": "smart_hub_usage"}, timeout=60, trust_env=False).raise_for_status()
        if all(backfill["completed_at"] for backfill in answer.json()["backfills"]):
            return
        assert time.monotonic() < deadline, answer.text
        time.sleep(1)


def test_a_day_that_failed_is_cleared(kit: Kit, book: Book) -> None:
    # given a backfill of two days, of which the source has one
    kit.backfill(FIRST, SECOND)
    kit.pause(False)
    failed = {run_id for run_id, state in kit.ended().items() if state == "failed"}
    assert len(failed) == 1
    (run_id,) = failed

    # when somebody looks which run, which task, and why
    listed = book.do("A day has failed", "list-runs")
    states = book.do("A day has failed", "states-for-dag-run", RUN=run_id)
    log = book.do("A day has failed", "tail", RUN=run_id, TASK="step_1_copy_raw_data")

    # expect all alerts
    assert re.findall(r"^smart_hub_usage\s+(\S+)\s+failed\s", listed, re.MULTILINE) == [run_id]
    assert re.search(r"\sstep_1_copy_raw_data\s+failed\s", states)
    assert f"no file under {kit.source}/usage/dt={SECOND}/" in log

    # when the file has come and the task is cleared
    (kit.source.parent / "second").rename(kit.source / "usage" / f"dt={SECOND}")
    book.do("A day has failed", "--only-failed", RUN=run_id)

    # expect both days right
    assert set(kit.ended().values()) == {"success"}
    assert [kit.damage(day) for day in DAYS] == [Damage(), Damage()]


def test_corrected_rates_change_the_days_that_run_again(kit: Kit, book: Book) -> None:
    # given rates twice as high, after both days were published
    before = {day: published(kit, day) for day in DAYS}
    rates = kit.source / "rates" / "rates.xml"
    rewritten(rates, "<rate>(.*?)</rate>", lambda rate: f"<rate>{2 * Decimal(rate[1])}</rate>")
    kit.expected.clear()

    # when the first day runs, expect it alone to have them, and the other to be named
    run_id = started(kit, lambda: book.do("A day has failed", "dags trigger", DAY=FIRST))
    assert kit.ended()[run_id] == "success"
    assert kit.damage(FIRST) == Damage()
    assert published(kit, SECOND) == before[SECOND]
    assert book.do("Rates have changed", "INNER JOIN rates").split() == ["dt", SECOND]

    # when the rest runs again, expect twice the costs of before
    wait_for_backfills(kit)
    book.do("Rates have changed", "backfill create", FROM=SECOND, TO=SECOND)
    assert set(kit.ended().values()) == {"success"}
    assert kit.damage(SECOND) == Damage()
    assert [row["cost"] for row in published(kit, SECOND)] == pytest.approx([2 * row["cost"] for row in before[SECOND]])
    assert book.do("Rates have changed", "INNER JOIN rates").split() == ["dt"]


@pytest.fixture(scope="module")
def before_late(kit: Kit) -> Rows:
    return published(kit, FIRST)


def test_late_data_come_in_by_a_run_of_their_day(kit: Kit, book: Book, before_late: Rows) -> None:
    # given a file of a hub that was not there; its values are ten times what they should be, as will be found later
    late = kit.source / "usage" / f"dt={FIRST}" / LATE
    shutil.copy(kit.source.parent / "late", late)
    rewritten(late, r'(?<=":)\d+\.\d+', lambda value: str(10 * Decimal(value[0])))
    kit.expected.clear()
    hubs = {row["loc_id"] for row in before_late}

    run_id = started(kit, lambda: book.do("Data came late", "dags trigger", DAY=FIRST))

    assert kit.ended()[run_id] == "success"
    counts = [line.split() for line in book.do("Data came late", "count(*)", DAY=FIRST).splitlines()]
    assert counts == [["loc_id", "n"], *([hub, str(VALUES)] for hub in sorted({*hubs, late_hub()}))]
    assert late_hub() not in hubs


def test_a_bad_day_is_rolled_back_repaired_and_run_again(kit: Kit, book: Book, before_late: Rows) -> None:
    # given the late hub's wrong values, published
    assert len(published(kit, FIRST)) == len(before_late) + VALUES

    roll_back = "smart_hub_roll_back"
    back = started(kit, lambda: book.do("A bad day is published", roll_back, DAY=FIRST), roll_back)
    assert kit.environment.finished(back, dag_id=roll_back)["state"] == "success"
    assert published(kit, FIRST) == before_late

    shutil.copy(kit.source.parent / "late", kit.source / "usage" / f"dt={FIRST}" / LATE)
    kit.expected.clear()
    again = started(kit, lambda: book.do("A bad day is published", "smart_hub_usage", DAY=FIRST))
    assert kit.ended()[again] == "success"
    assert kit.damage(FIRST) == Damage()
    assert len(published(kit, FIRST)) == len(before_late) + VALUES


def test_a_failed_audit_names_the_rule_and_the_whole_run_is_cleared(kit: Kit, book: Book) -> None:
    # given a negative reading
    before = published(kit, SECOND)
    file = kit.source / "usage" / f"dt={SECOND}" / "usage-01.json"
    right = rewritten(file, r":(0\.\d*[1-9])", lambda value: f":-{value[1]}", count=1)
    kit.start("negative", SECOND)
    assert kit.ended()["negative"] == "failed"
    assert failed_task(kit, "negative") == "audit"
    assert published(kit, SECOND) == before

    # when somebody looks, expect the rule
    found = [line.split("\t") for line in book.do("The audit has failed", "data_quality", DAY=SECOND).splitlines()]
    assert [row[:3] for row in found if row[1] == "fatal"] == [["no_negative_usage", "fatal", "1"]]

    # when the source is mended and the run cleared, expect the day as it was
    file.write_text(right)
    book.do("A day has failed", "--run-id $RUN --yes", RUN="negative")
    assert kit.ended()["negative"] == "success"
    assert published(kit, SECOND) == before


def test_a_partition_that_is_not_described_as_its_table_is_crawled_again(kit: Kit, book: Book) -> None:
    # given a partition as a crawler makes it that infers types
    glue = kit.environment.client("glue")
    names = {"DatabaseName": "smart_hub", "TableName": "raw_usage"}
    storage = glue.get_partition(**names, PartitionValues=[SECOND])["Partition"]["StorageDescriptor"]
    inferred = [{**one, "Type": "int"} if one["Name"] == "ts" else one for one in storage["Columns"]]
    glue.delete_partition(**names, PartitionValues=[SECOND])
    described = {"Values": [SECOND], "StorageDescriptor": {**storage, "Columns": inferred}}
    glue.create_partition(**names, PartitionInput=described)
    count = f"SELECT count(ts) FROM raw_usage WHERE dt = '{SECOND}'"
    with pytest.raises(AssertionError, match="HIVE_PARTITION_SCHEMA_MISMATCH"):
        kit.environment.select(count)

    # when the partition is deleted and crawled
    book.do("Crawl again", "delete-partition", DAY=SECOND)
    assert book.do("Crawl again", "start-crawler").split() == ["SUCCEEDED", "None"]

    # expect it to have the columns of its table, and queries to succeed
    table = glue.get_table(DatabaseName="smart_hub", Name="raw_usage")["Table"]
    found = glue.get_partition(**names, PartitionValues=[SECOND])["Partition"]
    assert found["StorageDescriptor"]["Columns"] == table["StorageDescriptor"]["Columns"]
    ((readings,),) = kit.environment.select(count)
    assert int(readings) > 0


def test_a_stuck_query_is_found_and_stopped_and_its_task_tries_again(kit: Kit, book: Book) -> None:
    # given a query of the first day that never ends
    hangs = athena("CREATE TABLE staging_usage_cost_", {"query": "hangs"}, name="stuck")
    kit.inject([hangs])
    kit.start("stuck", FIRST)
    deadline = time.monotonic() + SECONDS
    while not kit.injections()["stuck"]:
        assert time.monotonic() < deadline
        time.sleep(0.5)

    # when somebody looks what runs, expect it, by day
    ((query, _, location),) = [line.split("\t") for line in book.do("A query is stuck", "batch-get").splitlines()]
    assert f"/athena-results/{FIRST}-" in location
    status, _, sql = json.loads(book.do("A query is stuck", "Statistics, Query", QUERY=query))
    assert status["State"] == "RUNNING"
    assert "CREATE TABLE staging_usage_cost_" in sql

    # when it is stopped, expect the task to try again, and the day to be right
    book.do("A query is stuck", "stop-query-execution", QUERY=query)
    assert kit.ended()["stuck"] == "success"
    assert kit.retries("stuck") == 1
    assert kit.damage(FIRST) == Damage()
    kit.inject([])


def test_rights_can_be_asked_for(kit: Kit, book: Book) -> None:
    assert book.do("Access is denied", "simulate-principal-policy").split() == ["glue:StartCrawler", "allowed"]


def test_a_role_is_tried_by_hand(kit: Kit, book: Book) -> None:
    # given the commands of docs/permissions.md
    (block,) = blocks(PAGES["docs/permissions.md"], "sh")
    aws = f"http://127.0.0.1:{kit.environment.aws_port}"

    given = json.loads(book.shell(block.replace("http://127.0.0.1:4566", aws)))["Credentials"]

    # expect a session of that role, which has the permissions of the role and no others
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], "us-east-1")
    whoami = session.client("sts", endpoint_url=aws).get_caller_identity()["Arn"]
    assert whoami == "arn:aws:sts::000000000000:assumed-role/smart-hub-airflow/me"
    assert session.client("athena", endpoint_url=aws).get_work_group(WorkGroup="smart-hub")
    with pytest.raises(ClientError, match=r"AccessDenied.*DeleteBucket"):
        session.client("s3", endpoint_url=aws).delete_bucket(Bucket=BUCKET)


def test_costs_are_shown_and_limited(kit: Kit, book: Book) -> None:
    # what runs have cost
    events = json.loads(book.do("Costs are too high", "curl"))["asset_events"]
    assert any(event["extra"].get("estimated_dollars", 0) > 0 for event in events)

    # how often was crawled: a day each, and the partition that was deleted
    crawls = [line.split() for line in book.do("Costs are too high", "list-crawls").splitlines()]
    assert [state for _, state in crawls] == ["COMPLETED"] * 3

    # the largest queries first
    lines = book.do("Costs are too high", "sort_by").splitlines()
    sizes = [int(line.split("\t")[0]) for line in lines]
    assert len(sizes) == 10
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0

    # a limit
    book.do("Costs are too high", "BytesScannedCutoff")
    workgroup = kit.environment.client("athena").get_work_group(WorkGroup="smart-hub")["WorkGroup"]
    assert workgroup["Configuration"]["BytesScannedCutoffPerQuery"] == 10_000_000_000


def test_another_stack_takes_over_with_the_same_rows(kit: Kit, book: Book) -> None:
    # given the days of one stack
    days = kit.environment.select("SELECT CAST(dt AS varchar), count(*) FROM usage_cost GROUP BY dt ORDER BY dt")
    assert [day for day, _ in days] == DAYS

    # when another one is deployed on its raw data, and runs the days
    book.do("Move", "dags pause")
    assert kit.environment.airflow.get("../smart_hub_usage").raise_for_status().json()["is_paused"]
    shown = book.do("Move", "make deploy")
    assert f"SMART_HUB_SOURCE=s3://{BUCKET}/raw" in shown
    assert "SMART_HUB_STACK=smart-hub-new" in shown
    book.do("Move", "make up")
    wait_for_backfills(kit)
    book.do("Move", "dags unpause", FROM=FIRST, TO=SECOND)
    assert set(kit.ended().values()) == {"success"}

    # expect the same rows, day by day
    compared = book.do("Move", "diff").splitlines()
    assert compared[-1] == "Both are the same"
    assert [line.split("\t")[:2] for line in compared[:3]] == [["dt", "n"], *map(list, days)]
    assert compared[:3] == compared[3:6]

    # when the old one is removed, expect nothing of it, and the new one as it was
    book.do("Move", "make destroy", answer="smart-hub\n")
    buckets = {bucket["Name"] for bucket in kit.environment.client("s3").list_buckets()["Buckets"]}
    assert buckets == {BUCKET.replace("hub-data", f"hub-new-{kind}") for kind in ("data", "artifacts")}
    glue = kit.environment.client("glue")
    partitions = glue.get_partitions(DatabaseName="smart_hub_new", TableName="usage_cost")["Partitions"]
    assert sorted(partition["Values"][0] for partition in partitions) == DAYS
    assert "smart_hub" not in {database["Name"] for database in glue.get_databases()["DatabaseList"]}


def test_no_command_of_the_page_is_left_out(book: Book) -> None:
    assert book.left_out() == []
