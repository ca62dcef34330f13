"""Step 3: readings of the day, mappings and locations to Parquet, with Athena CTAS."""

from functools import partial
from typing import Any

from event import Invocation, checked_event
from smart_hub.layout import (
    USED,
    day_prefix,
    next_day,
    reference_prefix,
    second_version,
    staging_prefix,
    staging_table,
)

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

    table, location = staging_table("readings", version), invocation.location(day_prefix("readings", event["day"], version))
    values = {
        "day": event["day"],
        "next_day": next_day(event["day"]),
        "locations": contents["locations"],
        "interval_seconds": INTERVAL_SECONDS,
    }
    readings = partial(invocation.statement, "convert/readings", **values)
    invocation.athena.run(readings(table=table, location=location, with_lines="false"))
    (found,) = invocation.athena.rows(invocation.statement("convert/repeated_readings", readings_table=table))
    if found["repeated"] != "0":
        # Nearly all days have no repeated readings, and sorting the day to find one costs as much as its conversion.
        lines_table, lines = staging_table("lines", version), f"{staging_prefix(event['run'], version)}lines/"
        invocation.athena.run(
            readings(table=lines_table, location=invocation.location(lines), with_lines="true")
        )
        version = second_version(version)
        table = staging_table("readings", version)
        location = invocation.location(day_prefix("readings", event["day"], version))
        invocation.athena.run(
            invocation.statement(
                "convert/distinct_readings", table=table, location=location, readings_table=lines_table
            )
        )
    return {"readings_table": table, "readings_location": f"{location}verdict={USED}/"}
