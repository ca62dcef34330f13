"""The base class of the operators: settings, AWS clients, Athena."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from smart_hub.core.publications import Publications
from smart_hub.core.settings import Settings
from smart_hub.orchestration import deployment, macros
from smart_hub.orchestration.connection import clients
from smart_hub.shared.athena import AthenaRunner
from smart_hub.shared.layout import (
    DAILY_DAG,
    PUBLISHED_TABLES,
    STAGING_PREFIX,
    STALE_RUN_REMEDY,
    results_prefix,
    run_id_key,
    run_name,
)
from smart_hub.shared.objects import objects

_MAX_DELETED_KEYS = 1000  # in one request to S3


class SmartHubOperator(BaseOperator):
    """An operator on the AWS resources of one deployment."""

    def __init__(self, *, settings: Settings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self._athena: AthenaRunner | None = None

    def check_settings(self, *, deployed: bool = True) -> None:
        """Fails the first task of a run, without a retry, if a setting is invalid or does not match the deployment.

        Logs deprecated settings. deployed: whether to check that the bucket and stack of the settings exist on AWS.
        """
        for message in self.settings.deprecations:
            self.log.warning(message)
        problems = self.settings.problems
        if deployed and not problems:
            problems = tuple(deployment.problems(self.settings, self.client))
        if problems:
            raise AirflowFailException(
                f"settings are missing or wrong: {'; '.join(map(str, problems))}. Correct them in the environment of"
                " Airflow (docs/settings.md) and clear this task"
            )

    @cached_property
    def client(self) -> Callable[[str], Any]:
        """Returns boto3's client of a service."""
        return clients(self.settings.aws_conn_id)

    @property
    def s3(self) -> Any:
        """boto3's ``s3`` client."""
        return self.client("s3")

    @property
    def glue(self) -> Any:
        """boto3's ``glue`` client."""
        return self.client("glue")

    def athena(self, context: Context) -> AthenaRunner:
        """Athena for this attempt; its queries are stopped when the task is killed or runs out of time."""
        deadline = time.monotonic() + (self.execution_timeout or timedelta(hours=1)).total_seconds()
        self._athena = AthenaRunner(
            client=self.client("athena"),
            workgroup=self.settings.workgroup,
            database=self.settings.database,
            output=self.settings.location(results_prefix(macros.run(context))),
            version=macros.version(context),
            seconds_left=lambda: deadline - time.monotonic(),
        )
        return self._athena

    def on_kill(self) -> None:
        if self._athena is not None:
            self._athena.stop()

    def objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Objects under a key prefix of the data bucket (see objects.objects)."""
        return objects(self.s3, self.settings.data_bucket, prefix)

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects of the data bucket. Raises RuntimeError if S3 does not delete one."""
        for start in range(0, len(keys), _MAX_DELETED_KEYS):
            wanted = [{"Key": key} for key in keys[start : start + _MAX_DELETED_KEYS]]
            answer = self.s3.delete_objects(Bucket=self.settings.data_bucket, Delete={"Objects": wanted, "Quiet": True})
            for error in answer.get("Errors", []):
                reason = f"{error.get('Code')} {error.get('Message')}"
                raise RuntimeError(f"{self.settings.location(error['Key'])} was not deleted: {reason}")

    @property
    def publications(self) -> Publications:
        return Publications(self.s3, self.settings.data_bucket)

    def published(self, day: str) -> dict[str, str | None]:
        """The current location of the day's partition, by published table; None without a partition."""
        return {table: self.partition_location(table, day) for table in PUBLISHED_TABLES}

    def runs_of(self, day: str) -> dict[str, str]:
        """Names and run ids of the day's runs that have not been cleaned up; step 1 stores each run's id."""
        s3 = self.s3
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.settings.data_bucket, Prefix=f"{STAGING_PREFIX}{day}-", Delimiter="/"
        )
        folders = (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", []))
        runs = {}
        for run in (folder.split("/")[1] for folder in folders):
            try:
                answer = s3.get_object(Bucket=self.settings.data_bucket, Key=run_id_key(run))
            except s3.exceptions.NoSuchKey:
                continue
            run_id = answer["Body"].read().decode()
            if run == run_name(day, run_id):
                runs[run] = run_id
        return runs

    def is_active(self, context: Context, run_id: str) -> bool:
        """Whether a run of the daily DAG is queued or running."""
        task_instance: Any = context["ti"]
        count: int = task_instance.get_dr_count(dag_id=DAILY_DAG, run_ids=[run_id], states=["queued", "running"])
        return count > 0

    def require_table(self, table: str) -> None:
        """Fails the task if a staging table of its run does not exist any more."""
        try:
            self.glue.get_table(DatabaseName=self.settings.database, Name=table)
        except self.glue.exceptions.EntityNotFoundException:
            raise stale_run_error(f"{self.settings.database}.{table}") from None

    def partition_location(self, table: str, value: str) -> str | None:
        """The location of a table's partition, or None if the partition does not exist."""
        try:
            answer = self.glue.get_partition(
                DatabaseName=self.settings.database, TableName=table, PartitionValues=[value]
            )
        except self.glue.exceptions.EntityNotFoundException:
            return None
        return str(answer["Partition"]["StorageDescriptor"]["Location"])


def stale_run_error(missing: str) -> AirflowFailException:
    """The error of a task that was cleared after its run had finished and deleted its intermediate data."""
    return AirflowFailException(f"{missing} does not exist: {STALE_RUN_REMEDY}")
