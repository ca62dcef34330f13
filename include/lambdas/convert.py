"""Step 3: readings of the day, mappings and locations to Parquet, with Athena CTAS."""

from typing import Any

from event import Invocation, checked_event
from smart_hub.layout import USED, day_prefix, next_day, reference_prefix, staging_table

INTERVAL_SECONDS = 300  # of readings that do not say theirs


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Converts what is not converted yet; gives the staged readings' table and the location of those used.

    event: day, run, version, content (hashes of mappings and locations).
    """
    event = checked_event(event, contents=("mappings", "locations"))
    invocation = Invocation(event, context)
    version, contents = event["version"], event["content"]

    fresh = {
        data_set: invocation.location(reference_prefix(data_set, content, version))
        for data_set, content in contents.items()
        if not invocation.is_registered(data_set, content)
    }
    invocation.athena.run(
        *(
            invocation.statement(f"convert/{data_set}", table=staging_table(data_set, version), location=location)
            for data_set, location in fresh.items()
        )
    )
    for data_set, location in fresh.items():
        invocation.register(data_set, contents[data_set], location)

    table = staging_table("readings", version)
    location = invocation.location(day_prefix("readings", event["day"], version))
    invocation.athena.run(
        invocation.statement(
            "convert/readings",
            table=table,
            location=location,
            day=event["day"],
            next_day=next_day(event["day"]),
            locations=contents["locations"],
            interval_seconds=INTERVAL_SECONDS,
        )
    )
    return {"readings_table": table, "readings_location": f"{location}verdict={USED}/"}
