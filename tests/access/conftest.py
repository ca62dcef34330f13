"""A deployment of these tests' own. The DAG runs on it in this process, a new day each time."""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from generator.source import SampleData
from localaws.testing import LocalAws
from localaws.testing.plugin import LocalAwsFactory
from tests.deployment import Deployment

FIRST = date(2019, 11, 1)
RAW_TABLES = ("raw_mappings", "raw_locations")  # whose partitions a new day alone would not add
SOURCE_BUCKET, SOURCE_PREFIX = "somebody-elses", "readings/"
TOPIC = "arn:aws:sns:us-east-1:000000000000:on-call"


class RestrictedDeployment(Deployment):
    """A deployment whose source is in a bucket of somebody else's. Tests remove rights from its roles."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        aws.client("s3").create_bucket(Bucket=SOURCE_BUCKET)
        aws.client("sns").create_topic(Name=TOPIC.rpartition(":")[2])
        parameters = {"SourceBucket": SOURCE_BUCKET, "SourcePrefix": SOURCE_PREFIX, "NotificationTopicArn": TOPIC}
        super().__init__(aws, folder, parameters)
        self._files = folder / "source"
        self._days = iter(FIRST + timedelta(days=number) for number in range(60))

    def run_another_day(self) -> None:
        """Run the DAG for a day not run before, with new reference data. Raises TaskError for the first failure."""
        day = next(self._days)
        self._supply(day)
        self.run(day.isoformat(), f"s3://{SOURCE_BUCKET}/{SOURCE_PREFIX}")

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
        shutil.rmtree(self._files, ignore_errors=True)
        source = SampleData(hubs=1, first=day, last=day, seed=day.toordinal(), files_per_day=1, gzip=False, clean=True)
        source.write(self._files)
        with (self._files / "rates" / "rates.xml").open("a") as rates:
            rates.write(f"<!-- {day} -->")
        with (self._files / "usage" / f"dt={day}" / "usage-01.json").open("a") as usage:
            usage.write("not a reading\n")  # so that there are rejects to write
        for path in (path for path in self._files.rglob("*") if path.is_file()):
            key = f"{SOURCE_PREFIX}{path.relative_to(self._files).as_posix()}"
            self.aws.client("s3").upload_file(str(path), SOURCE_BUCKET, key)
        glue = self.aws.client("glue")
        for table in RAW_TABLES:
            for partition in glue.get_partitions(DatabaseName="smart_hub", TableName=table)["Partitions"]:
                glue.delete_partition(DatabaseName="smart_hub", TableName=table, PartitionValues=partition["Values"])


@pytest.fixture(scope="session")
def deployment(
    local_aws_factory: LocalAwsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RestrictedDeployment]:
    with local_aws_factory() as aws:
        yield RestrictedDeployment(aws, tmp_path_factory.mktemp("access"))
