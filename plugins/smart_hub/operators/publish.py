"""After the audit: the day's partitions are pointed at their new version."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from smart_hub import macros
from smart_hub.layout import PUBLISHED_TABLES, REFERENCE_TABLES
from smart_hub.operators.base import SmartHubOperator, gone
from smart_hub.sql import statement


class PublishOperator(SmartHubOperator):
    """Points the day of usage_rejects, usage, usage_cost (in this order) and the views at the run's versions.

    locations: table -> S3 location of the new version.

    Readers of a table see its old version or its new one. Safe to repeat. The events of its outlets carry the
    day as their partition. Returns the locations.
    """

    template_fields: Sequence[str] = ("locations",)

    def __init__(self, *, locations: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.locations = locations

    def execute(self, context: Context) -> dict[str, str]:
        # Of rejects there may be none, then Athena writes no object.
        for table in ("usage", "usage_cost"):
            prefix = self.locations[table].removeprefix(self.settings.location(""))
            if next(self.objects(prefix), None) is None:
                raise gone(self.locations[table])
        day = macros.usage_day(context)
        athena = self.athena(context)
        for table in PUBLISHED_TABLES:
            for name in ("add_partition", "set_location"):
                athena.run(self._statement(name, table=table, day=day, location=self.locations[table]))
            self.log.info("%s of %s is at %s now", table, day, self.locations[table])
        content = macros.found(context)["content"]
        athena.run(*(self._statement(data_set, content=content[data_set]) for data_set in REFERENCE_TABLES))
        for outlet in self.outlets:
            context["outlet_events"][outlet].add_partitions(day)
        return self.locations

    def _statement(self, name: str, **values: str) -> str:
        return statement(self.settings.sql / "publish", name, **values)
