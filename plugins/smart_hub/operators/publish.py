"""The publish: switches the day's partitions to their new version, or back to the previous one (roll back)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.timezone import utcnow

from smart_hub.core import aws_prices
from smart_hub.core.publications import Publication, before
from smart_hub.core.quality import REJECTS_RULE, ROWS_RULE
from smart_hub.operators.base import SmartHubOperator, stale_run_error
from smart_hub.orchestration import macros
from smart_hub.shared.layout import (
    INSIGHT_TABLES,
    INSIGHT_VIEWS,
    PUBLISHED_TABLES,
    REFERENCE_TABLES,
    TABLES_THAT_CAN_BE_EMPTY,
    results_prefix,
    version_in_location,
)
from smart_hub.shared.sql import statement

# Athena names the result files of a query after its id.
_QUERY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class PartitionSwitchOperator(SmartHubOperator):
    """Switches the day's partition of each published table to a version, and records the publication.

    The order is usage_rejects, readings, usage_cost, then the insights. Readers of a table see either the old or the
    new version.
    """

    def switch_partitions(self, context: Context, day: str, locations: Mapping[str, str]) -> None:
        """locations: table -> S3 location of the version."""
        athena = self.athena(context)
        first = [table for table in PUBLISHED_TABLES if table not in INSIGHT_TABLES]
        for tables in (*([table] for table in first), list(INSIGHT_TABLES)):
            new = [table for table in tables if self.partition_location(table, day) is None]
            athena.run(*(self._change("add_partition", table, day, locations) for table in new))
            elsewhere = [table for table in tables if self.partition_location(table, day) != locations[table]]
            athena.run(*(self._change("set_location", table, day, locations) for table in elsewhere))
            for table in tables:
                self.log.info("%s of %s is now at %s", table, day, locations[table])
        self.publications.add(day, macros.version(context), Publication(utcnow(), locations))

    def _change(self, name: str, table: str, day: str, locations: Mapping[str, str]) -> str:
        return self.statement(name, table=table, day=day, location=locations[table])

    def emit_asset_event(self, context: Context, day: str, locations: Mapping[str, str], **fields: Any) -> None:
        """Sets partition (the day) and extra (day, version, ``fields``) of the outlets' asset events."""
        for outlet in self.outlets:
            event = context["outlet_events"][outlet]
            event.extra = {"day": day, "version": version_in_location(locations["usage_cost"]), **fields}
            event.add_partitions(day)

    def first_empty_location(self, locations: Mapping[str, str]) -> str | None:
        """Returns the first location without objects, of a table that cannot be empty."""
        for table in PUBLISHED_TABLES:
            if table in TABLES_THAT_CAN_BE_EMPTY:
                continue
            prefix = locations[table].removeprefix(self.settings.location(""))
            if next(self.objects(prefix), None) is None:
                return locations[table]
        return None

    def statement(self, name: str, **values: str) -> str:
        return statement(self.settings.sql / "publish", name, **values)


class PublishOperator(PartitionSwitchOperator):
    """Publishes the run's versions of the day, and the views of the reference data that it joined. Idempotent.

    locations: table -> S3 location of the new version.

    The asset events have day, version, rows, rejects, bytes scanned by the run's queries, and estimated dollars.
    Returns the locations.
    """

    template_fields: Sequence[str] = ("locations",)

    def __init__(self, *, locations: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.locations = locations

    def execute(self, context: Context) -> dict[str, str]:
        if missing := self.first_empty_location(self.locations):
            raise stale_run_error(missing)
        day = macros.usage_day(context)
        self.switch_partitions(context, day, self.locations)
        hashes = macros.step_1_result(context)["content_hashes"]
        self.athena(context).run(
            *(self.statement(data_set, content_hash=hashes[data_set]) for data_set in REFERENCE_TABLES),
            *(self.statement(view) for view in INSIGHT_VIEWS),
        )
        if self.outlets:
            self.emit_asset_event(context, day, self.locations, **self._usage(context))
        return self.locations

    def _usage(self, context: Context) -> dict[str, Any]:
        """Rows, rejects, bytes scanned and estimated dollars of the run."""
        checked, step_1 = macros.checked_counts(context), macros.step_1_result(context)
        prefix = results_prefix(macros.run(context))
        names = (item["Key"].removeprefix(prefix) for item in self.objects(prefix))
        queries = {match[0] for name in names if (match := _QUERY_ID.match(name))}
        scanned = self.athena(context).scanned(sorted(queries))
        return {
            "rows": checked[ROWS_RULE],
            "rejects": checked[REJECTS_RULE],
            "bytes_scanned": sum(scanned.values()),
            "estimated_dollars": round(
                aws_prices.estimated_dollars(scanned.values(), len(step_1["crawl"]), int("rates" in step_1["new"])), 6
            ),
        }


class RollBackOperator(PartitionSwitchOperator):
    """Publishes the previous version of the day again; a second roll back undoes the first.

    Fails, without a retry, if a setting is wrong, while a run of the day is active, or if the day was published
    only once. Returns the locations.
    """

    def execute(self, context: Context) -> dict[str, str]:
        self.check_settings()
        day = macros.usage_day(context)
        if active := [run_id for run_id in self.runs_of(day).values() if self.is_active(context, run_id)]:
            raise AirflowFailException(
                f"a run of {day} is active and would publish the day again: wait for {', '.join(active)}"
            )
        now = self.published(day)
        previous = before(self.publications.of(day), now)
        if previous is None:
            raise AirflowFailException(f"{day} has no version before the published one: {now}")
        locations = dict(previous.locations)
        if locations.keys() != set(PUBLISHED_TABLES):
            raise AirflowFailException(
                f"the previous publication of {day} is by another version of the project, with the tables"
                f" {', '.join(sorted(locations))}: start a run of the day instead"
            )
        if missing := self.first_empty_location(locations):
            raise AirflowFailException(
                f"{missing}, of the previous publication, has no objects any more; {day} is not changed"
            )
        self.log.info("%s is rolled back to the publication of %s", day, previous.at)
        self.switch_partitions(context, day, locations)
        self.emit_asset_event(context, day, locations)
        return locations
