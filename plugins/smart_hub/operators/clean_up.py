"""Step 7: what a run leaves behind once its day is published."""

import re
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Context
from airflow.sdk.timezone import utcnow

from smart_hub import macros
from smart_hub.layout import (
    PUBLISHED_TABLES,
    RUN_PATTERN,
    is_version_of,
    results_prefix,
    run_id_key,
    run_name,
    staging_prefix,
)
from smart_hub.operators.base import SmartHubOperator, version_at

_STAGING_TABLE = re.compile(r"staging_[a-z_]+_(v[0-9a-f]{16})")
# All that may ever be deleted: a run's intermediate objects, or one version of one day.
_DELETABLE = re.compile(
    rf"(staging|athena-results)/{RUN_PATTERN.pattern}/"
    rf"|warehouse/({'|'.join(PUBLISHED_TABLES)})/dt=\d{{4}}-\d{{2}}-\d{{2}}/version=v[0-9a-f]{{16}}/"
)


class CleanUpOperator(SmartHubOperator):
    """Removes intermediate tables, objects and query results of this run and the day's runs that have ended.

    Of each published table's day it also deletes the versions that are older than ``settings.keep_hours``,
    except the published one, the one before it, and those of a run that has not ended.
    """

    def execute(self, context: Context) -> None:
        day, own = macros.usage_day(context), macros.run(context)
        others = self._other_runs(day, own)
        ended = [run for run, run_id in others.items() if self._has_ended(context, run_id)]
        for run in (own, *ended):
            tables = self._drop_tables(run)
            # The run's id lies in staging, which goes last: until then the next success finds the run.
            objects = self._delete(results_prefix(run)) + self._delete(staging_prefix(run))
            self.log.info("Run %s: %d intermediate tables, %d objects removed", run, tables, objects)
        active = set(others) - set(ended)
        for table in PUBLISHED_TABLES:
            before = version_at(macros.found(context)["published"][table])
            for version in self._superseded(table, day, before):
                if not any(is_version_of(run, version) for run in active):
                    count = self._delete(f"warehouse/{table}/dt={day}/version={version}/")
                    self.log.info("%s of %s: version %s, %d objects removed", table, day, version, count)

    def _other_runs(self, day: str, own: str) -> dict[str, str]:
        """Names and run ids of the day's other runs that left something; step 1 writes each run's id down."""
        s3 = self.s3_client
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.settings.data_bucket, Prefix=f"staging/{day}-", Delimiter="/"
        )
        folders = (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", []))
        runs = {}
        for run in (folder.split("/")[1] for folder in folders):
            try:
                answer = s3.get_object(Bucket=self.settings.data_bucket, Key=run_id_key(run))
            except s3.exceptions.NoSuchKey:
                continue
            run_id = answer["Body"].read().decode()
            if run != own and run == run_name(day, run_id):
                runs[run] = run_id
        return runs

    def _has_ended(self, context: Context, run_id: str) -> bool:
        task_instance: Any = context["ti"]
        count: int = task_instance.get_dr_count(dag_id=self.dag_id, run_ids=[run_id], states=["queued", "running"])
        return count == 0

    def _drop_tables(self, run: str) -> int:
        names = []
        # No Expression: whether its asterisk is a regular expression's or a glob's is not documented clearly.
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=self.settings.database)
        for table in (table for page in pages for table in page["TableList"]):
            match = _STAGING_TABLE.fullmatch(table["Name"])
            if match and is_version_of(run, match.group(1)):
                names.append(table["Name"])
        for name in names:
            try:
                self.glue.delete_table(DatabaseName=self.settings.database, Name=name)
            except self.glue.exceptions.EntityNotFoundException:
                self.log.info("%s is gone already", name)
        return len(names)

    def _superseded(self, table: str, day: str, before: str | None) -> list[str]:
        """Versions of a table's day that may go: old enough, neither published nor the one before.

        before: the version that was published when the run started. After a Clear that can be the published
        one itself; so the newest other version stays in any case.
        """
        newest: dict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=utcnow().tzinfo))
        for item in self.objects(f"warehouse/{table}/dt={day}/"):
            if version := version_at(item["Key"]):
                newest[version] = max(newest[version], item["LastModified"])
        location = self.partition_location(table, day)
        published = version_at(location)
        if published is None:
            raise ValueError(f"{table} of {day} is at {location}, not at a version; nothing is deleted")
        others = sorted((version for version in newest if version != published), key=newest.__getitem__)
        kept = {published, before, *others[-1:]}
        deadline = utcnow() - timedelta(hours=self.settings.keep_hours)
        return [version for version in others if version not in kept and newest[version] < deadline]

    def _delete(self, prefix: str) -> int:
        if not _DELETABLE.fullmatch(prefix):
            raise ValueError(f"{prefix!r} is no prefix to delete; nothing was deleted under it")
        keys = [item["Key"] for item in self.objects(prefix)]
        if keys:
            self.s3.delete_objects(self.settings.data_bucket, keys)
        return len(keys)
