"""After the audit: the day's partitions are pointed at their new version; or, on request, back at the one before."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.timezone import utcnow

from smart_hub.core import prices
from smart_hub.core.publications import Publication, before
from smart_hub.operators.base import SmartHubOperator, gone
from smart_hub.orchestration import macros
from smart_hub.shared.layout import (
    INSIGHT_TABLES,
    INSIGHT_VIEWS,
    MAY_BE_EMPTY,
    PUBLISHED_TABLES,
    REFERENCE_TABLES,
    results_prefix,
    version_at,
)
from smart_hub.shared.sql import statement

# What Athena names a query's files after.
_QUERY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class PointingOperator(SmartHubOperator):
    """Points the day of each published table at a version, and records the publication.

    The order is usage_rejects, readings, usage_cost, then the insights.

    Readers of a table see either its old or its new version.
    """

    def point(self, context: Context, day: str, locations: Mapping[str, str]) -> None:
        """locations: table -> S3 location of the version."""
        athena = self.athena(context)
        first = [table for table in PUBLISHED_TABLES if table not in INSIGHT_TABLES]
        for tables in (*([table] for table in first), list(INSIGHT_TABLES)):
            new = [table for table in tables if self.partition_location(table, day) is None]
            athena.run(*(self._change("add_partition", table, day, locations) for table in new))
            elsewhere = [table for table in tables if self.partition_location(table, day) != locations[table]]
            athena.run(*(self._change("set_location", table, day, locations) for table in elsewhere))
            for table in tables:
                self.log.info("%s of %s is at %s now", table, day, locations[table])
        self.publications.add(day, macros.version(context), Publication(utcnow(), locations))

    def _change(self, name: str, table: str, day: str, locations: Mapping[str, str]) -> str:
        return self.statement(name, table=table, day=day, location=locations[table])

    def tell(self, context: Context, day: str, locations: Mapping[str, str], **known: Any) -> None:
        """Has the events of the outlets carry the day as their partition, and say day, version and what is known."""
        for outlet in self.outlets:
            event = context["outlet_events"][outlet]
            event.extra = {"day": day, "version": version_at(locations["usage_cost"]), **known}
            event.add_partitions(day)

    def lacks_objects(self, locations: Mapping[str, str]) -> str | None:
        """The first of the locations that has no object though it must."""
        for table in PUBLISHED_TABLES:
            if table in MAY_BE_EMPTY:
                continue
            prefix = locations[table].removeprefix(self.settings.location(""))
            if next(self.objects(prefix), None) is None:
                return locations[table]
        return None

    def statement(self, name: str, **values: str) -> str:
        return statement(self.settings.sql / "publish", name, **values)


class PublishOperator(PointingOperator):
    """Publishes the run's versions of the day, and the views of the contents that it joined.

    locations: table -> S3 location of the new version.

    Safe to repeat. The events of its outlets say day, version, rows, rejects, the bytes that the run's queries have
    scanned, and what it has cost in dollars, estimated. Returns the locations.
    """

    template_fields: Sequence[str] = ("locations",)

    def __init__(self, *, locations: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.locations = locations

    def execute(self, context: Context) -> dict[str, str]:
        if missing := self.lacks_objects(self.locations):
            raise gone(missing)
        day = macros.usage_day(context)
        self.point(context, day, self.locations)
        content = macros.found(context)["content"]
        self.athena(context).run(
            *(self.statement(data_set, content=content[data_set]) for data_set in REFERENCE_TABLES),
            *(self.statement(view) for view in INSIGHT_VIEWS),
        )
        if self.outlets:
            self.tell(context, day, self.locations, **self._account(context))
        return self.locations

    def _account(self, context: Context) -> dict[str, Any]:
        """What the run has published, and what that took."""
        checked, found = macros.audited(context), macros.found(context)
        prefix = results_prefix(macros.run(context))
        names = (item["Key"].removeprefix(prefix) for item in self.objects(prefix))
        queries = {match[0] for name in names if (match := _QUERY_ID.match(name))}
        scanned = self.athena(context).scanned(sorted(queries))
        return {
            "rows": checked["complete_rows"],
            "rejects": checked["every_reject_has_a_reason"],
            "bytes_scanned": sum(scanned.values()),
            "estimated_dollars": round(
                prices.dollars(scanned.values(), len(found["crawl"]), int("rates" in found["new"])), 6
            ),
        }


class RollBackOperator(PointingOperator):
    """Publishes what was published before what is published now; a second time, it is undone.

    Fails, without a retry, when a setting is wrong, while a run of the day is active, and when the day was published
    once only. Returns the locations.
    """

    def execute(self, context: Context) -> dict[str, str]:
        self.check_settings()
        day = macros.usage_day(context)
        if active := [run_id for run_id in self.runs_of(day).values() if self.is_active(context, run_id)]:
            raise AirflowFailException(f"a run of {day} is active and would publish anew: wait for {', '.join(active)}")
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
        if missing := self.lacks_objects(locations):
            raise AirflowFailException(f"{missing}, published before, has no objects any more; {day} stays as it is")
        self.log.info("%s goes back to what was published at %s", day, previous.at)
        self.point(context, day, locations)
        self.tell(context, day, locations)
        return locations
