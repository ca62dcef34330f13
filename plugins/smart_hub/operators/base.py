"""What the operators have in common: settings, AWS clients, Athena."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from smart_hub.core.publications import Publications
from smart_hub.core.settings import Settings, SettingsError
from smart_hub.orchestration import deployment, macros
from smart_hub.orchestration.connection import clients
from smart_hub.shared.athena import AthenaRunner
from smart_hub.shared.layout import DAILY_DAG, PUBLISHED_TABLES, STAGING_PREFIX, results_prefix, run_id_key, run_name
from smart_hub.shared.objects import objects

_MAX_DELETED_KEYS = 1000  # keys that one request of S3 takes


class SmartHubOperator(BaseOperator):
    """An operator on the AWS resources of one deployment."""

    def __init__(self, *, settings: Settings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self._athena: AthenaRunner | None = None

    def check_settings(self, *, deployed: bool = True) -> None:
        """For the first task of a run: fails it, without a retry, if a setting is wrong or AWS lacks what it says.

        deployed: whether what it says has to be there on AWS.
        """
        try:
            self.settings.check()
        except SettingsError as error:
            raise settings_error(str(error)) from None
        if deployed and (problems := deployment.problems(self.settings, self.client)):
            raise settings_error("; ".join(problems))

    @cached_property
    def client(self) -> Callable[[str], Any]:
        """Gives boto3's client of a service."""
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
        """Deletes objects of the data bucket. Raises RuntimeError when S3 does not delete one."""
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
        """Where the day of each published table lies now."""
        return {table: self.partition_location(table, day) for table in PUBLISHED_TABLES}

    def runs_of(self, day: str) -> dict[str, str]:
        """Names and run ids of the day's runs that left something; step 1 writes each run's id down."""
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
        """Fails the task, and says where to clear from, when a staging table of its run is gone."""
        try:
            self.glue.get_table(DatabaseName=self.settings.database, Name=table)
        except self.glue.exceptions.EntityNotFoundException:
            raise stale_run_error(f"{self.settings.database}.{table}") from None

    def partition_location(self, table: str, value: str) -> str | None:
        """Where a table's partition lies, or None when the table has no such partition."""
        try:
            answer = self.glue.get_partition(
                DatabaseName=self.settings.database, TableName=table, PartitionValues=[value]
            )
        except self.glue.exceptions.EntityNotFoundException:
            return None
        return str(answer["Partition"]["StorageDescriptor"]["Location"])


def settings_error(problems: str) -> AirflowFailException:
    return AirflowFailException(
        f"settings are missing or wrong: {problems}. Correct them in the environment of Airflow (docs/settings.md) and"
        " clear this task"
    )


def stale_run_error(what: str) -> AirflowFailException:
    """The error of a task that was cleared after its run had finished and cleaned up after itself."""
    return AirflowFailException(
        f"{what} does not exist: what this run worked with is gone since it finished; clear the run from"
        " step_3_convert, with what is downstream"
    )
