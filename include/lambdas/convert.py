"""Step 3: readings of the day, mappings and locations to Parquet, with Athena CTAS."""

from functools import partial
from typing import Any

from event import Invocation, validated
from smart_hub.shared.layout import (
    USED,
    day_prefix,
    next_day,
    reference_prefix,
    second_version,
    staging_prefix,
    staging_table,
)

INTERVAL_SECONDS = 300  # of readings without the field seconds


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Converts the readings, and mappings and locations if they are new; returns readings_table, readings_location.

    event: day, run, version, content_hashes (of mappings and locations).
    """
    event = validated(event, data_sets=("mappings", "locations"))
    invocation = Invocation(event, context)
    version, hashes = event["version"], event["content_hashes"]

    new = {
        data_set: invocation.location(reference_prefix(data_set, content_hash, version))
        for data_set, content_hash in hashes.items()
        if not invocation.is_registered(data_set, content_hash)
    }
    invocation.athena.run(
        *(
            invocation.statement(f"convert/{data_set}", table=staging_table(data_set, version), location=location)
            for data_set, location in new.items()
        )
    )
    for data_set, location in new.items():
        invocation.register(data_set, hashes[data_set], location)

    return _convert_readings(invocation)


def _convert_readings(invocation: Invocation) -> dict[str, Any]:
    """Converts the day's readings. If readings of a hub repeat, another version has one reading for each ts.

    Most days have no such readings, and to sort a day by hub and ts takes as long as to convert it.
    """
    event = invocation.event
    day, run, version = event["day"], event["run"], event["version"]
    readings = partial(
        invocation.statement,
        "convert/readings",
        day=day,
        next_day=next_day(day),
        locations_content_hash=event["content_hashes"]["locations"],
        interval_seconds=INTERVAL_SECONDS,
    )
    table, location = staging_table("readings", version), invocation.location(day_prefix("readings", day, version))
    invocation.athena.run(readings(table=table, location=location, with_lines="false"))
    (counts,) = invocation.athena.rows(invocation.statement("convert/repeated_readings", readings_table=table))
    if counts["repeated"] != "0":
        print(f"{counts['repeated']} times, several readings of a hub have the same ts; one of them is used")
        all_table = staging_table("all_readings", version)
        all_location = invocation.location(f"{staging_prefix(run, version)}all_readings/")
        invocation.athena.run(readings(table=all_table, location=all_location, with_lines="true"))
        version = second_version(version)
        table, location = staging_table("readings", version), invocation.location(day_prefix("readings", day, version))
        invocation.athena.run(
            invocation.statement("convert/distinct_readings", table=table, location=location, readings_table=all_table)
        )
    return {"readings_table": table, "readings_location": f"{location}verdict={USED}/"}
