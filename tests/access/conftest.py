"""A local AWS and an Airflow of these tests' own; the DAG runs in this process, a new day each time."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from generator.source import SampleData
from localaws.testing import LocalAws
from ops.deploy import deploy
from ops.environment import AIRFLOW, airflow_environment
from ops.services import AWS_PYTHON
from ops.settings import ROOT, LaptopSettings

FIRST = date(2019, 11, 1)
RAW_TABLES = ("raw_mappings", "raw_locations")  # whose partitions a new day alone would not add
SOURCE_BUCKET, SOURCE_PREFIX = "somebody-elses", "readings/"
TOPIC = "arn:aws:sns:us-east-1:000000000000:on-call"


class Pipeline:
    """The stack on a local AWS, a source in a bucket of somebody else's, and Airflow, which works under its role."""

    def __init__(self, aws: LocalAws, home: Path) -> None:
        self.aws = aws
        self.files = home / "source"
        self.days = iter(FIRST + timedelta(days=number) for number in range(60))
        settings = LaptopSettings(
            local=home,
            aws_port=aws.port,
            source=f"s3://{SOURCE_BUCKET}/{SOURCE_PREFIX}",
        )
        for name in [name for name in os.environ if name.startswith(("AWS_", "AIRFLOW", "SMART_HUB_"))]:
            del os.environ[name]
        os.environ |= airflow_environment(settings)
        subprocess.run([AIRFLOW, "db", "migrate"], check=True, stdout=subprocess.DEVNULL)
        aws.client("s3").create_bucket(Bucket=SOURCE_BUCKET)
        aws.client("sns").create_topic(Name=TOPIC.rpartition(":")[2])
        parameters = {"SourceBucket": SOURCE_BUCKET, "SourcePrefix": SOURCE_PREFIX, "NotificationTopicArn": TOPIC}
        session = boto3.Session("test", "test", region_name=settings.region)
        deploy(session, endpoint_url=aws.endpoint, parameters=parameters, log=lambda text: None)

    def run(self) -> dict[str, str]:
        """Run the DAG for a day not run before, with new reference data, up to the first failure.

        Returns the exceptions of the tasks that failed.
        """
        from airflow.dag_processing.dagbag import DagBag  # not before its settings are made
        from airflow.sdk.exceptions import AirflowSkipException

        day = next(self.days)
        self._supply(day)
        dag = DagBag(ROOT / "dags" / "smart_hub_usage.py").dags["smart_hub_usage"]
        failures: dict[str, str] = {}

        def note(context: Any) -> None:
            failures[context["ti"].task_id] = f"{type(context['exception']).__name__}: {context['exception']}"

        def skip_after_failure(context: Any) -> None:
            if failures:
                raise AirflowSkipException("another task has failed")

        for task in dag.tasks:
            task.retries = 0
            task.on_failure_callback = [note]
            task._pre_execute_hook = skip_after_failure
        run = dag.test(run_conf={"usage_date": day.isoformat()}, logical_date=None)
        assert (run.state == "failed") == bool(failures)
        return failures

    def client(self, service: str, role: str) -> Any:
        """A client with a session of a role, which Airflow's role takes on, unless it is its own."""
        sts, path = self.aws.client("sts"), "arn:aws:iam::000000000000:role"
        for name in dict.fromkeys((f"{path}/smart-hub-airflow", f"{path}/{role}")):
            given = sts.assume_role(RoleArn=name, RoleSessionName="test")["Credentials"]
            keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
            session = boto3.session.Session(*keys, region_name="us-east-1")
            sts = session.client("sts", endpoint_url=self.aws.endpoint)
        made: Any = session.client(service, endpoint_url=self.aws.endpoint)  # type: ignore[call-overload]
        return made

    def _supply(self, day: date) -> None:
        """A source with the day's usage and references of another content; the catalog does not know their states."""
        shutil.rmtree(self.files, ignore_errors=True)
        source = SampleData(hubs=1, first=day, last=day, seed=day.toordinal(), files_per_day=1, gzip=False, clean=True)
        source.write(self.files)
        with (self.files / "rates" / "rates.xml").open("a") as rates:
            rates.write(f"<!-- {day} -->")
        with (self.files / "usage" / f"dt={day}" / "usage-01.json").open("a") as usage:
            usage.write("not a reading\n")  # so that there are rejects to write
        for path in (path for path in self.files.rglob("*") if path.is_file()):
            key = f"{SOURCE_PREFIX}{path.relative_to(self.files).as_posix()}"
            self.aws.client("s3").upload_file(str(path), SOURCE_BUCKET, key)
        glue = self.aws.client("glue")
        for table in RAW_TABLES:
            for partition in glue.get_partitions(DatabaseName="smart_hub", TableName=table)["Partitions"]:
                glue.delete_partition(DatabaseName="smart_hub", TableName=table, PartitionValues=partition["Values"])


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    with (
        tempfile.TemporaryDirectory(prefix="smart-hub-access-") as home,
        LocalAws(Path(home) / "aws", python=AWS_PYTHON) as aws,
    ):
        yield Pipeline(aws, Path(home))
