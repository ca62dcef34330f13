"""Step 7: deletes intermediate data and superseded versions."""

import re
from datetime import datetime, timedelta
from itertools import pairwise

from airflow.sdk import Context
from airflow.sdk.timezone import utcnow

from smart_hub.core.publications import Publication, before
from smart_hub.operators.base import SmartHubOperator
from smart_hub.orchestration import macros
from smart_hub.shared.layout import (
    PUBLISHED_TABLES,
    RESULTS_PREFIX,
    RUN_PATTERN,
    STAGING_PREFIX,
    STAGING_TABLE_PATTERN,
    VERSION_PATTERN,
    day_prefix,
    is_version_of,
    results_prefix,
    staging_prefix,
    table_prefix,
    version_in_location,
)

# The only prefixes that can be deleted: a run's intermediate objects, or one version of one day.
_DELETABLE = re.compile(
    rf"({STAGING_PREFIX}|{RESULTS_PREFIX}){RUN_PATTERN.pattern}/"
    rf"|({'|'.join(map(table_prefix, PUBLISHED_TABLES))})dt=\d{{4}}-\d{{2}}-\d{{2}}/version={VERSION_PATTERN.pattern}/"
)


class CleanUpOperator(SmartHubOperator):
    """Deletes intermediate tables, objects and query results of this run and of the day's runs that have ended.

    It also deletes the versions of the day that were superseded, or written and never published, more than
    ``settings.retention_hours`` ago, except the previous version and those of active runs.
    """

    def execute(self, context: Context) -> None:
        day, own = macros.usage_day(context), macros.run(context)
        others = {run: run_id for run, run_id in self.runs_of(day).items() if run != own}
        active = {run for run, run_id in others.items() if self.is_active(context, run_id)}
        for run in (own, *sorted(others.keys() - active)):
            tables = self._drop_tables(run)
            # staging has the run's id. It is deleted last, so that a later run can finish an interrupted clean up.
            objects = self._delete(results_prefix(run)) + self._delete(staging_prefix(run))
            self.log.info("Run %s: %d intermediate tables, %d objects deleted", run, tables, objects)
        published, publications = self.published(day), self.publications.of(day)
        previous = before(publications, published)
        for table, location in published.items():
            if version_in_location(location) is None:
                raise ValueError(f"{table} of {day} is at {location}, which is not a version; nothing is deleted")
            kept = {
                version_in_location(location),
                version_in_location(previous.locations.get(table)) if previous else None,
            }
            for version in self._superseded(table, day, publications, kept):
                if not any(is_version_of(run, version) for run in active):
                    count = self._delete(day_prefix(table, day, version))
                    self.log.info("%s of %s: version %s, %d objects deleted", table, day, version, count)

    def _drop_tables(self, run: str) -> int:
        names = []
        # No Expression: AWS does not document whether it is a regular expression or a glob.
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=self.settings.database)
        for table in (table for page in pages for table in page["TableList"]):
            match = STAGING_TABLE_PATTERN.fullmatch(table["Name"])
            if match and is_version_of(run, match.group(1)):
                names.append(table["Name"])
        for name in names:
            try:
                self.glue.delete_table(DatabaseName=self.settings.database, Name=name)
            except self.glue.exceptions.EntityNotFoundException:
                self.log.info("%s is already deleted", name)
        return len(names)

    def _superseded(self, table: str, day: str, publications: list[Publication], kept: set[str | None]) -> list[str]:
        """Versions of a table's day to delete: superseded or never published for long enough, and not in ``kept``.

        A version is superseded by the publication that follows its own.
        """
        since: dict[str, datetime] = {}
        for item in self.objects(day_prefix(table, day)):
            if version := version_in_location(item["Key"]):
                since[version] = max(since.get(version, item["LastModified"]), item["LastModified"])
        for earlier, later in pairwise(reversed(publications)):
            version = version_in_location(earlier.locations.get(table))
            if version in since and version != version_in_location(later.locations.get(table)):
                since[version] = max(since[version], later.at)
        deadline = utcnow() - timedelta(hours=self.settings.retention_hours)
        return sorted(version for version in since if version not in kept and since[version] < deadline)

    def _delete(self, prefix: str) -> int:
        if not _DELETABLE.fullmatch(prefix):
            raise ValueError(f"{prefix!r} is not a prefix that can be deleted; nothing was deleted")
        keys = [item["Key"] for item in self.objects(prefix)]
        self.delete(keys)
        return len(keys)
